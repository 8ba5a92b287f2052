"""The distance between two arms' mean curves: the mean over epochs of how far apart they are.

d: (seeds, epochs) are the seeds' differences. A distance taken for each seed and then averaged would also
measure the noise of single runs, and be skewed. The distance of the mean curves is the largest of their mean
differences with any choice of a sign, -1 or 1, for each epoch; with chosen signs it is a mean over seeds.
"""

import numpy as np
from scipy import stats

from largebatch.observations.statistics import CONFIDENCE, bounds_p_value, mean_interval, mean_p_value

STARTS = 30  # of the search for the farthest curves, besides those that the data suggest


def projections(d: np.ndarray) -> np.ndarray:
    """Each seed's mean difference, with the signs of the mean difference of the other seeds: (seeds,).

    No seed chooses the signs with which it counts. So their mean is on average no larger than the distance.
    """
    return (d * signs(d.sum(axis=0) - d)).mean(axis=1)


def signs(values: np.ndarray) -> np.ndarray:
    """-1 or 1."""
    return np.where(values >= 0, 1.0, -1.0)


def farthest(d: np.ndarray, errors: float) -> tuple[float, float, float]:
    """The largest sum of a mean difference and so many of its standard errors, over signs, and both of these.

    With a quantile of t it is an upper confidence limit of the distance, since the mean difference with each
    choice of signs is below its own limit (intersection-union test, Berger 1982). Found by the power method
    (Journée et al. 2010) from several starts.
    """
    n, epochs = d.shape
    mean = d.mean(axis=0) / epochs
    spread = (d - d.mean(axis=0)) / np.sqrt(n * (n - 1)) / epochs
    at_random = np.random.default_rng(0).normal(size=(STARTS, epochs))
    starts = np.concatenate([mean[None], np.ones((1, epochs)), spread, at_random])
    chosen = signs(np.concatenate([starts, -starts]))
    while True:
        scores = chosen @ spread.T
        error = np.linalg.norm(scores, axis=1)
        towards = mean + errors * scores @ spread / np.where(error > 0, error, 1.0)[:, None]
        better = signs(towards)
        if (better == chosen).all():
            break
        chosen = better
    best = int(np.argmax(chosen @ mean + errors * error))
    return float(chosen[best] @ mean + errors * error[best]), float(chosen[best] @ mean), float(error[best])


def p_below(d: np.ndarray, bound: float) -> float:
    """One-sided p of a distance below the bound: the largest over signs (by Dinkelbach 1967)."""
    _, mean, error = farthest(d, 0.0)
    if mean >= bound:
        return 0.5
    fewest = np.inf
    while error > 0 and (bound - mean) / error < fewest * (1 - 1e-9):
        fewest = (bound - mean) / error
        _, mean, error = farthest(d, fewest)
    return float(stats.t.sf(fewest, len(d) - 1))


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
    return max(0.0, mean_interval(projections(d)).low), farthest(d, quantile)[0]
