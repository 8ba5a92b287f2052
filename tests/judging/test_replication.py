import numpy as np
import pytest
from scipy import stats

from largebatch.judging.replication import replication, standard_error
from largebatch.observations.statistics import Interval, mean_interval


def ours(mean, half, n=5):
    """An interval of this half width, with the standard deviation that gives it."""
    std = half * np.sqrt(n) / stats.t.ppf(0.975, n - 1)
    return Interval(n, mean, std, mean - half, mean + half)


K1 = ours(2.42, 0.13)  # the gap in test accuracy on CIFAR-10, published


@pytest.mark.parametrize(
    ("found", "paper", "wanted"),
    [
        (K1, None, "no number"),
        (K1, 2.78, "smaller"),
        (K1, 2.54, "inside"),
        (K1, 2.0, "larger"),
        (K1, -0.1, "opposite"),
        (ours(-0.1, 0.3), -0.9, "smaller"),
        (ours(-0.1, 0.3), 0.9, "smaller"),  # of the other sign, but perhaps zero
        (ours(-0.5, 0.3), 0.9, "opposite"),
        (ours(0.5, 0.3), 0.0, "larger"),
        (Interval(5, 1.0, 0.0, 1.0, 1.0), 1.0, "inside"),
        (Interval(5, 0.0, 0.0, 0.0, 0.0), -0.26, "smaller"),
    ],
)
def test_without_the_papers_uncertainty_our_interval_decides(found, paper, wanted):
    assert replication(found, paper) == wanted


def test_the_papers_own_uncertainty_widens_the_range():
    """Keskar et al. 2017, table 2: 80.04 ± 0.12 against 77.26 ± 0.42, 5 runs each.

    By hand: the error of 2.78 is sqrt(0.12² + 0.42²)/sqrt(5) = 0.1953, ours 0.13/2.776 = 0.0468; together
    0.2009 with 4.5 degrees of freedom (Welch), so half of the interval is 2.66 x 0.2009 = 0.53 > 0.36.
    """
    error = standard_error(["80.04 ± 0.12", "77.26 ± 0.42"], 5, logs=False)
    assert error == pytest.approx(0.1953, abs=1e-4)
    assert replication(K1, 2.78, error, 5) == "inside"
    assert replication(ours(2.24, 0.13), 2.78, error, 5) == "smaller"


def test_of_a_ratio_the_error_is_relative():
    """Keskar et al. 2017, table 3: sqrt((69.52/205.14)² + (0.83/1.23)²)/sqrt(5) = 0.3377."""
    error = standard_error(["205.14 ± 69.52", "1.23 ± 0.83"], 5, logs=True)
    assert error == pytest.approx(0.3377, abs=1e-4)
    assert standard_error([], None, logs=True) == 0.0


@pytest.mark.parametrize("runs", [5, 20])
def test_a_true_replication_is_inside_as_often_as_it_should(runs):
    rng = np.random.default_rng(0)
    papers, mine = rng.normal(1.0, 1.0, (2000, runs)), rng.normal(1.0, 0.4, (2000, 14))
    inside = [
        replication(mean_interval(own), theirs.mean(), theirs.std(ddof=1) / np.sqrt(runs), runs) == "inside"
        for theirs, own in zip(papers, mine, strict=True)
    ]
    low, high = stats.binom.interval(0.999, 2000, 0.95)
    assert low <= sum(inside) <= high


def test_an_effect_that_is_no_mean_has_the_error_of_its_interval():
    """Of a mean over seeds both are the same."""
    n, std, error, runs = 5, 0.8, 0.3, 5
    half = stats.t.ppf(0.975, n - 1) * std / np.sqrt(n)
    for mean in (-0.4, 0.2, 0.9, 1.1):
        known, unknown = (Interval(n, mean, each, mean - half, mean + half) for each in (std, np.nan))
        assert replication(unknown, 0.5, error, runs) == replication(known, 0.5, error, runs)
    assert replication(Interval(n, 0.5, np.nan, 0.4, 0.6), 0.5, error, runs) == "inside"
