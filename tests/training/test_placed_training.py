"""Training as on a GPU, on a machine that need not have one: see tests/shared/placed.py."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from largebatch.data import splits
from largebatch.data.splits import PARTS, Dataset, Splits
from largebatch.nets import products
from largebatch.training import engine
from largebatch.training import train as train_module
from largebatch.training.engine import SeedGroup
from largebatch.training.replay import Recorded
from tests.conftest import SMALL, small_arm
from tests.shared.numbers import LOSSES, arm_and_data
from tests.shared.placed import placed
from tests.shared.settings import ADAM, CROPS, EVERYTHING, LARS, SGD, as_trained_by
from tests.shared.trained import train

BRIEF = {"batch_size": 8, "data": {"name": "digits", "train": 16, "validation": 4, "test": 4}}
BATCH_NORM = {"model": SMALL["model"] | {"batch_norm": True, "dropout": 0.3}}
RESNET = {"name": "resnet", "depth": 8, "zero_gamma": True}
GROWTH = {"name": "batch_growth", "at": [0.5], "factor": 2.0}
SHIFTS = {"name": "shifts", "pixels": 1, "flip": True}
SINGLE = {"precision": "float32"}
ARMS = {
    # optimisers
    "sgd": {},
    "sgd in single precision": SINGLE,
    "sgd with decay of some": BATCH_NORM | {"weight_decay": 0.1, "decay_norm_and_bias": False},
    "momentum": {"optimiser": SGD, "weight_decay": 0.01},
    "adam": {"optimiser": ADAM, "lr": 0.01, "weight_decay": 0.01},
    "lars": {"optimiser": LARS, "weight_decay": 0.01} | BATCH_NORM,
    # models
    "tanh": {"model": SMALL["model"] | {"activation": "tanh"}, "batch_size": 48},
    "a linear net": {"model": {"name": "mlp", "hidden": []}, "loss": "squared_error"},
    "batch norm and dropout": BATCH_NORM,
    "cnn": {"model": {"name": "cnn", "channels": [4], "batch_norm": True, "dropout": 0.3}},
    "resmlp": {"model": {"name": "resmlp", "width": 8, "blocks": 2}},
    "keskar_cnn": BRIEF | {"model": {"name": "keskar_cnn"}, "optimiser": ADAM, "precision": "tf32"},
    "vgg": BRIEF | {"epochs": 1, "model": {"name": "vgg"}, "precision": "tf32", "optimiser": SGD},
    "resnet": BRIEF | {"model": RESNET, "optimiser": SGD, "augment": SHIFTS, "precision": "tf32"},
    "resnet50": BRIEF
    | {"model": {"name": "resnet50"}, "precision": "tf32", "optimiser": SGD, "lr": 0.01, "epochs": 1},
    # batches
    "ghost batches": BATCH_NORM | {"ghost_batch_size": 4},
    "ghost batches of convolutions": BRIEF
    | {"model": RESNET, "optimiser": SGD, "augment": SHIFTS, "ghost_batch_size": 4},
    "short ghost batches": BATCH_NORM | {"batch_size": 20, "ghost_batch_size": 10, "last_batch": "weigh"},
    "micro-batches": BATCH_NORM | {"micro_batch_size": 4, "optimiser": SGD},
    "a short last batch": {"batch_size": 10, "last_batch": "weigh"},
    "a growing batch": {"schedule": GROWTH, "optimiser": SGD},
    "warm-up": {"warmup": {"kind": "gradual", "epochs": 1.0, "start": 0.1}, "schedule": {"name": "cosine"}},
    "shifts": {"augment": SHIFTS},
    "crops": {"augment": CROPS, "precision": "float32"},
    # losses, mitigations, precision
    "smoothed labels": {"label_smoothing": 0.1},
    "sharpness aware": BATCH_NORM | {"sharpness_aware": {"rho": 0.1}, "optimiser": ADAM, "lr": 0.01},
    "gradient penalty": {"gradient_penalty": {"strength": 0.1}},
    "proximal": {"proximal": {"strength": 0.3}},
    "adversarial": {"adversarial": {"size": 0.1}},
    "clipped": {"clip_norm": 0.1},
    "everything": EVERYTHING | {"optimiser": SGD},
    "bfloat16": BATCH_NORM | {"precision": "bfloat16"},
    "bfloat16 convolutions": {"model": {"name": "cnn", "channels": [4]}, "precision": "bfloat16"},
}


WHOLE_RUNS = [{"snapshots_at_epochs": [0, 2]}, {"optimiser": ADAM} | BATCH_NORM]


@pytest.fixture(autouse=True)
def products_as_off_a_cpu(monkeypatch):
    """A CPU alone computes products by NumPy, with other rounding."""
    monkeypatch.setattr(products, "LARGE", 1 << 62)


def run(arm, dataset, labels=None, replay=False, seeds=(0, 1, 2)):
    """What is left after all epochs, of which the second seed sees one only."""
    group = SeedGroup(
        arm, seeds, Splits(dataset, seeds, arm.data.train, arm.data.validation, arm.data.test), replay=replay
    )
    found = {}
    for epoch in range(arm.epochs):
        if labels is not None:
            labels.waits = False
        group.train_epoch()
        if labels is not None:
            labels.waits = True
        group.estimate_population_statistics()
        for part in PARTS:
            found |= {f"{part} {name} {epoch}": value for name, value in group.evaluate(part).items()}
        found[f"distance {epoch}"], found[f"finite {epoch}"] = group.distance_from_start(), group.finite()
        if epoch == 0:
            group.keep([index for index in range(len(seeds)) if index != 1])
    return found | group.model.plain()


def on_gpu(dataset, images="cuda"):
    return Dataset(dataset.images.to(images), dataset.labels.to("cuda"), dataset.dtype)


def require_same(ours, theirs):
    """ours: of the GPU."""
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.is_cuda, name
        torch.testing.assert_close(value.cpu(), theirs[name], rtol=0, atol=0, msg=name)


def replayed_strictly(labels):
    """In place of a recording: the same work each time, with nothing that could not be recorded."""

    def capture(recorded):
        def replay():
            labels.recorded = True
            recorded._run()
            labels.recorded = False

        recorded.graph = SimpleNamespace(replay=replay)

    return capture


@pytest.mark.parametrize("name", ARMS)
def test_updates_stay_on_the_device_and_wait_for_nothing(name, dataset, monkeypatch):
    arm = small_arm(**ARMS[name])
    data = as_trained_by(dataset, arm)
    expected = run(arm, data)
    with placed(monkeypatch) as labels:
        require_same(run(arm, on_gpu(data), labels), expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_stays_on_the_device(loss, dataset, tmp_path, monkeypatch):
    arm, data = arm_and_data(loss, tmp_path, dataset)
    expected = run(arm, data)
    with placed(monkeypatch) as labels:
        there = replace(data, images=data.images.to("cuda"), labels=data.labels.to("cuda"))
        require_same(run(arm, there, labels), expected)


@pytest.mark.parametrize("name", [name for name in ARMS if name != "lars"])
def test_what_is_recorded_touches_nothing_but_the_device(name, dataset, monkeypatch):
    """Each update after the first of its shape as if recorded."""
    arm = small_arm(**ARMS[name])
    data = as_trained_by(dataset, arm)
    expected = run(arm, data, replay=True)
    with placed(monkeypatch) as labels:
        monkeypatch.setattr(Recorded, "EAGER", 1)
        monkeypatch.setattr(Recorded, "_run_aside", Recorded._run)
        monkeypatch.setattr(Recorded, "_capture", replayed_strictly(labels))
        require_same(run(arm, on_gpu(data), labels, replay=True), expected)


@pytest.mark.parametrize("images", ["cpu", "cuda"])
@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_bytes_may_stay_where_they_are(images, kept, dataset, monkeypatch):
    """Of images that do not fit the device the CPU must know which are wanted, and so waits."""
    monkeypatch.setattr(splits, "KEPT_BYTES", kept)
    monkeypatch.setattr(splits, "FITTED_IMAGES", 20)
    arm = small_arm(augment=SHIFTS)
    data = Dataset((100 * dataset.images).byte(), dataset.labels, dataset.dtype)
    expected = run(arm, data)
    with placed(monkeypatch) as labels:
        found = run(arm, on_gpu(data, images), labels if images == "cuda" else None)
        require_same(found, expected)


@pytest.mark.parametrize(
    "model", [{"name": "cnn", "channels": [4, 4]}, RESNET, {"name": "keskar_cnn"}], ids=str
)
@pytest.mark.parametrize("optimiser", [SGD, ADAM], ids=str)
def test_a_seed_alone_with_its_channels_side_by_side(model, optimiser, dataset, monkeypatch):
    monkeypatch.setattr(engine, "BY_CHANNELS_PIXELS", 1)
    arm = small_arm(**SINGLE, model=model, optimiser=optimiser, ghost_batch_size=4, augment=SHIFTS)
    data = as_trained_by(dataset, arm)
    expected = run(arm, data, seeds=[1])
    with placed(monkeypatch) as labels:
        require_same(run(arm, on_gpu(data), labels, seeds=[1]), expected)


@pytest.mark.parametrize("settings", WHOLE_RUNS, ids=str)
def test_a_whole_run_gives_what_it_gives_elsewhere(settings, dataset, monkeypatch):
    """Seeds leave when the loss ceases to improve; what is left is in ordinary memory."""
    arm = small_arm(epochs=4, stop={"patience_epochs": 1, "tolerance": 0.2}, **settings)
    monkeypatch.setattr(train_module, "seed_groups", lambda arm, seeds, *_: [seeds])
    expected = train(arm, [0, 1, 2], dataset)
    with placed(monkeypatch):
        found = train(arm, [0, 1, 2], on_gpu(dataset))
    assert found.history == expected.history
    for ours, theirs in zip(
        (found.weights, *(w for _, w in found.snapshots.values())),
        (expected.weights, *(w for _, w in expected.snapshots.values())),
        strict=True,
    ):
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
