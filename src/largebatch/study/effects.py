"""What each kind of claim measures: one effect a seed, on the scale on which it is judged."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from largebatch.question import (
    BestSetting,
    CurveGap,
    Difference,
    Operand,
    RankCorrelation,
    Ratio,
    UpdatesToTarget,
)
from largebatch.study.reading import (
    Missing,
    best_members,
    carried,
    final,
    finals_of,
    members,
    reading,
    rows_of,
    short_of,
)
from largebatch.study.statistics import spearman

# Slack in shares of a run: 0.1 * 30 is 3 + 4e-16, and epoch 3 belongs to it.
ROUNDING = 1e-9


class NotJudgeable(ValueError):
    """Observations on which the claim's effect is not defined."""


@dataclass(frozen=True)
class Effects:
    """values: index seed, on the judged scale, where `threshold` lies as well.

    logs: the scale is the natural logarithm. margin: judged as equivalence within ±margin.
    at_least, at_most: seeds whose effect is only known to be at least (most) its value.
    """

    values: pd.Series
    threshold: float = 0.0
    logs: bool = False
    margin: float | None = None
    remarks: tuple[str, ...] = ()
    at_least: frozenset[int] = field(default=frozenset())
    at_most: frozenset[int] = field(default=frozenset())


def difference(observations: pd.DataFrame, claim: Difference) -> Effects:
    """a - b."""
    a, b, remarks = operands(observations, claim)
    return Effects(a - b, threshold_of(claim), remarks=remarks)


def ratio(observations: pd.DataFrame, claim: Ratio) -> Effects:
    """log(a / b)."""
    a, b, remarks = operands(observations, claim)
    return Effects(log_ratio(a, b), log_threshold(claim), logs=True, remarks=remarks)


def rank_correlation(observations: pd.DataFrame, claim: RankCorrelation) -> Effects:
    """Spearman's rho between the setting and the metric, over the group's arms."""
    settings = members(observations, claim.arm)[claim.setting]
    values = pd.DataFrame({arm: reading(observations, arm, claim.metric, claim.at) for arm in settings.index})
    complete = values.dropna()
    rho = [spearman(settings.to_numpy(), row) for row in complete.to_numpy()]
    remarks = (*left_out(len(values) - len(complete)), *lost(observations, settings.index))
    return Effects(pd.Series(rho, index=complete.index, dtype=float), threshold_of(claim), remarks=remarks)


def curve_gap(observations: pd.DataFrame, claim: CurveGap) -> Effects:
    """Mean |a - b| over common epochs from share `after` to `before` of the shorter run, both included."""
    a, b = (carried(observations, arm, claim.metric) for arm in (claim.a, claim.b))
    last = min(a.index.max(), b.index.max())
    start, end = claim.after * last, claim.before * last
    epochs = a.index.intersection(b.index)
    epochs = epochs[(epochs >= start - ROUNDING * last) & (epochs <= end + ROUNDING * last)]
    if epochs.empty:
        raise Missing(f"epochs {start:g} to {end:g} at which both {claim.a} and {claim.b} were evaluated")
    gap = (a.loc[epochs] - b.loc[epochs]).abs()
    values = gap.dropna(axis="columns").mean()
    remarks = (*left_out(gap.shape[1] - len(values)), *lost(observations, (claim.a, claim.b)))
    return Effects(values, threshold_of(claim), remarks=remarks)


def best_setting(observations: pd.DataFrame, claim: BestSetting) -> Effects:
    """log2(best of a) - log2(best of b), each seed's own best: where the metric ends lowest."""
    a, edge_a = best_of(observations, claim.a, claim)
    b, edge_b = best_of(observations, claim.b, claim)
    a, b, remarks = paired(a, b)
    at_edge = (
        f"The best {claim.setting} is at the edge of the grid in {edge_a} of {len(a)} seeds of {claim.a} "
        f"and {edge_b} of {len(b)} of {claim.b}."
    )
    return Effects(
        np.log2(a) - np.log2(b), margin=claim.margin, remarks=(*remarks, at_edge) if len(a) else remarks
    )


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
        log_threshold(claim),
        logs=True,
        remarks=(*remarks, *counted),
        at_least=frozenset(never_a),
        at_most=frozenset(never_b),
    )


