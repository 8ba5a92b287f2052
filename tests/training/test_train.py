"""Whole runs against a plain PyTorch loop, and the promises about company, repeats and resuming."""

import copy
import io
import itertools
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from largebatch.config.spec import Arm
from largebatch.data.randomness import generator
from largebatch.data.splits import Splits
from largebatch.nets import models
from largebatch.nets.stack import stack
from largebatch.training import engine
from largebatch.training import train as train_module
from largebatch.training.engine import Lanes, lanes_at_once
from largebatch.training.train import train
from tests.conftest import SMALL, small_arm

SGD = {"name": "sgd", "momentum": 0.9, "nesterov": True}
ADAM = {"name": "adam"}
LARS = {"name": "lars", "trust": 0.01}
CROPS = {"name": "resized_crops"}
# Every setting that changes what is done with a batch, together.
EVERYTHING = {
    "loss": "squared_error",
    "augment": {"name": "shifts", "pixels": 1},
    "sharpness_aware": {"rho": 0.2},
    "proximal": {"strength": 0.3},
    "adversarial": {"size": 0.1, "share": 0.4},
}


def final(trained, metric):
    """Last value of a metric for each seed."""
    values = {row.seed: row.value for row in trained.history if row.metric == metric}
    return [values[seed] for seed in trained.seeds]


def shifted(image, by, blank):
    """One image (c, h, w) moved down and right, pixel by pixel."""
    moved = torch.full_like(image, blank)
    height, width = image.shape[1:]
    for row, column in itertools.product(range(height), range(width)):
        source_row, source_column = row - int(by[0]), column - int(by[1])
        if 0 <= source_row < height and 0 <= source_column < width:
            moved[:, row, column] = image[:, source_row, source_column]
    return moved


def plain_loss(arm, model, images, labels):
    """Mean loss by autograd, adversarial examples included."""

    def loss(x):
        logits = model(x)
        if arm.loss == "squared_error":
            return (logits - F.one_hot(labels, logits.shape[1])).square().sum(1).mean() / 2
        return F.cross_entropy(logits, labels, label_smoothing=arm.label_smoothing)

    if arm.adversarial is None:
        return loss(images)
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x), x)
    moved = images + arm.adversarial.size * gradient.sign()
    return (1 - arm.adversarial.share) * loss(images) + arm.adversarial.share * loss(moved)


def plain_gradient(arm, model, images, labels):
    """.grad of the loss of a batch, a short one by its share; SAM by a copy of the model."""
    share = len(images) / arm.batch_size
    model.zero_grad()
    loss = plain_loss(arm, model, images, labels)
    if arm.gradient_penalty:
        gradients = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
        loss = loss + arm.gradient_penalty.strength / 2 * sum(g.square().sum() for g in gradients)
    (share * loss).backward()
    if arm.sharpness_aware is None:
        return
    uphill = copy.deepcopy(model)
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    with torch.no_grad():
        for p, q in zip(uphill.parameters(), model.parameters(), strict=True):
            p.add_(arm.sharpness_aware.rho * q.grad / norm)
    uphill.zero_grad()
    (share * plain_loss(arm, uphill, images, labels)).backward()
    for p, q in zip(uphill.parameters(), model.parameters(), strict=True):
        q.grad = p.grad


class PlainLars:
    """LARS of one net, tensor by tensor; vectors (biases, BatchNorm) take the plain rate."""

    def __init__(self, arm, parameters):
        self.arm, self.parameters = arm, list(parameters)
        self.buffers = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self):
        decay, options = self.arm.weight_decay, self.arm.optimiser
        for p, v in zip(self.parameters, self.buffers, strict=True):
            local = 1.0
            if p.ndim > 1:
                local = options.trust * p.norm() / (p.grad.norm() + decay * p.norm())
            v.mul_(options.momentum).add_(local * (p.grad + decay * p))
            p.sub_(self.arm.lr * v)


def plain_update(arm, model, optimiser, images, labels):
    """All updates of one batch."""
    start = [p.detach().clone() for p in model.parameters()]
    for _ in range(arm.proximal.steps if arm.proximal else 1):
        plain_gradient(arm, model, images, labels)
        if arm.proximal:
            distances = sum((p - s).square().sum() for p, s in zip(model.parameters(), start, strict=True))
            (arm.proximal.strength / 2 * distances).backward()
        if arm.clip_norm:
            # torch's clip_grad_norm_ adds 1e-6 to the norm, which proximal steps would amplify.
            norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
            for p in model.parameters():
                p.grad *= min(1.0, arm.clip_norm / norm)
        optimiser.step()


