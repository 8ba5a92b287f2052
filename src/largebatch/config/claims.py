"""The kinds of claims: statements that were published, each with its effect and what it reads."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from largebatch.config.settings import Positive, Settings, Share
from largebatch.config.uses import ArmName, At, Operand, Reader, Setting, Use, uses_at
from largebatch.metrics import RATIO, TIME_SPREAD, TIMED_IN_ROUNDS, Metric, unit_of


def ascending(bounds: list[float]) -> list[float]:
    """Two bounds, the lower one first."""
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        raise ValueError(f"[low, high] with low below high; got {bounds}")
    return bounds


class Expect(Settings):
    """Where the source says the effect lies; exactly one key.

    above, below: on this side of a threshold; within: between two bounds [low, high].
    """

    above: float | None = None
    below: float | None = None
    within: Annotated[list[float], AfterValidator(ascending)] | None = None

    @model_validator(mode="after")
    def one_key(self):
        if len(self.chosen()) != 1:
            raise ValueError(f"exactly one of above, below, within; got {sorted(self.chosen())}")
        return self

    @property
    def bounds(self) -> list[float]:
        """The numbers that set off where the effect is expected."""
        (bounds,) = self.chosen().values()
        return bounds if isinstance(bounds, list) else [bounds]


class ClaimBase(Reader):
    """A published statement: where it stands, what it says, what effect would bear it out.

    not_run: why it is not judged at this scale, if it is not. statement: a name that claims share which say
    one thing under several conditions; the id up to its first dot where none is given.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]*[a-z]?(_[a-z0-9_]+)?(\.[a-z0-9_]+)?$")]
    says: str
    source: str
    metric: Metric
    expect: Expect
    paper_value: float | None = None
    deviation: str = ""
    not_run: str = ""
    statement: str = ""

    @model_validator(mode="after")
    def bounds_of_a_ratio(self):
        if self.on_logarithms and (wrong := [bound for bound in self.expect.bounds if bound <= 0]):
            raise ValueError(f"expect of a ratio above 0; got {wrong[0]}")
        return self

    @property
    def name(self) -> str:
        """What it is called; figures and tables have names."""
        return self.id

    @property
    def on_logarithms(self) -> bool:
        """Whether its effect is a ratio, judged on the logarithm."""
        return False

    def uses_of(self, *sides: str) -> Iterator[Use]:
        """What these of its operands read."""
        for side in sides:
            yield from (use.below(side) for use in getattr(self, side).uses(self.metric))

    @property
    def stated(self) -> str:
        """The statement that the claim belongs to."""
        return self.statement or self.id.partition(".")[0]

    @property
    def unit(self) -> str:
        """What its effect is counted in: what the metric is, a difference of percentages in points."""
        unit = unit_of(self.metric)
        return "percentage points" if unit == "%" else unit


class Difference(ClaimBase):
    """metric(a) - metric(b), paired by seed."""

    kind: Literal["difference"]
    a: Operand
    b: Operand

    def uses(self) -> Iterator[Use]:
        return self.uses_of("a", "b")


class RatioBase(ClaimBase):
    """A claim whose effect is always a ratio."""

    @property
    def on_logarithms(self) -> bool:
        return True

    @property
    def unit(self) -> str:
        return RATIO


class Ratio(RatioBase):
    """metric(a) / metric(b), paired by seed; geometric mean, judged on the logarithm."""

    kind: Literal["ratio"]
    a: Operand
    b: Operand

    def uses(self) -> Iterator[Use]:
        yield from self.uses_of("a", "b")
        if self.metric in TIMED_IN_ROUNDS:
            for side in ("a", "b"):
                operand = getattr(self, side)
                yield from uses_at(f"{side}.arm", operand.arm, TIME_SPREAD, operand.at)


class Level(ClaimBase):
    """metric(a), one value a seed."""

    kind: Literal["level"]
    a: Operand

    def uses(self) -> Iterator[Use]:
        return self.uses_of("a")

    @property
    def unit(self) -> str:
        return unit_of(self.metric)


class Contrast(ClaimBase):
    """(metric(a) - metric(b)) - (metric(c) - metric(d)), paired by seed: how much more one effect is."""

    kind: Literal["contrast"]
    a: Operand
    b: Operand
    c: Operand
    d: Operand

    def uses(self) -> Iterator[Use]:
        return self.uses_of(*"abcd")


