"""Tests over arms against other libraries, closed forms and simulation."""

from itertools import permutations

import numpy as np
import pytest
from scipy import optimize, stats

from largebatch.judging import arms

ONE = np.zeros(6, dtype=int)
X = np.arange(6.0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_isotonic_is_scipys(rng):
    y = rng.normal(size=(50, 7))
    y[::3] = np.round(y[::3])  # ties
    np.testing.assert_allclose(arms.isotonic(y), [optimize.isotonic_regression(row).x for row in y])


def test_a_complete_order_has_the_smallest_p_there_is():
    rising, falling = arms.monotone_p(X**2, ONE)
    assert rising == pytest.approx(1 / 720) and falling == 1.0


def test_p_is_the_share_of_all_orders(rng):
    y = rng.normal(size=5)

    def rise(y):
        explained = (np.var(optimize.isotonic_regression(y, increasing=up).x) for up in (True, False))
        return next(explained) - next(explained)

    found = [rise(np.array(order)) for order in permutations(y)]
    wanted = np.mean(np.array(found) >= rise(y) - 1e-12)
    assert arms.monotone_p(y, ONE[:5])[0] == pytest.approx(wanted)


def test_arms_change_places_within_their_stratum_only():
    strata = np.array([0, 0, 0, 1, 1])
    assert arms.order_count(strata) == 12
    assert arms.monotone_p(np.array([1.0, 2, 3, -9, -8]), strata)[0] == pytest.approx(1 / 12)
    assert all(set(order[:3]) == {0, 1, 2} for order in arms.orders(tuple(strata)))


def test_the_interval_is_the_test_inverted(rng):
    y = 0.7 * X + rng.normal(size=6)
    middle, (low, high) = arms.monotone_middle(X, y, ONE), arms.monotone_interval(X, y, ONE)
    assert low < middle < high
    for change, side in ((low, 0), (high, 1)):
        outwards = change - 0.01 if side == 0 else change + 0.01
        assert arms.monotone_p(y - outwards * X, ONE)[side] < 0.025
        inwards = change + 0.01 if side == 0 else change - 0.01
        assert arms.monotone_p(y - inwards * X, ONE)[side] >= 0.025


def test_what_a_hump_says_of_its_shape():
    rising, falling = arms.monotone_shares(np.array([0.0, 1, 2, 1, 0, -4]), ONE)
    assert falling > 0.8 > rising


def test_a_slope_without_scatter_of_seeds_is_the_regression_of_the_means(rng):
    means = 2 * X + rng.normal(size=6)
    wanted = stats.linregress(X, means)
    found = arms.arm_slope(X, np.tile(means, (9, 1)) + rng.normal(size=(9, 1)), ONE)
    assert found.estimate == pytest.approx(wanted.slope)
    assert found.error == pytest.approx(wanted.stderr)
    assert found.freedom == 4
    assert arms.slope_p(found, 0.0) == pytest.approx(wanted.pvalue)


def test_a_slope_without_scatter_of_arms_is_the_t_test_of_the_seeds(rng):
    slopes = 1 + rng.normal(size=5)
    found = arms.arm_slope(X, slopes[:, None] * X, ONE)
    assert found.error == pytest.approx(stats.sem(slopes))


def test_each_stratum_has_a_level_of_its_own(rng):
    strata, x = np.repeat([0, 1], 4), np.tile(np.arange(4.0), 2)
    noise = 0.1 * rng.normal(size=8)
    found = arms.arm_slope(x, np.tile(3 * x + 50 * strata + noise, (2, 1)), strata)
    design = np.stack([x, strata == 0, strata == 1], axis=1).astype(float)
    wanted, left, *_ = np.linalg.lstsq(design, 3 * x + 50 * strata + noise)
    assert found.estimate == pytest.approx(wanted[0])
    error = np.sqrt(left[0] / 5 * np.linalg.inv(design.T @ design)[0, 0])
    assert found.error == pytest.approx(error)


def test_shapes_of_breaks():
    assert arms.steps(X)[0].tolist() == [0, 0, 1, 1, 1, 1]
    assert arms.steps(X)[-1].tolist() == [0, 0, 0, 0, 1, 1]
    assert arms.hinges(X)[0].tolist() == [0, 0, 1, 2, 3, 4]
    assert arms.hinges(X)[-1].tolist() == [0, 0, 0, 0, 1, 2]


@pytest.mark.parametrize(("shapes", "place"), [(arms.steps, 3), (arms.hinges, 3)])
def test_a_clear_break_is_told_from_a_clear_line(rng, shapes, place):
    noise = 0.05 * rng.normal(size=6)
    broken = arms.fit_break(X, shapes(X)[1] + noise, shapes(X))
    assert broken.as_line < 0.025 < broken.as_break and broken.place == place
    straight = arms.fit_break(X, X + noise, shapes(X))
    assert straight.as_break < 0.025 < straight.as_line
    falling = arms.fit_break(X, -shapes(X)[1] + noise, shapes(X))
    assert falling.as_line > 0.025


def test_rotations_keep_the_fit_and_the_size_of_what_it_leaves(rng):
    y, shape, normal = rng.normal(size=6), arms.hinges(X)[1], rng.normal(size=(2000, 6))
    found = arms.rotations(y, shape, normal)
    design = np.stack([np.ones(6), shape], axis=1)
    wanted, left, *_ = np.linalg.lstsq(design, y)
    for row in found[:5]:
        coefficients, squares, *_ = np.linalg.lstsq(design, row)
        assert coefficients == pytest.approx(wanted) and squares == pytest.approx(left)
    # in every direction alike: a quarter of the squares each, in a space of four dimensions
    outside = np.linalg.svd(design)[0][:, 2:]
    assert np.square(found @ outside).mean(axis=0) == pytest.approx(left[0] / 4, rel=0.1)


@pytest.mark.parametrize("slope", [0.0, 1.0, 5.0])
def test_a_line_is_called_broken_as_rarely_as_stated_whatever_its_slope(rng, slope):
    found = [
        arms.fit_break(X, slope * X + y, arms.hinges(X), rng.normal(size=(199, 6))).as_line
        for y in rng.normal(size=(400, 6))
    ]
    assert (np.array(found) <= 0.05).sum() <= stats.binom.ppf(0.999, 400, 0.05)


def test_the_best_line_is_least_squares(rng):
    y = rng.normal(size=(4, 6))
    left, fitted = arms.left_of(y, X[None], rising=False)
    for row, squares, fit in zip(y, left, fitted, strict=True):
        line = stats.linregress(X, row)
        assert squares == pytest.approx(np.square(row - line.slope * X - line.intercept).sum())
        np.testing.assert_allclose(fit, line.slope * (X - X.mean()))
