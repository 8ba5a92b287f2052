"""What every kind of claim has: where it stands, what would bear it out, and what stands beside it."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from largebatch.config.beside import Control, Fit
from largebatch.config.expect import Expect
from largebatch.config.settings import LONGEST_NAME, MOST, Text
from largebatch.config.uses import Operand, Reader, Use
from largebatch.metrics import RATIO, Metric, is_skewed, unit_of

Spread = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)? ± \d+(\.\d+)?$")]
Runs = Annotated[int, Field(ge=2, le=MOST)]


class ClaimBase(Reader):
    """What a source says of one condition: where it stands, what effect would bear it out.

    tier: identity, arithmetic or a theorem, which every seed fulfils to the tolerance of `expect`; sanity,
    what must come out if the code is right; else empirical. statement: a name shared by claims that say one
    thing under several conditions; the id where none is given. paper_sides: the paper's means of a, b and so
    on with their standard deviations, over paper_runs runs each. not_run: why it is not judged at this scale.
    control, or no_control with the reason: for a claim of closeness. fit: for one about generalisation.
    """

    id: Annotated[
        str,
        StringConstraints(
            pattern=r"^[A-Z][0-9]*[a-z]?(_[a-z0-9_]+)?(\.[a-z0-9_]+)?$", max_length=LONGEST_NAME
        ),
    ]
    says: Text
    source: Text
    metric: Metric
    expect: Expect
    tier: Literal["identity", "sanity", "empirical"] = "empirical"
    paper_value: float | None = None
    paper_sides: list[Spread] = []
    paper_runs: Runs | None = None
    deviation: str = ""
    not_run: str = ""
    statement: str = ""
    control: Control | None = None
    no_control: str = ""
    fit: Fit | None = None

    @model_validator(mode="after")
    def numbers_of_a_ratio(self):
        values = [] if self.paper_value is None else [self.paper_value]
        given = {
            "expect": self.expect.bounds,
            "paper_value": values,
            "paper_sides": means_of(self.paper_sides),
        }
        for key, numbers in given.items():
            if self.on_logarithms and (wrong := [number for number in numbers if number <= 0]):
                raise ValueError(f"{key} of what is judged on logarithms above 0; got {wrong[0]}")
        return self

    @model_validator(mode="after")
    def sides_of_runs(self):
        if bool(self.paper_sides) != (self.paper_runs is not None):
            raise ValueError(f"paper_sides and paper_runs together; got {self.chosen()}")
        return self

    @model_validator(mode="after")
    def evidence_beside(self):
        """Whether control and fit can stand beside it."""
        if (self.control or self.no_control or self.fit) and self.tier != "empirical":
            raise ValueError(f"control, no_control or fit of an empirical claim only; got tier {self.tier}")
        if self.control and self.no_control:
            raise ValueError("control or no_control, not both; got both")
        if self.fit and not self.has_fit:
            raise ValueError(f"fit of a and b, or over arms, by one metric; got that of a {self.kind}")
        if self.fit and is_skewed(self.fit.metric) != is_skewed(self.metric):
            raise ValueError(
                f"fit by the loss where ratios count, else by accuracy or error; got {self.fit.metric}"
            )
        self.controlled()  # an error if it is no claim of this kind
        return self

    @property
    def has_fit(self) -> bool:
        """Whether it compares arms by one metric, so that a metric of training can stand in its place."""
        return False

    @property
    def no_effect(self) -> float | None:
        """The effect that is none, if there is such a number."""
        return None

    @property
    def is_close(self) -> bool:
        """Whether it says that something is as good as equal, or a number: then a control must fail it."""
        low, high = self.expect.ends
        beyond = self.no_effect is not None and low < self.no_effect < high
        return self.expect.within is not None or beyond

    def controlled(self) -> Self | None:
        """Its control, as a claim of its own."""
        if not self.control:
            return None
        own = {key: value for key, value in self.chosen().items() if key not in ("control", "fit")}
        if own == own | self.control.replaced:
            raise ValueError(f"control with other fields than the claim's own; got {self.control.replaced}")
        try:
            return type(self).model_validate(own | self.control.replaced)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(
                f"control with fields that {self.kind} has; got {where}: {first['msg']}"
            ) from None

    def fitted(self) -> Self | None:
        """The same claim of the metric of training, which stands for the fit."""
        if not self.fit:
            return None
        change = {"metric": self.fit.metric, "fit": None, "control": None}
        for key in ("a", "b"):
            if isinstance(side := getattr(self, key, None), Operand) and side.at:
                change[key] = side.model_copy(update={"at": side.at.of(self.fit.metric)})
        if at := getattr(self, "at", None):
            change["at"] = at.of(self.fit.metric)
        return self.model_copy(update=change)

    def all_uses(self) -> Iterator[Use]:
        yield from self.uses()
        if (control := self.controlled()) and not self.control.not_run:
            yield from (use.below("control") for use in control.uses())
        if fit := self.fitted():
            yield from (use.below("fit") for use in fit.uses())

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


def means_of(sides: list[Spread]) -> list[float]:
    """The means of 'mean ± standard deviation' as printed."""
    return [float(side.split(" ± ")[0]) for side in sides]


class Unskewed(ClaimBase):
    """A claim on differences, which a t test judges badly where the metric is positive and skewed."""

    @property
    def no_effect(self) -> float:
        return 0.0

    @model_validator(mode="after")
    def ratio_of_the_skewed(self):
        if is_skewed(self.metric):
            raise ValueError(f"kind ratio for {self.metric}, which is positive and skewed; got {self.kind}")
        return self


class RatioBase(ClaimBase):
    """A claim whose effect is always a ratio."""

    @property
    def no_effect(self) -> float:
        return 1.0

    @property
    def on_logarithms(self) -> bool:
        return True

    @property
    def unit(self) -> str:
        return RATIO
