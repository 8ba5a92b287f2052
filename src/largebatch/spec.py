"""The settings of one arm: what they may be, and the readable name of the run they make."""

import hashlib
import json
import math
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Epoch = Annotated[int, Field(ge=0)]


class Settings(BaseModel):
    """Settings that cannot lie: an unknown key or a value of another type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def chosen(self) -> dict:
        """The settings that differ from their default, ready for JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


class Images(NamedTuple):
    """How many images a data set has: to train and validate on, and held out by its makers for the test.

    Where none are held out, every seed draws its own test part from the others.
    """

    open: int
    held_out: int = 0


# The data sets that come with a number of images; folders of images are counted when they are read.
IMAGES = {
    "digits": Images(1797),
    "mnist": Images(60_000, 10_000),
    "cifar10": Images(50_000, 10_000),
    "cifar100": Images(50_000, 10_000),
}

DataName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]


class Folder(Settings):
    """Images in a folder or an archive: train/ and test/ (or val/) with a folder a class, or these alone.

    path: from `sources`, or absolute. size: the side of the central square that is cut out after the shorter
    side became `resize` (by default `size`); null where all images have one size already.
    """

    path: Annotated[str, StringConstraints(min_length=1)]
    size: Count | None = None
    resize: Count | None = None

    @model_validator(mode="after")
    def square_fits(self):
        if self.resize is not None and (self.size is None or self.resize < self.size):
            raise ValueError(f"resize of at least size = {self.size}; got {self.resize}")
        return self


class Data(Settings):
    """A data set and the sizes of the three parts; every seed draws its own from what is open to it."""

    name: DataName
    train: Count
    validation: Annotated[int, Field(ge=0)] = 0
    test: Count

    @model_validator(mode="after")
    def parts_fit(self):
        if self.name in IMAGES:
            require_parts(self.name, IMAGES[self.name], self.train, self.validation, self.test)
        return self


def require_parts(name: str, images: Images, train: int, validation: int, test: int) -> None:
    """Refuse parts that a data set has too few images for."""
    if images.held_out and test > images.held_out:
        raise ValueError(f"test of at most the {images.held_out} images held out by {name}; got {test}")
    drawn = train + validation + (0 if images.held_out else test)
    if drawn > images.open:
        parts = "train + validation" + ("" if images.held_out else " + test")
        raise ValueError(f"{parts} of at most the {images.open} images of {name}; got {drawn}")


class Mlp(Settings):
    """Fully connected net. Keskar's F1 is hidden [512] * 5 with batch_norm."""

    name: Literal["mlp"]
    hidden: list[Count]
    activation: Literal["relu", "tanh"] = "relu"
    batch_norm: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Cnn(Settings):
    """3x3 convolutions with activation, each followed by a 2x2 maximum, then one dense layer."""

    name: Literal["cnn"]
    channels: Annotated[list[Count], Field(min_length=1)]
    batch_norm: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ResMlp(Settings):
    """A small residual net: blocks of two fully connected layers with BatchNorm, each added to its input.

    zero_gamma: the last BatchNorm of every block starts with weight 0, so that each block starts as the
    identity (Goyal et al. 2017, section 5.1).
    """

    name: Literal["resmlp"]
    width: Count = 64
    blocks: Count = 3
    zero_gamma: bool = False


class KeskarCnn(Settings):
    """Keskar's C1 and C3: two 5x5 convolutions of 64 channels, then dense layers, all with BatchNorm."""

    name: Literal["keskar_cnn"]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    hidden: ClassVar[tuple[int, ...]] = (384, 192)


class Vgg(Settings):
    """Keskar's C2 and C4: thirteen 3x3 convolutions and a dense layer with BatchNorm (Zagoruyko 2015).

    dropout: .3 or .4 between convolutions and .5 around the dense layer; or none.
    """

    name: Literal["vgg"]
    dropout: bool = True
    hidden: ClassVar[tuple[int, ...]] = (512,)


class ResNet(Settings):
    """The residual net for CIFAR of He et al. 2016, section 4.2; zero_gamma as in ResMlp."""

    name: Literal["resnet"]
    depth: int = 20
    zero_gamma: bool = False

    @model_validator(mode="after")
    def depth_has_three_equal_groups(self):
        if self.depth < 8 or self.depth % 6 != 2:
            raise ValueError(f"depth of 6n + 2, n at least 1; got {self.depth}")
        return self


