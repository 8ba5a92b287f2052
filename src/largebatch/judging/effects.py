"""What each kind of claim measures, on the scale on which it is judged."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from largebatch.config.claims import (
    BestSetting,
    Contrast,
    CurveGap,
    Difference,
    Level,
    Ratio,
    UpdatesToTarget,
)
from largebatch.judging import curves
from largebatch.judging.effect import (
    ROUNDING,
    ArmEffects,
    Effects,
    NotJudgeable,
    expected,
    fewer_updates,
    left_out,
    log_expected,
    log_ratio,
    lost,
    paired,
    read_operand,
    require_positive,
    seeds_of,
)
from largebatch.judging.fits import growth_law, hyperbola, slope
from largebatch.judging.trends import break_of, monotone, trend
from largebatch.observations.reading import Missing, beside, best_members, carried, final, members
from largebatch.observations.statistics import smallest_detectable_effect


def difference(observations: pd.DataFrame, claim: Difference) -> Effects:
    """a - b."""
    a, b, remarks = operands(observations, claim)
    return Effects(a - b, *expected(claim), remarks=remarks)


def ratio(observations: pd.DataFrame, claim: Ratio) -> Effects:
    """log(a / b)."""
    a, b, remarks = operands(observations, claim)
    return Effects(log_ratio(a, b), *log_expected(claim), logs=True, remarks=remarks)


def level(observations: pd.DataFrame, claim: Level) -> Effects:
    """The metric itself, or its logarithm."""
    values = read_operand(observations, claim.a, claim.metric)
    missing = left_out(len(seeds_of(observations, [claim.a.arm])) - len(values))
    remarks = (*missing, *fewer_updates(observations, claim.a), *lost(observations, [claim.a.arm]))
    if not claim.on_logarithms:
        return Effects(values, *expected(claim), remarks=remarks)
    require_positive(values, claim.metric)
    return Effects(np.log(values), *log_expected(claim), logs=True, remarks=remarks)


def contrast(observations: pd.DataFrame, claim: Contrast) -> Effects:
    """(a - b) - (c - d)."""
    operands = (claim.a, claim.b, claim.c, claim.d)
    read = [read_operand(observations, side, claim.metric) for side in operands]
    table = pd.concat(read, axis="columns", keys=range(4)).dropna()
    arms = [side.arm for side in operands]
    missing = left_out(len(seeds_of(observations, arms)) - len(table))
    short = [remark for side in operands for remark in fewer_updates(observations, side)]
    values = (table[0] - table[1]) - (table[2] - table[3])
    return Effects(values, *expected(claim), remarks=(*missing, *short, *lost(observations, arms)))


def curve_gap(observations: pd.DataFrame, claim: CurveGap) -> ArmEffects:
    """Distance of the mean curves, from share `after` to share `before` of the shorter run."""
    a, b = (carried(observations, arm, claim.metric) for arm in (claim.a, claim.b))
    last = min(a.index.max(), b.index.max())
    start, end = claim.after * last, claim.before * last
    epochs = a.index.intersection(b.index)
    epochs = epochs[(epochs >= start - ROUNDING * last) & (epochs <= end + ROUNDING * last)]
    if epochs.empty:
        raise Missing(f"epochs {start:g} to {end:g} at which both {claim.a} and {claim.b} were evaluated")
    gap = (a.loc[epochs] - b.loc[epochs]).T
    values, (low, high) = gap.dropna(), expected(claim)
    if len(values) < 2:
        raise NotJudgeable(f"Wanted at least 2 seeds; got {len(values)}")
    along = curves.projections(values.to_numpy())
    return ArmEffects(
        values,
        partial(curves.distance, low=low, high=high),
        partial(curves.distance_interval, values.to_numpy()),
        *(low, high),
        remarks=(*left_out(len(gap) - len(values)), *lost(observations, (claim.a, claim.b))),
        detectable=smallest_detectable_effect(along.std(ddof=1), len(along)) or np.nan,
    )


def best_setting(observations: pd.DataFrame, claim: BestSetting) -> Effects:
    """log2(best of a) - log2(best of b); a seed's best setting is where the metric ends lowest."""
    a, edge_a = best_of(observations, claim.a, claim)
    b, edge_b = best_of(observations, claim.b, claim)
    a, b, remarks = paired(a, b)
    at_edge = (
        f"The best {claim.setting} is at the edge of the grid in {edge_a} of {len(a)} seeds of {claim.a} "
        f"and {edge_b} of {len(b)} of {claim.b}."
    )
    remarks = (*remarks, at_edge) if len(a) else remarks
    return Effects(np.log2(a) - np.log2(b), *expected(claim), remarks=remarks)


