import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from largebatch.observations import statistics


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_mean_interval_is_scipys(rng):
    values = rng.normal(3, 2, size=12)
    ours = statistics.mean_interval(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (ours.n, ours.mean, ours.std) == pytest.approx((12, values.mean(), values.std(ddof=1)))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_equal_values_have_an_interval_without_width():
    assert statistics.mean_interval([0.1, 0.1, 0.1]) == (3, 0.1, 0.0, 0.1, 0.1)


def test_one_value_has_a_mean_and_no_interval():
    found = statistics.mean_interval([2.0])
    assert (found.n, found.mean) == (1, 2.0)
    assert np.isnan([found.std, found.low, found.high]).all()


def test_no_value_is_an_error():
    with pytest.raises(ValueError, match="at least 1 value"):
        statistics.mean_interval([])


def test_p_value_is_scipys(rng):
    values = rng.normal(0.4, 1, size=9)
    assert statistics.mean_p_value(values, 0.1) == pytest.approx(stats.ttest_1samp(values, 0.1).pvalue)


@pytest.mark.parametrize(("threshold", "p"), [(0.1, 1.0), (0.2, 0.0), (0.0, 0.0)])
def test_p_value_without_variance(threshold, p):
    assert statistics.mean_p_value([0.1, 0.1, 0.1], threshold) == p


def test_p_value_of_zeros_at_zero_is_one():
    assert statistics.mean_p_value([0.0, 0.0], 0.0) == 1.0


def test_p_value_needs_two_values():
    with pytest.raises(ValueError, match="at least 2"):
        statistics.mean_p_value([1.0], 0.0)


@pytest.mark.parametrize("centre", [-0.3, 0.2])
def test_equivalence_is_twice_scipys_tost_inside_the_margins(rng, centre):
    values = rng.normal(centre, 0.5, size=20)
    above = stats.ttest_1samp(values, -1, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 1, alternative="less").pvalue
    assert statistics.nearer_p_value(values, -1.0, 1.0) == pytest.approx(2 * max(above, below))


@given(st.floats(-3, 3), st.integers(0, 1000))
def test_equivalence_p_agrees_with_the_interval(centre, seed):
    values = np.random.default_rng(seed).normal(centre, 1, size=8)
    found = statistics.mean_interval(values)
    clear = (found.low > -1 and found.high < 1) or found.low > 1 or found.high < -1
    assert clear == (statistics.nearer_p_value(values, -1.0, 1.0) < 0.05)


@pytest.mark.parametrize("bounds", [(0.1, np.inf), (-np.inf, 0.1)])
def test_one_bound_is_a_threshold(rng, bounds):
    values = rng.normal(0.4, 1, size=9)
    assert statistics.nearer_p_value(values, *bounds) == statistics.mean_p_value(values, 0.1)


def test_the_nearer_of_two_unlike_bounds_counts():
    values = [4.0, 5.0, 6.0]
    assert statistics.nearer_p_value(values, 0.0, 6.5) == statistics.mean_p_value(values, 6.5)
    assert statistics.nearer_p_value(values, 4.0, 90.0) == statistics.mean_p_value(values, 4.0)


def test_smallest_detectable_effect_has_the_power_it_says(rng):
    n, std = 8, 2.0
    effect = statistics.smallest_detectable_effect(std, n)
    samples = rng.normal(effect, std, size=(20_000, n))
    power = (stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.01)  # three standard errors are 0.0085


def test_smallest_detectable_effect_of_two_seeds_and_of_no_variance():
    assert statistics.smallest_detectable_effect(1.0, 2) > 10
    assert statistics.smallest_detectable_effect(0.0, 5) == 0.0


def test_sign_test_closed_form():
    assert statistics.sign_p_value(6, 6) == pytest.approx(2 * 0.5**6)