class Slope(ClaimBase):
    """An exponent: the slope of log(metric) over log(position), least squares, one value a seed.

    The positions are the metric's own along one arm (an epoch, a batch size, ...), or with `setting` the
    values of that setting in a group of arms. From `low_at` to `high_at`, both included; all of them where
    neither is given.
    """

    kind: Literal["slope"]
    arm: ArmName
    setting: Setting | None = None
    low_at: Positive | None = None
    high_at: Positive | None = None

    @model_validator(mode="after")
    def window(self):
        if self.low_at is not None and self.high_at is not None and self.low_at >= self.high_at:
            raise ValueError(f"low_at below high_at = {self.high_at:g}; got {self.low_at:g}")
        return self

    def uses(self) -> Iterator[Use]:
        if self.setting:
            yield Use("arm", self.arm, self.metric, self.setting)
        else:
            yield Use("arm", self.arm, self.metric, read="positions")

    @property
    def unit(self) -> str:
        return "exponent"


class RankCorrelation(ClaimBase):
    """Spearman's correlation of the metric with a swept setting, one value a seed.

    minus: a second group over the same settings, whose metric is taken off at each (the trend of a gap).
    within: among the arms that share this setting, averaged over its values (the trend along a diagonal).
    """

    kind: Literal["rank_correlation"]
    arm: ArmName
    setting: Setting
    at: At | None = None
    minus: ArmName | None = None
    within: Setting | None = None

    def uses(self) -> Iterator[Use]:
        for key, arm in {"arm": self.arm, "minus": self.minus}.items():
            if arm:
                yield from uses_at(key, arm, self.metric, self.at, "many" if self.within else self.setting)
        yield from self.at.uses() if self.at else ()

    @property
    def unit(self) -> str:
        return "correlation"


class GrowthLaw(ClaimBase):
    """R² of the metric against log(updates), less that against √updates, one value a seed.

    Above 0 where it grows by the logarithm (Hoffer et al. 2017, section 4) rather than like a random walk.
    Over the evaluations of one arm after the first update.
    """

    kind: Literal["growth_law"]
    arm: ArmName

    def uses(self) -> Iterator[Use]:
        yield from (Use("arm", self.arm, metric, read="along") for metric in (self.metric, "updates"))

    @property
    def unit(self) -> str:
        return "R²"


class Hyperbola(ClaimBase):
    """Updates to a goal as S = S_min (1 + B_crit / B) over a group's batch sizes B, one fit a seed.

    McCandlish et al. 2018, equation 2.11: (S/S_min - 1)(E/E_min - 1) = 1 with the examples E = B S, and
    B_crit = E_min / S_min. `show`: critical_batch, B_crit, judged on its logarithm (with `over` as a
    multiple of this metric); or r_squared_gain, the R² of log S less that of a power law, S = c B^a.
    """

    kind: Literal["hyperbola"]
    arm: ArmName
    show: Literal["critical_batch", "r_squared_gain"]
    over: Operand | None = None

    def uses(self) -> Iterator[Use]:
        yield Use("arm", self.arm, self.metric, "batch_size")
        yield from self.uses_of("over") if self.over else ()

    @property
    def on_logarithms(self) -> bool:
        return self.show == "critical_batch"

    @property
    def unit(self) -> str:
        return "R²" if self.show == "r_squared_gain" else RATIO if self.over else "examples"


class CurveGap(ClaimBase):
    """Mean absolute distance between two arms' curves over the epochs of a window of the run.

    The window goes from share `after` to share `before` of the shorter run, both included.
    """

    kind: Literal["curve_gap"]
    a: ArmName
    b: ArmName
    after: Share
    before: Share = 1.0

    @model_validator(mode="after")
    def window(self):
        if self.after >= self.before:
            raise ValueError(f"after below before = {self.before:g}; got {self.after:g}")
        return self

    def uses(self) -> Iterator[Use]:
        yield from (Use(side, getattr(self, side), self.metric, read="along") for side in ("a", "b"))


class BestSetting(ClaimBase):
    """log2 of (best setting of group a / best setting of group b), each seed's own best.

    Best is where `metric` is lowest at the end, relative to the arm's own rule: `lr` is the base rate.
    """

    kind: Literal["best_setting"]
    a: ArmName
    b: ArmName
    setting: Setting

    def uses(self) -> Iterator[Use]:
        yield from (Use(side, getattr(self, side), self.metric, self.setting) for side in ("a", "b"))

    @property
    def unit(self) -> str:
        return "doublings"


class UpdatesToTarget(RatioBase):
    """Ratio (a / b) of the updates after which the metric first is at or below the target.

    A seed that never gets there counts with all the updates it made: a lower bound.
    """

    kind: Literal["updates_to_target"]
    a: ArmName
    b: ArmName
    target: float

    def uses(self) -> Iterator[Use]:
        for metric in (self.metric, "updates"):
            yield from (Use(side, getattr(self, side), metric, read="along") for side in ("a", "b"))


Claim = Annotated[
    Difference
    | Ratio
    | Level
    | Contrast
    | Slope
    | RankCorrelation
    | GrowthLaw
    | Hyperbola
    | CurveGap
    | BestSetting
    | UpdatesToTarget,
    Field(discriminator="kind"),
]
