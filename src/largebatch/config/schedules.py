"""The kinds of schedules of the learning rate, and warm-up."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from largebatch.config.milestones import grown_size, nearest_update
from largebatch.config.settings import Count, NonNegative, Positive, Settings, Share


class ScheduleBase(Settings):
    """How the learning rate goes; most schedules step nowhere and leave the batch as it is."""

    grows_batch: ClassVar[bool] = False
    # What of the arm the schedule's function takes.
    needs: ClassVar[tuple[str, ...]] = ()

    def epochs_of_steps(self, epochs: int, updates_per_epoch: int) -> list[float]:
        """The epochs, in updates, at which a run of so many epochs steps."""
        return []

    def batch_size_after(self, steps: int, batch_size: int, most: int) -> int:
        """Examples per update after so many steps, of a run that begins with batch_size."""
        return batch_size


class Constant(ScheduleBase):
    name: Literal["constant"]


class Milestones(ScheduleBase):
    """Where a schedule steps: in epochs, or as shares of the run, whichever of the two lists is given.

    A milestone between two updates is rounded to the nearer one, so that 0.33333333 of 90 epochs is epoch 30.
    """

    at: list[Share] | None = None
    at_epochs: list[NonNegative] | None = None

    @model_validator(mode="after")
    def milestones_are_given_once(self):
        if (self.at is None) == (self.at_epochs is None):
            got = "neither" if self.at is None else "both"
            raise ValueError(f"either at (shares of the run) or at_epochs; got {got}")
        return self

    def epochs_of_steps(self, epochs: int, updates_per_epoch: int) -> list[float]:
        wanted = self.at_epochs if self.at is None else [share * epochs for share in self.at]
        return [nearest_update(epoch, updates_per_epoch) for epoch in wanted]


class Step(Milestones):
    """The rate is multiplied by `factor` at each milestone."""

    name: Literal["step"]
    factor: Positive = 0.1


class Exponential(ScheduleBase):
    """The rate falls exponentially to `final` times its start."""

    name: Literal["exponential"]
    final: Positive = 0.01


class InverseSqrt(ScheduleBase):
    """1 / sqrt(1 + t / scale), t the share of the run that is done."""

    name: Literal["inverse_sqrt"]
    scale: Positive = 0.01


class InverseTime(ScheduleBase):
    """1 / (1 + t / scale), t the share of the run that is done."""

    name: Literal["inverse_time"]
    scale: Positive = 0.05


class Cosine(ScheduleBase):
    """Half a cosine from 1 to `floor` (Loshchilov and Hutter 2017, eq. 5, one cycle)."""

    name: Literal["cosine"]
    floor: Share = 0.0


class Linear(ScheduleBase):
    """A straight line from 1 to `floor`."""

    name: Literal["linear"]
    floor: Share = 0.0


class Triangular(ScheduleBase):
    """Smith 2017: `cycles` triangles between `low` and 1; the paper's .001-.006 is low 1/6."""

    name: Literal["triangular"]
    low: Share = 1 / 6
    cycles: Count = 4


class CosineRestarts(ScheduleBase):
    """SGDR: cosine cycles of lengths 1, growth, growth^2, ... that fill the run exactly."""

    name: Literal["cosine_restarts"]
    cycles: Count = 3
    growth: Positive = 2.0
    floor: Share = 0.0


class BatchGrowth(Milestones):
    """Smith et al. 2018: where a step decay divides the rate, multiply the batch instead.

    Growth stops at the training set; what is left of the factor then divides the rate. The batch changes
    between epochs: milestones are rounded to the nearest epoch.
    """

    name: Literal["batch_growth"]
    factor: Annotated[float, Field(gt=1)] = 10.0
    grows_batch: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("batch_size", "train_images")

    def epochs_of_steps(self, epochs: int, updates_per_epoch: int) -> list[float]:
        return super().epochs_of_steps(epochs, 1)

    def batch_size_after(self, steps: int, batch_size: int, most: int) -> int:
        return grown_size(batch_size, self.factor, steps, most)


Schedule = Annotated[
    Constant
    | Step
    | Exponential
    | InverseSqrt
    | InverseTime
    | Cosine
    | Linear
    | Triangular
    | CosineRestarts
    | BatchGrowth,
    Field(discriminator="name"),
]


class Warmup(Settings):
    """Goyal 2017, section 2.2: the first `epochs` run below the schedule's rate.

    constant: at the start rate throughout; gradual: a straight line from it, per update. The end is rounded
    to the nearest update.
    `start` is the start rate as a share of the rate that the rule gives; null is Goyal's choice,
    the base rate itself.
    """

    kind: Literal["constant", "gradual"]
    epochs: Positive
    start: Share | None = None