class ResNet50(Settings):
    """The residual net for ImageNet of Goyal et al. 2017; zero_gamma as in ResMlp."""

    name: Literal["resnet50"]
    zero_gamma: bool = False


Model = Annotated[
    Mlp | Cnn | ResMlp | KeskarCnn | Vgg | ResNet | ResNet50,
    Field(discriminator="name"),
]


class Sgd(Settings):
    """torch.optim.SGD: the rate multiplies outside the momentum buffer (Goyal 2017, remark 2)."""

    name: Literal["sgd"]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def nesterov_needs_momentum(self):
        if self.nesterov and self.momentum == 0:
            raise ValueError("a momentum above 0 with nesterov: true; got momentum 0")
        return self


class Adam(Settings):
    """torch.optim.Adam; the defaults are those of Kingma and Ba 2015, which Keskar uses."""

    name: Literal["adam"]
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    epsilon: Positive = 1e-8


class Lars(Settings):
    """A rate for each layer (You et al. 2017, algorithm 1): trust ‖w‖ / (‖g‖ + weight_decay ‖w‖) times lr.

    The rate is outside the momentum buffer, where the paper has it inside. Biases and BatchNorm's parameters
    take the plain rate, as is common: their norms say nothing of a layer's scale.
    """

    name: Literal["lars"]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    trust: Positive = 0.001


Optimiser = Annotated[Sgd | Adam | Lars, Field(discriminator="name")]


class Constant(Settings):
    name: Literal["constant"]


class Step(Settings):
    """The rate is multiplied by `factor` at each of the shares of the run in `at`."""

    name: Literal["step"]
    at: list[Share]
    factor: Positive = 0.1


class Exponential(Settings):
    """The rate falls exponentially to `final` times its start."""

    name: Literal["exponential"]
    final: Positive = 0.01


class InverseSqrt(Settings):
    """1 / sqrt(1 + t / scale), t the share of the run that is done."""

    name: Literal["inverse_sqrt"]
    scale: Positive = 0.01


class InverseTime(Settings):
    """1 / (1 + t / scale), t the share of the run that is done."""

    name: Literal["inverse_time"]
    scale: Positive = 0.05


class Cosine(Settings):
    """Half a cosine from 1 to `floor` (Loshchilov and Hutter 2017, eq. 5, one cycle)."""

    name: Literal["cosine"]
    floor: Share = 0.0


class Linear(Settings):
    """A straight line from 1 to `floor`."""

    name: Literal["linear"]
    floor: Share = 0.0


class Triangular(Settings):
    """Smith 2017: `cycles` triangles between `low` and 1; the paper's .001-.006 is low 1/6."""

    name: Literal["triangular"]
    low: Share = 1 / 6
    cycles: Count = 4


class CosineRestarts(Settings):
    """SGDR: cosine cycles of lengths 1, growth, growth^2, ... that fill the run exactly."""

    name: Literal["cosine_restarts"]
    cycles: Count = 3
    growth: Positive = 2.0
    floor: Share = 0.0


