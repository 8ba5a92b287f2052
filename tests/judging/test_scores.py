import numpy as np
import pytest
from scipy import stats

from largebatch.judging import scores
from largebatch.observations.statistics import smallest_detectable_effect

SEEDS = np.array([0.3, -0.2, 0.9, 0.4, 0.1])


def of_a_mean(value):
    """The scores of a mean: how far each seed lies above it, in another unit."""
    return 7 * (SEEDS - value)


def test_of_a_mean_it_is_the_t_test():
    wanted = stats.ttest_1samp(SEEDS, 0.0)
    ends = wanted.confidence_interval(0.95)
    found = scores.interval(of_a_mean, SEEDS.mean(), (-9.0, 9.0))
    assert found == pytest.approx((ends.low, ends.high))
    for bounds in ((-np.inf, 0.0), (0.0, np.inf), (0.0, 9.0)):
        assert scores.p_value(of_a_mean, SEEDS.mean(), *bounds) == pytest.approx(wanted.pvalue)
    assert scores.detectable(of_a_mean, SEEDS.mean()) == pytest.approx(
        smallest_detectable_effect(SEEDS.std(ddof=1), 5)
    )


def test_an_interval_ends_at_the_range_that_was_searched():
    assert scores.interval(of_a_mean, SEEDS.mean(), (0.2, 0.35)) == (0.2, 0.35)


def test_a_score_on_the_other_side_than_the_estimate_decides_nothing():
    """As where a second minimum of the squares lies between the estimate and the bound."""
    assert scores.p_value(lambda value: -of_a_mean(value), SEEDS.mean(), 0.0, np.inf) == 1.0


def test_seeds_that_do_not_vary():
    def equal(value):
        return np.full(4, 2.0 - value)

    assert scores.interval(equal, 2.0, (-9.0, 9.0)) == pytest.approx((2.0, 2.0))
    assert scores.p_value(equal, 2.0, 1.0, np.inf) == 0.0
    assert np.isnan(scores.detectable(equal, 2.0))