def plain_loop(arm, seed, dataset):
    """What anybody would write: one seed, torch.optim, a batch at a time."""
    options = arm.model.model_dump(exclude={"name"})
    model = models.build(seed, arm.model.name, dataset.shape, dataset.classes, **options).double()
    rows = Splits(dataset, [seed], arm.data.train, arm.data.validation, arm.data.test).rows["train"][0]
    images, labels = dataset.images[rows], dataset.labels[rows]
    mean, deviation = images.mean(), images.std(correction=0)
    images = (images - mean) / deviation
    if arm.optimiser.name == "adam":
        optimiser = torch.optim.Adam(model.parameters(), lr=arm.lr, weight_decay=arm.weight_decay)
    elif arm.optimiser.name == "lars":
        optimiser = PlainLars(arm, model.parameters())
    else:
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=arm.lr,
            momentum=arm.optimiser.momentum,
            nesterov=arm.optimiser.nesterov,
            weight_decay=arm.weight_decay,
        )
    order, augment = generator(seed, "order"), generator(seed, "augment")
    for _ in range(arm.epochs):
        for batch in torch.randperm(len(rows), generator=order).split(arm.batch_size):
            if len(batch) < arm.batch_size and arm.last_batch == "drop":
                continue
            x = images[batch]
            if arm.augment:
                most = arm.augment.pixels
                shifts = torch.randint(-most, most + 1, (len(batch), 2), generator=augment)
                x = torch.stack([shifted(i, by, -mean / deviation) for i, by in zip(x, shifts, strict=True)])
            plain_update(arm, model, optimiser, x, labels[batch])
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimiser": SGD, "weight_decay": 1e-2},
        {"optimiser": ADAM, "lr": 0.01},
        {"label_smoothing": 0.1},
        {"weight_decay": 1e-2},
        {"clip_norm": 0.5},
        {"batch_size": 10, "last_batch": "weigh"},
        {"batch_size": 10, "last_batch": "drop"},
        {"batch_size": 48},
        {"model": {"name": "mlp", "hidden": [8], "batch_norm": True}},
        {"model": {"name": "cnn", "channels": [3, 4]}},
        {"model": {"name": "cnn", "channels": [3], "batch_norm": True}},
        {"model": {"name": "resmlp", "width": 8, "blocks": 2}, "optimiser": SGD},
        {"model": {"name": "resmlp", "width": 6, "zero_gamma": True}},
        {"model": {"name": "keskar_cnn", "dropout": 0.0}, "optimiser": ADAM, "lr": 0.01},
        {"model": {"name": "resnet", "depth": 8}, "optimiser": SGD},
        {"optimiser": LARS, "lr": 5.0},
        {"optimiser": LARS, "lr": 5.0, "weight_decay": 0.1, "model": SMALL["model"] | {"batch_norm": True}},
        {"gradient_penalty": {"strength": 0.5, "step": 1e-7}},
        {"gradient_penalty": {"strength": 0.3, "step": 1e-7}, "optimiser": SGD, "clip_norm": 0.5},
        {"gradient_penalty": {"strength": 0.3, "step": 1e-7}, "batch_size": 10, "last_batch": "weigh"},
        {"loss": "squared_error"},
        {"loss": "squared_error", "optimiser": ADAM, "lr": 0.01},
        {"augment": {"name": "shifts", "pixels": 2}},
        {
            "augment": {"name": "shifts", "pixels": 1},
            "batch_size": 10,
            "last_batch": "weigh",
            "optimiser": SGD,
        },
        {"sharpness_aware": {"rho": 0.3}},
        {"sharpness_aware": {"rho": 0.3}, "optimiser": SGD, "weight_decay": 1e-2, "clip_norm": 0.5},
        {"sharpness_aware": {"rho": 0.3}, "model": {"name": "cnn", "channels": [3], "batch_norm": True}},
        {"proximal": {"strength": 0.5}},
        {"proximal": {"strength": 0.5, "steps": 2}, "optimiser": ADAM, "lr": 0.01, "clip_norm": 0.5},
        {"adversarial": {"size": 0.2}},
        {"adversarial": {"size": 0.2, "share": 1.0}},
        {"adversarial": {"size": 0.2, "share": 0.3}, "model": {"name": "cnn", "channels": [3, 4]}},
        {
            "adversarial": {"size": 0.2},
            "model": SMALL["model"] | {"batch_norm": True},
            "loss": "squared_error",
        },
        EVERYTHING,
        EVERYTHING | {"optimiser": SGD, "clip_norm": 0.5, "batch_size": 10, "last_batch": "weigh"},
        {"model": {"name": "mlp", "hidden": [12, 12], "dropout": 0.3}, "optimiser": ADAM},
        {"model": {"name": "mlp", "hidden": [12, 12], "dropout": 0.3}, "stop": {"patience_epochs": 1}},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # of torch's own second derivatives
def test_weights_equal_those_of_a_plain_loop(settings, dataset):
    arm = small_arm(**settings)
    trained = train(arm, [0, 3, 1], dataset)
    for lane, seed in enumerate(trained.seeds):
        with torch.random.fork_rng(devices=[]):
            # PyTorch's dropout layers all draw from one stream.
            torch.default_generator.set_state(generator(seed, "dropout").get_state())
            plain = plain_loop(arm, seed, dataset)
        for name, parameter in plain.named_parameters():
            np.testing.assert_allclose(
                trained.weights[name][lane], parameter.detach().numpy(), rtol=1e-5, atol=1e-7, err_msg=name
            )