class BatchGrowth(Settings):
    """Smith et al. 2018: where a step decay divides the rate, multiply the batch instead.

    Growth stops at the training set; what is left of the factor then divides the rate.
    """

    name: Literal["batch_growth"]
    at: list[Share]
    factor: Annotated[float, Field(gt=1)] = 10.0


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

    constant: at the start rate throughout; gradual: a straight line from it, per update.
    `start` is the start rate as a share of the rate that the rule gives; null is Goyal's choice,
    the base rate itself.
    """

    kind: Literal["constant", "gradual"]
    epochs: Positive
    start: Share | None = None


class Stop(Settings):
    """Stop a seed once its training loss ceased to improve (Keskar 2017, section 2).

    Ceased: over the last `patience_epochs` the best loss fell by less than `tolerance` of itself, or
    the loss was at or below `floor_nats` at two evaluations in a row (one may be a lucky dip).
    """

    patience_epochs: Count
    tolerance: Share = 0.01
    floor_nats: NonNegative = 0.0


class SharpnessAware(Settings):
    """SAM (Foret et al. 2021, algorithm 1): the gradient at w + rho g/‖g‖ steps from w.

    g is the gradient of the same batch without weight decay, ‖g‖ the norm over all weights of a seed.
    Dropout draws new masks for the second pass.
    """

    rho: Positive = 0.05


class GradientPenalty(Settings):
    """strength/2 ‖∇L‖² of each batch is added to its loss (Geiping et al. 2021, section 3.4).

    Its gradient, strength H g, is a forward difference of gradients over `step` along g/‖g‖, as in the paper.
    """

    strength: Positive
    step: Positive = 0.01


class Goal(Settings):
    """How many updates it takes until validation and test error are at or below `error_percent`.

    The first time each, linear between evaluations. A seed stops once both are reached; one that does not
    get there has no such number.
    """

    error_percent: NonNegative


class Shifts(Settings):
    """Every training image moves by up to `pixels` along height and width, drawn anew each epoch.

    What it uncovers is filled with raw zeros. flip: each is also mirrored, left to right, with probability
    1/2; with 4 pixels that is usual on CIFAR (He et al. 2016, section 4.2). Evaluations see the images as
    they are.
    """

    name: Literal["shifts"]
    pixels: Count
    flip: bool = False


class ResizedCrops(Settings):
    """A box of every training image, resized to the image's own size, drawn anew each epoch.

    The box's share of the image is uniform in [low, 1], its aspect ratio from 3/4 to 4/3 (Szegedy et al.
    2015, section 6; Goyal et al. 2017 on ImageNet). flip: each is also mirrored, left to right, with
    probability 1/2. Evaluations see the images as they are.
    """

    name: Literal["resized_crops"]
    low: Annotated[float, Field(gt=0, le=1)] = 0.08
    flip: bool = True


Augment = Annotated[Shifts | ResizedCrops, Field(discriminator="name")]


class Proximal(Settings):
    """Conservative training (Keskar 2017, after Li et al. 2014): several updates on every batch.

    `steps` updates on its loss + strength/2 ‖w - w_k‖², w_k the weights when the batch came. The first
    is still at w_k and feels no pull. The pull is part of the gradient that is clipped, and is not of the
    loss that SAM climbs.
    """

    strength: Positive = 1e-3
    steps: Count = 3


class Adversarial(Settings):
    """Fast gradient sign (Goodfellow et al. 2015): `share` of the loss is that of x + size sign(∇ₓ loss).

    `size` is in standard deviations of the training pixels; the paper's alpha is 1 - share. Each of the
    two passes has its own statistics of BatchNorm and masks of dropout.
    """

    size: Positive
    share: Share = 0.5


class Arm(Settings):
    """One complete training setting; trained once, for all its seeds, whoever asks for it.

    precision: weights are float32 with all but float64. tf32: a GPU that trains rounds factors of products to
    ten bits. bfloat16: in updates they are rounded to that, on any device. Measures take neither.

    snapshots_at_loss: keep each seed's weights at the two evaluations between which what it trains on first
    falls to this level, for what is read at an equal loss.
    """

    data: Data
    model: Model
    optimiser: Optimiser
    batch_size: Count
    lr: Positive
    lr_rule: Literal["none", "sqrt", "linear"] = "none"
    base_batch_size: Count | None = None
    micro_batch_size: Count | None = None
    last_batch: Literal["drop", "weigh"] = "drop"
    epochs: Count
    stop: Stop | None = None
    goal: Goal | None = None
    schedule: Schedule = Constant(name="constant")
    warmup: Warmup | None = None
    weight_decay: NonNegative = 0.0
    decay_norm_and_bias: bool = True
    clip_norm: Positive | None = None
    loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ghost_batch_size: Count | None = None
    augment: Augment | None = None
    sharpness_aware: SharpnessAware | None = None
    gradient_penalty: GradientPenalty | None = None
    proximal: Proximal | None = None
    adversarial: Adversarial | None = None
    evaluate_every_epochs: Count = 1
    snapshots_at_epochs: list[Epoch] = []
    snapshots_at_loss: Positive | None = None
    precision: Literal["float32", "float64", "tf32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def sizes_fit(self):
        for size in ("batch_size", "base_batch_size"):
            value = getattr(self, size)
            if value is not None and value > self.data.train:
                raise ValueError(f"{size} of at most data.train = {self.data.train}; got {value}")
        for part in ("micro_batch_size", "ghost_batch_size"):
            value = getattr(self, part)
            if value is not None and self.batch_size % value:
                raise ValueError(f"{part} that divides batch_size = {self.batch_size}; got {value}")
        if self.lr_rule != "none" and self.base_batch_size is None:
            raise ValueError(f"base_batch_size with lr_rule: {self.lr_rule}; got none")
        if self.warmup and self.warmup.start is None and self.peak_lr == self.lr:
            raise ValueError("warmup.start where the rule leaves the base rate as it is; got none")
        if self.warmup and self.warmup.epochs > self.epochs:
            raise ValueError(f"warmup.epochs of at most epochs = {self.epochs}; got {self.warmup.epochs}")
        return self

    @model_validator(mode="after")
    def settings_of_cross_entropy_come_with_it(self):
        """Smoothed labels and a floor in nats mean nothing to another loss."""
        floor_nats = self.stop.floor_nats if self.stop else 0.0
        for name, value in (("label_smoothing", self.label_smoothing), ("stop.floor_nats", floor_nats)):
            if self.loss != "cross_entropy" and value:
                raise ValueError(f"{name} of 0 with loss: {self.loss}; got {value}")
        return self

    @model_validator(mode="after")
    def penalty_is_of_one_gradient(self):
        """Its difference quotient compares two gradients of one batch, by one and the same function."""
        others = {
            "sharpness_aware": self.sharpness_aware,
            "adversarial": self.adversarial,
            "micro_batch_size": self.micro_batch_size,
            "model.dropout": getattr(self.model, "dropout", 0.0),
        }
        if self.gradient_penalty and (given := [name for name, value in others.items() if value]):
            raise ValueError(f"gradient_penalty without {', '.join(given)}; got both")
        return self

    @model_validator(mode="after")
    def goal_counts_batches_of_one_size(self):
        if self.goal and self.schedule.name == "batch_growth":
            raise ValueError("goal with batches of one size; got schedule batch_growth")
        if self.goal and self.proximal:
            raise ValueError("goal with one update a batch; got proximal")
        if self.goal and not self.data.validation:
            raise ValueError("goal with data.validation above 0; got 0")
        return self

    @model_validator(mode="after")
    def snapshots_are_evaluated(self):
        """Weights are looked at, and kept, where they are evaluated."""
        every, at = self.evaluate_every_epochs, self.snapshots_at_epochs
        if at != sorted(set(at)):
            raise ValueError(f"snapshots_at_epochs ascending and distinct; got {at}")
        unevaluated = [e for e in at if e > self.epochs or (e % every and e != self.epochs)]
        if unevaluated:
            raise ValueError(
                f"snapshots_at_epochs of multiples of evaluate_every_epochs = {every} up to "
                f"epochs = {self.epochs}, or {self.epochs} itself; got {unevaluated}"
            )
        return self

    @property
    def dtype(self) -> str:
        """The precision of its weights, by PyTorch's name."""
        return "float64" if self.precision == "float64" else "float32"

    @property
    def k(self) -> float:
        """Goyal's k: how many times the base batch."""
        return self.batch_size / (self.base_batch_size or self.batch_size)

    @property
    def peak_lr(self) -> float:
        """The rate after the scaling rule, before schedule and warm-up."""
        return self.lr * {"none": 1.0, "sqrt": self.k**0.5, "linear": self.k}[self.lr_rule]

    @property
    def lr_over_batch(self) -> float:
        """Peak rate by batch size, before the schedule changes either (Jastrzebski et al. 2017)."""
        return self.peak_lr / self.batch_size

    @property
    def train_images(self) -> int:
        """How many images it is trained on."""
        return self.data.train

    @property
    def width(self) -> float:
        """Width of its widest hidden dense layer; NaN of a net without any."""
        of_blocks = [self.model.width] if self.model.name == "resmlp" else []
        return max([*getattr(self.model, "hidden", []), *of_blocks], default=math.nan)

    @property
    def growth_epoch(self) -> float:
        """The epoch at which the batch first grows; NaN where it never does."""
        if self.schedule.name != "batch_growth" or not self.schedule.at:
            return math.nan
        # Rounded: a share of the epochs rarely gives them back exactly (7 / 100 * 100 is above 7).
        return round(min(self.schedule.at) * self.epochs, 9)

    @property
    def id(self) -> str:
        """Readable name of the run, ending in a digest of the chosen settings."""
        text = json.dumps(self.chosen(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        parts = [self.model.name, self.data.name, f"b{self.batch_size}", f"lr{self.peak_lr:.4g}"]
        if self.optimiser.name != "sgd":
            parts.append(self.optimiser.name)
        # an underscore stands between the two ends in the name of a path
        return "-".join([*parts, self.schedule.name, digest]).replace("_", "-")
