"""What a study asks of a cluster."""

import re

import pytest

from largebatch.config import costs
from largebatch.config.planning import (
    SHORT_MINUTES,
    hours_to_the_end,
    makespan,
    megabytes,
    minutes,
    of_arms,
    parameters,
    plan,
    ring_seconds,
    short,
)
from largebatch.config.study import load_study
from largebatch.nets.models import build
from tests.conftest import REPOSITORY, small_arm


@pytest.fixture(scope="module")
def digits():
    return load_study(REPOSITORY / "config/digits.yaml")


@pytest.fixture(scope="module")
def imagenet():
    return load_study(REPOSITORY / "config/imagenet.yaml")


def test_a_job_asks_for_more_minutes_than_it_is_expected_to_take():
    assert minutes(0.0) == 1
    assert minutes(100.0) * 60 >= 2 * 100.0


def test_short_arms_are_those_that_take_minutes_with_their_measures(digits, imagenet):
    found = costs.costs(digits, digits.arms)
    taken = of_arms(digits, found)
    assert sum(taken.values()) == pytest.approx(sum(v for f, v in found.items() if f.startswith("runs/")))
    chosen = short(digits, found)
    assert chosen and all(minutes(taken[run]) <= SHORT_MINUTES for run in chosen)
    assert not short(imagenet, costs.costs(imagenet, imagenet.arms, "h100"))


# Largest megabytes of a run's provenance: of digits, and of two nets on one core and on an H200's machine.
@pytest.mark.parametrize(
    "scale, model, kind, batch, most",
    [
        ("digits", None, "cpu", None, 702),
        ("mnist-5k", None, "cpu", None, 1560),
        ("cifar10-small", "keskar_cnn", "cpu", 2500, 2631),
        ("cifar10-jpeg", "keskar_cnn", "h200", 5000, 1663),
    ],
)
def test_a_job_asks_for_the_memory_that_runs_took_and_not_many_times_that(scale, model, kind, batch, most):
    study = load_study(REPOSITORY / f"config/{scale}.yaml")
    arms = [arm for arm in study.arms.values() if model in (None, arm.model.name)]
    asked = max(megabytes(arm, study, kind) for arm in arms if batch in (None, arm.batch_size))
    assert most <= asked <= 4 * most


@pytest.mark.parametrize(
    "model, shape",
    [
        ({"name": "mlp", "hidden": [128, 128]}, (1, 8, 8)),
        ({"name": "keskar_cnn"}, (3, 32, 32)),
        ({"name": "vgg"}, (3, 32, 32)),
        ({"name": "resnet"}, (3, 32, 32)),
        ({"name": "resnet", "depth": 8}, (3, 32, 32)),
        ({"name": "resnet50"}, (3, 64, 64)),
    ],
)
def test_weights_are_counted_about_right(model, shape):
    """Against the nets themselves."""
    classes = 1000 if model["name"] == "resnet50" else 10
    arm = small_arm(model=model, data=SMALL_DATA | {"name": "digits" if shape[0] == 1 else "cifar10"})
    net = build(0, shape=shape, classes=classes, **arm.model.model_dump())
    exact = sum(weights.numel() for weights in net.parameters())
    assert parameters(arm, shape[1]) == pytest.approx(exact, rel=0.2)


SMALL_DATA = {"train": 48, "validation": 16, "test": 16}


def test_the_longest_job_starts_first_wherever_there_is_room():
    assert makespan([1, 1, 1, 3], 2) == 3
    assert makespan([5, 4, 3, 3, 3], 2) == 10  # 9 at best, of which the rule knows nothing
    assert makespan([2, 2], 5) == 2


def test_a_ring_sends_what_patarasuk_and_yuan_say():
    assert ring_seconds(450e9, 1) == 0.0
    assert ring_seconds(450e9, 2) == pytest.approx(1.0)
    assert ring_seconds(450e9, 8) == pytest.approx(1.75)
    assert ring_seconds(50e9, 16) == pytest.approx(1.875)  # beyond a box


def test_a_small_batch_is_not_spread_over_more_gpus_than_have_images(imagenet):
    found = costs.costs(imagenet, imagenet.arms, "h100")
    few, _ = hours_to_the_end(imagenet, found, 256 * 45, 8)
    many, talking = hours_to_the_end(imagenet, found, 256 * 45, 256)
    assert many == pytest.approx(few)  # of a batch of 256 images
    assert 0 < talking < 0.2


@pytest.mark.parametrize("gpus", [8, 64, 256])
def test_a_plan_says_what_it_takes(imagenet, gpus):
    said = plan(imagenet, gpus, "h100")
    said = said.replace(",", "")
    total = float(re.search(r"^h100-hours: (\S+)", said, re.MULTILINE)[1])
    hours = [float(each) for each in re.findall(rf"^hours on {gpus} h100 .*?: ([\d.]+)", said, re.MULTILINE)]
    assert hours == sorted(hours, reverse=True) and all(each * gpus >= 0.98 * total for each in hours)
    assert (len(hours) > 1) == (gpus > len(imagenet.arms))
    assert "on its GPU" in said and "on its GPU" not in plan(imagenet, gpus, "cpu")
