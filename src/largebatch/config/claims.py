"""The kinds of claims: statements that were published, each with its effect and what it reads."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from largebatch.config.claim import ClaimBase, RatioBase, Unskewed
from largebatch.config.settings import Positive, Share
from largebatch.config.trends import Break, OverArms
from largebatch.config.uses import ArmName, Operand, Setting, Use, uses_at
from largebatch.metrics import RATIO, TIME_SPREAD, TIMED_IN_ROUNDS, is_skewed, unit_of


class Difference(Unskewed):
    """metric(a) - metric(b), paired by seed."""

    kind: Literal["difference"]
    a: Operand
    b: Operand

    @property
    def has_fit(self) -> bool:
        return not (self.a.metric or self.b.metric)

    def uses(self) -> Iterator[Use]:
        return self.uses_of("a", "b")


class Ratio(RatioBase):
    """metric(a) / metric(b), paired by seed; geometric mean, judged on the logarithm."""

    kind: Literal["ratio"]
    a: Operand
    b: Operand

    @property
    def has_fit(self) -> bool:
        return not (self.a.metric or self.b.metric)

    def uses(self) -> Iterator[Use]:
        yield from self.uses_of("a", "b")
        if self.metric in TIMED_IN_ROUNDS:
            for side in ("a", "b"):
                operand = getattr(self, side)
                yield from uses_at(f"{side}.arm", operand.arm, TIME_SPREAD, operand.at)


class Level(ClaimBase):
    """metric(a), one value per seed; of a skewed metric the geometric mean, judged on the logarithm."""

    kind: Literal["level"]
    a: Operand

    @property
    def on_logarithms(self) -> bool:
        return is_skewed(self.metric)

    def uses(self) -> Iterator[Use]:
        return self.uses_of("a")

    @property
    def unit(self) -> str:
        return unit_of(self.metric)


class Contrast(Unskewed):
    """(metric(a) - metric(b)) - (metric(c) - metric(d)), paired by seed: how much more one effect is."""

    kind: Literal["contrast"]
    a: Operand
    b: Operand
    c: Operand
    d: Operand

    def uses(self) -> Iterator[Use]:
        return self.uses_of(*"abcd")


class Slope(ClaimBase):
    """An exponent: the slope of log(metric) over log(position), least squares, one value per seed.

    The positions are the metric's own along one arm (an epoch, a batch size, ...), or with `setting` the
    values of that setting in a group of arms. From `low_at` to `high_at`, both included; all of them where
    neither is given. It is a mean over these very positions, for which seeds alone are its error: see Trend
    for what other arms between them would do.
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

    @property
    def no_effect(self) -> float:
        return 0.0

    def uses(self) -> Iterator[Use]:
        if self.setting:
            yield Use("arm", self.arm, self.metric, self.setting)
        else:
            yield Use("arm", self.arm, self.metric, read="positions")

    @property
    def unit(self) -> str:
        return "exponent"


class Monotone(OverArms, ClaimBase):
    """Whether a metric rises (above 0) or falls over arms, in whatever shape: isotonic against its reverse.

    Tested by permuting the arms, so that arms and not seeds count.
    """

    kind: Literal["monotone"]


class Trend(OverArms, ClaimBase):
    """How much a metric changes per doubling of a setting, with the error over arms and over seeds."""

    kind: Literal["trend"]


class ChangePoint(Break, RatioBase):
    """A threshold: level before it, level and worse from it on, against a straight line."""

    kind: Literal["change_point"]


class Elbow(Break, RatioBase):
    """Level up to a point, then steadily worse, against a straight line."""

    kind: Literal["elbow"]


class GrowthLaw(ClaimBase):
    """λ of the growth metric = α + β (updates^λ - 1)/λ, least squares, of the seeds' mean curve.

    Box and Cox 1964: 0 is growth by the logarithm (Hoffer et al. 2017, section 4), 0.5 a random walk, below
    0 growth that ends. Over the evaluations of one arm after the first update.
    """

    kind: Literal["growth_law"]
    arm: ArmName

    def uses(self) -> Iterator[Use]:
        yield from (Use("arm", self.arm, metric, read="along") for metric in (self.metric, "updates"))

    @property
    def unit(self) -> str:
        return "exponent"


class Hyperbola(ClaimBase):
    """Updates to a goal as S = S_min (1 + B_crit / B) over a group's batch sizes B.

    McCandlish et al. 2018, equation 2.11: (S/S_min - 1)(E/E_min - 1) = 1 with the examples E = B S, and
    B_crit = E_min / S_min. `show`: critical_batch, the one B_crit that fits all seeds, judged on its
    logarithm (with `over` as a multiple of each seed's value of this metric); or r_squared_gain, for each
    seed the R² of log S less that of a power law, S = c B^a.
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


class CurveGap(Unskewed):
    """Mean absolute distance between two arms' mean curves over the epochs of a window of the run.

    Of the mean curves over seeds, so that the noise of single runs is no distance. The window goes from
    share `after` to share `before` of the shorter run, both included.
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

    @property
    def no_effect(self) -> float:
        return 0.0

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
    | Monotone
    | Trend
    | ChangePoint
    | Elbow
    | GrowthLaw
    | Hyperbola
    | CurveGap
    | BestSetting
    | UpdatesToTarget,
    Field(discriminator="kind"),
]