def best_of(observations: pd.DataFrame, group: str, claim: BestSetting) -> tuple[pd.Series, int]:
    """Each seed's best setting, and how many of them are the smallest or largest of the grid."""
    settings = members(observations, group)[claim.setting]
    best = best_members(observations, settings.sort_values(kind="stable").index, claim.metric).map(settings)
    return best.astype(float), int(best.isin([settings.min(), settings.max()]).sum())


def updates_to_target(observations: pd.DataFrame, claim: UpdatesToTarget) -> Effects:
    """log(updates of a / updates of b) until the metric first is at or below the target."""
    sides = {arm: first_at_target(observations, arm, claim) for arm in (claim.a, claim.b)}
    (a, b), (never_a, never_b) = ([side[i] for side in sides.values()] for i in (0, 1))
    a, b, remarks = paired(a, b)
    never_a, never_b = (never & set(a.index) for never in (never_a, never_b))
    if len(a) and len(never_a) == len(never_b) == len(a):
        raise NotJudgeable(f"No seed of {claim.a} or {claim.b} reached {claim.target:g}")
    counted = tuple(
        f"{len(never)} of {len(a)} seeds of {arm} never reached {claim.target:g}; "
        "they count with all the updates they made."
        for arm, never in ((claim.a, never_a), (claim.b, never_b))
        if never
    )
    return Effects(
        log_ratio(a, b),
        *log_expected(claim),
        logs=True,
        remarks=(*remarks, *counted),
        at_least=frozenset(never_a),
        at_most=frozenset(never_b),
    )


def first_at_target(
    observations: pd.DataFrame, arm: str, claim: UpdatesToTarget
) -> tuple[pd.Series, set[int]]:
    """Each seed's updates at the first evaluation at or below the target, and the seeds that had none."""
    reached = beside(observations, arm, claim.metric, "updates").query("value <= @claim.target")
    counted = reached.groupby("seed")["updates"].min()
    made = final(observations, arm, "updates")
    never = set(made.index) - set(counted.index)
    # a target met before training counts as one update, since 0 has no logarithm
    return counted.reindex(made.index).fillna(made).clip(lower=1.0), never


EFFECTS: dict[str, Callable[..., Effects | ArmEffects]] = {
    "difference": difference,
    "ratio": ratio,
    "level": level,
    "contrast": contrast,
    "slope": slope,
    "monotone": monotone,
    "trend": trend,
    "change_point": break_of,
    "elbow": break_of,
    "growth_law": growth_law,
    "hyperbola": hyperbola,
    "curve_gap": curve_gap,
    "best_setting": best_setting,
    "updates_to_target": updates_to_target,
}


def operands(observations: pd.DataFrame, claim) -> tuple[pd.Series, pd.Series, tuple[str, ...]]:
    """a and b for the seeds that have both, with remarks on how they were read."""
    a, b = (read_operand(observations, side, claim.metric) for side in (claim.a, claim.b))
    remarks = [r for side in (claim.a, claim.b) for r in fewer_updates(observations, side)]
    arms = (claim.a.arm, claim.b.arm)
    a, b, _ = paired(a, b)
    missing = left_out(len(seeds_of(observations, arms)) - len(a))
    return a, b, (*missing, *remarks, *lost(observations, arms))
