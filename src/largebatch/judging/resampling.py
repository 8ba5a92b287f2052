"""Tests of a mean over seeds, of many sets of seeds at once: the t test, and others beside it.

values: (sets, n), one row for each set of seeds. Each test of values is a function of a bound. It gives two
p-values of (sets,): that of "the mean is at most the bound", small if the values lie above it, and that of
"at least". What takes long and is the same for all bounds is done once.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from largebatch.observations.statistics import ROUNDING

RESAMPLES = 19_999  # 2/20,000 is a third of the level of one of 150 claims after Bonferroni
MOST_FLIPS = 2**14  # all flips of 14 seeds; of more seeds a random sample of as many
TIED = 9  # digits, relative to the largest, in which equal distances agree


class Tails(NamedTuple):
    """p of "the mean is at most the bound", and of "at least": (sets,) each."""

    above: np.ndarray
    below: np.ndarray


Test = Callable[..., Tails]


def t_test(values: np.ndarray) -> Test:
    """Student's t test. inflation: by what the variance of the mean grows; see overlap_inflation."""

    def tails(bound: float, inflation: float = 1.0) -> Tails:
        t, freedom = studentised(values, bound) / np.sqrt(inflation), values.shape[1] - 1
        return Tails(stats.t.sf(t, freedom), stats.t.cdf(t, freedom))

    return tails


def bootstrap_t(values: np.ndarray) -> Test:
    """The same by the distribution of t in resamples of the seeds (Efron and Tibshirani 1993, chapter 16)."""
    resampled = resampled_t(values)
    total = 1 + len(resampled)

    def tails(bound: float, inflation: float = 1.0) -> Tails:
        t = studentised(values, bound) / np.sqrt(inflation)
        return Tails((1 + (resampled >= t).sum(0)) / total, (1 + (resampled <= t).sum(0)) / total)

    return tails


def sign_flips(values: np.ndarray) -> Test:
    """The sum of distances from the bound, among the sums with all signs (Fisher 1935); wants symmetry."""
    return lambda bound: flipped(values - bound)


def wilcoxon(values: np.ndarray) -> Test:
    """The signed ranks among those with all signs (Wilcoxon 1945), exact with ties too; wants symmetry."""
    return lambda bound: flipped(signed_ranks(values - bound))


def signed_ranks(distances: np.ndarray) -> np.ndarray:
    """Ranks of the sizes in each row with the signs of the distances; zeros are left out, as Wilcoxon did."""
    largest = np.maximum(np.abs(distances).max(1, keepdims=True), np.finfo(float).tiny)
    sizes = np.round(np.abs(distances) / largest, TIED)
    zeros = (sizes == 0).sum(1, keepdims=True)
    ranks = stats.rankdata(sizes, axis=1) - zeros  # zeros have the lowest
    return np.where(sizes == 0, 0.0, ranks * np.sign(distances))


def least_p_of_signs(n: int) -> float:
    """The smallest two-sided p that signs of n seeds can have."""
    return 2 / min(2**n, MOST_FLIPS)


def least_p_of_resamples(n: int) -> float:
    """The smallest two-sided p of bootstrap-t, about: one seed is drawn n times, and t is infinite."""
    return 2 * max(n**-n, 1 / (1 + RESAMPLES))


def overlap_inflation(n: int, ratio: float) -> float:
    """By what the variance of a mean over n splits of one data set grows, as they share images.

    ratio: test over training images. Nadeau and Bengio 2003, section 3, conjecture the correlation
    test / (test + train) between two splits; then the variance is (1/n + ratio) σ² in place of σ²/n.
    """
    return 1 + n * ratio


def studentised(values: np.ndarray, bound: float) -> np.ndarray:
    """t of each set; infinite where all values are equal and not at the bound: (sets,)."""
    mean = values.mean(1)
    error = values.std(1, ddof=1) / np.sqrt(values.shape[1])
    equal = np.ptp(values, axis=1) <= ROUNDING * np.abs(values).max(1)
    at_bound = equal & (np.abs(mean - bound) <= ROUNDING * np.maximum(np.abs(mean), abs(bound)))
    return over(np.where(at_bound, 0.0, mean - bound), np.where(equal, 0.0, error))


def over(distance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """distance / error; infinite where only the error is zero, and zero where the distance is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / error)


def resampled_t(values: np.ndarray) -> np.ndarray:
    """(resamples, sets): t of the resampled values about the mean of the values."""
    n = values.shape[1]
    centred = values - values.mean(1, keepdims=True)
    centred /= np.maximum(np.abs(centred).max(1, keepdims=True), np.finfo(float).tiny)
    mean, square = (resamples(n) @ part.T / n for part in (centred, centred**2))
    variance = square - mean**2
    # of one value drawn n times what remains is rounding
    error = np.sqrt(np.where(variance <= ROUNDING * square, 0.0, variance) / (n - 1))
    return over(mean, error)


@cache
def resamples(n: int) -> np.ndarray:
    """(resamples, n): how often each of n seeds is drawn; the same for every claim."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)


def flipped(distances: np.ndarray) -> Tails:
    """The share of flips with a sum as large, and as small, as that of the distances: (sets, n)."""
    sums, found = signs(distances.shape[1]) @ distances.T, distances.sum(1)
    tolerance = 1e-9 * np.abs(distances).sum(1)
    return Tails((sums >= found - tolerance).mean(0), (sums <= found + tolerance).mean(0))


@cache
def signs(n: int) -> np.ndarray:
    """(flips, n): all signs of n values, or those they have and a random sample of others."""
    if 2**n <= MOST_FLIPS:
        return 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    drawn = np.random.default_rng(0).choice([-1.0, 1.0], size=(MOST_FLIPS - 1, n))
    return np.vstack([np.ones(n), drawn])
