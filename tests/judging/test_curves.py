import numpy as np
import pytest
from scipy import optimize, stats

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
@pytest.mark.parametrize("errors", [0.0, 2.3])
def test_the_farthest_curves_are_those_of_the_direction_that_reaches_farthest(rng, shift, errors):
    d = shift + rng.normal(size=(6, 4))
    mean, covariance = d.mean(axis=0), np.cov(d.T) / 6

    def minus_reach(w):
        return -(mean @ w + errors * np.sqrt(w @ covariance @ w)) / np.linalg.norm(w)

    starts = rng.normal(size=(8, 4))
    wanted = max(-optimize.minimize(minus_reach, start, tol=1e-10).fun for start in starts) / np.sqrt(4)
    assert curves.farthest(d, errors) == pytest.approx(wanted, rel=1e-5)


def test_the_distance_is_that_of_the_mean_curves(rng):
    """Noise of single runs adds nothing: each run here has twice as much noise as distance."""
    apart = np.sin(np.arange(200.0))
    found = curves.distance(apart + rng.normal(size=(400, 200)), -np.inf, 1.0)
    assert found == pytest.approx((np.sqrt(0.5), 0.0), abs=0.01)
    nothing, p_value = curves.distance(rng.normal(size=(400, 200)), -np.inf, 1.0)
    assert nothing < 0.05 and p_value < 1e-6


def test_equal_seeds(rng):
    d = np.tile([3.0, -4.0], (5, 1))
    assert curves.distance_interval(d) == pytest.approx((np.sqrt(12.5),) * 2)
    assert curves.distance(d, -np.inf, 1.0)[1] == curves.distance(d, -np.inf, 9.0)[1] == 0
    assert curves.distance(0 * d, -np.inf, 1.0) == (0.0, 0.0)
    assert curves.distance_interval(0 * d) == (0.0, 0.0)


def test_curves_that_may_be_either_are_not_decided(rng):
    d = rng.normal(size=(5, 3)) * 10
    assert curves.distance(d, -np.inf, 1.0)[1] == pytest.approx(1.0, abs=0.9)
    low, high = curves.distance_interval(d)
    assert 0 <= low < 1 < high
