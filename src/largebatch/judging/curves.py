"""The distance between two arms' mean curves: the root of their mean square difference over epochs.

d: (seeds, epochs) are the seeds' differences. A distance taken for each seed and then averaged would also
measure the noise of single runs, and be skewed.
"""

import numpy as np
from scipy import optimize, stats

from largebatch.observations.statistics import CONFIDENCE, bounds_p_value, mean_interval, mean_p_value


def projections(d: np.ndarray) -> np.ndarray:
    """How far each seed's curves are apart along the mean difference of the other seeds: (seeds,).

    No seed chooses the direction in which it counts. So their mean is on average no larger than the distance.
    """
    others = (d.sum(axis=0) - d) / (len(d) - 1)
    length = np.sqrt(np.square(others).mean(axis=1))
    return (d * others).mean(axis=1) / np.where(length > 0, length, 1.0)


def farthest(d: np.ndarray, errors: float) -> float:
    """The largest distance of curves that lie within so many standard errors of the mean in every direction.

    With a quantile of t it is an upper confidence limit, since a distance is the largest difference in any
    direction, and each is below its own limit (intersection-union, Berger 1982). It is the maximum of a
    quadratic over a ball, by its dual (Moré and Sorensen 1983).
    """
    n, epochs = d.shape
    mean = d.mean(axis=0)
    spread = errors * (d - mean) / np.sqrt(n * (n - 1))
    sizes, directions = np.linalg.eigh(spread @ spread.T)
    along = np.square(directions.T @ (spread @ mean))
    reach = float(np.sqrt(along.sum()))
    if sizes[-1] + reach == 0:
        return float(np.sqrt(np.square(mean).mean()))
    first, last = sizes[-1] + 1e-12 * (sizes[-1] + reach), sizes[-1] + (1 + 1e-9) * reach

    def slope(multiplier: float) -> float:
        return 1 - (along / np.square(multiplier - sizes)).sum()

    best = optimize.brentq(slope, first, last) if slope(first) < 0 else first
    return float(np.sqrt((mean @ mean + best + (along / (best - sizes)).sum()) / epochs))


def p_below(d: np.ndarray, bound: float) -> float:
    """One-sided p of a distance below the bound: of the errors at which the farthest curves reach it."""
    if farthest(d, 0.0) >= bound:
        return 0.5
    largest = 1.0
    while farthest(d, largest) < bound:
        largest *= 2
        if largest > 1e9:  # the seeds do not vary
            return 0.0
    errors = optimize.brentq(lambda errors: farthest(d, errors) - bound, 0.0, largest)
    return float(stats.t.sf(errors, len(d) - 1))


def p_above(d: np.ndarray, bound: float) -> float:
    """One-sided p of a distance above the bound: the t test of the projections."""
    along = projections(d)
    p_value = mean_p_value(along, bound)
    return p_value / 2 if along.mean() > bound else 1 - p_value / 2


def distance(d: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The estimate, and its two-sided p against the bounds."""
    estimate = max(0.0, float(projections(d).mean()))
    return estimate, bounds_p_value(estimate, low, high, lambda b: p_above(d, b), lambda b: p_below(d, b))


def distance_interval(d: np.ndarray) -> tuple[float, float]:
    """Its 95 % interval, from the same tests."""
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(d) - 1))
    return max(0.0, mean_interval(projections(d)).low), farthest(d, quantile)