# Each a change of one setting; together they name every field of Arm.
CHANGES = [
    {"data": SMALL["data"] | {"train": 40}},
    {"model": {"name": "mlp", "hidden": [12, 9]}},
    {"model": SMALL["model"] | {"activation": "tanh"}},
    {"model": SMALL["model"] | {"batch_norm": True}},
    {"model": SMALL["model"] | {"dropout": 0.5}},
    {"optimiser": ADAM},
    {"optimiser": {"name": "sgd", "momentum": 0.9}},
    {"batch_size": 16},
    {"lr": 0.2},
    {"lr_rule": "linear", "base_batch_size": 4},
    {"lr_rule": "sqrt", "base_batch_size": 4},
    {"epochs": 1},
    {"schedule": {"name": "linear"}},
    {"schedule": {"name": "batch_growth", "at": [0.5], "factor": 2.0}},
    {"warmup": {"kind": "gradual", "epochs": 1.0, "start": 0.0}},
    {"warmup": {"kind": "constant", "epochs": 1.0, "start": 0.5}},
    {"weight_decay": 0.1},
    {"clip_norm": 0.1},
    {"label_smoothing": 0.1},
    {"stop": {"patience_epochs": 1, "tolerance": 1.0}},
    {"evaluate_every_epochs": 2},
    {"precision": "float32"},
    {"loss": "squared_error"},
    {"augment": {"name": "shifts", "pixels": 1}},
    {"augment": CROPS},
    {"sharpness_aware": {}},
    {"gradient_penalty": {"strength": 0.5}},
    {"goal": {"error_percent": 99.0}},
    {"model": {"name": "resmlp"}},
    {"optimiser": {"name": "lars"}},
    {"proximal": {}},
    {"adversarial": {"size": 0.1}},
    {"snapshots_at_epochs": [1]},
    {"snapshots_at_loss": 2.0},
]
# For nets that take long.
BRIEF = {
    "data": {"name": "digits", "train": 4, "test": 4},
    **{"batch_size": 4, "epochs": 1, "precision": "float32"},
}
# Settings that show only beside another one.
PAIRS = [
    ({"batch_size": 10}, {"batch_size": 10, "last_batch": "weigh"}),
    ({"weight_decay": 0.1}, {"weight_decay": 0.1, "decay_norm_and_bias": False}),
    (
        {"model": SMALL["model"] | {"batch_norm": True}},
        {"model": SMALL["model"] | {"batch_norm": True}, "ghost_batch_size": 4},
    ),
    # Accumulation differs with BatchNorm, whose statistics are then those of the micro-batch.
    (
        {"model": SMALL["model"] | {"batch_norm": True}},
        {"model": SMALL["model"] | {"batch_norm": True}, "micro_batch_size": 4},
    ),
    ({"lr_rule": "linear", "base_batch_size": 4}, {"lr_rule": "linear", "base_batch_size": 2}),
    ({"optimiser": {"name": "sgd", "momentum": 0.9}}, {"optimiser": SGD}),
    ({"optimiser": ADAM}, {"optimiser": ADAM | {"beta1": 0.5}}),
    ({"optimiser": ADAM}, {"optimiser": ADAM | {"beta2": 0.5}}),
    ({"optimiser": ADAM}, {"optimiser": ADAM | {"epsilon": 0.1}}),
    ({"augment": {"name": "shifts", "pixels": 1}}, {"augment": {"name": "shifts", "pixels": 2}}),
    (
        {"augment": {"name": "shifts", "pixels": 1}},
        {"augment": {"name": "shifts", "pixels": 1, "flip": True}},
    ),
    ({"augment": CROPS}, {"augment": CROPS | {"low": 0.5}}),
    ({"augment": CROPS}, {"augment": CROPS | {"flip": False}}),
    ({"sharpness_aware": {}}, {"sharpness_aware": {"rho": 0.1}}),
    ({"gradient_penalty": {"strength": 0.5}}, {"gradient_penalty": {"strength": 0.1}}),
    ({"gradient_penalty": {"strength": 0.5}}, {"gradient_penalty": {"strength": 0.5, "step": 0.1}}),
    ({"goal": {"error_percent": 99.0}}, {"goal": {"error_percent": 40.0}}),
    ({"model": {"name": "resmlp"}}, {"model": {"name": "resmlp", "width": 8}}),
    ({"model": {"name": "resmlp"}}, {"model": {"name": "resmlp", "blocks": 1}}),
    ({"model": {"name": "resmlp"}}, {"model": {"name": "resmlp", "zero_gamma": True}}),
    ({"model": {"name": "keskar_cnn"}}, {"model": {"name": "keskar_cnn", "dropout": 0.0}}),
    ({"model": {"name": "resnet", "depth": 8}}, {"model": {"name": "resnet", "depth": 14}}),
    (
        {"model": {"name": "resnet", "depth": 8}},
        {"model": {"name": "resnet", "depth": 8, "zero_gamma": True}},
    ),
    (BRIEF | {"model": {"name": "vgg"}}, BRIEF | {"model": {"name": "vgg", "dropout": False}}),
    (BRIEF | {"model": {"name": "resnet50"}}, BRIEF | {"model": {"name": "resnet50", "zero_gamma": True}}),
    ({"optimiser": {"name": "lars"}}, {"optimiser": {"name": "lars", "trust": 0.1}}),
    ({"optimiser": {"name": "lars"}}, {"optimiser": {"name": "lars", "momentum": 0.5}}),
    ({"proximal": {}}, {"proximal": {"strength": 0.1}}),
    ({"proximal": {}}, {"proximal": {"steps": 2}}),
    ({"adversarial": {"size": 0.1}}, {"adversarial": {"size": 0.2}}),
    ({"precision": "float32"}, {"precision": "bfloat16"}),
    ({"adversarial": {"size": 0.1}}, {"adversarial": {"size": 0.1, "share": 0.2}}),
    ({"snapshots_at_epochs": [1]}, {"snapshots_at_epochs": [0, 1]}),
]


