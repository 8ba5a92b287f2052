"""The one parameter of a law's shape, by Rao's score.

A seed's score at a value of the parameter is linear in what the seed measured: its residuals from the law,
times the derivative of the law (Rao 1948). At the least-squares fit of the mean curve the scores have mean 0.
So their t test tests a value of the parameter as exactly as it tests a mean, while the parameters that fit
single seeds are skewed and biased.
"""

from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from largebatch.observations.statistics import (
    CONFIDENCE,
    all_equal,
    bounds_p_value,
    smallest_detectable_effect,
)

# Scores (seeds,) at a value of the parameter; positive if the seed's own parameter is larger.
Scores = Callable[[float], np.ndarray]
GRID = 400  # values between which the ends of an interval are searched
STEP = 1e-4  # of the parameter, for a derivative


def t_value(scores: np.ndarray) -> float:
    """Mean over standard error; infinite, or 0, without variance."""
    mean = scores.mean()
    if all_equal(scores):
        return float(np.sign(mean) * np.inf) if mean else 0.0
    return float(mean / stats.sem(scores))


def p_value(scores: Scores, estimate: float, low: float, high: float) -> float:
    """Two-sided p of the parameter against the bounds."""

    def p_above(bound: float) -> float:
        found = scores(bound)
        return float(stats.t.sf(t_value(found), len(found) - 1))

    return bounds_p_value(estimate, low, high, p_above, lambda bound: 1 - p_above(bound))


def interval(scores: Scores, estimate: float, searched: tuple[float, float]) -> tuple[float, float]:
    """The values around the estimate that the score does not reject; at most the range searched."""
    low, high = (end_of(scores, estimate, end) for end in searched)
    return low, high


def end_of(scores: Scores, estimate: float, last: float) -> float:
    """The first value from the estimate towards the last that the score rejects, else the last."""
    n = len(scores(estimate))
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)

    def excess(value: float) -> float:
        return min(abs(t_value(scores(value))), 1e9) - quantile

    kept = estimate
    # close to the estimate first: intervals may be far shorter than the range searched
    for share in np.geomspace(1e-9, 1.0, GRID):
        value = estimate + share * (last - estimate)
        if excess(value) >= 0:
            return float(optimize.brentq(excess, kept, value)) if excess(kept) < 0 else kept
        kept = value
    return last


def detectable(scores: Scores, estimate: float) -> float:
    """Distance from a bound that is found with 80 % power; NaN if the seeds do not vary.

    To first order: the standard error of the estimate is that of the scores over what a change of the
    parameter does to them.
    """
    change = (scores(estimate + STEP).mean() - scores(estimate - STEP).mean()) / (2 * STEP)
    found = scores(estimate)
    if all_equal(found) or change == 0:
        return np.nan
    return float(smallest_detectable_effect(found.std(ddof=1), len(found)) / abs(change))
