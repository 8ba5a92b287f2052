"""Simulated claims of every kind, whose truth lies on the threshold: how often a verdict errs.

A correct test calls them above in 2.5 % of cases and below in 2.5 %.
"""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pandas as pd
from scipy import optimize

from largebatch.judging import arms, curves, fits
from largebatch.judging.statements import levels_within, rejections, screened
from largebatch.observations.statistics import LEVEL, nearer_p_value

ARMS = np.arange(6.0)  # logarithms to base 2 of a setting
POSITIONS = np.log(2.0) * np.arange(9)  # logarithms of updates or batch sizes
UPDATES = np.arange(1.0, 41.0)
CRITICAL = np.log(60.0)
ROTATIONS = 499  # of a test by rotations; drawn anew each time, so that so few do not shift its level
Draw = Callable[..., np.ndarray]
Sides = tuple[float, float]  # one-sided p of an effect above and below the threshold


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_t(2, size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.exp(rng.normal(size=shape)) - np.exp(0.5)


def outlying(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape) * np.where(rng.random(shape) < 0.05, 10.0, 1.0)


NOISE: dict[str, Draw] = {"normal": normal, "t(2)": heavy, "lognormal": skewed, "outliers": outlying}
LOGARITHMS = NOISE | {"lognormal": normal}  # of a positive skewed metric, which these kinds judge


def two_sides(p_value: float, above: bool) -> Sides:
    return (p_value / 2, 1 - p_value / 2) if above else (1 - p_value / 2, p_value / 2)


def mean_sides(values: np.ndarray, threshold: float = 0.0) -> Sides:
    """Of the kinds that are a mean over seeds, as the judge has it."""
    return two_sides(nearer_p_value(values, threshold, np.inf), values.mean() > threshold)


def slopes(rng, draw: Draw, n: int) -> np.ndarray:
    x = POSITIONS - POSITIONS.mean()
    return draw(rng, (n, len(x))) @ x / (x @ x)


def best(rng, draw: Draw, n: int) -> np.ndarray:
    bowl = 0.5 * np.square(np.arange(6.0) - 2.5)
    a, b = (np.argmin(bowl + draw(rng, (n, 6)), axis=1) for _ in range(2))
    return (a - b).astype(float)


def arrivals(rng, draw: Draw, n: int) -> np.ndarray:
    made = np.ceil(20 * np.exp(0.2 * np.clip(draw(rng, (2, n)), -10, 10)))  # evaluated once per epoch
    return np.log(made[0] / made[1])


def hyperbola_and_line(share: float) -> np.ndarray:
    """A law between a hyperbola and the line that fits it best."""
    law = np.logaddexp(0.0, CRITICAL - POSITIONS)
    return share * law + (1 - share) * np.polyval(np.polyfit(POSITIONS, law, 1), POSITIONS)


def gain(logs: np.ndarray) -> float:
    return fits.fit_hyperbola(POSITIONS, logs)["r_squared"] - fits.squared_correlation(POSITIONS, logs)


@cache
def between() -> np.ndarray:
    """The law that both fit equally well."""
    share = optimize.brentq(lambda share: gain(hyperbola_and_line(share)), 0.01, 0.99)
    return hyperbola_and_line(float(share))


def gains(rng, draw: Draw, n: int) -> np.ndarray:
    return np.array([gain(between() + 0.1 * of_seed) for of_seed in draw(rng, (n, len(POSITIONS)))])


MEANS = {  # kind -> (one effect per seed, 0 on average; noise)
    "level": (lambda rng, draw, n: draw(rng, (n,)), LOGARITHMS),
    "difference": (lambda rng, draw, n: np.subtract(*draw(rng, (2, n))), NOISE),
    "ratio": (lambda rng, draw, n: np.subtract(*draw(rng, (2, n))), LOGARITHMS),
    "contrast": (lambda rng, draw, n: np.array([1, -1, -1, 1]) @ draw(rng, (4, n)), NOISE),
    "slope": (slopes, LOGARITHMS),
    "best_setting": (best, NOISE),
    "updates_to_target": (arrivals, LOGARITHMS),
    "hyperbola, gain": (gains, LOGARITHMS),
}


def gap_sides(rng, draw: Draw, n: int, apart: float = 3.0, bound: float | None = None) -> Sides:
    """Two arms of 10 epochs, each with noise that its epochs share and noise that they do not."""
    a, b = (0.5 * draw(rng, (n, 1)) + draw(rng, (n, 10)) for _ in range(2))
    d, bound = a - b + apart, apart if bound is None else bound
    estimate, p_value = curves.distance(d, -np.inf, bound)
    return two_sides(p_value, estimate > bound)


def growth_sides(rng, draw: Draw, n: int, law=np.log, noise: float = 0.1) -> Sides:
    """Curves that differ in shape and at single evaluations; t**0.5 is the shape in which seeds differ."""
    size = noise * np.ptp(law(UPDATES)) / np.ptp(np.log(UPDATES))
    values = law(UPDATES) + size * (draw(rng, (n, 1)) * UPDATES**0.5 + draw(rng, (n, len(UPDATES))))
    exponent, p_value = fits.growth_exponent(UPDATES, values, 0.0, np.inf)
    return two_sides(p_value, exponent > 0)


def critical_sides(rng, draw: Draw, n: int, factor: float = 1.0) -> Sides:
    updates = np.logaddexp(0.0, CRITICAL - POSITIONS) + 0.3 * draw(rng, (n, len(POSITIONS)))
    threshold = CRITICAL - np.log(factor)
    found, p_value = fits.critical_multiple(
        POSITIONS, np.column_stack([updates, np.zeros(n)]), threshold, np.inf
    )
    return two_sides(p_value, found > threshold)


CURVES = {  # kind -> (its test, noise)
    "curve_gap": (gap_sides, NOISE),
    "curve_gap, noisy": (lambda rng, draw, n: gap_sides(rng, draw, n, apart=1.0), NOISE),
    "growth_law": (growth_sides, LOGARITHMS),
    "hyperbola, critical batch": (critical_sides, LOGARITHMS),
}


def monotone_sides(rng, x: np.ndarray, values: np.ndarray) -> Sides:
    return arms.monotone_p(values.mean(axis=0), np.zeros(len(x), dtype=int))


def trend_sides(rng, x: np.ndarray, values: np.ndarray) -> Sides:
    slope = arms.arm_slope(x, values, np.zeros(len(x), dtype=int))
    return two_sides(arms.slope_p(slope, 0.0), slope.estimate > 0)


def break_sides(shapes: Callable) -> Callable:
    """Of a break although there is none, and of a line although there is none."""

    def sides(rng, x: np.ndarray, values: np.ndarray) -> Sides:
        fit = arms.fit_break(x, values.mean(axis=0), shapes(x), rng.normal(size=(ROTATIONS, len(x))))
        return fit.as_line, fit.as_break

    return sides


TESTS = {
    "monotone": monotone_sides,
    "trend": trend_sides,
    "change_point": break_sides(arms.steps),
    "elbow": break_sides(arms.hinges),
}
PLANTED = {  # in the noise of a seed, over a range of 5 doublings
    "monotone": lambda x: 0.5 * x,
    "trend": lambda x: 0.75 * x,
    "change_point": lambda x: 4.0 * (x >= 2.5),
    "elbow": lambda x: 2.0 * np.maximum(0.0, x - 2.5),
}
LEVEL_ARMS = "level"
# kind, what is true of the arms -> their mean, and which side would be an error (0 above, 1 below)
TRUTHS = {(kind, LEVEL_ARMS): (lambda x: 0 * x, (0, 1)) for kind in TESTS} | {
    ("change_point", "a line"): (lambda x: x, (0,)),
    ("change_point", "a break"): (PLANTED["change_point"], (1,)),
    ("elbow", "a line"): (lambda x: x, (0,)),
    ("elbow", "a break"): (PLANTED["elbow"], (1,)),
}


def over_arms(rng, draw: Draw, n: int, arm_effects: float, count: int = len(ARMS)) -> np.ndarray:
    """Values (seeds, arms) without a trend; arm_effects: their size, in that of the noise of one seed."""
    return draw(rng, (n, count)) + draw(rng, (n, 1)) + arm_effects * draw(rng, (count,))


def errors(kind: str, noise: str, n: int, repeats: int) -> tuple[float, float]:
    """Shares called above and below with the truth on the threshold; 0 for a side that would be right."""
    rng = np.random.default_rng([n, *kind.encode(), *noise.encode()])
    if kind in MEANS:
        effects, noises = MEANS[kind]
        found = [mean_sides(effects(rng, noises[noise], n)) for _ in range(repeats)]
    elif kind in CURVES:
        test, noises = CURVES[kind]
        found = [test(rng, noises[noise], n) for _ in range(repeats)]
    else:
        (name, _, truth), (drawn, _, size) = kind.partition(" on "), noise.partition(" + arm effects ")
        mean, wrong = TRUTHS[name, truth or LEVEL_ARMS]
        values = (over_arms(rng, LOGARITHMS[drawn], n, float(size or 0)) + mean(ARMS) for _ in range(repeats))
        sides = np.array([TESTS[name](rng, ARMS, of_all) for of_all in values])
        found = np.where(np.isin([0, 1], wrong), sides, 1.0)
    above, below = (np.array(found) < LEVEL / 2).mean(axis=0)
    return float(above), float(below)


def cases() -> Iterator[tuple[str, str]]:
    """Every kind with every noise."""
    yield from ((kind, noise) for kind in (*MEANS, *CURVES) for noise in NOISE)
    for kind, truth in TRUTHS:
        sizes = ("", " + arm effects 1", " + arm effects 3")
        name = kind if truth == LEVEL_ARMS else f"{kind} on {truth}"
        yield from ((name, noise + size) for noise in NOISE for size in sizes)


def decisive_levels(claims: pd.DataFrame) -> pd.Series:
    """Of each judged condition of a ledger the level below which its p is decided, given all other p."""
    found = screened(claims)
    found["level"] = levels_within(found)

    def of_condition(row: pd.Series) -> float:
        p = found.loc[found["statement"] == row["statement"], "p"].mask(lambda p: p.index == row.name, 0.0)
        return row["level"] * rejections(p, row["level"]) / len(p)

    return found.apply(of_condition, axis="columns") if len(found) else pd.Series(dtype=float)
