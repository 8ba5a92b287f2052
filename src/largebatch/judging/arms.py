"""Tests over arms: seeds of one arm share what is peculiar to it, so that arms are the sample.

Values are the arms' means over seeds, y: (..., arms), in the order of a setting x: (arms,). Arms of one
stratum (strata: (arms,) of integers) are compared with each other only.
"""

from functools import cache
from itertools import permutations, product
from math import factorial, prod
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from largebatch.observations.statistics import CONFIDENCE, LEVEL

MOST_ORDERS = 5_040  # all orders of seven arms; of more arms a random sample of as many
SIMULATED = 4_999
LEAST_BESIDE = 2  # arms on either side of a break


class Slope(NamedTuple):
    """A change per unit of the setting, its standard error, and the degrees of freedom of that."""

    estimate: float
    error: float
    freedom: int


class BreakFit(NamedTuple):
    """How a break compares with the straight line.

    log_ratio: log of the squares the line leaves over those that the break leaves. as_line, as_break: p of
    the line if the break fits better, of the break if the line does; the other is 1. spread: (repetitions,)
    of log_ratio under the law that fits better. place: the arm at which the break begins.
    """

    log_ratio: float
    as_line: float
    as_break: float
    spread: np.ndarray
    place: int


def isotonic(y: np.ndarray) -> np.ndarray:
    """The nearest rising values to y: (..., m), by least squares (max-min formula; Barlow et al. 1972)."""
    m = y.shape[-1]
    start = np.zeros((*y.shape[:-1], 1))
    sums = np.concatenate([start, np.cumsum(y, axis=-1)], axis=-1)
    sums = np.moveaxis(sums, -1, 0).copy()  # many short rows: each step takes all of them at once
    found = np.full((m, *y.shape[:-1]), -np.inf)
    for first in range(m):
        least = np.full(y.shape[:-1], np.inf)
        for last in reversed(range(first, m)):
            least = np.minimum(least, (sums[last + 1] - sums[first]) / (last + 1 - first))
            found[last] = np.maximum(found[last], least)
    return np.moveaxis(found, 0, -1)