@pytest.mark.parametrize(("one", "other"), [({}, change) for change in CHANGES] + PAIRS, ids=str)
def test_no_setting_lies(one, other, dataset):
    """Changing any setting changes a run."""
    runs = []
    for settings in (one, other):
        arm = small_arm(**settings)
        trained = train(arm, [0], Dataset_as(dataset, arm))
        weights = {n: w.tobytes() for n, w in trained.weights.items()}
        runs.append((trained.history, weights, sorted(trained.snapshots)))
    assert runs[0] != runs[1]


# Models that do not take images of 4 x 4 pixels and one channel, and how many of them they take instead.
REPEATS = {"vgg": (1, 8, 8), "resnet50": (3, 1, 1)}


def Dataset_as(dataset, arm):
    """In the arm's precision, with images its model takes."""
    dtype = getattr(torch, arm.dtype)
    images = dataset.images.to(dtype).repeat(1, *REPEATS.get(arm.model.name, (1, 1, 1)))
    return type(dataset)(images, dataset.labels, dtype)


def test_every_setting_is_covered_by_the_test_above():
    assert {key for change in CHANGES for key in change} | {k for p in PAIRS for k in p[1]} == set(
        Arm.model_fields
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": SMALL["model"] | {"dropout": 0.5, "batch_norm": True}},
        {"optimiser": ADAM},
        EVERYTHING | {"model": SMALL["model"] | {"dropout": 0.5}},
        {"augment": {"name": "shifts", "pixels": 1, "flip": True}},
        {"augment": CROPS},
    ],
    ids=str,
)
def test_a_seed_is_the_same_alone_and_in_company(settings, dataset):
    arm = small_arm(**settings)
    company, alone = train(arm, [0, 1, 2, 3], dataset), train(arm, [2], dataset)
    for name, weights in alone.weights.items():
        np.testing.assert_allclose(company.weights[name][2], weights[0], rtol=1e-10, atol=1e-12, err_msg=name)


def test_groups_of_lanes_change_nothing_but_rounding(dataset, monkeypatch):
    arm = small_arm()
    together = train(arm, [0, 1, 2, 3, 4], dataset)
    monkeypatch.setattr(
        engine, "CACHE_BYTES", 2 * 8 * 16 * 8
    )  # two lanes: 8 images of 16 pixels, 8 bytes each
    assert [len(g) for g in train_module.seed_groups(arm, [0, 1, 2, 3, 4], dataset)] == [2, 2, 1]
    grouped = train(arm, [0, 1, 2, 3, 4], dataset)
    assert [row[:3] for row in grouped.history] == [row[:3] for row in together.history]
    for name in together.weights:
        np.testing.assert_allclose(grouped.weights[name], together.weights[name], rtol=1e-10, atol=1e-12)


def test_lanes_at_once():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert lanes_at_once(128, False, 8, 4, cpu) >= 20
    assert lanes_at_once(128, False, 100_000, 4, cpu) == 1
    assert lanes_at_once(128, True, 8, 4, cpu) == 1
    assert lanes_at_once(128, False, 100_000, 4, gpu) >= 20
    assert lanes_at_once(128, True, 8, 4, gpu) == 1


def test_the_same_arm_twice_is_bit_identical(dataset):
    arm = small_arm(precision="float32", optimiser=SGD)
    first, second = (train(arm, [0, 1], Dataset_as(dataset, arm)) for _ in range(2))
    assert first.history == second.history
    assert all(np.array_equal(first.weights[n], second.weights[n]) for n in first.weights)


def test_arms_share_split_and_initial_weights(dataset):
    small, large = (train(small_arm(batch_size=b, lr=1e-12), [0, 1], dataset) for b in (4, 48))
    for name in small.weights:
        np.testing.assert_allclose(small.weights[name], large.weights[name], atol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"last_batch": "weigh"}, EVERYTHING], ids=str)
def test_accumulation_gives_the_same_update(settings, dataset):
    settings = {"batch_size": 20} | settings
    whole = train(small_arm(**settings), [0, 1], dataset)
    parts = train(small_arm(**settings, micro_batch_size=5), [0, 1], dataset)
    for name in whole.weights:
        np.testing.assert_allclose(parts.weights[name], whole.weights[name], rtol=1e-9, atol=1e-12)


