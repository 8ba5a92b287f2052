"""What an experiment asks: its measures, paths, exhibits, claims, figures and tables, each by arm names only.

Numbers (batch sizes, rates, epochs) are the scale's; see config.py.
"""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from largebatch.config.exhibits import EXHIBITS
from largebatch.config.settings import Count, Positive, Settings, Share
from largebatch.config.surfaces import SURFACES
from largebatch.metrics import MEASURES, PROFILE, RATIO, SETTINGS, Metric, unit_of

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
ArmName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]*$")]

Setting = Literal[tuple(SETTINGS)]


def one_line(label: str) -> str:
    """Text that every figure, table and page can show as it is written."""
    if "" in label.split(" ") or any(unicodedata.category(letter) in UNSEEN for letter in label):
        raise ValueError(f"a label of one line, its words with single spaces between; got {label!r}")
    return label


# Control characters, line and paragraph separators, halves of pairs: Unicode's general categories.
UNSEEN = ("Cc", "Zl", "Zp", "Cs")
Label = Annotated[str, AfterValidator(one_line)]


def ascending(bounds: list[float]) -> list[float]:
    """Two bounds, the lower one first."""
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        raise ValueError(f"[low, high] with low below high; got {bounds}")
    return bounds


class At(Settings):
    """Where a metric is read; exactly one key.

    Along a run: share: at this share of the epochs; same_updates_as: where this arm had made as many
    updates as the named one made in all (linear between evaluations); train_loss_nats: where the
    seed's training loss first is at or below this level (linear in its logarithm between the
    evaluations around it); median_of_last: the median of the last so many evaluations (Goyal 2017,
    section 5.1, takes 5). Of a profile: value: at this position.
    """

    share: Share | None = None
    same_updates_as: ArmName | None = None
    train_loss_nats: Positive | None = None
    median_of_last: Count | None = None
    value: float | None = None

    @model_validator(mode="after")
    def one_key(self):
        given = [key for key, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(type(self).model_fields)}; got {given}")
        return self

    def of(self, metric: str) -> "At | None":
        """Where this metric is read: only a profile has positions; beside it stand the ends of runs."""
        return None if self.value is not None and metric not in PROFILE else self


class Operand(Settings):
    """A metric of one arm or path, read at the end of its run unless `at` says otherwise."""

    arm: ArmName
    at: At | None = None
    metric: Metric | None = None


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


class ClaimBase(Settings):
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


class Ratio(ClaimBase):
    """metric(a) / metric(b), paired by seed; geometric mean, judged on the logarithm."""

    kind: Literal["ratio"]
    a: Operand
    b: Operand

    @property
    def unit(self) -> str:
        return RATIO


class Level(ClaimBase):
    """metric(a), one value a seed."""

    kind: Literal["level"]
    a: Operand

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


class BestSetting(ClaimBase):
    """log2 of (best setting of group a / best setting of group b), each seed's own best.

    Best is where `metric` is lowest at the end, relative to the arm's own rule: `lr` is the base rate.
    """

    kind: Literal["best_setting"]
    a: ArmName
    b: ArmName
    setting: Setting

    @property
    def unit(self) -> str:
        return "doublings"


class UpdatesToTarget(ClaimBase):
    """Ratio (a / b) of the updates after which the metric first is at or below the target.

    A seed that never gets there counts with all the updates it made: a lower bound.
    """

    kind: Literal["updates_to_target"]
    a: ArmName
    b: ArmName
    target: float

    @property
    def unit(self) -> str:
        return RATIO


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


Lines = Annotated[dict[Label, ArmName], Field(min_length=1)]  # label shown -> arm or path


class FigureBase(Settings):
    name: Name
    caption: str


class LinesBase(FigureBase):
    lines: Lines

    @property
    def shown(self) -> dict[str, ArmName]:
        """Key below the figure's -> the arm or path that is drawn for it."""
        return {f"lines.{label}": arm for label, arm in self.lines.items()}


