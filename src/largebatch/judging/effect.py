"""What all kinds of effects share: one value per seed, bounds to judge it by, remarks on the seeds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from largebatch.config.uses import Operand
from largebatch.observations.reading import finals_of, reading, short_of
from largebatch.observations.statistics import LEVEL, sign_p_value

# Tolerance for shares of a run (0.1 * 30 is 3 + 4e-16, and should include epoch 3) and for positions.
ROUNDING = 1e-9


class NotJudgeable(ValueError):
    """Observations on which the claim's effect is not defined."""


@dataclass(frozen=True)
class Effects:
    """values: index seed, on the judged scale; expected to lie between `low` and `high` on that scale.

    logs: the scale is the natural logarithm.
    at_least, at_most: seeds whose true effect is at least (most) the value.
    """

    values: pd.Series
    low: float = -np.inf
    high: float = np.inf
    logs: bool = False
    remarks: tuple[str, ...] = ()
    at_least: frozenset[int] = field(default=frozenset())
    at_most: frozenset[int] = field(default=frozenset())


@dataclass(frozen=True)
class ArmEffects:
    """An effect that is no mean over seeds, such as one tested over arms or of whole curves.

    On the judged scale; low, high, logs as in Effects.
    values: (seeds, arms or epochs). test: of such values the estimate, and its p, two-sided, against the
    nearer of `low` and `high`. interval: the 95 % interval, which takes longer.
    """

    values: pd.DataFrame
    test: Callable[[np.ndarray], tuple[float, float]]
    interval: Callable[[], tuple[float, float]]
    low: float = -np.inf
    high: float = np.inf
    logs: bool = False
    remarks: tuple[str, ...] = ()
    detectable: float = np.nan

    @cached_property
    def tested(self) -> tuple[float, float]:
        """Estimate and p of all seeds."""
        return self.test(self.values.to_numpy())


def expected(claim) -> tuple[float, float]:
    """The two bounds between which the effect is expected; for a threshold one is infinite."""
    return claim.expect.ends


def log_expected(claim) -> tuple[float, float]:
    """The logarithms of the bounds of a ratio."""
    return tuple(float(np.log(bound)) if np.isfinite(bound) else bound for bound in expected(claim))


def log_ratio(a: pd.Series, b: pd.Series) -> pd.Series:
    """log(a / b) of positive values."""
    if wrong := int(((a <= 0) | (b <= 0)).sum()):
        raise NotJudgeable(
            f"The ratio is not defined in {wrong} of {len(a)} seeds, which have a value of 0 or below"
        )
    return np.log(a) - np.log(b)


def require_positive(values: pd.Series, metric: str) -> None:
    """Refuse values of a skewed metric that have no logarithm."""
    if wrong := int((values <= 0).sum()):
        raise NotJudgeable(f"The logarithm of {metric} is not defined in {wrong} of {len(values)} values")


def read_operand(observations: pd.DataFrame, side: Operand, metric: str) -> pd.Series:
    """One value per seed."""
    return reading(observations, side.arm, side.metric or metric, side.at)


def paired(a: pd.Series, b: pd.Series) -> tuple[pd.Series, pd.Series, tuple[str, ...]]:
    """a and b for the seeds that have both, with a remark on the others."""
    both = a.index.intersection(b.index).sort_values()
    return a[both], b[both], left_out(len(a.index.union(b.index)) - len(both))


def seeds_of(observations: pd.DataFrame, arms) -> set[int]:
    """All seeds with an observation of these arms."""
    return set(observations.loc[observations["arm"].isin(list(arms)), "seed"])


def left_out(seeds: int) -> tuple[str, ...]:
    """A remark on seeds that lack a finite value."""
    return (f"{seeds} seeds without a finite value in every arm are left out.",) if seeds else ()


def lost(observations: pd.DataFrame, arms) -> tuple[str, ...]:
    """A remark for each arm with diverged seeds: they count with their last finite values."""
    known = set(observations.loc[observations["metric"] == "diverged", "arm"])
    lost = finals_of(observations, [arm for arm in dict.fromkeys(arms) if arm in known], "diverged") > 0
    return tuple(
        f"{count} of {len(lost)} seeds of {arm} diverged and count with their last finite values."
        for arm, count in lost.sum().items()
        if count
    )


def fewer_updates(observations: pd.DataFrame, side: Operand) -> tuple[str, ...]:
    """A remark if some seed made fewer updates than the other arm."""
    other = side.at.same_updates_as if side.at else None
    short = short_of(observations, side.arm, other) if other else 0
    return (
        f"{short} seeds of {side.arm} made fewer updates than {other} and are read at their end.",
    ) * bool(short)


def finite_bounds(effects: Effects) -> list[float]:
    """The bounds that are finite."""
    return [bound for bound in (effects.low, effects.high) if np.isfinite(bound)]


def holds_at(bound: float, side: int, effects: Effects) -> bool:
    """Whether the seeds lie on this side of a bound even if uncertain ones lay on the other (sign test)."""
    open_end = effects.at_least if side < 0 else effects.at_most
    if not open_end:
        return True
    certain = effects.values.drop(index=list(open_end))
    on_side = int((side * (certain - bound) > 0).sum())
    n = len(effects.values)
    return on_side > n / 2 and sign_p_value(on_side, n) < LEVEL