def test_one_diverging_seed_leaves_the_others_alone(dataset, monkeypatch):
    arm = small_arm(epochs=3)
    expected = train(arm, [0, 2], dataset)
    original = Lanes.train_epoch

    def explode(lanes):
        if lanes.epoch == 1 and 1 in lanes.seeds:
            lanes.weights[0].data[lanes.seeds.index(1)] = float("inf")
        original(lanes)

    monkeypatch.setattr(Lanes, "train_epoch", explode)
    trained = train(arm, [0, 1, 2], dataset)
    assert final(trained, "diverged") == [0.0, 1.0, 0.0]
    assert np.isfinite([row.value for row in trained.history]).all()
    assert all(np.isfinite(w).all() for w in trained.weights.values())
    assert max(row.at for row in trained.history if row.seed == 1 and row.metric == "train_loss_nats") == 1
    for name in expected.weights:
        np.testing.assert_allclose(
            trained.weights[name][[0, 2]], expected.weights[name], rtol=1e-10, atol=1e-12
        )


def test_all_seeds_may_diverge(dataset):
    trained = train(small_arm(lr=1e200), [0, 1], dataset)
    assert final(trained, "diverged") == [1.0, 1.0]


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "settings",
    [
        {"optimiser": ADAM},
        {"optimiser": SGD, "model": SMALL["model"] | {"dropout": 0.3, "batch_norm": True}},
        {"stop": {"patience_epochs": 6, "floor_nats": 0.1}, "lr": 0.3, "epochs": 12},
        {
            **{"stop": {"patience_epochs": 6, "floor_nats": 0.1}, "lr": 0.3, "epochs": 12},
            **{"augment": CROPS, "snapshots_at_epochs": [0, 1, 3, 12], "snapshots_at_loss": 0.5},
        },
        EVERYTHING | {"model": SMALL["model"] | {"dropout": 0.3}, "snapshots_at_epochs": [1, 2, 8]},
        {"optimiser": LARS, "goal": {"error_percent": 5.0}, "lr": 0.3},
    ],
    ids=str,
)
@pytest.mark.parametrize("groups", [1, 3])
def test_continuing_equals_never_having_stopped(settings, groups, dataset, tmp_path, monkeypatch):
    arm, seeds = small_arm(**{"epochs": 8} | settings), [0, 1, 2]
    if groups == 3:
        monkeypatch.setattr(engine, "CACHE_BYTES", 1)
    expected = train(arm, seeds, dataset)
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "checkpoint.pt"

    def killer(after):
        calls = iter(range(after))

        def report(_):
            if next(calls, None) is None:
                raise Killed

        return report

    for after in (2, 2):  # killed twice on the way
        with pytest.raises(Killed):
            train(arm, seeds, dataset, checkpoint, killer(after))
    trained = train(arm, seeds, dataset, checkpoint)
    assert trained.history == expected.history
    assert all(np.array_equal(trained.weights[n], expected.weights[n]) for n in expected.weights)
    assert_same_snapshots(trained.snapshots, expected.snapshots)
    assert not checkpoint.exists()


def assert_same_snapshots(one, other):
    assert list(one) == list(other)
    for epoch, (seeds, weights) in one.items():
        assert seeds == other[epoch][0]
        assert weights.keys() == other[epoch][1].keys()
        assert all(np.array_equal(weights[n], other[epoch][1][n]) for n in weights)


