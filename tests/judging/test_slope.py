"""Exponents of power laws: over positions, a setting or epochs."""

import numpy as np
import pytest
from scipy import stats

from largebatch.judging.effects import EFFECTS
from tests.shared.claims import claim, written
from tests.shared.tables import NOISE

BATCHES = 2.0 ** np.arange(2, 9)


def powers(helpers, exponents, positions=(1, 2, 4, 8, 16), metric="gradient_variance"):
    """A profile that is 3 * at ** exponent of each seed."""
    profile = {float(at): [3.0 * at**e for e in exponents] for at in positions}
    return helpers.arm("a", {metric: profile})


@pytest.mark.parametrize(
    ("expect", "wanted"),
    [
        ({"within": [-1.3, -0.7]}, "supported"),
        ({"above": 0.0}, "contradicted"),
        ({"below": -1}, "inconclusive"),
    ],
)
def test_slope_is_the_exponent(helpers, verdict, expect, wanted):
    rows = powers(helpers, -1 + NOISE)
    found = verdict(rows, written("slope", expect, metric="gradient_variance", arm="a"))
    interval = stats.ttest_1samp(-1 + NOISE, 0).confidence_interval(0.95)
    assert found["verdict"] == wanted
    assert found[["estimate", "low", "high"]].tolist() == pytest.approx([-1, interval.low, interval.high])


def test_slope_is_scipys_between_its_positions(helpers, verdict):
    rng = np.random.default_rng(0)
    at = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
    values = np.exp(rng.normal(size=(5, 4)))
    rows = helpers.arm("a", {"gradient_variance": dict(zip(at, values, strict=True))})
    asked = written("slope", {"above": 9.0}, metric="gradient_variance", arm="a", low_at=0.2, high_at=0.8)
    slopes = [stats.linregress(np.log(at[1:4]), np.log(seed)).slope for seed in values[1:4].T]
    assert verdict(rows, asked)["estimate"] == pytest.approx(np.mean(slopes))


def test_slope_leaves_out_a_seed_that_lacks_a_position(helpers, verdict):
    rows = powers(helpers, [1.0, 1.1, 1.2])
    rows = rows[~((rows["seed"] == 2) & (rows["at"] == 4))]
    found = verdict(rows, written("slope", {"above": 0.0}, metric="gradient_variance", arm="a"))
    assert (found["n"], found["estimate"]) == (2, pytest.approx(1.05))
    assert "1 seeds without a finite value" in found["note"]


@pytest.mark.parametrize(
    ("change", "positions", "note"),
    [
        ({"low_at": 8.0, "high_at": 9.0}, (1, 2, 4, 8), "at least 2 positions of gradient_variance; got 1."),
        ({"low_at": 20.0}, (1, 2, 4, 8), "at least 2 positions of gradient_variance; got 0."),
        ({}, (0, 1, 2), "positions above 0; got 0."),
    ],
)
def test_a_slope_that_is_not_there_is_not_run(helpers, verdict, change, positions, note):
    asked = written("slope", {"above": 0.0}, metric="gradient_variance", arm="a", **change)
    found = verdict(powers(helpers, [1.0, 1.1], positions), asked)
    assert (found["verdict"], found["note"]) == ("not_run", f"A slope needs {note}")


def test_a_slope_has_no_logarithm_of_nought(helpers, verdict):
    rows = powers(helpers, [1.0, 1.1, 1.2])
    rows.loc[rows["seed"] == 1, "value"] = 0.0
    found = verdict(rows, written("slope", {"above": 0.0}, metric="gradient_variance", arm="a"))
    assert "in 1 of 3 seeds, which have a value of 0 or below" in found["note"]


def test_slope_over_a_setting(helpers):
    found = {b: {"test_loss_nats": [100 / b, 100 / b**0.5]} for b in BATCHES}
    rows = helpers.group("s", "batch_size", found)
    asked = claim("slope", metric="test_loss_nats", arm="s", setting="batch_size", high_at=64.0)
    np.testing.assert_allclose(EFFECTS["slope"](rows, asked).values, [-1.0, -0.5])


def test_slope_over_epochs(helpers):
    along = {float(t): [t**-0.5, t**-1.0] for t in (1, 2, 4, 8)}
    rows = helpers.arm("a", {"train_loss_nats": along})
    asked = claim("slope", metric="train_loss_nats", arm="a", low_at=2.0)
    np.testing.assert_allclose(EFFECTS["slope"](rows, asked).values, [-0.5, -1.0])
