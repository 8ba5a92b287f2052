"""What an arm is made of, schedules aside: nets, optimisers, stopping rules, what is done to a batch."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from largebatch.config.imports import ImportedModel, named
from largebatch.config.settings import Count, NonNegative, Positive, Settings, Share

BelowOne = Annotated[float, Field(ge=0, lt=1)]


class Mlp(Settings):
    """Fully connected net. Keskar's F1 is hidden [512] * 5 with batch_norm."""

    name: Literal["mlp"]
    hidden: list[Count]
    activation: Literal["relu", "tanh"] = "relu"
    batch_norm: bool = False
    dropout: BelowOne = 0.0


class Cnn(Settings):
    """3x3 convolutions with activation, each followed by a 2x2 maximum, then one dense layer."""

    name: Literal["cnn"]
    channels: Annotated[list[Count], Field(min_length=1)]
    batch_norm: bool = False
    dropout: BelowOne = 0.0


class ResMlp(Settings):
    """A small residual net: blocks of two fully connected layers with BatchNorm, each added to its input.

    zero_gamma: the last BatchNorm of every block starts with weight 0, so that each block starts as the
    identity (Goyal et al. 2017, section 5.1).
    """

    name: Literal["resmlp"]
    width: Count = 64
    blocks: Count = 3
    zero_gamma: bool = False
    batch_norm: ClassVar[bool] = True

    @property
    def hidden(self) -> list[int]:
        """Widths of the dense layers in its blocks."""
        return [self.width]


class KeskarCnn(Settings):
    """Keskar's C1 and C3: two 5x5 convolutions of 64 channels, then dense layers, all with BatchNorm."""

    name: Literal["keskar_cnn"]
    dropout: BelowOne = 0.5
    hidden: ClassVar[tuple[int, ...]] = (384, 192)
    batch_norm: ClassVar[bool] = True


class Vgg(Settings):
    """Keskar's C2 and C4: thirteen 3x3 convolutions and a dense layer with BatchNorm (Zagoruyko 2015).

    dropout: .3 or .4 between convolutions and .5 around the dense layer; or none.
    """

    name: Literal["vgg"]
    dropout: bool = True
    hidden: ClassVar[tuple[int, ...]] = (512,)
    batch_norm: ClassVar[bool] = True


class ResNet(Settings):
    """The residual net for CIFAR of He et al. 2016, section 4.2; zero_gamma as in ResMlp."""

    name: Literal["resnet"]
    depth: int = 20
    zero_gamma: bool = False
    batch_norm: ClassVar[bool] = True

    @model_validator(mode="after")
    def depth_has_three_equal_groups(self):
        if self.depth < 8 or self.depth % 6 != 2:
            raise ValueError(f"depth of 6n + 2, n at least 1; got {self.depth}")
        return self


class ResNet50(Settings):
    """The residual net for ImageNet of Goyal et al. 2017; zero_gamma as in ResMlp."""

    name: Literal["resnet50"]
    zero_gamma: bool = False
    batch_norm: ClassVar[bool] = True


Model = Annotated[
    Mlp | Cnn | ResMlp | KeskarCnn | Vgg | ResNet | ResNet50 | ImportedModel,
    Field(discriminator="name"),
    BeforeValidator(named),
]


class Sgd(Settings):
    """torch.optim.SGD: the rate multiplies outside the momentum buffer (Goyal 2017, remark 2)."""

    name: Literal["sgd"]
    momentum: BelowOne = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def nesterov_needs_momentum(self):
        if self.nesterov and self.momentum == 0:
            raise ValueError("a momentum above 0 with nesterov: true; got momentum 0")
        return self


class Adam(Settings):
    """torch.optim.Adam; the defaults are those of Kingma and Ba 2015, which Keskar uses."""

    name: Literal["adam"]
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8


class Lars(Settings):
    """A rate for each layer (You et al. 2017, algorithm 1): trust ‖w‖ / (‖g‖ + weight_decay ‖w‖) times lr.

    The rate is outside the momentum buffer, where the paper has it inside. Biases and BatchNorm's parameters
    take the plain rate, as is common: their norms say nothing of a layer's scale.
    """

    name: Literal["lars"]
    momentum: BelowOne = 0.9
    trust: Positive = 0.001


Optimiser = Annotated[Sgd | Adam | Lars, Field(discriminator="name")]


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
    """How many updates it takes until validation and test error are at or below `error_percent`, or `rmse`.

    The first time each, linear between evaluations. A seed stops once both are reached; one that does not
    get there has no such number. rmse: of targets that are numbers.
    """

    error_percent: NonNegative | None = None
    rmse: NonNegative | None = None

    @model_validator(mode="after")
    def one_of_them(self):
        if len(given := sorted(self.chosen())) != 1:
            raise ValueError(f"exactly one of {', '.join(type(self).model_fields)}; got {given}")
        return self

    @property
    def metric(self) -> str:
        """What has to fall."""
        return next(iter(self.chosen()))

    @property
    def level(self) -> float:
        return getattr(self, self.metric)


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


class Shuffle(Settings):
    """Shuffle by blocks of neighbours in the data set's file: data past memory are read block by block.

    A block has `block_images` of a seed's training images. In each epoch every image comes once; the blocks
    come in an order of which all are equally likely; and of each `blocks` of them, one after another, the
    images are mixed, by an order of which all are equally likely. So images of a block stay less than
    block_images * blocks places apart. Where all blocks are mixed at once, all images are.
    """

    block_images: Count
    blocks: Count


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
