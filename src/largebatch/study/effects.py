"""What each kind of claim measures: one effect a seed, on the scale on which it is judged."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from largebatch.question import (
    BestSetting,
    CurveGap,
    Difference,
    Level,
    Operand,
    RankCorrelation,
    Ratio,
    Slope,
    UpdatesToTarget,
)
from largebatch.study.reading import (
    Missing,
    beside,
    best_members,
    carried,
    final,
    finals_of,
    members,
    profile_of,
    reading,
    short_of,
)
from largebatch.study.statistics import spearman

# Slack in shares of a run (0.1 * 30 is 3 + 4e-16, and epoch 3 belongs to it) and in positions.
ROUNDING = 1e-9


class NotJudgeable(ValueError):
    """Observations on which the claim's effect is not defined."""


@dataclass(frozen=True)
class Effects:
    """values: index seed, on the judged scale; expected to lie between `low` and `high` on that scale.

    logs: the scale is the natural logarithm.
    at_least, at_most: seeds whose effect is only known to be at least (most) its value.
    """

    values: pd.Series
    low: float = -np.inf
    high: float = np.inf
    logs: bool = False
    remarks: tuple[str, ...] = ()
    at_least: frozenset[int] = field(default=frozenset())
    at_most: frozenset[int] = field(default=frozenset())


def difference(observations: pd.DataFrame, claim: Difference) -> Effects:
    """a - b."""
    a, b, remarks = operands(observations, claim)
    return Effects(a - b, *expected(claim), remarks=remarks)


def ratio(observations: pd.DataFrame, claim: Ratio) -> Effects:
    """log(a / b)."""
    a, b, remarks = operands(observations, claim)
    return Effects(log_ratio(a, b), *log_expected(claim), logs=True, remarks=remarks)


def level(observations: pd.DataFrame, claim: Level) -> Effects:
    """The metric itself."""
    values = read_operand(observations, claim.a, claim.metric)
    missing = left_out(len(seeds_of(observations, [claim.a.arm])) - len(values))
    remarks = (*missing, *fewer_updates(observations, claim.a), *lost(observations, [claim.a.arm]))
    return Effects(values, *expected(claim), remarks=remarks)


def slope(observations: pd.DataFrame, claim: Slope) -> Effects:
    """Least-squares slope of log(metric) over log(at), between the claim's positions."""
    profile = between(profile_of(observations, claim.arm, claim.metric), claim.low_at, claim.high_at)
    profile = profile.dropna(axis="columns")
    if len(profile) < 2:
        raise NotJudgeable(f"A slope wants at least 2 positions of {claim.metric}; got {len(profile)}")
    if profile.index.min() <= 0:
        raise NotJudgeable(f"A slope wants positions above 0; got {profile.index.min():g}")
    if wrong := int((profile <= 0).any().sum()):
        raise NotJudgeable(
            f"The slope is not defined in {wrong} of {profile.shape[1]} seeds, "
            "which have a value of 0 or below"
        )
    x = np.log(profile.index.to_numpy())
    x -= x.mean()
    values = pd.Series(x @ np.log(profile.to_numpy()) / (x @ x), index=profile.columns)
    missing = left_out(len(seeds_of(observations, [claim.arm])) - len(values))
    return Effects(values, *expected(claim), remarks=(*missing, *lost(observations, [claim.arm])))


def between(profile: pd.DataFrame, low: float | None, high: float | None) -> pd.DataFrame:
    """The rows of a profile from position `low` to `high`, both included; None is no bound."""
    kept = np.full(len(profile), True)
    if low is not None:
        kept &= profile.index >= low * (1 - ROUNDING)
    if high is not None:
        kept &= profile.index <= high * (1 + ROUNDING)
    return profile[kept]


def rank_correlation(observations: pd.DataFrame, claim: RankCorrelation) -> Effects:
    """Spearman's rho between the setting and the metric, over the group's arms."""
    settings = members(observations, claim.arm)[claim.setting]
    values = pd.DataFrame({arm: reading(observations, arm, claim.metric, claim.at) for arm in settings.index})
    complete = values.dropna()
    rho = [spearman(settings.to_numpy(), row) for row in complete.to_numpy()]
    missing = left_out(len(seeds_of(observations, settings.index)) - len(complete))
    remarks = (*missing, *lost(observations, settings.index))
    return Effects(pd.Series(rho, index=complete.index, dtype=float), *expected(claim), remarks=remarks)


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
    return Effects(values, *expected(claim), remarks=remarks)


def best_setting(observations: pd.DataFrame, claim: BestSetting) -> Effects:
    """log2(best of a) - log2(best of b), each seed's own best: where the metric ends lowest."""
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
    # a target met before training counts as one update: the logarithm of none does not exist
    return counted.reindex(made.index).fillna(made).clip(lower=1.0), never


EFFECTS: dict[str, Callable[..., Effects]] = {
    "difference": difference,
    "ratio": ratio,
    "level": level,
    "slope": slope,
    "rank_correlation": rank_correlation,
    "curve_gap": curve_gap,
    "best_setting": best_setting,
    "updates_to_target": updates_to_target,
}


def expected(claim) -> tuple[float, float]:
    """The two bounds between which the effect is expected, one of them infinite for a threshold."""
    expect = claim.expect
    if expect.within is not None:
        return tuple(expect.within)
    return (expect.above, np.inf) if expect.above is not None else (-np.inf, expect.below)


def log_expected(claim) -> tuple[float, float]:
    """The logarithms of the bounds of a ratio."""
    if wrong := [bound for bound in claim.expect.bounds if bound <= 0]:
        raise ValueError(f"claim {claim.id}: expect: wanted a ratio above 0; got {wrong[0]:g}")
    return tuple(float(np.log(bound)) if np.isfinite(bound) else bound for bound in expected(claim))


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
    arms = (claim.a.arm, claim.b.arm)
    a, b, _ = paired(a, b)
    missing = left_out(len(seeds_of(observations, arms)) - len(a))
    return a, b, (*missing, *remarks, *lost(observations, arms))


def read_operand(observations: pd.DataFrame, side: Operand, metric: str) -> pd.Series:
    """One value a seed."""
    return reading(observations, side.arm, side.metric or metric, side.at)


def paired(a: pd.Series, b: pd.Series) -> tuple[pd.Series, pd.Series, tuple[str, ...]]:
    """a and b of the seeds that have both, with a remark on those that do not."""
    both = a.index.intersection(b.index).sort_values()
    return a[both], b[both], left_out(len(a.index.union(b.index)) - len(both))


def seeds_of(observations: pd.DataFrame, arms) -> set[int]:
    """Every seed that an observation of these arms is of."""
    return set(observations.loc[observations["arm"].isin(list(arms)), "seed"])


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
