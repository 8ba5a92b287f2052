"""How each measure is made: its settings, under `measures:` of a scale file, and the metrics that it writes.

`examples` is always the number of each seed's first training images that a measure looks at; an arm
that trains on fewer is measured on all of them. `module` of largebatch.measures holds the function
measure_<name> of these settings.
"""

from typing import Annotated, ClassVar, get_args

from pydantic import Field, model_validator

from largebatch.config.flatness import (
    Agreement,
    Ball,
    Curvature,
    Density,
    Keskar,
    KeskarRelative,
    KeskarSubspace,
    LossSurface,
    Rescaling,
    ScaledCurvature,
)
from largebatch.config.settings import Count, Counts, Positive, Settings
from largebatch.config.written import Written, by_epoch


class Noise(Settings):
    """Variance of the mini-batch gradient, and the gradient noise scale (McCandlish et al. 2018).

    The noise scale by its definition, and from the gradient's norm at a `small` and a `large` batch size
    (appendix A.1).
    """

    examples: Count
    batch_sizes: Counts
    draws: Count = 50
    small: Count
    large: Count
    module: ClassVar = "noise"
    writes: ClassVar = Written(
        end={
            "gradient_noise_scale": "gradient noise scale (examples)",
            "gradient_noise_scale_two_batch": "gradient noise scale, two batch sizes (examples)",
            "per_example_gradient_variance": "variance of the per-example gradient",
        },
        profile={"gradient_variance": "variance of the mini-batch gradient"},  # at: batch size
    )
    writes_by_epoch: ClassVar = Written(by_epoch=by_epoch(writes.end))

    @model_validator(mode="after")
    def small_is_smaller(self):
        if self.small >= self.large:
            raise ValueError(f"small below large = {self.large}; got {self.small}")
        return self


class Excess(Settings):
    """Squared error of a linear net above the least there is, by least squares."""

    examples: Count
    module: ClassVar = "convex"
    writes: ClassVar = Written(end={"excess_squared_error": "training squared error above the least"})
    writes_by_epoch: ClassVar = Written(by_epoch=by_epoch(writes.end))


class Equivalence(Settings):
    """How far two ways to make `updates` updates lie apart (Goyal et al. 2017, sections 2.3 and 3).

    From the initial weights, in float64, at the arm's peak rate, momentum, decay and batch size; its
    schedule and all else is left out. workers: processes that share a batch, and micro-batches of it.
    loss_factor: how many times the loss or, instead, the rate; weight_decay: one at which these two differ.
    """

    workers: Annotated[int, Field(ge=2, le=64)] = 4
    updates: Count = 50
    loss_factor: Annotated[float, Field(gt=1)] = 2.0
    weight_decay: Positive = 0.01
    # Differences are the largest of a weight, over the largest change of a weight since the start.
    module: ClassVar = "equivalence"
    writes: ClassVar = Written(
        end={
            "workers_difference": "difference: workers, one process",
            "accumulation_difference": "difference: accumulation, whole batch",
            "scaled_loss_difference": "difference: scaled loss, scaled rate; no decay",
            "scaled_loss_decay_difference": "difference: scaled loss, scaled rate; decay",
            "own_shuffles_difference": "difference: own shuffles, one shuffle",
            "shuffled_images_percent": "images in an epoch, one shuffle (%)",
            "own_shuffles_images_percent": "images in an epoch, own shuffles (%)",
            "worker_statistics_difference": "difference: workers, ghost batches in one process",
            "whole_statistics_difference": "difference: workers, whole batch in one process",
        }
    )


class Path(Settings):
    """Loss and accuracy between two minima, on the line and on the arc (Keskar et al. 2017, figures 3, 7).

    On `points` values of alpha from `low` to `high`; the paper has 25. renormalise: BatchNorm statistics
    are estimated anew at each. examples: null for all training images. plane_points: on each side of the
    plane through the common start and both ends, where both runs kept snapshots; null for no plane.
    """

    examples: Count | None = None
    points: Annotated[int, Field(ge=25, le=10_000)] = 31
    low: float = -1.0
    high: float = 2.0
    renormalise: bool = True
    plane_points: Annotated[int, Field(ge=5, le=1000)] | None = None

    @model_validator(mode="after")
    def low_is_lower(self):
        if self.low >= self.high:
            raise ValueError(f"low below high = {self.high:g}; got {self.low:g}")
        return self


class Measures(Settings):
    """The settings of each measure that a scale makes."""

    curvature: Curvature | None = None
    density: Density | None = None
    agreement: Agreement | None = None
    keskar: Keskar | None = None
    keskar_subspace: KeskarSubspace | None = None
    keskar_relative: KeskarRelative | None = None
    scaled_curvature: ScaledCurvature | None = None
    ball: Ball | None = None
    surface: LossSurface | None = None
    noise: Noise | None = None
    rescaling: Rescaling | None = None
    excess: Excess | None = None
    equivalence: Equivalence | None = None
    # On the snapshots that an arm keeps of its weights along training; with curvature also the top
    # eigenvalue against the stability threshold (Cohen et al. 2021). One number per epoch and metric.
    curvature_by_epoch: Curvature | None = None
    keskar_by_epoch: Keskar | None = None
    keskar_subspace_by_epoch: KeskarSubspace | None = None
    keskar_relative_by_epoch: KeskarRelative | None = None
    scaled_curvature_by_epoch: ScaledCurvature | None = None
    ball_by_epoch: Ball | None = None
    noise_by_epoch: Noise | None = None
    excess_by_epoch: Excess | None = None
    path: Path | None = None

    @model_validator(mode="after")
    def one_number_an_epoch(self):
        boxes = ("keskar_by_epoch", "keskar_subspace_by_epoch", "keskar_relative_by_epoch")
        for name in (*boxes, "ball_by_epoch"):
            for key, value in getattr(self, name) or ():
                if isinstance(value, list) and len(value) > 1:
                    raise ValueError(f"{name}.{key} of one value; got {value}")
        curvature = self.curvature_by_epoch
        if curvature and (curvature.top > 1 or curvature.per_layer):
            raise ValueError("curvature_by_epoch with top: 1 and without per_layer; got more")
        return self


def class_of(measure: str) -> type[Settings]:
    """The class of the settings of a measure, or of the path."""
    return get_args(Measures.model_fields[measure].annotation)[0]


def settings_of(measure: str, settings: dict) -> Settings:
    """The settings of a measure, or of the path, checked."""
    return class_of(measure).model_validate(settings)
