"""Whether our effect is the paper's number: a verdict of its own beside that on the threshold."""

import numpy as np
from scipy import stats

from largebatch.judging.claims import INSIDE, LARGER, NO_NUMBER, OPPOSITE, SMALLER
from largebatch.observations.statistics import CONFIDENCE, Interval


def replication(
    ours: Interval, paper: float | None, standard_error: float = 0.0, runs: int | None = None
) -> str:
    """One of REPLICATIONS, all on the judged scale, whose zero is no effect.

    standard_error: of the paper's number, from this many runs. `inside`: our estimate lies in the prediction
    interval that the paper's number sets for a replication (Patil, Peng and Leek 2016; for means with unknown
    variances Spence and Stanley 2016). Where the paper printed no uncertainty its number counts as exact:
    then our interval contains it.
    """
    if paper is None or np.isnan(ours.low):
        return NO_NUMBER
    if is_inside(ours, paper, standard_error, runs):
        return INSIDE
    if ours.mean * paper < 0 and (ours.low > 0 or ours.high < 0):
        return OPPOSITE
    # an estimate of the other sign that may be zero is a smaller effect, not an opposite one
    return LARGER if ours.mean * paper >= 0 and abs(ours.mean) > abs(paper) else SMALLER


def is_inside(ours: Interval, paper: float, standard_error: float, runs: int | None) -> bool:
    """Whether the two differ by no more than the 95 % interval of their difference after Welch."""
    if not standard_error:
        return ours.low <= paper <= ours.high
    half = stats.t.ppf((1 + CONFIDENCE) / 2, ours.n - 1)
    own = ours.std / np.sqrt(ours.n) if np.isfinite(ours.std) else (ours.high - ours.low) / (2 * half)
    total = np.hypot(own, standard_error)
    freedom = total**4 / (own**4 / (ours.n - 1) + standard_error**4 / (runs - 1))
    return abs(ours.mean - paper) <= stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * total


def standard_error(sides: list[str], runs: int | None, logs: bool) -> float:
    """Of a difference of independent means, or of the logarithm of a ratio (delta method).

    sides: 'mean ± standard deviation' as printed. Without sides 0.
    """
    pairs = [[float(number) for number in side.split(" ± ")] for side in sides]
    deviations = [std / abs(mean) if logs else std for mean, std in pairs]
    return float(np.sqrt(np.square(deviations).sum() / runs)) if pairs else 0.0
