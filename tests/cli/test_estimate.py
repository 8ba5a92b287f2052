"""What training and measuring are expected to take: against what they take, and by each setting."""

import subprocess
import sys

import pytest
import torch

from largebatch.cli.estimate import Estimate
from largebatch.data.splits import Dataset
from largebatch.nets import models
from tests.conftest import SMALL, small_arm

IMAGES = {"data": {"name": "digits", "train": 128, "validation": 0, "test": 1}, "precision": "float32"}
WIDE = IMAGES | {"model": {"name": "mlp", "hidden": [1024, 1024]}, "batch_size": 128, "epochs": 1}
# As a convolution's activations are the largest of all, so is a graph of them that is differentiated twice.
NETS = {
    "mlp": WIDE | {"optimiser": {"name": "adam"}},
    "cnn": WIDE | {"model": {"name": "cnn", "channels": [64, 8], "batch_norm": True}},
}
CURVATURE = {"examples": 64, "probes": 2}
TAKEN = """
import sys, numpy, torch
from pathlib import Path
from tests.cli.test_estimate import CURVATURE, NETS, blank
from tests.conftest import small_arm
from largebatch.measures.measure import measure
from largebatch.nets import models
from largebatch.training import device, train
def peak():  # getrusage's begins with that of the parent
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
what, net = sys.argv[1:]
device.prepare(threads=1)
arm, data = small_arm(**NETS[net]), blank(129, 32)
before = peak()
if what == "trained":
    train.train(arm, [0, 1, 2], data, followed=())
else:
    state = models.initial(arm, 0, data).state_dict()
    weights = {n: numpy.stack([w.numpy()] * 3) for n, w in state.items() if not n.endswith("tracked")}
    measure("curvature", CURVATURE | {"most_products": 10}, arm, [0, 1, 2], weights, data)
print(peak() - before)
"""


def blank(count: int, side: int, dtype: torch.dtype = torch.float32) -> Dataset:
    """So many images that differ, of three classes."""
    pixels = torch.arange(count * side * side) % 251
    return Dataset(pixels.view(count, 1, side, side).to(torch.uint8), torch.arange(count) % 3, dtype)


def estimate(side: int = 4, dtype: torch.dtype = torch.float64, **settings) -> Estimate:
    arm, data = small_arm(**settings), blank(80, side, dtype)
    return Estimate(arm, models.initial(arm, 0, data), data)


@pytest.mark.skipif(sys.platform != "linux", reason="the largest resident memory of a process")
@pytest.mark.parametrize(("what", "net"), [("trained", "mlp"), ("trained", "cnn"), ("measured", "cnn")])
def test_a_process_takes_between_half_and_twice_what_is_expected(what, net):
    ours = estimate(32, torch.float32, **NETS[net])
    wanted = ours.trained(3) if what == "trained" else ours.measured(3, CURVATURE)
    call = subprocess.run(
        [sys.executable, "-c", TAKEN, what, net], capture_output=True, text=True, encoding="utf-8"
    )
    assert call.returncode == 0, call.stderr
    taken = int(call.stdout)
    assert wanted > 100 << 20  # more than what this machine's state changes
    assert wanted / 2 < taken < 2 * wanted


def test_activations_are_those_of_all_layers():
    # flattened 16; 12, its ReLU, 8, its ReLU, 3
    assert estimate().activations() == ((16 + 12 + 12 + 8 + 8 + 3) * 8, 16 * 8)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 48},
        {"model": SMALL["model"] | {"hidden": [120, 8]}},
        {"data": SMALL["data"] | {"train": 60}},
        {"snapshots_at_epochs": [0, 1, 2]},
    ],
)
def test_more_of_anything_takes_more_to_train(settings):
    assert estimate(**settings).trained(5) > estimate().trained(5) > estimate().trained(4)


def test_micro_batches_take_less_and_a_batch_that_grows_more():
    large = estimate(batch_size=48).trained(5)
    assert estimate(batch_size=48, micro_batch_size=8).trained(5) < large
    growth = {"name": "batch_growth", "at_epochs": [1], "factor": 6}
    assert estimate(schedule=growth).trained(5) == large


def test_snapshots_examples_and_probes_take_more_to_measure():
    few = {"examples": 8, "probes": 1}
    base = estimate().measured(5, few)
    assert estimate().measured(5, few, snapshots=3) - base == 2 * 5 * estimate().weights()
    assert estimate().measured(5, few | {"examples": 16}) > base
    assert estimate().measured(5, few | {"probes": 2}) > base > estimate().measured(5, {"examples": 8})
    # a measure without examples of its own looks at all that the arm trained on
    assert estimate().measured(5, {}) == estimate().measured(5, {"examples": 48})
