from itertools import product

import numpy as np
import pytest
from scipy import stats

from largebatch.judging import curves


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("sign", [-1, 1])
def test_at_one_epoch_it_is_the_t_test(rng, sign):
    d = sign * (3 + rng.normal(size=(8, 1)))
    t = stats.ttest_1samp(sign * d[:, 0], 2.5)
    wanted = t.confidence_interval(0.95)
    assert curves.distance_interval(d) == pytest.approx((wanted.low, wanted.high))
    assert curves.distance(d, -np.inf, 2.5) == pytest.approx((abs(d.mean()), t.pvalue))
    below = stats.ttest_1samp(sign * d[:, 0], 6.0).pvalue
    assert curves.distance(d, -np.inf, 6.0)[1] == pytest.approx(below)
    assert curves.distance(d, 2.5, 6.0)[1] == pytest.approx(max(t.pvalue, below))


@pytest.mark.parametrize("shift", [0.0, 3.0])
@pytest.mark.parametrize("errors", [0.0, 2.3, 5.0])
def test_the_farthest_curves_are_the_best_of_all_signs(rng, shift, errors):
    for _ in range(20):
        d = shift * rng.normal(size=7) + rng.normal(size=(6, 7))
        of_signs = np.array([d @ signs / 7 for signs in product([-1, 1], repeat=7)])
        wanted = of_signs.mean(axis=1) + errors * stats.sem(of_signs, axis=1)
        found, mean, error = curves.farthest(d, errors)
        assert found == pytest.approx(mean + errors * error) == pytest.approx(wanted.max())


def test_p_below_is_the_largest_of_all_signs(rng):
    d = 0.3 + rng.normal(size=(9, 5)) / 2
    of_signs = [d @ signs / 5 for signs in product([-1, 1], repeat=5)]
    wanted = max(stats.ttest_1samp(values, 1.0, alternative="less").pvalue for values in of_signs)
    assert curves.p_below(d, 1.0) == pytest.approx(wanted)


def test_the_distance_is_that_of_the_mean_curves(rng):
    """Noise of single runs adds nothing: each run here has twice as much noise as distance."""
    apart = np.sin(np.arange(200.0))
    found = curves.distance(apart + rng.normal(size=(400, 200)), -np.inf, 1.0)
    assert found == pytest.approx((np.abs(apart).mean(), 0.0), abs=0.02)
    nothing, p_value = curves.distance(rng.normal(size=(400, 200)), -np.inf, 1.0)
    assert nothing < 0.05 and p_value < 1e-6


def test_equal_seeds(rng):
    d = np.tile([3.0, -4.0], (5, 1))
    assert curves.distance_interval(d) == pytest.approx((3.5, 3.5))
    assert curves.distance(d, -np.inf, 1.0)[1] == curves.distance(d, -np.inf, 9.0)[1] == 0
    assert curves.distance(0 * d, -np.inf, 1.0) == (0.0, 0.0)
    assert curves.distance_interval(0 * d) == (0.0, 0.0)


def test_curves_that_may_be_either_are_not_decided(rng):
    d = rng.normal(size=(5, 3)) * 10
    assert curves.distance(d, -np.inf, 1.0)[1] == pytest.approx(1.0, abs=0.9)
    low, high = curves.distance_interval(d)
    assert 0 <= low < 1 < high
