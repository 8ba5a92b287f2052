"""The rate and the batch of every update of a run, against closed forms."""

import math
from bisect import bisect_right
from fractions import Fraction

import pytest

from largebatch.training.rates import Rates
from largebatch.training.train import group_of
from tests.conftest import small_arm


def updates_of(dataset, **settings):
    """(rate, examples) of every update, as the engine makes them, and the number of updates per epoch."""
    arm = small_arm(lr=1.0, **settings)
    group = group_of(arm, [0], dataset, {})
    made, per_epoch = [], []
    group.learn = lambda images, labels, size, rate: made.append((rate, images.shape[1]))
    while group.epoch < arm.epochs:
        before = len(made)
        group.train_epoch()
        per_epoch.append(len(made) - before)
    return made, per_epoch


# Updates per epoch of 48 images: one, a few, and numbers whose inverse is no binary fraction.
BATCHES = (48, 16, 9, 7, 5)


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize(
    "milestones",
    [
        {"at_epochs": [30, 60, 80]},
        {"at": [0.33333333, 0.66666667, 0.88888889]},
        {"at": [1 / 3, 2 / 3, 8 / 9]},
    ],
    ids=str,
)
def test_the_rate_drops_at_goyals_epochs(milestones, batch_size, dataset):
    """A tenth after 30, 60 and 80 of 90 epochs (Goyal et al. 2017, section 5.1), not an update later."""
    schedule = {"name": "step", "factor": 0.1, **milestones}
    made, (per_epoch, *_) = updates_of(dataset, batch_size=batch_size, epochs=90, schedule=schedule)
    drops = [u for u in range(1, len(made)) if made[u][0] != made[u - 1][0]]
    assert drops == [30 * per_epoch, 60 * per_epoch, 80 * per_epoch]
    assert [made[u][0] for u in (0, *drops)] == pytest.approx([1.0, 0.1, 0.01, 0.001])


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("last_batch", ["drop", "weigh"])
def test_a_milestone_between_updates_goes_to_the_nearest(batch_size, last_batch, dataset):
    settings = {"batch_size": batch_size, "last_batch": last_batch, "epochs": 7}
    for epoch in (0.3, 1.5, 2.2, 4.7, 6.96):
        for milestones in ({"at_epochs": [epoch]}, {"at": [epoch / 7]}):
            made, per_epoch = updates_of(dataset, schedule={"name": "step", **milestones}, **settings)
            dropped = sum(rate == 1.0 for rate, _ in made)
            assert abs(dropped - epoch * per_epoch[0]) <= 0.5 + 1e-9


@pytest.mark.parametrize("milestones", [{"at_epochs": [2, 4, 6]}, {"at": [0.28571428, 0.57142858, 0.8571]}])
def test_the_batch_grows_at_the_epoch_and_the_rate_with_what_is_left(milestones, dataset):
    schedule = {"name": "batch_growth", "factor": 3.0, **milestones}
    made, per_epoch = updates_of(dataset, batch_size=4, epochs=7, schedule=schedule)
    assert per_epoch == [12, 12, 4, 4, 1, 1, 1]  # batches of 4, 12, 36 and all 48
    assert [size for _, size in made] == [4] * 24 + [12] * 8 + [36] * 2 + [48]
    assert [rate for rate, _ in made] == pytest.approx([1.0] * 34 + [48 / 108])


@pytest.mark.parametrize(("share", "epoch"), [(0.3, 2), (0.35, 2), (0.36, 3), (0.5, 4), (0.95, 7)])
def test_a_batch_grows_at_the_nearest_epoch(share, epoch, dataset):
    schedule = {"name": "batch_growth", "at": [share], "factor": 2.0}
    made, _ = updates_of(dataset, batch_size=8, epochs=7, schedule=schedule)
    assert sum(size == 8 for _, size in made) == 6 * epoch


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize(("epochs", "nearest"), [(2.0, 2.0), (1.66666667, 5 / 3), (1.66666666, 5 / 3)])
def test_warm_up_ends_at_the_nearest_update(epochs, nearest, batch_size, dataset):
    settings = {"batch_size": batch_size, "epochs": 3}
    warmup = {"kind": "constant", "epochs": epochs, "start": 0.25}
    made, (per_epoch, *_) = updates_of(dataset, warmup=warmup, **settings)
    assert sum(rate == 0.25 for rate, _ in made) == math.floor(nearest * per_epoch + 0.5)
    made, _ = updates_of(dataset, warmup=warmup | {"kind": "gradual"}, **settings)
    length = math.floor(nearest * per_epoch + 0.5)
    expected = [min(1.0, 0.25 + 0.75 * u / length) for u in range(3 * per_epoch)]
    assert [rate for rate, _ in made] == pytest.approx(expected)


def cosine(t):
    return (1 + math.cos(math.pi * t)) / 2


def restarts(t):
    """Cycles of 1, 2 and 4 sevenths of the run."""
    starts = [Fraction(0), Fraction(1, 7), Fraction(3, 7), Fraction(1)]
    cycle = bisect_right(starts, t) - 1
    return cosine((t - starts[cycle]) / (starts[cycle + 1] - starts[cycle]))


def triangle(t):
    """Two cycles, from a quarter up and down."""
    position = 2 * t % 1
    return 0.25 + 0.75 * (1 - abs(2 * position - 1))


# The factor at an exact share of the run.
CLOSED_FORMS = {
    "constant": ({}, lambda t: 1.0),
    "exponential": ({"final": 0.01}, lambda t: 10.0 ** (-2 * t)),
    "inverse_sqrt": ({"scale": 0.25}, lambda t: (1 + 4 * t) ** -0.5),
    "inverse_time": ({"scale": 0.25}, lambda t: 1 / (1 + 4 * t)),
    "linear": ({"floor": 0.5}, lambda t: 1 - t / 2),
    "cosine": ({}, cosine),
    "triangular": ({"low": 0.25, "cycles": 2}, triangle),
    "cosine_restarts": ({"cycles": 3, "growth": 2.0}, restarts),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize("batch_size", BATCHES)
def test_every_update_has_the_rate_of_the_closed_form(name, batch_size, dataset):
    """From the first update, at t = 0, to the last, and on both sides of every turn and restart."""
    options, factor = CLOSED_FORMS[name]
    made, _ = updates_of(dataset, batch_size=batch_size, epochs=14, schedule={"name": name, **options})
    expected = [float(factor(Fraction(u, len(made)))) for u in range(len(made))]
    assert [rate for rate, _ in made] == pytest.approx(expected, abs=1e-12)


def test_linear_scaling_with_warmup_traces_goyals_rate():
    warmup = {"kind": "gradual", "epochs": 2.0}
    arm = small_arm(batch_size=24, base_batch_size=8, lr_rule="linear", epochs=4, warmup=warmup)
    rates = Rates(arm)
    assert [rates.rate(e) for e in (0.0, 1.0, 2.0, 3.0)] == pytest.approx([0.1, 0.2, 0.3, 0.3])
