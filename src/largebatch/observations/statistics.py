"""Intervals and tests over seeds, from one effect per seed."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from largebatch.config.decision import LEVEL

CONFIDENCE = 0.95
POWER = 0.8
# Effects that differ by a smaller share of their size differ only by rounding.
ROUNDING = 1e-12


class Interval(NamedTuple):
    """Mean over n seeds, its standard deviation, and its 95 % interval; NaN where n does not allow it."""

    n: int
    mean: float
    std: float
    low: float
    high: float


def half_width(std: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Half of the 95 % interval of a mean, Student t; NaN for n < 2. Broadcasts."""
    std, n = np.asarray(std, dtype=float), np.asarray(n, dtype=float)
    freedom = np.where(n > 1, n - 1, np.nan)
    return stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * std / np.sqrt(np.maximum(n, 1))


def mean_interval(values: ArrayLike) -> Interval:
    """Mean and 95 % Student t interval of values: (n,). Equal values give an interval of width 0."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n == 0:
        raise ValueError("wanted at least 1 value; got none")
    if n == 1:
        return Interval(1, float(values[0]), np.nan, np.nan, np.nan)
    if all_equal(values):
        return Interval(n, float(values[0]), 0.0, float(values[0]), float(values[0]))
    mean, std = float(values.mean()), float(values.std(ddof=1))
    half = float(half_width(std, n))
    return Interval(n, mean, std, mean - half, mean + half)


def all_equal(values: np.ndarray) -> bool:
    """Whether values: (n,) are the same to rounding."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def mean_p_value(values: ArrayLike, threshold: float) -> float:
    """Two-sided one-sample t test of mean = threshold; values: (n,), n >= 2.

    Without variance p is 1 if the mean is the threshold, else 0.
    """
    interval = mean_interval(values)
    if interval.n < 2:
        raise ValueError(f"wanted at least 2 values; got {interval.n}")
    distance = interval.mean - threshold
    if interval.std == 0:
        return float(abs(distance) <= ROUNDING * max(abs(interval.mean), abs(threshold)))
    t = distance / (interval.std / np.sqrt(interval.n))
    return float(2 * stats.t.sf(abs(t), interval.n - 1))


def nearer_p_value(values: ArrayLike, low: float, high: float) -> float:
    """Two-sided t test of the mean against the nearer of two bounds, one of which may be infinite.

    Between the bounds this is twice the p of two one-sided tests (TOST, Schuirmann 1987), so that
    p < 0.05 exactly if the 95 % interval lies between them. Outside it tests that the mean is beyond.
    """
    mean = mean_interval(values).mean
    return mean_p_value(values, low if mean - low < high - mean else high)


def bounds_p_value(
    estimate: float, low: float, high: float, above: Callable[[float], float], below: Callable[[float], float]
) -> float:
    """Two-sided p against two bounds, one of which may be infinite, of an effect that is no mean.

    above, below: bound -> one-sided p of the effect being above (below) it. Between the bounds both must be
    cleared (two one-sided tests), beyond one of them that one.
    """
    if low < estimate < high:
        sides = [test(bound) for test, bound in ((above, low), (below, high)) if np.isfinite(bound)]
    else:
        sides = [above(high) if estimate >= high else below(low)]
    return min(1.0, 2 * max(sides))


def smallest_detectable_effect(std: float, n: int) -> float:
    """Distance from the threshold that a two-sided t test at 5 % finds with 80 % power; n >= 2.

    From the noncentral t distribution (Cohen 1988), taking the observed standard deviation as the true one.
    """
    return smallest_detectable_shift(n) * std / np.sqrt(n)


@cache
def smallest_detectable_shift(n: int, level: float = LEVEL) -> float:
    """The noncentrality at which a test of n values has this power; the same for all claims with n seeds."""
    critical = stats.t.ppf(1 - level / 2, n - 1)

    def excess_power(shift: float) -> float:  # the other tail adds less than 1e-4 at this power
        return stats.nct.sf(critical, n - 1, shift) - POWER

    largest = 1.0
    while excess_power(largest) < 0:
        largest *= 2
    return float(optimize.brentq(excess_power, 0.0, largest))


def sign_p_value(on_side: int, n: int) -> float:
    """Two-sided sign test: on_side of n seeds lie on one side of the threshold."""
    return float(stats.binomtest(on_side, n).pvalue)
