"""The registry: every exhibit takes seeds and plain options, and yields observations of those seeds."""

import inspect
import math

import pytest

from largebatch.files import Observation
from largebatch.lab.primer.exhibits import EXHIBITS

# What makes each one small enough to run here.
SMALL = {
    "rule": {"examples": 20, "updates": 20},
    "noise": {"examples": 16, "draws": 2},
    "regression": {"examples": 100, "features": 3, "updates": 5, "epochs": 1, "small_examples": 20},
    "rates": {"updates": 20, "repeats": 2},
    "edge": {"updates": 5, "steps": 2},
    "clipping": {"epochs": 2, "spike_at": 10},
    "xor": {"epochs": 3},
    "surfaces": {"updates": 8, "runs": 2, "escape_updates": 4},
    "shuffling": {"train": 60, "test": 30, "epochs": 1},
    "speed": {"examples": 8, "repeats": 1},
    "ring": {"values": 48},
    "three_ways": {"share": 2},
}


@pytest.mark.parametrize("name", EXHIBITS)
def test_observations_are_of_the_seeds_and_finite(name):
    found = list(EXHIBITS[name]([2, 7], **SMALL[name]))
    assert {o.seed for _, o in found} == {2, 7}
    assert all(isinstance(o, Observation) and arm.replace("_", "").isalnum() for arm, o in found)
    assert all(math.isfinite(o.value) and type(o.value) in (int, float) for _, o in found)
    places = [(arm, o.seed, o.metric, o.at) for arm, o in found]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("name", EXHIBITS)
def test_a_seed_does_not_depend_on_its_company(name):
    clocks = {"regression_seconds", "epoch_seconds", "update_seconds", "examples_per_second"}
    # And what depends on what a machine has done before, or on kernels that round all seeds together.
    excepted = clocks | {"batch_at_90_percent", "peak_memory_mib", "memory_growth", "rule_difference"}
    runs = (EXHIBITS[name](seeds, **SMALL[name]) for seeds in ([2, 7], [7]))
    both, alone = ([x for x in run if x[1].seed == 7 and x[1].metric not in excepted] for run in runs)
    assert both == alone


@pytest.mark.parametrize("name", EXHIBITS)
def test_options_are_numbers_with_defaults(name):
    seeds, *options = inspect.signature(EXHIBITS[name]).parameters.values()
    assert seeds.name == "seeds"
    assert all(type(o.default) in (int, float) and o.annotation is type(o.default) for o in options)
