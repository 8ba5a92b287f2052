"""Figures of runs, at their end or along them: what each shows and reads, what is left without some arms.

Figures of what has positions of its own are in profiles.py.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from largebatch.config.settings import Share, Text
from largebatch.config.uses import ArmName, At, Label, Lines, Name, Operand, Reader, Setting, Use, uses_at
from largebatch.metrics import PROFILE, TRAIN_SECONDS, Metric


def lines_without(lines: Mapping[str, str], absent: Collection[str]) -> dict[str, str]:
    """The lines, label -> arm, of other arms than these."""
    return {label: arm for label, arm in lines.items() if arm not in absent}


class FigureBase(Reader):
    """reads: the metrics of a kind that shows always the same, each as a whole."""

    name: Name
    caption: Text
    reads: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def shown(self) -> dict[str, ArmName]:
        """Key below the figure's -> the arm or path that is drawn for it."""

    def uses(self) -> Iterator[Use]:
        return self.uses_of(self.reads, "profile")

    def uses_of(self, metrics: Collection[str], read: str) -> Iterator[Use]:
        """These metrics of every arm shown, all read in the same way."""
        for metric in metrics:
            yield from (Use(key, arm, metric, read=read) for key, arm in self.shown.items())

    def less(self, absent: Collection[str]) -> dict:
        """Those of its settings that name any of these arms, without them."""
        return {}

    def without(self, absent: Collection[str]) -> "FigureBase | None":
        """The figure without these arms; None if it shows nothing else, or cannot do without."""
        kept = self.model_copy(update=self.less(absent))
        return None if not kept.shown or kept.needs(absent) else kept


class LinesBase(FigureBase):
    lines: Lines

    @property
    def shown(self) -> dict[str, ArmName]:
        return {f"lines.{label}": arm for label, arm in self.lines.items()}

    def less(self, absent: Collection[str]) -> dict:
        return {"lines": lines_without(self.lines, absent)}


class FinalsBase(LinesBase):
    """What shows one number a run, read where `at` says; of several metrics only profiles have positions."""

    at: At | None = None

    @property
    def metrics(self) -> list[str]:
        """What it shows of every line."""
        return [self.y] if isinstance(self.y, str) else self.y

    def at_of(self, metric: str) -> At | None:
        """Where a metric is read."""
        return self.at if not self.at or PROFILE.isdisjoint(self.metrics) else self.at.of(metric)

    def finals(self, shown: Mapping[str, str], needs: str = "one") -> Iterator[Use]:
        """Its metrics of these arms, and what its `at` goes by."""
        for metric in self.metrics:
            for key, arm in shown.items():
                yield from uses_at(key, arm, metric, self.at_of(metric), needs)
        yield from self.at.uses() if self.at else ()


class AgainstSetting(FinalsBase):
    """A final metric against a swept setting, one line a group.

    baseline: an arm drawn as a horizontal band, called baseline_label. exponent: a dotted guide of this slope
    in log-log through the first line's first point, in the first panel. hyperbola: draw the first metric's
    fit of S = S_min (1 + B_crit / B), one per seed, geometric mean (McCandlish et al. 2018, equation 2.11).
    marks: label -> a metric of one arm in units of x, drawn upright with its interval.
    """

    kind: Literal["against_setting"]
    x: Setting
    y: Annotated[list[Metric], Field(min_length=1, max_length=2)]  # one panel a metric
    baseline: ArmName | None = None
    baseline_label: str = "baseline"
    exponent: float | None = None
    hyperbola: bool = False
    marks: dict[Label, Operand] = {}

    @model_validator(mode="after")
    def hyperbola_over_batches(self):
        if self.hyperbola and self.x != "batch_size":
            raise ValueError(f"hyperbola only of x: batch_size; got x: {self.x}")
        return self

    def uses(self) -> Iterator[Use]:
        yield from self.finals(self.shown, self.x)
        if self.baseline:
            yield from self.finals({"baseline": self.baseline})
        for label, mark in self.marks.items():
            yield from (use.below(f"marks.{label}") for use in mark.uses(self.y[0]))

    def less(self, absent: Collection[str]) -> dict:
        marks = {label: mark for label, mark in self.marks.items() if mark.arm not in absent}
        baseline = None if self.baseline in absent else self.baseline
        return super().less(absent) | {"baseline": baseline, "marks": marks}


