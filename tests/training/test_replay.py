"""Updates on tensors that stay where they are are those of the engine; the graph itself needs a GPU."""

import pytest
import torch

from largebatch.data.splits import Dataset, Splits
from largebatch.training import device
from largebatch.training.engine import SeedGroup
from tests.conftest import SMALL, small_arm

MOMENTUM = {"name": "sgd", "momentum": 0.9, "nesterov": True}
ARMS = {
    "plain": {},
    "momentum and decay": {"optimiser": MOMENTUM, "weight_decay": 0.01},
    "adam": {"optimiser": {"name": "adam"}, "lr": 0.01},
    "batch norm and dropout": {"model": SMALL["model"] | {"batch_norm": True, "dropout": 0.3}},
    "a schedule": {"schedule": {"name": "cosine"}},
    "clipped": {"clip_norm": 0.1},
    "a short last batch": {"batch_size": 10, "last_batch": "weigh"},
    "a growing batch": {"epochs": 4, "schedule": {"name": "batch_growth", "at": [0.5], "factor": 2.0}},
    "proximal": {"proximal": {}},
    "sharpness aware": {"sharpness_aware": {}},
    "convolutions": {"model": {"name": "cnn", "channels": [4], "batch_norm": True}},
    # a rate that single precision holds exactly
    "C1": {"model": {"name": "keskar_cnn", "dropout": 0.0}, "lr": 0.125},
    "a residual net": {"model": {"name": "resnet", "depth": 8}, "lr": 0.125},
}


# These nets enlarge a difference ten million times in three epochs: single precision has no room for that.
ENLARGING = ("C1", "a residual net")
ON_GPU = [
    (name, precision)
    for name in ARMS
    for precision in ("float32", "float64")
    if precision == "float64" or name not in ENLARGING
]


@pytest.fixture(autouse=True)
def as_in_a_job():
    """cuDNN as jobs have it: no TF32, deterministic kernels."""
    if torch.cuda.is_available():
        device.prepare(threads=1)


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; found none")


def weights_after(arm, dataset, replay, epochs=3, seeds=(0, 1), keep=None):
    """Plain weights after so many epochs; keep: the seeds, by index, that go on behind the first."""
    sizes = (arm.data.train, arm.data.validation, arm.data.test)
    group = SeedGroup(arm, list(seeds), Splits(dataset, list(seeds), *sizes), replay=replay)
    for epoch in range(epochs):
        group.train_epoch()
        if keep and epoch == 0:
            group.keep(keep)
    return group.model.plain()


def on(dataset, device, precision="float32"):
    dtype = getattr(torch, precision)
    return Dataset(dataset.images.to(device, dtype), dataset.labels.to(device), dtype)


@pytest.mark.parametrize("name", ARMS)
def test_replayed_updates_are_those_of_the_engine(name, dataset):
    arm = small_arm(**ARMS[name])
    for keep in (None, [1]):
        ours, theirs = (weights_after(arm, dataset, replay, keep=keep) for replay in (True, False))
        for key in theirs:  # the rate is in single precision
            torch.testing.assert_close(ours[key], theirs[key], rtol=1e-5, atol=1e-7)


def test_lars_is_not_replayed(dataset):
    with pytest.raises(ValueError, match="optimiser sgd or adam; got lars"):
        weights_after(small_arm(optimiser={"name": "lars"}), dataset, True)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(("name", "precision"), ON_GPU)
def test_a_graph_gives_what_single_kernels_give(name, precision, dataset):
    arm, there = small_arm(**ARMS[name], precision=precision), on(dataset, "cuda", precision)
    captured, eager = (weights_after(arm, there, replay, keep=[1]) for replay in (True, False))
    for key in eager:
        torch.testing.assert_close(captured[key], eager[key], rtol=1e-4, atol=1e-6)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(("name", "precision"), [case for case in ON_GPU if "dropout" not in case[0]])
def test_a_gpu_gives_what_a_processor_gives(name, precision, dataset):
    """Dropout's masks are drawn on the device and differ."""
    arm = small_arm(**ARMS[name], precision=precision)
    ours, theirs = (weights_after(arm, on(dataset, device, precision), False) for device in ("cuda", "cpu"))
    for key in theirs:
        torch.testing.assert_close(ours[key].cpu(), theirs[key], rtol=1e-3, atol=1e-5)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("replay", [False, True])
def test_a_gpu_gives_the_same_bytes_again(replay, dataset):
    arm, there = small_arm(**ARMS["batch norm and dropout"], precision="float32"), on(dataset, "cuda")
    once, again = (weights_after(arm, there, replay) for _ in range(2))
    assert all(torch.equal(once[key], again[key]) for key in once)
