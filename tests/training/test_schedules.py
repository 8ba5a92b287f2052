import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largebatch.training import schedules
from largebatch.training.schedules import SCHEDULES

OPTIONS = {
    "constant": {},
    "step": {"at": [0.3, 0.6], "factor": 0.1},
    "exponential": {"final": 0.01},
    "inverse_sqrt": {"scale": 0.01},
    "inverse_time": {"scale": 0.05},
    "linear": {"floor": 0.0},
    "cosine": {"floor": 0.1},
    "triangular": {"low": 0.25, "cycles": 4},
    "cosine_restarts": {"cycles": 3, "growth": 2.0, "floor": 0.0},
    "batch_growth": {"at": [0.5], "factor": 4.0, "batch_size": 8, "train_images": 64},
}


def test_every_schedule_is_covered_here():
    assert OPTIONS.keys() == SCHEDULES.keys()


@pytest.mark.parametrize("name", SCHEDULES)
@given(t=st.floats(0, 1))
def test_factor_lies_between_zero_and_one(name, t):
    assert -1e-12 <= SCHEDULES[name](t, **OPTIONS[name]) <= 1 + 1e-12


@pytest.mark.parametrize(
    ("name", "t", "expected"),
    [
        ("constant", 0.7, 1.0),
        ("step", 0.29, 1.0),
        ("step", 0.3, 0.1),
        ("step", 1.0, 0.01),
        ("exponential", 0.5, 0.1),
        ("inverse_sqrt", 0.03, 0.5),  # 1 / sqrt(1 + 3)
        ("inverse_time", 0.15, 0.25),  # 1 / (1 + 3)
        ("linear", 0.25, 0.75),
        ("cosine", 0.0, 1.0),
        ("cosine", 0.5, 0.55),
        ("cosine", 1.0, 0.1),
        ("triangular", 0.0, 0.25),
        ("triangular", 0.125, 1.0),  # the top of the first of four cycles
        ("triangular", 0.25, 0.25),
        ("cosine_restarts", 0.5 / 7, 0.5),  # the middle of a first cycle of 1/7
        ("cosine_restarts", 1 / 7, 1.0),
        ("cosine_restarts", 2 / 7, 0.5),
        ("cosine_restarts", 3 / 7, 1.0),
        ("cosine_restarts", 1.0, 0.0),
    ],
)
def test_closed_form(name, t, expected):
    assert SCHEDULES[name](t, **OPTIONS[name]) == pytest.approx(expected, abs=1e-12)


def test_restart_falls_on_its_epoch_in_floating_point():
    options = {"cycles": 3, "growth": 2.0, "floor": 0.0}
    for epochs in (7, 28, 35, 49, 63):
        assert schedules.cosine_restarts(epochs // 7 * 3 / epochs, **options) == pytest.approx(1.0)


def test_batch_growth_is_step_decay_in_the_ratio_of_rate_to_batch():
    options = {"at": [0.3, 0.6, 0.8], "factor": 5.0, "batch_size": 8, "train_images": 512}
    for t in (0.0, 0.3, 0.5, 0.6, 0.79, 0.8, 1.0):
        batch = schedules.grown_batch(t, **options)
        rate = schedules.batch_growth(t, **options)
        assert rate / batch == pytest.approx(schedules.step(t, options["at"], 1 / 5.0) / 8)
    assert schedules.grown_batch(1.0, **options) == 512  # 8 * 125 would not fit


@pytest.mark.parametrize("epochs", [45, 60, 1000])
def test_a_batch_grows_at_its_epoch_in_floating_point(epochs):
    for epoch in range(1, epochs):
        options = {"batch_size": 4, "train_images": 1024, "at": [epoch / epochs], "factor": 25.5}
        assert schedules.grown_batch((epoch - 1) / epochs, **options) == 4
        assert schedules.grown_batch(epoch / epochs, **options) == 102
        assert schedules.batch_growth(epoch / epochs, **options) == 1.0


def test_warmup_is_goyals():
    assert schedules.warmup(0.0, "gradual", 5.0, 1 / 8) == 1 / 8
    assert schedules.warmup(2.5, "gradual", 5.0, 1 / 8) == pytest.approx((1 / 8 + 1) / 2)
    assert schedules.warmup(4.99, "constant", 5.0, 1 / 8) == 1 / 8
    assert schedules.warmup(5.0, "constant", 5.0, 1 / 8) == 1.0
    assert math.isclose(schedules.warmup(7.0, "gradual", 5.0, 0.0), 1.0)
