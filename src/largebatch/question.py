"""What an experiment asks: its measures, claims, figures and tables, each by arm names only.

Numbers (batch sizes, rates, epochs) are the scale's; see config.py.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from largebatch.spec import Count, NonNegative, Settings, Share

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
ArmName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]*$")]

# What training and the measures write, with the text that figures and tables show for it.
METRICS = {
    "train_loss_nats": "training loss (nats)",
    "train_error_percent": "training error (%)",
    "train_accuracy_percent": "training accuracy (%)",
    "validation_loss_nats": "validation loss (nats)",
    "validation_error_percent": "validation error (%)",
    "validation_accuracy_percent": "validation accuracy (%)",
    "test_loss_nats": "test loss (nats)",
    "test_error_percent": "test error (%)",
    "test_accuracy_percent": "test accuracy (%)",
    "distance_from_start": "distance from start ‖w − w₀‖",
    "updates": "updates",
    "learning_rate": "learning rate",
    "peak_learning_rate": "peak learning rate",
    "diverged": "diverged (share of seeds)",
    "hessian_top_eigenvalue": "top Hessian eigenvalue",
    "hessian_trace": "Hessian trace",
}
Metric = Literal[tuple(METRICS)]

MEASURES = {"curvature": ("hessian_top_eigenvalue", "hessian_trace")}
# Metrics that a run has one value of; the others have a history.
END_ONLY = {
    "peak_learning_rate",
    "diverged",
    *(metric for metrics in MEASURES.values() for metric in metrics),
}
Setting = Literal["batch_size", "lr", "k"]


class At(Settings):
    """Where along a run a metric is read; exactly one key.

    share: at this share of the epochs; same_updates_as: where this arm had made as many updates as
    the named one made in all (linear between evaluations); median_of_last: the median of the last
    so many evaluations (Goyal 2017, section 5.1, takes 5).
    """

    share: Share | None = None
    same_updates_as: ArmName | None = None
    median_of_last: Count | None = None

    @model_validator(mode="after")
    def one_key(self):
        given = [key for key, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of share, same_updates_as, median_of_last; got {given}")
        return self


class Operand(Settings):
    """A metric of one arm, read at the end of its run unless `at` says otherwise."""

    arm: ArmName
    at: At | None = None
    metric: Metric | None = None


class Expect(Settings):
    """The side of a threshold on which the source says the effect lies; exactly one key."""

    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def one_side(self):
        if (self.above is None) == (self.below is None):
            got = sorted(self.model_dump(exclude_none=True))
            raise ValueError(f"exactly one of above, below; got {got}")
        return self


class ClaimBase(Settings):
    """A published statement: where it stands, what it says, what effect would bear it out."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]*[a-z]?(\.[a-z0-9_]+)?$")]
    says: str
    source: str
    metric: Metric
    expect: Expect
    paper_value: float | None = None
    deviation: str = ""


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


class RankCorrelation(ClaimBase):
    """Spearman's correlation of the metric with a swept setting, one value a seed."""

    kind: Literal["rank_correlation"]
    arm: ArmName
    setting: Setting
    at: At | None = None


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
    margin: NonNegative


class UpdatesToTarget(ClaimBase):
    """Ratio (a / b) of the updates after which the metric first is at or below the target.

    A seed that never gets there counts with all the updates it made: a lower bound.
    """

    kind: Literal["updates_to_target"]
    a: ArmName
    b: ArmName
    target: float


Claim = Annotated[
    Difference | Ratio | RankCorrelation | CurveGap | BestSetting | UpdatesToTarget,
    Field(discriminator="kind"),
]


class FigureBase(Settings):
    name: Name
    caption: str
    lines: Annotated[dict[str, ArmName], Field(min_length=1)]  # label shown -> arm


class AgainstSetting(FigureBase):
    """A final metric against a swept setting, one line a group."""

    kind: Literal["against_setting"]
    x: Setting
    y: Annotated[list[Metric], Field(min_length=1, max_length=2)]  # one panel a metric
    at: At | None = None
    baseline: ArmName | None = None  # an arm drawn as a horizontal band


class Curves(FigureBase):
    """A metric along training, one line an arm."""

    kind: Literal["curves"]
    x: Literal["epoch", "update"]
    y: Annotated[list[Metric], Field(min_length=1, max_length=2)]
    log_y: bool = False


class Rates(FigureBase):
    """Learning rate along training, one line an arm; small multiples if there are many."""

    kind: Literal["rates"]


class Finals(FigureBase):
    """A final metric, one dot with its interval an arm, best on top."""

    kind: Literal["finals"]
    y: Metric
    at: At | None = None


Figure = Annotated[AgainstSetting | Curves | Rates | Finals, Field(discriminator="kind")]


class Table(Settings):
    """Arms down, metrics across, mean ± half of the 95 % interval; the paper's numbers beside ours."""

    name: Name
    caption: str
    rows: Annotated[dict[str, ArmName], Field(min_length=1)]  # label shown -> arm
    metrics: Annotated[list[Metric], Field(min_length=1)]
    at: At | None = None
    paper: dict[str, dict[Metric, str]] = {}  # row label -> metric -> as printed in the paper


class Question(Settings):
    """config/experiments/<experiment>.yaml"""

    experiment: Name
    title: str
    question: str
    measures: dict[Literal[tuple(MEASURES)], Annotated[list[ArmName], Field(min_length=1)]] = {}
    claims: Annotated[list[Claim], Field(min_length=1)]
    figures: Annotated[list[Figure], Field(min_length=1)]
    tables: Annotated[list[Table], Field(min_length=1)]