class Curves(LinesBase):
    """A metric along training, one line an arm.

    behind: label -> arm, drawn in every panel, for comparison; each of the lines then has a panel of its own.
    level: a metric with one value a run, drawn as a dashed line in the first panel. heights: label -> a
    number that the theory gives, drawn across the first panel. log_x: also where no run has many more
    updates than another. nested: lines that lie on each other are drawn from wide to narrow.
    """

    kind: Literal["curves"]
    x: Literal["epoch", "update", "train_loss_nats"]
    y: Annotated[list[Metric], Field(min_length=1, max_length=2)]
    log_x: bool = False
    log_y: bool = False
    level: Metric | None = None
    heights: dict[str, float] = {}
    nested: bool = False
    behind: dict[str, ArmName] = {}
    # What tells the places on an axis.
    places: ClassVar = {"epoch": [], "update": ["updates"], "train_loss_nats": ["train_loss_nats"]}

    @model_validator(mode="after")
    def each_label_once(self):
        if repeated := sorted(self.lines.keys() & self.behind.keys()):
            raise ValueError(f"behind of other labels than lines; got {repeated}")
        return self

    def uses(self) -> Iterator[Use]:
        behind = {f"behind.{label}": arm for label, arm in self.behind.items()}
        for metric in (*self.y, *self.places[self.x]):
            for key, arm in {**self.shown, **behind}.items():
                yield Use(key, arm, metric, read="along")
        if self.level:
            yield from self.uses_of([self.level], "end")

    def less(self, absent: Collection[str]) -> dict:
        return super().less(absent) | {"behind": lines_without(self.behind, absent)}


class Rates(LinesBase):
    """Learning rate along training, one line an arm; small multiples if there are many.

    first_share: this share of the run once more, on an axis that is linear, for ramps. images_per_update: the
    batch size beside the rate, as the updates and the training images tell it.
    """

    kind: Literal["rates"]
    first_share: Share | None = None
    images_per_update: bool = False

    def uses(self) -> Iterator[Use]:
        return self.uses_of(["learning_rate", *["updates"] * self.images_per_update], "along")


class Finals(FinalsBase):
    """A final metric, one dot with its interval an arm; best on top, or as written where steps add up.

    against: label -> the label it is compared with; against_all: the label that all others are compared
    with. Differences paired by seed (with `ratios` ratios, on logarithmic axes) are drawn beside. paper:
    label -> the paper's number for the difference or ratio, which is filled in from the claims.
    """

    kind: Literal["finals"]
    y: Metric
    as_written: bool = False
    against: dict[str, str] = {}
    against_all: str = ""
    ratios: bool = False
    paper: dict[str, float] = {}

    @property
    def pairs(self) -> dict[str, str]:
        """Label -> the label it is compared with."""
        if not self.against_all:
            return self.against
        return {label: self.against_all for label in self.lines if label != self.against_all}

    @model_validator(mode="after")
    def compares_its_lines(self):
        if self.against and self.against_all:
            raise ValueError(f"against or against_all, not both; got {self.against} and {self.against_all!r}")
        if unknown := sorted({*self.pairs, *self.pairs.values()} - self.lines.keys()):
            raise ValueError(f"against of labels of lines, {list(self.lines)}; got {unknown}")
        if unknown := sorted(self.paper.keys() - self.pairs.keys()):
            raise ValueError(f"paper of lines that are compared, {list(self.pairs)}; got {unknown}")
        return self

    def uses(self) -> Iterator[Use]:
        return self.finals(self.shown)

    def less(self, absent: Collection[str]) -> dict:
        lines = lines_without(self.lines, absent)
        against = {one: other for one, other in self.against.items() if one in lines and other in lines}
        against_all = self.against_all if self.against_all in lines else ""
        return {"lines": lines, "against": against, "against_all": against_all}

    def without(self, absent: Collection[str]) -> "Finals | None":
        """None, too, if all that it compares is gone."""
        kept = super().without(absent)
        return None if kept and self.pairs and not kept.pairs else kept


class HeatMap(FinalsBase):
    """Final metrics over batch size and peak learning rate, one cell an arm, its mean written into it.

    lines: label -> group; the members of all groups are the cells. diagonals: draw lines of equal rate /
    batch size.
    """

    kind: Literal["heat_map"]
    y: Annotated[list[Metric], Field(min_length=1, max_length=2)]  # one panel a metric
    diagonals: bool = False

    def uses(self) -> Iterator[Use]:
        return self.finals(self.shown, "any")

    def mistakes(self, question, groups, measures) -> Iterator[str]:
        """Whether no two arms share a place."""
        of_lines = [groups[name] for name in self.lines.values() if name in groups]
        if tuned := [group.name for group in of_lines if group.tuned_on]:
            yield f"lines: wanted arms that are not tuned; got {tuned}"
        found = [member.arm for group in of_lines for member in group.members]
        cells = Counter((arm.batch_size, float(f"{arm.peak_lr:.9g}")) for arm in found)
        if repeated := sorted(cell for cell, count in cells.items() if count > 1):
            yield f"lines: wanted one arm at each (batch size, peak rate); got more at {repeated}"


class GapClosed(LinesBase):
    """How much better than the arm `large` each mitigation ends, beside how much longer it trains.

    lines: label -> arm, trained with the large batch. small: the arm to which all of the gap reaches.
    """

    kind: Literal["gap_closed"]
    y: Metric
    small: ArmName
    large: ArmName

    def uses(self) -> Iterator[Use]:
        ends = {"small": self.small, "large": self.large}
        yield from (Use(key, arm, self.y) for key, arm in {**self.shown, **ends}.items())
        yield Use("large", self.large, TRAIN_SECONDS)
        yield from self.uses_of([TRAIN_SECONDS], "end")


FigureOfRuns = AgainstSetting | Curves | Rates | Finals | HeatMap | GapClosed