@pytest.mark.parametrize(("other", "seeds"), [({"lr": 0.05}, [0, 1]), ({}, [0, 1, 2, 3]), ({}, [0])], ids=str)
def test_a_checkpoint_of_another_run_is_not_used(other, seeds, dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "checkpoint.pt"

    def kill(_):
        if checkpoint.exists():
            raise Killed

    with pytest.raises(Killed):
        train(small_arm(epochs=4, **other), seeds, dataset, checkpoint, kill)
    continued = train(small_arm(epochs=4), [0, 1], dataset, checkpoint)
    assert continued.history == train(small_arm(epochs=4), [0, 1], dataset).history
    (said,) = capfd.readouterr().out.splitlines()
    assert said.startswith(f"{checkpoint}: ") and ("settings" if other else "seeds") in said


class Planted:
    """What makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def flipped(content):
    """With one bit changed, in the middle of the numbers."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def pickled(thing):
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content, trap: b"",
        lambda content, trap: content[:1000],
        lambda content, trap: content[:-1],
        lambda content, trap: flipped(content),
        lambda content, trap: content[32:],  # as it was written before there was a digest
        lambda content, trap: pickled({"identity": {}, "records": {0: train_module.Record()}}),
        lambda content, trap: sealed(pickled({"identity": Planted(trap)})),
        lambda content, trap: sealed(pickled([1.0])),
        lambda content, trap: sealed(pickled({"epoch": 3})),
    ],
    ids=["empty", "cut", "a byte short", "a bit flipped", "no digest", "older", "planted", "a list", "less"],
)
def test_a_damaged_checkpoint_is_named_and_not_used(spoil, dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    arm, checkpoint, trap = small_arm(epochs=4), tmp_path / "checkpoint.pt", tmp_path / "trap"

    def kill(_):
        if checkpoint.exists():
            raise Killed

    with pytest.raises(Killed):
        train(arm, [0, 1], dataset, checkpoint, kill)
    checkpoint.write_bytes(spoil(checkpoint.read_bytes(), trap))
    again = train(arm, [0, 1], dataset, checkpoint)
    assert again.history == train(arm, [0, 1], dataset).history
    (said,) = capfd.readouterr().out.splitlines()
    assert said.startswith(f"{checkpoint}: ") and "anew" in said
    assert not trap.exists() and not checkpoint.exists()


def sealed(content):
    return sha256(content).digest() + content


def test_a_seed_stops_once_its_loss_is_at_the_floor(dataset):
    arm = small_arm(epochs=60, lr=0.3, stop={"patience_epochs": 60, "floor_nats": 0.5})
    trained = train(arm, [0, 1, 2], dataset)
    for seed in trained.seeds:
        losses = [row.value for row in trained.history if (row.seed, row.metric) == (seed, "train_loss_nats")]
        below = [loss <= 0.5 for loss in losses]
        assert below[-2:] == [True, True]
        assert (True, True) not in itertools.pairwise(below[:-1])


def test_a_seed_stops_once_its_loss_improves_no_more(dataset):
    trained = train(small_arm(epochs=60, lr=1e-9, stop={"patience_epochs": 5}), [0], dataset)
    assert final(trained, "updates") == [5 * 6]


def test_history_says_what_it_should(dataset):
    arm = small_arm(batch_size=10, epochs=3, schedule={"name": "linear"})
    trained = train(arm, [0, 1], dataset)
    rows = [row for row in trained.history if row.seed == 1]
    assert [r.value for r in rows if r.metric == "updates"] == [0, 4, 8, 12]
    assert [r.at for r in rows if r.metric == "test_error_percent"] == [0, 1, 2, 3]
    assert next(r.value for r in rows if r.metric == "distance_from_start") == 0.0
    rates = {r.at: r.value for r in rows if r.metric == "learning_rate"}
    assert all(rate == pytest.approx(0.1 * (1 - at / 3)) for at, rate in rates.items())
    for part in ("train", "validation", "test"):
        error = [r.value for r in rows if r.metric == f"{part}_error_percent"]
        accuracy = [r.value for r in rows if r.metric == f"{part}_accuracy_percent"]
        assert np.allclose(np.add(error, accuracy), 100.0)


def test_reported_numbers_are_those_of_the_weights(dataset):
    """Loss and error of the last row, recomputed by a plain module in evaluation mode."""
    arm = small_arm(model=SMALL["model"] | {"batch_norm": True, "dropout": 0.5})
    trained = train(arm, [0, 1], dataset)
    splits = Splits(dataset, [0, 1], 48, 16, 16)
    images, labels = splits.examples(splits.rows["test"])
    for lane in range(2):
        model = (
            models.build(lane, "mlp", (1, 4, 4), 3, hidden=[12, 8], batch_norm=True, dropout=0.5)
            .double()
            .eval()
        )
        state = {n: torch.from_numpy(w[lane]) for n, w in trained.weights.items()}
        model.load_state_dict(state, strict=False)
        logits = model(images[lane])
        assert final(trained, "test_loss_nats")[lane] == pytest.approx(
            F.cross_entropy(logits, labels[lane]).item()
        )
        error = 100 * (logits.argmax(1) != labels[lane]).double().mean().item()
        assert final(trained, "test_error_percent")[lane] == pytest.approx(error)


def test_linear_scaling_with_warmup_traces_goyals_rate(dataset):
    warmup = {"kind": "gradual", "epochs": 2.0}
    arm = small_arm(batch_size=24, base_batch_size=8, lr_rule="linear", epochs=4, warmup=warmup)
    lanes = Lanes(arm, [0], Splits(dataset, [0], 48, 16, 16))
    assert [lanes.rate(e) for e in (0.0, 1.0, 2.0, 3.0)] == pytest.approx([0.1, 0.2, 0.3, 0.3])


def test_batch_growth_changes_rate_and_batch_together(dataset):
    """The batch can grow 3 times of the wanted 4: the rate takes the rest, in the same epoch."""
    schedule = {"name": "batch_growth", "at": [0.5], "factor": 4.0}
    arm = small_arm(batch_size=16, epochs=4, schedule=schedule)
    lanes = Lanes(arm, [0], Splits(dataset, [0], 48, 16, 16))
    assert [lanes.batch_size(e) for e in range(4)] == [16, 16, 48, 48]
    assert [lanes.rate(e) for e in (1.0, 1.9, 2.0, 3.9)] == pytest.approx([0.1, 0.1, 0.075, 0.075])


def test_weight_decay_spares_biases_and_normalisation_everywhere():
    net = [nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)) for _ in range(2)]
    model = stack(net)
    decayed, spared = engine.decay_groups(model, everything=False)
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert [shapes[i] for i in decayed] == [(2, 4, 3), (2, 3, 3)]
    assert sorted(shapes[i] for i in spared) == [(2, 1, 3), (2, 1, 3), (2, 3), (2, 3)]
    assert engine.decay_groups(model, everything=True)[1] == []