class AgainstSetting(LinesBase):
    """A final metric against a swept setting, one line a group.

    baseline: an arm drawn as a horizontal band, called baseline_label. exponent: a dotted guide of this slope
    in log-log through the first line's first point, in the first panel. hyperbola: draw the first metric's
    fit of S = S_min (1 + B_crit / B), one a seed, geometric mean (McCandlish et al. 2018, equation 2.11).
    marks: label -> a metric of one arm in units of x, drawn upright with its interval.
    """

    kind: Literal["against_setting"]
    x: Setting
    y: Annotated[list[Metric], Field(min_length=1, max_length=2)]  # one panel a metric
    at: At | None = None
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

    @property
    def shown(self) -> dict[str, ArmName]:
        """Key below the figure's -> the arm that is drawn for it."""
        return super().shown | {f"behind.{label}": arm for label, arm in self.behind.items()}

    @model_validator(mode="after")
    def each_label_once(self):
        if repeated := sorted(self.lines.keys() & self.behind.keys()):
            raise ValueError(f"behind of other labels than lines; got {repeated}")
        return self


class Rates(LinesBase):
    """Learning rate along training, one line an arm; small multiples if there are many.

    first_share: this share of the run once more, on an axis that is linear, for ramps. images_per_update: the
    batch size beside the rate, as the updates and the training images tell it.
    """

    kind: Literal["rates"]
    first_share: Share | None = None
    images_per_update: bool = False


class Finals(LinesBase):
    """A final metric, one dot with its interval an arm; best on top, or as written where steps add up.

    against: label -> the label it is compared with; against_all: the label that all others are compared
    with. Differences paired by seed (with `ratios` ratios, on logarithmic axes) are drawn beside. paper:
    label -> the paper's number for the difference or ratio, which is filled in from the claims.
    """

    kind: Literal["finals"]
    y: Metric
    at: At | None = None
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


class Profile(LinesBase):
    """Metrics against their own position, one line an arm or path.

    x_label: one, or one a panel. y_label: in place of the metrics' own. least: where a logarithmic y axis
    begins. marks: label -> position, drawn as vertical lines. above: drawn is by how much each seed's value
    exceeds its value at this position. theory: labels of lines that are formulas, drawn thin below the
    others, which are then dots. nested: lines that lie on each other are drawn from wide to narrow.
    joined: connect the positions; without, each stands for itself, with its interval.
    """

    kind: Literal["profile"]
    y: Annotated[list[Metric], Field(min_length=1, max_length=4)]  # one panel a metric
    x_label: Label | list[Label]
    least: Positive | None = None
    log_x: bool = False
    log_y: bool = False
    marks: dict[Label, float] = {}
    y_label: str = ""
    above: float | None = None
    theory: list[Label] = []
    nested: bool = False
    joined: bool = True

    @model_validator(mode="after")
    def theory_of_the_lines(self):
        if unknown := sorted(set(self.theory) - self.lines.keys()):
            raise ValueError(f"theory of labels of lines, {list(self.lines)}; got {unknown}")
        return self

    @model_validator(mode="after")
    def one_label_a_panel(self):
        if isinstance(self.x_label, list) and len(self.x_label) != len(self.y):
            raise ValueError(f"x_label of one text, or one for each of {self.y}; got {self.x_label}")
        return self


class Surface(LinesBase):
    """By how much the loss on a plane through each arm's weights rises above theirs, one panel an arm."""

    kind: Literal["surface"]


class HeatMap(LinesBase):
    """Final metrics over batch size and peak learning rate, one cell an arm, its mean written into it.

    lines: label -> group; the members of all groups are the cells. diagonals: draw lines of equal rate /
    batch size.
    """

    kind: Literal["heat_map"]
    y: Annotated[list[Metric], Field(min_length=1, max_length=2)]  # one panel a metric
    at: At | None = None
    diagonals: bool = False