def rise(y: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Squares that rising values explain of y less those that falling ones do, summed over strata: (...)."""
    parts = [y[..., strata == stratum] for stratum in np.unique(strata)]
    centred = [part - part.mean(axis=-1, keepdims=True) for part in parts]
    return sum(
        np.square(isotonic(part)).sum(axis=-1) - np.square(isotonic(-part)).sum(axis=-1) for part in centred
    )


def monotone_shares(y: np.ndarray, strata: np.ndarray) -> tuple[float, float]:
    """The shares of what varies between the arms, y: (arms,), that rising and that falling values explain."""
    parts = [y[strata == stratum] - y[strata == stratum].mean() for stratum in np.unique(strata)]
    total = sum(np.square(part).sum() for part in parts) or np.nan
    return tuple(float(sum(np.square(isotonic(s * part)).sum() for part in parts) / total) for s in (1, -1))


def order_count(strata: np.ndarray) -> int:
    """In how many orders the arms could be, each within its stratum."""
    return prod(factorial(size) for size in np.bincount(strata))


@cache
def orders(strata: tuple[int, ...]) -> np.ndarray:
    """(orders, arms): all orders within strata, or as they are and a random sample of others."""
    places = [np.flatnonzero(np.array(strata) == stratum) for stratum in sorted(set(strata))]
    if order_count(np.array(strata)) <= MOST_ORDERS:
        choices = product(*(permutations(part) for part in places))
    else:
        rng = np.random.default_rng(0)
        choices = [places] + [[rng.permutation(part) for part in places] for _ in range(MOST_ORDERS - 1)]
    found = np.empty((min(order_count(np.array(strata)), MOST_ORDERS), len(strata)), dtype=int)
    for row, choice in zip(found, choices, strict=True):
        for part, order in zip(places, choice, strict=True):
            row[part] = order
    return found


def monotone_p(y: np.ndarray, strata: np.ndarray) -> tuple[float, float]:
    """One-sided p of rising and of falling y: (arms,), among all orders of the arms.

    Exact if the arms could have come in any order (Fisher 1935; isotonic against its reverse, Robertson,
    Wright and Dykstra 1988, section 2).
    """
    shuffled = rise(y[orders(tuple(strata))], strata)
    tolerance = 1e-9 * max(np.abs(shuffled).max(), np.finfo(float).tiny)
    found = rise(y, strata)
    return float((shuffled >= found - tolerance).mean()), float((shuffled <= found + tolerance).mean())


def monotone_middle(x: np.ndarray, y: np.ndarray, strata: np.ndarray) -> float:
    """The change per unit of x that, taken off the arms, leaves neither direction."""
    low, high, reach = changes_between(x, y, strata)
    found = optimize.bisect(lambda change: float(rise(y - change * x, strata)), low, high, xtol=1e-6 * reach)
    return float(found)


def monotone_interval(x: np.ndarray, y: np.ndarray, strata: np.ndarray) -> tuple[float, float]:
    """The 95 % interval around it: every change that leaves p at 5 % or above, the test inverted."""
    low, high, reach = changes_between(x, y, strata)

    def excess(side: int, change: float) -> float:
        return monotone_p(y - change * x, strata)[side] - LEVEL / 2

    def end(side: int) -> float:
        return float(optimize.bisect(lambda change: excess(side, change), low, high, xtol=1e-4 * reach))

    return end(0), end(1)


def changes_between(x: np.ndarray, y: np.ndarray, strata: np.ndarray) -> tuple[float, float, float]:
    """Changes per unit of x beyond which the order of the arms is complete, and the largest in size."""
    i, j = np.nonzero(np.equal.outer(strata, strata) & (x[:, None] < x))
    pairs = (y[j] - y[i]) / (x[j] - x[i])
    reach = max(np.abs(pairs).max(), np.finfo(float).tiny)
    return pairs.min() - 1e-3 * reach, pairs.max() + 1e-3 * reach, reach


def arm_slope(x: np.ndarray, values: np.ndarray, strata: np.ndarray) -> Slope:
    """Least-squares slope of values: (seeds, arms) over x: (arms,), one level for each stratum.

    Arms and seeds are both samples, so both scatters count (Clark 1973): that of the arms' means about the
    line, and that of the seeds' own slopes. What is left of chance is in both, so the sum errs on the safe
    side. So do the degrees of freedom, the fewer of the two (Welch 1938, lower bound).
    """
    levels = np.equal.outer(strata, np.unique(strata)).astype(float)
    level_of = levels @ np.linalg.pinv(levels)
    x = x - level_of @ x
    seeds = values @ x / (x @ x)
    means = values.mean(axis=0)
    left = means - level_of @ means - seeds.mean() * x
    freedom = len(x) - levels.shape[1] - 1
    of_arms = (left @ left) / freedom / (x @ x)
    of_seeds = seeds.var(ddof=1) / len(seeds)
    return Slope(float(seeds.mean()), float(np.sqrt(of_arms + of_seeds)), min(freedom, len(seeds) - 1))


def slope_interval(slope: Slope) -> tuple[float, float]:
    """The 95 % interval of a slope."""
    half = slope.error * stats.t.ppf((1 + CONFIDENCE) / 2, slope.freedom)
    return slope.estimate - float(half), slope.estimate + float(half)


def slope_p(slope: Slope, threshold: float) -> float:
    """Two-sided p of a slope at the threshold; without any error 1 on the threshold, else 0."""
    distance = abs(slope.estimate - threshold)
    if slope.error == 0:
        return float(distance == 0)
    return float(2 * stats.t.sf(distance / slope.error, slope.freedom))


def steps(x: np.ndarray) -> np.ndarray:
    """(breaks, arms): 0 before a break and 1 from it on."""
    return (x >= x[LEAST_BESIDE : len(x) - LEAST_BESIDE + 1, None]).astype(float)


def hinges(x: np.ndarray) -> np.ndarray:
    """(breaks, arms): 0 up to a break, and the distance from it beyond."""
    return np.maximum(0.0, x - x[LEAST_BESIDE - 1 : len(x) - LEAST_BESIDE, None])


def left_of(y: np.ndarray, shapes: np.ndarray, rising: bool) -> tuple[np.ndarray, np.ndarray]:
    """Squares that the best of the shapes: (shapes, arms) leaves of y: (..., arms), and the fitted values.

    rising: only shapes upwards; a level line where none fits.
    """
    y = y - y.mean(axis=-1, keepdims=True)
    shapes = shapes - shapes.mean(axis=-1, keepdims=True)
    shapes = shapes / np.linalg.norm(shapes, axis=-1, keepdims=True)
    sizes = y @ shapes.T
    sizes = np.maximum(sizes, 0.0) if rising else sizes
    best = np.argmax(np.abs(sizes), axis=-1)
    size = np.take_along_axis(sizes, best[..., None], axis=-1)
    total = np.square(y).sum(axis=-1)
    rounding = 1e-12 * np.maximum(total, np.finfo(float).tiny)
    return np.maximum(total - np.square(size[..., 0]), rounding), size * shapes[best]


def fit_break(x: np.ndarray, y: np.ndarray, shapes: np.ndarray, normal: np.ndarray | None = None) -> BreakFit:
    """How much better a rising break fits y: (arms,) than a straight line does.

    The laws are not nested, so each is tested on repetitions of itself, which rotate what it leaves of y.
    That test is exact for normal errors, whatever their size and the size of the slope or break (Langsrud
    2005). Where a break would be is unknown, so it must be rejected at every place (intersection-union test,
    Berger 1982). normal: (repetitions, arms) of standard normal draws.
    """
    normal = standard_normal(SIMULATED, len(x)) if normal is None else normal

    def log_ratio(y: np.ndarray) -> np.ndarray:
        return np.log(left_of(y, x[None], rising=False)[0] / left_of(y, shapes, rising=True)[0])

    found = float(log_ratio(y))
    _, fitted = left_of(y, shapes, rising=True)
    place = int(np.argmax(fitted > fitted[0]))  # the first arm above the level before; 0 for a level line
    if found > 0:
        spread = log_ratio(rotations(y, x, normal))
        return BreakFit(found, share(spread >= found), 1.0, log_ratio(rotations(y, fitted, normal)), place)
    as_break = max(share(log_ratio(rotations(y, shape, normal)) <= found) for shape in shapes)
    return BreakFit(found, 1.0, as_break, log_ratio(rotations(y, x, normal)), place)


def share(as_extreme: np.ndarray) -> float:
    """p from repetitions, of which the data are one."""
    return float((1 + as_extreme.sum()) / (1 + len(as_extreme)))


def rotations(y: np.ndarray, shape: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Repetitions of y: (arms,) with the same fit by a level and a shape: (arms,), and the same squares left.

    What is left points in the direction of what the fit leaves of normal: (repetitions, arms).
    """
    basis = np.linalg.qr(np.stack([np.ones_like(shape), shape], axis=-1))[0]

    def left(y: np.ndarray) -> np.ndarray:
        return y - y @ basis @ basis.T

    directions = left(normal)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return y - left(y) + np.linalg.norm(left(y)) * directions


@cache
def standard_normal(rows: int, columns: int) -> np.ndarray:
    """The same draws for every claim."""
    return np.random.default_rng(0).normal(size=(rows, columns))
