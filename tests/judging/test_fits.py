"""Fits on made-up runs whose law is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from largebatch.judging import fits
from largebatch.judging.effect import NotJudgeable
from largebatch.judging.effects import EFFECTS
from tests.shared.claims import claim

BATCHES = np.array([4.0, 8, 16, 32, 64, 128, 256])


def effects(rows, asked) -> pd.Series:
    return EFFECTS[asked.kind](rows, asked).values


def sweep(helpers, least, critical, noise=0.0):
    """Updates to a goal over BATCHES; least, critical: (seeds,)."""
    factors = np.exp(noise * np.random.default_rng(0).standard_normal((len(BATCHES), len(least))))
    updates = factors * np.array(least) * (1 + np.array(critical) / BATCHES[:, None])
    found = {batch: {"test_loss_nats": of_batch} for batch, of_batch in zip(BATCHES, updates, strict=True)}
    return helpers.group("s", "batch_size", found)


HYPERBOLA = {"metric": "test_loss_nats", "arm": "s"}


def test_the_critical_batch_is_found_again(helpers):
    rows = sweep(helpers, [50.0, 80.0], [20.0, 20.0])
    found = EFFECTS["hyperbola"](rows, claim("hyperbola", show="critical_batch", **HYPERBOLA))
    assert np.exp(found.tested[0]) == pytest.approx(20.0, rel=1e-5)


def test_the_fit_is_scipys_least_squares_on_logarithms(helpers):
    rows = sweep(helpers, [50.0, 50.0], [20.0, 20.0], noise=0.2)
    y = np.log(rows["value"].to_numpy()).reshape(-1, 2)[:, 0]

    def residuals(logs):
        return y - logs[0] - np.log1p(np.exp(logs[1]) / BATCHES)

    wanted = optimize.least_squares(residuals, [3.0, 3.0])
    found = fits.fit_hyperbola(np.log(BATCHES), y)
    assert np.log(found["critical_batch"]) == pytest.approx(wanted.x[1], rel=1e-4)
    r_squared = 1 - 2 * wanted.cost / np.square(y - y.mean()).sum()
    line = stats.linregress(np.log(BATCHES), y).rvalue ** 2
    gain = effects(rows, claim("hyperbola", show="r_squared_gain", **HYPERBOLA))
    assert gain[0] == pytest.approx(r_squared - line)


def test_the_critical_batch_as_a_multiple(helpers):
    noise = helpers.arm("n", {"gradient_noise_scale": [10.0, 30.0]})
    over = {"arm": "n", "metric": "gradient_noise_scale"}
    rows = pd.concat([sweep(helpers, [50.0, 80.0], [20.0, 60.0]), noise])
    found = EFFECTS["hyperbola"](rows, claim("hyperbola", show="critical_batch", over=over, **HYPERBOLA))
    assert np.exp(found.tested[0]) == pytest.approx(2.0, rel=1e-5)
    rows.loc[rows["arm"] == "n", "value"] = [10.0, 0.0]
    with pytest.raises(NotJudgeable, match="logarithm of gradient_noise_scale is not defined in 1 of 2"):
        EFFECTS["hyperbola"](rows, claim("hyperbola", show="critical_batch", over=over, **HYPERBOLA))


@pytest.mark.parametrize("exponent", [0.0, -1.0])
def test_a_line_and_a_flat_one_have_their_critical_batch_beyond_the_data(exponent):
    x = np.log(BATCHES)
    critical = fits.fit_hyperbola(x, 5 + exponent * x)["critical_batch"]
    assert critical > 100 * BATCHES.max() if exponent else critical < BATCHES.min() / 100


def test_too_few_batch_sizes(helpers):
    rows = helpers.group("s", "batch_size", {b: {"test_loss_nats": [9.0, 9.0]} for b in (4, 8)})
    with pytest.raises(NotJudgeable, match="at least 3 batch sizes; got 2"):
        effects(rows, claim("hyperbola", show="r_squared_gain", **HYPERBOLA))


def test_a_power_law_is_no_hyperbola_and_its_critical_batch_is_remarked_on(helpers):
    found = {b: {"test_loss_nats": [1000 * b**-0.7, 1000 * (1 + 40 / b)]} for b in BATCHES}
    rows = helpers.group("s", "batch_size", found)
    gain = effects(rows, claim("hyperbola", show="r_squared_gain", **HYPERBOLA))
    assert gain[0] < 0 < gain[1]
    steep = {b: {"test_loss_nats": [1000 / b, 1000 * (1 + 40 / b)]} for b in BATCHES}
    asked = claim("hyperbola", show="critical_batch", **HYPERBOLA)
    judged = EFFECTS["hyperbola"](helpers.group("s", "batch_size", steep), asked)
    assert judged.remarks == ("The fitted batch of 1 seeds lies outside the batches that were run.",)


def test_a_seed_that_lacks_a_batch_is_left_out_and_said(helpers):
    found = {b: {"test_loss_nats": [100 / b, None if b == 4 else 90 / b, 80 / b]} for b in BATCHES}
    rows = helpers.group("s", "batch_size", found)
    for asked in (
        claim("slope", metric="test_loss_nats", arm="s", setting="batch_size"),
        claim("hyperbola", show="critical_batch", **HYPERBOLA),
    ):
        judged = EFFECTS[asked.kind](rows, asked)
        assert len(judged.values) == 2
        assert "1 seeds without a finite value in every arm are left out." in judged.remarks


def saturating(updates):
    return 1 - np.exp(-10 * updates / updates.mean())


@pytest.mark.parametrize(
    ("law", "low", "high"),
    [
        (np.log, -1e-4, 1e-4),
        (lambda t: t**0.05, 0.0499, 0.0501),
        (lambda t: t**0.1, 0.0999, 0.1001),
        (np.sqrt, 0.4999, 0.5001),
        (saturating, -3.0, -0.1),
    ],
)
def test_growth_law_finds_the_exponent(helpers, law, low, high):
    updates = 64.0 * np.arange(41)
    grown = [0.0, *law(updates[1:])]
    distance = {float(e): [v, 2 * v] for e, v in enumerate(grown)}
    made = {float(e): [u, u] for e, u in enumerate(updates)}
    rows = helpers.arm("a", {"distance_from_start": distance, "updates": made})
    found = EFFECTS["growth_law"](rows, claim("growth_law", metric="distance_from_start", arm="a"))
    (estimate, _), (least, most) = found.tested, found.interval()
    assert low < estimate < high and least <= estimate <= most


def falls(updates):
    return 9 - np.log(updates)


@pytest.mark.parametrize("law", [np.log, falls])
def test_growth_law_is_tested_by_the_score(helpers, law):
    """The same as the t test of a third regressor's coefficient: the derivative of the law."""
    rng, updates = np.random.default_rng(0), np.arange(1.0, 41.0)
    values = law(updates) + 0.1 * rng.normal(size=(5, 1)) + 0.1 * rng.normal(size=(5, 40))
    x = np.log(updates) - np.log(updates).mean()
    design = np.stack([np.ones(40), x, x**2], axis=1)  # half of x² is the derivative of Box and Cox at 0
    coefficients = np.linalg.lstsq(design, values.T)[0][2]
    wanted = stats.ttest_1samp(coefficients, 0.0).pvalue
    assert fits.growth_exponent(updates, values, 0.0, np.inf)[1] == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(
    ("seeds", "epochs", "grows", "wanted"),
    [
        (2, 5, 0.0, "does not grow"),
        (1, 5, 1.0, "at least 2 seeds and 4 evaluations; got 1 and 4"),
        (2, 4, 1.0, "at least 2 seeds and 4 evaluations; got 2 and 3"),
    ],
)
def test_a_law_of_too_little_is_refused(helpers, seeds, epochs, grows, wanted):
    along = {float(e): [1.0 + grows * e] * seeds for e in range(epochs)}
    rows = helpers.arm("a", {"distance_from_start": along, "updates": {e: [e] * seeds for e in along}})
    with pytest.raises(NotJudgeable, match=wanted):
        EFFECTS["growth_law"](rows, claim("growth_law", metric="distance_from_start", arm="a"))


def test_the_critical_batch_is_tested_by_the_score():
    """Seeds that differ in one direction: the test of the bound is the t test of how they differ from it."""
    x, seeds = np.log(BATCHES), np.array([-0.3, 0.2, 0.5, 0.1])
    change = 1 / (1 + BATCHES / 20)  # the derivative of the law where the bound is
    values = np.log1p(20 / BATCHES) + seeds[:, None] * change
    values = np.column_stack([values, np.zeros(4)])
    estimate, p_value = fits.critical_multiple(x, values, -np.inf, np.log(20.0))
    assert estimate > np.log(20.0)
    assert p_value == pytest.approx(stats.ttest_1samp(seeds, 0.0).pvalue)


def test_contrast_is_a_difference_of_differences(helpers):
    values = {"a": [9.0, 5.0], "b": [4.0, 4.0], "c": [3.0, 2.0], "d": [1.0, 2.0]}
    rows = pd.concat(helpers.arm(name, {"updates": found}) for name, found in values.items())
    sides = {name: {"arm": name} for name in values}
    assert effects(rows, claim("contrast", metric="updates", **sides)).tolist() == [3.0, 1.0]