class GapClosed(LinesBase):
    """How much better than the arm `large` each mitigation ends, beside how much longer it trains.

    lines: label -> arm, trained with the large batch. small: the arm to which all of the gap reaches.
    """

    kind: Literal["gap_closed"]
    y: Metric
    small: ArmName
    large: ArmName


class Walks(FigureBase):
    """The paths of gradient descent on surfaces of two weights, one panel a surface.

    panels: surface -> label -> arm; a label looks the same in every panel.
    """

    kind: Literal["walks"]
    panels: Annotated[dict[Literal[tuple(SURFACES)], Lines], Field(min_length=1)]

    @property
    def labels(self) -> list[str]:
        """Each label once, as first mentioned."""
        return list(dict.fromkeys(label for lines in self.panels.values() for label in lines))

    @property
    def shown(self) -> dict[str, ArmName]:
        """Key below the figure's -> the arm that is drawn for it."""
        return {
            f"panels.{surface}.{label}": arm
            for surface, lines in self.panels.items()
            for label, arm in lines.items()
        }

    @model_validator(mode="after")
    def arms_of_the_panel(self):
        for surface, lines in self.panels.items():
            if strangers := [arm for arm in lines.values() if surface_of(arm) != surface]:
                raise ValueError(f"panels.{surface} of arms <exhibit>.{surface}_<way>; got {strangers}")
        return self


class Descent(FigureBase):
    """The ways of the two runs of a path, on the plane through their common start and their ends.

    start, end: what the runs at the path's two ends are called. animated: draw it as a GIF too.
    """

    kind: Literal["descent"]
    path: ArmName
    start: str
    end: str
    animated: bool = False

    @property
    def shown(self) -> dict[str, ArmName]:
        """Key below the figure's -> the path that is drawn for it."""
        return {"path": self.path}


def surface_of(arm: str) -> str:
    """surfaces.ravine_thrash -> ravine; empty where an arm is not named like that."""
    return arm.rpartition(".")[2].rpartition("_")[0]


Figure = Annotated[
    AgainstSetting | Curves | Rates | Finals | Profile | Surface | HeatMap | GapClosed | Walks | Descent,
    Field(discriminator="kind"),
]


class Table(Settings):
    """Arms down, metrics across, mean ± half of the 95 % interval; the paper's numbers beside ours.

    `at: {value: ...}` is where profiles are read; other metrics are then read at the end. positions: row
    label -> where that row's are read instead. With `over` each row is a group, shown as one row for each
    value of that setting.
    """

    name: Name
    caption: str
    rows: Lines  # label shown -> arm or path
    metrics: Annotated[list[Metric], Field(min_length=1)]
    at: At | None = None
    positions: dict[str, float] = {}
    over: Setting | None = None
    paper: dict[str, dict[Metric, str]] = {}  # row label -> metric -> as printed in the paper
    paper_of: str = ""  # what the paper's numbers are of

    def at_of(self, label: str) -> At | None:
        """Where a row is read."""
        return At(value=self.positions[label]) if label in self.positions else self.at


class Path(Settings):
    """The way between the minima of two arms, measured from `start` (alpha = 0) to `end` (alpha = 1)."""

    start: ArmName
    end: ArmName


class Question(Settings):
    """config/experiments/<experiment>.yaml"""

    experiment: Name
    title: str
    question: str
    measures: dict[Literal[tuple(MEASURES)], Annotated[list[ArmName], Field(min_length=1)]] = {}
    paths: dict[Name, Path] = {}  # a path's name stands where an arm's can, for the metrics of paths
    exhibits: list[Literal[tuple(EXHIBITS)]] = []  # their arms stand where an arm can, as <exhibit>.<arm>
    claims: Annotated[list[Claim], Field(min_length=1)]
    figures: Annotated[list[Figure], Field(min_length=1)]
    tables: Annotated[list[Table], Field(min_length=1)]
