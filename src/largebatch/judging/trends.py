"""Effects over arms: a rise, a change per doubling, a threshold, an elbow."""

from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd

from largebatch.config.claims import ChangePoint, Elbow, Monotone, Trend
from largebatch.judging import arms
from largebatch.judging.effect import (
    ArmEffects,
    NotJudgeable,
    expected,
    left_out,
    log_expected,
    lost,
    require_positive,
    seeds_of,
)
from largebatch.metrics import is_skewed
from largebatch.observations.reading import Missing, members, reading
from largebatch.observations.statistics import LEVEL, all_equal, smallest_detectable_shift

SHAPES = {"change_point": arms.steps, "elbow": arms.hinges}


def monotone(observations: pd.DataFrame, claim: Monotone) -> ArmEffects:
    """The change per doubling that leaves no order among the arms, by the test of isotonic regression."""
    x, values, strata, remarks = over_arms(observations, claim)
    least = 2 / arms.order_count(strata)
    if least >= LEVEL:
        raise NotJudgeable(f"{len(x)} arms cannot decide: no order of theirs has a p below {least:.2g}")

    def level(y: np.ndarray) -> bool:
        return all(all_equal(y[strata == stratum]) for stratum in np.unique(strata))

    def test(values: np.ndarray) -> tuple[float, float]:
        y = values.mean(axis=0)
        if level(y):
            return 0.0, 1.0
        estimate = arms.monotone_middle(x, y, strata)
        return estimate, min(1.0, 2 * min(arms.monotone_p(y - claim.expect.nearest(estimate) * x, strata)))

    y = values.to_numpy().mean(axis=0)
    if level(y):
        raise NotJudgeable("All arms have the same mean")
    few = f"The smallest p that an order of {len(x)} arms can have is {least:.2g}."
    rising, falling = arms.monotone_shares(y, strata)
    shape = f"Rising values explain {rising:.0%} of what varies between the arms, falling ones {falling:.0%}."
    remarks = (shape, *((few,) if least >= LEVEL / 10 else ()), *remarks)
    interval = partial(arms.monotone_interval, x, y, strata)
    return ArmEffects(values, test, interval, *expected(claim), remarks=remarks)


def trend(observations: pd.DataFrame, claim: Trend) -> ArmEffects:
    """The mean slope over log2(setting), with the error over arms and over seeds."""
    x, values, strata, remarks = over_arms(observations, claim)
    if len(x) - len(np.unique(strata)) < 2:
        raise NotJudgeable(f"A trend needs at least 2 arms more than levels; got {len(x)} arms")

    def test(values: np.ndarray) -> tuple[float, float]:
        slope = arms.arm_slope(x, values, strata)
        return slope.estimate, arms.slope_p(slope, claim.expect.nearest(slope.estimate))

    slope = arms.arm_slope(x, values.to_numpy(), strata)
    shift = smallest_detectable_shift(slope.freedom + 1) if slope.error else np.nan
    return ArmEffects(
        *(values, test, partial(arms.slope_interval, slope)),
        *expected(claim),
        remarks=remarks,
        detectable=shift * slope.error,
    )


def break_of(observations: pd.DataFrame, claim: ChangePoint | Elbow) -> ArmEffects:
    """How much better a break than a straight line fits the arms' means, on the logarithm."""
    x, values, _, remarks = over_arms(observations, claim)
    if len(x) < 2 * arms.LEAST_BESIDE + 1:
        raise NotJudgeable(f"A break needs at least {2 * arms.LEAST_BESIDE + 1} arms; got {len(x)}")

    def fitted(values: np.ndarray) -> arms.BreakFit:
        y = values.mean(axis=0) * (1 if claim.direction == "rises" else -1)
        return arms.fit_break(x, y, SHAPES[claim.kind](x))

    def test(values: np.ndarray) -> tuple[float, float]:
        fit = fitted(values)
        return fit.log_ratio, min(1.0, 2 * (fit.as_line if fit.log_ratio > 0 else fit.as_break))

    fit = fitted(values.to_numpy())
    ends = tuple(map(float, np.quantile(fit.spread, (LEVEL / 2, 1 - LEVEL / 2))))
    where = f"It fits best at {claim.setting} = {2 ** x[fit.place]:g}."
    return ArmEffects(
        *(values, test, lambda: ends),
        *log_expected(claim),
        logs=True,
        remarks=(where, *remarks),
    )


def over_arms(
    observations: pd.DataFrame, claim: Monotone | Trend | ChangePoint | Elbow
) -> tuple[np.ndarray, pd.DataFrame, np.ndarray, tuple[str, ...]]:
    """log2 of the setting (arms,), values (seeds, arms), strata (arms,), remarks; skewed values on log2."""
    minus, within = getattr(claim, "minus", None), getattr(claim, "within", None)
    settings = members(observations, claim.arm).sort_values(claim.setting, kind="stable")
    values, names = values_of(observations, settings.index, claim), list(settings.index)
    if minus:
        others = members(observations, minus).sort_values(claim.setting, kind="stable")
        if list(others[claim.setting]) != list(settings[claim.setting]):
            raise Missing(f"arms of {minus} at each {claim.setting} of {claim.arm}")
        values = values - values_of(observations, others.index, claim).set_axis(values.columns, axis=1)
        names += list(others.index)
    complete = values.dropna()
    missing = left_out(len(seeds_of(observations, names)) - len(complete))
    if len(complete) < 2:
        raise NotJudgeable(f"Wanted at least 2 seeds in every arm; got {len(complete)}")
    strata = strata_of(settings, within)
    kept = np.bincount(strata)[strata] > 1  # an arm alone has nothing to be compared with
    x = np.log2(settings[claim.setting].to_numpy(dtype=float))
    strata = np.unique(strata[kept], return_inverse=True)[1]
    return x[kept], complete.loc[:, kept], strata, (*missing, *lost(observations, names))


def values_of(observations: pd.DataFrame, names: Iterable[str], claim) -> pd.DataFrame:
    """Values (seeds, arms) of the claim's metric, those of a skewed one as logarithms to base 2."""
    values = pd.DataFrame({name: reading(observations, name, claim.metric, claim.at) for name in names})
    if not is_skewed(claim.metric):
        return values
    require_positive(values.stack(), claim.metric)
    return np.log2(values)


def strata_of(settings: pd.DataFrame, within: str | None) -> np.ndarray:
    """For each arm the number of its stratum: the arms that share the setting `within`."""
    if within is None:
        return np.zeros(len(settings), dtype=int)
    # rounded: 0.04 / 8 and 0.16 / 32 should be the same ratio
    alike = settings[within].map(lambda value: float(f"{value:.9g}"))
    return np.unique(alike, return_inverse=True)[1]
