"""The kinds of claims: statements that were published, each with its effect and what it reads."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from largebatch.config.expect import Expect
from largebatch.config.settings import LONGEST_NAME, MOST, Positive, Share
from largebatch.config.trends import Break, OverArms
from largebatch.config.uses import ArmName, Operand, Reader, Setting, Use, uses_at
from largebatch.metrics import RATIO, TIME_SPREAD, TIMED_IN_ROUNDS, Metric, is_skewed, unit_of

Spread = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)? ± \d+(\.\d+)?$")]
Runs = Annotated[int, Field(ge=2, le=MOST)]


class ClaimBase(Reader):
    """What a source says of one condition: where it stands, what effect would bear it out.

    tier: identity, arithmetic or a theorem, which every seed fulfils to the tolerance of `expect`; sanity,
    what must come out if the code is right; else empirical. statement: a name shared by claims that say one
    thing under several conditions; the id where none is given. paper_sides: the paper's means of a, b and so
    on with their standard deviations, over paper_runs runs each. not_run: why it is not judged at this scale.
    """

    id: Annotated[
        str,
        StringConstraints(
            pattern=r"^[A-Z][0-9]*[a-z]?(_[a-z0-9_]+)?(\.[a-z0-9_]+)?$", max_length=LONGEST_NAME
        ),
    ]
    says: str
    source: str
    metric: Metric
    expect: Expect
    tier: Literal["identity", "sanity", "empirical"] = "empirical"
    paper_value: float | None = None
    paper_sides: list[Spread] = []
    paper_runs: Runs | None = None
    deviation: str = ""
    not_run: str = ""
    statement: str = ""

    @model_validator(mode="after")
    def bounds_of_a_ratio(self):
        if self.on_logarithms and (wrong := [bound for bound in self.expect.bounds if bound <= 0]):
            raise ValueError(f"expect of what is judged on logarithms above 0; got {wrong[0]}")
        return self

    @model_validator(mode="after")
    def sides_of_runs(self):
        if bool(self.paper_sides) != (self.paper_runs is not None):
            raise ValueError(f"paper_sides and paper_runs together; got {self.chosen()}")
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
        return self.statement or self.id

    @property
    def unit(self) -> str:
        """What its effect is counted in: what the metric is, a difference of percentages in points."""
        unit = unit_of(self.metric)
        return "percentage points" if unit == "%" else unit


class Unskewed(ClaimBase):
    """A claim on differences, which a t test judges badly where the metric is positive and skewed."""

    @model_validator(mode="after")
    def ratio_of_the_skewed(self):
        if is_skewed(self.metric):
            raise ValueError(f"kind ratio for {self.metric}, which is positive and skewed; got {self.kind}")
        return self


class Difference(Unskewed):
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
    """metric(a), one value a seed; of a skewed metric the geometric mean, judged on the logarithm."""

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
    """An exponent: the slope of log(metric) over log(position), least squares, one value a seed.

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
    """λ of the growth metric = α + β (updates^λ - 1)/λ, least squares, one value a seed.

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


class CurveGap(Unskewed):
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