def test_batch_growth_counts_updates(dataset):
    arm = small_arm(
        batch_size=6, epochs=3, schedule={"name": "batch_growth", "at": [0.3, 0.6], "factor": 4.0}
    )
    trained = train(arm, [0], dataset)
    assert final(trained, "updates") == [48 // 6 + 48 // 24 + 48 // 48]


def test_too_few_images_are_told(dataset):
    with pytest.raises(ValueError, match=r"at most the 80 images of the data; got 86"):
        train(small_arm(data={"name": "digits", "train": 70, "validation": 8, "test": 8}), [0], dataset)


def test_shifts_of_a_whole_image_are_told(dataset):
    with pytest.raises(ValueError, match=r"augment\.pixels below both sides of images \(4, 4\); got 4"):
        train(small_arm(augment={"name": "shifts", "pixels": 4}), [0], dataset)


@pytest.mark.parametrize("augment", [{"name": "shifts", "pixels": 1, "flip": True}, CROPS], ids=str)
def test_augmentation_does_not_depend_on_how_many_images_are_gathered(augment, dataset, monkeypatch):
    arm = small_arm(augment=augment)
    expected = train(arm, [0, 1], dataset)
    monkeypatch.setattr(engine, "GATHER_BYTES", 1)
    one_at_a_time = train(arm, [0, 1], dataset)
    assert one_at_a_time.history == expected.history


def test_evaluation_sees_images_as_they_are(dataset):
    """At the start, whatever the training does to a batch."""
    start = [row for row in train(small_arm(), [0], dataset).history if row.at == 0.0]
    altered = train(small_arm(**EVERYTHING), [0], dataset).history
    assert [row for row in altered if row.at == 0.0 and row.metric != "train_squared_error"] == start


def test_every_proximal_step_is_an_update(dataset):
    assert final(train(small_arm(proximal={"steps": 4}), [0], dataset), "updates") == [2 * 6 * 4]


def test_sharpness_aware_steps_leave_from_the_weights_themselves(dataset):
    """At a rate near 0 nothing of the step uphill is left."""
    trained = train(small_arm(sharpness_aware={"rho": 0.5}, lr=1e-12), [0, 1], dataset)
    assert max(final(trained, "distance_from_start")) < 1e-9


def test_squared_error_is_recorded_beside_the_cross_entropy(dataset):
    arm = small_arm(loss="squared_error", epochs=6)
    trained = train(arm, [0, 1], dataset)
    images, labels = (s := Splits(dataset, [0, 1], 48, 16, 16)).examples(s.rows["train"])
    for lane in range(2):
        model = plain_loop(arm, lane, dataset)
        logits, targets = model(images[lane]), F.one_hot(labels[lane], 3)
        error = (logits - targets).square().sum(1).mean().item() / 2
        assert final(trained, "train_squared_error")[lane] == pytest.approx(error)
        nats = F.cross_entropy(logits, labels[lane]).item()
        assert final(trained, "train_loss_nats")[lane] == pytest.approx(nats)
    rows = [row for row in trained.history if row.metric.endswith("squared_error") and row.seed == 0]
    assert [row.at for row in rows] == list(range(7))
    assert "train_squared_error" not in {row.metric for row in train(small_arm(), [0], dataset).history}


def test_a_seed_stops_by_the_loss_it_trains_on(dataset):
    """Cross-entropy goes on falling long after the squared error has ceased to."""
    arm = small_arm(loss="squared_error", epochs=60, lr=0.2, stop={"patience_epochs": 3, "tolerance": 0.5})
    trained = train(arm, [0], dataset)
    errors = [row.value for row in trained.history if row.metric == "train_squared_error"]
    ceased = [at for at in range(3, 61) if min(errors[: at + 1]) > 0.5 * min(errors[: at - 2])]
    assert ceased[0] == len(errors) - 1 < 60


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_a_loss_that_overflows_is_divergence(loss, dataset):
    trained = train(small_arm(loss=loss, lr=1e160, epochs=4), [0, 1], dataset)
    assert final(trained, "diverged") == [1.0, 1.0]
    assert np.isfinite([row.value for row in trained.history]).all()


@pytest.mark.parametrize("epoch", [2, 4, 5])
def test_a_snapshot_is_the_weights_of_a_shorter_run(epoch, dataset):
    """With BatchNorm's population statistics; evaluated every 2 epochs and at the end."""
    settings = {"model": SMALL["model"] | {"batch_norm": True}, "evaluate_every_epochs": 2}
    trained = train(small_arm(**settings, epochs=5, snapshots_at_epochs=[0, 2, 4, 5]), [3, 1], dataset)
    assert list(trained.snapshots) == [0, 2, 4, 5]
    shorter = train(small_arm(**settings, epochs=epoch), [3, 1], dataset)
    assert "2.running_mean" in shorter.weights
    assert_same_snapshots({epoch: trained.snapshots[epoch]}, {epoch: ([3, 1], shorter.weights)})


def test_the_snapshot_at_epoch_0_is_the_start(dataset):
    trained = train(small_arm(snapshots_at_epochs=[0]), [3, 1], dataset)
    seeds, weights = trained.snapshots[0]
    for lane, seed in enumerate(seeds):
        start = models.build(seed, "mlp", (1, 4, 4), 3, hidden=[12, 8]).double().state_dict()
        assert_same_snapshots({0: ([seed], {n: w[lane] for n, w in weights.items()})}, {0: ([seed], start)})


def test_a_seed_that_has_left_has_no_later_snapshots(dataset, monkeypatch):
    original = Lanes.train_epoch

    def explode(lanes):
        if lanes.epoch == 1 and 1 in lanes.seeds:
            lanes.weights[0].data[lanes.seeds.index(1)] = float("inf")
        original(lanes)

    monkeypatch.setattr(Lanes, "train_epoch", explode)
    arm = small_arm(epochs=3, snapshots_at_epochs=[0, 1, 2, 3])
    trained = train(arm, [0, 1, 2], dataset)
    assert {epoch: seeds for epoch, (seeds, _) in trained.snapshots.items()} == {
        0: [0, 1, 2],
        1: [0, 1, 2],
        2: [0, 2],
        3: [0, 2],
    }
    assert all(len(w) == 2 for w in trained.snapshots[3][1].values())


def test_snapshots_end_where_a_seed_stops(dataset):
    """The last one is of the evaluation at which it stopped; epochs that nobody reached have none."""
    settings = {"lr": 1e-9, "stop": {"patience_epochs": 2}, "snapshots_at_epochs": [1, 2, 3]}
    trained = train(small_arm(epochs=4, **settings), [0, 1], dataset)
    assert [(epoch, seeds) for epoch, (seeds, _) in trained.snapshots.items()] == [(1, [0, 1]), (2, [0, 1])]


def test_batch_growth_from_4_to_102_at_an_epoch(dataset):
    """Keskar 2017, section 3: small batches first, then large ones; the epochs survive being shares."""
    data = {"name": "digits", "train": 1024, "validation": 273, "test": 500}
    for epoch in range(1, 21):
        schedule = {"name": "batch_growth", "at": [epoch / 1000], "factor": 25.5}
        arm = small_arm(data=data, batch_size=4, epochs=1000, schedule=schedule)
        lanes = Lanes(arm, [0], Splits(dataset, [0], 48, 16, 16))
        assert [lanes.batch_size(e) for e in (0, epoch - 1, epoch, 999)] == [4, 4, 102, 102]
        assert arm.growth_epoch == epoch


def test_snapshots_at_a_loss_are_those_between_which_it_is_passed(dataset):
    settings = {"lr": 0.3, "epochs": 12}
    trained = train(small_arm(**settings, snapshots_at_loss=0.5), [0, 1, 2], dataset)
    everything = train(small_arm(**settings, snapshots_at_epochs=list(range(13))), [0, 1, 2], dataset)
    for seed in (0, 1, 2):
        losses = [r.value for r in trained.history if (r.seed, r.metric) == (seed, "train_loss_nats")]
        below = next(epoch for epoch, loss in enumerate(losses) if loss <= 0.5)
        assert below > 1  # else the test says little
        kept = {epoch: seeds.index(seed) for epoch, (seeds, _) in trained.snapshots.items() if seed in seeds}
        assert list(kept) == [below - 1, below]
        for epoch, lane in kept.items():
            for name, weights in trained.snapshots[epoch][1].items():
                assert np.array_equal(weights[lane], everything.snapshots[epoch][1][name][seed])


def test_a_loss_that_is_never_passed_leaves_no_snapshot(dataset):
    assert train(small_arm(snapshots_at_loss=1e-9), [0], dataset).snapshots == {}
    assert list(train(small_arm(snapshots_at_loss=100.0), [0], dataset).snapshots) == [0]


def goals(trained, seed):
    return {r.metric: r.value for r in trained.history if r.seed == seed and r.metric.endswith("_goal")}


def test_a_goal_is_where_the_error_passes_it_and_ends_the_run(dataset):
    settings = {"lr": 0.3, "epochs": 30}
    trained = train(small_arm(**settings, goal={"error_percent": 20.0}), [0, 1, 2], dataset)
    free = train(small_arm(**settings), [0, 1, 2], dataset)
    for seed in (0, 1, 2):
        of = {
            part: [r for r in free.history if (r.seed, r.metric) == (seed, f"{part}_error_percent")]
            for part in ("validation", "test")
        }
        first = {part: next(i for i, r in enumerate(rows) if r.value <= 20.0) for part, rows in of.items()}
        for part, rows in of.items():
            above, below = rows[first[part] - 1].value, rows[first[part]].value
            updates = 6 * (first[part] - 1 + (above - 20.0) / (above - below))  # 48 images in batches of 8
            assert goals(trained, seed)[f"updates_to_{part}_goal"] == pytest.approx(updates)
        at_test = goals(trained, seed)["updates_to_test_goal"]
        assert goals(trained, seed)["examples_to_test_goal"] == pytest.approx(8 * at_test)
        ends = [r.at for r in trained.history if (r.seed, r.metric) == (seed, "updates")]
        assert max(ends) == max(first.values()) < 30
    assert goals(free, 0) == {}


def test_a_goal_that_is_not_reached_is_not_written_and_one_met_at_once_is_one_update(dataset):
    assert goals(train(small_arm(lr=1e-9, goal={"error_percent": 0.0}), [0], dataset), 0) == {}
    met = goals(train(small_arm(goal={"error_percent": 100.0}), [0], dataset), 0)
    assert met == {"updates_to_validation_goal": 1, "updates_to_test_goal": 1, "examples_to_test_goal": 8}