def first_at_target(
    observations: pd.DataFrame, arm: str, claim: UpdatesToTarget
) -> tuple[pd.Series, set[int]]:
    """Each seed's updates at the first evaluation at or below the target, and the seeds that had none."""
    reached = rows_of(observations, arm, claim.metric).query("value <= @claim.target")
    first = reached.groupby("seed", as_index=False)["at"].min()
    updates = rows_of(observations, arm, "updates")[["seed", "at", "value"]]
    counted = first.merge(updates, on=["seed", "at"]).set_index("seed")["value"]
    made = final(observations, arm, "updates")
    never = set(made.index) - set(counted.index)
    # a target met before training counts as one update: the logarithm of none does not exist
    return counted.reindex(made.index).fillna(made).clip(lower=1.0), never


EFFECTS: dict[str, Callable[..., Effects]] = {
    "difference": difference,
    "ratio": ratio,
    "rank_correlation": rank_correlation,
    "curve_gap": curve_gap,
    "best_setting": best_setting,
    "updates_to_target": updates_to_target,
}


def threshold_of(claim) -> float:
    """The number that the effect is expected above or below."""
    return claim.expect.above if claim.expect.above is not None else claim.expect.below


def log_threshold(claim) -> float:
    """The logarithm of a ratio's threshold."""
    threshold = threshold_of(claim)
    if threshold <= 0:
        raise ValueError(f"claim {claim.id}: expect: wanted a ratio above 0; got {threshold:g}")
    return float(np.log(threshold))


def log_ratio(a: pd.Series, b: pd.Series) -> pd.Series:
    """log(a / b) of positive values."""
    if wrong := int(((a <= 0) | (b <= 0)).sum()):
        raise NotJudgeable(
            f"The ratio is not defined in {wrong} of {len(a)} seeds, which have a value of 0 or below"
        )
    return np.log(a) - np.log(b)


def operands(observations: pd.DataFrame, claim) -> tuple[pd.Series, pd.Series, tuple[str, ...]]:
    """a and b of the seeds that have both, with remarks on what was read."""
    a, b = (read_operand(observations, side, claim.metric) for side in (claim.a, claim.b))
    remarks = [r for side in (claim.a, claim.b) for r in fewer_updates(observations, side)]
    a, b, unpaired = paired(a, b)
    return a, b, (*unpaired, *remarks, *lost(observations, (claim.a.arm, claim.b.arm)))


def read_operand(observations: pd.DataFrame, side: Operand, metric: str) -> pd.Series:
    """One value a seed."""
    return reading(observations, side.arm, side.metric or metric, side.at)


def paired(a: pd.Series, b: pd.Series) -> tuple[pd.Series, pd.Series, tuple[str, ...]]:
    """a and b of the seeds that have both, with a remark on those that do not."""
    both = a.index.intersection(b.index).sort_values()
    return a[both], b[both], left_out(len(a.index.union(b.index)) - len(both))


def left_out(seeds: int) -> tuple[str, ...]:
    """A remark on seeds that lack a finite value."""
    return (f"{seeds} seeds without a finite value in every arm are left out.",) if seeds else ()


def lost(observations: pd.DataFrame, arms) -> tuple[str, ...]:
    """A remark for each arm in which seeds diverged: they count with their last finite values."""
    known = set(observations.loc[observations["metric"] == "diverged", "arm"])
    lost = finals_of(observations, [arm for arm in dict.fromkeys(arms) if arm in known], "diverged") > 0
    return tuple(
        f"{count} of {len(lost)} seeds of {arm} diverged and count with their last finite values."
        for arm, count in lost.sum().items()
        if count
    )


def fewer_updates(observations: pd.DataFrame, side: Operand) -> tuple[str, ...]:
    """A remark where a seed cannot be read at as many updates as another arm made."""
    other = side.at.same_updates_as if side.at else None
    short = short_of(observations, side.arm, other) if other else 0
    return (
        f"{short} seeds of {side.arm} made fewer updates than {other} and are read at their end.",
    ) * bool(short)
