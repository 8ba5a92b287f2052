"""Models as plain modules. Whoever writes one need not know that seeds train together."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from largebatch.config.losses import facts_of
from largebatch.config.spec import Arm
from largebatch.data.randomness import stream_seed
from largebatch.data.splits import Dataset
from largebatch.nets.imported import imported
from largebatch.nets.one_by_one import called_with, places_of
from largebatch.nets.stack import Residual, Subsample

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def of_images(model: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """A model with convolutions: a ValueError where examples are no images."""

    @wraps(model)
    def checked(shape: tuple[int, ...], *more, **options) -> nn.Module:
        if len(shape) != 3:
            raise ValueError(f"model {model.__name__}: wanted images (c, h, w); got examples {shape}")
        return model(shape, *more, **options)

    return checked


def mlp(
    shape: tuple[int, int, int],
    classes: int,
    hidden: list[int],
    activation: str = "relu",
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Module:
    """Fully connected net; Keskar's F1 with hidden = [512] * 5 and batch_norm."""
    layers: list[nn.Module] = [nn.Flatten()]
    width = math.prod(shape)
    for size in hidden:
        layers.append(nn.Linear(width, size))
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    return nn.Sequential(*layers, nn.Linear(width, classes))


@of_images
def cnn(
    shape: tuple[int, int, int],
    classes: int,
    channels: list[int],
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Module:
    """For each of `channels` a 3x3 convolution, ReLU and a 2x2 maximum; then one dense layer."""
    layers: list[nn.Module] = []
    width, height, breadth = shape
    for size in channels:
        layers.append(nn.Conv2d(width, size, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(size))
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
        width, height, breadth = size, height // 2, breadth // 2
    if height * breadth == 0:
        raise ValueError(
            f"model cnn: at most {min(shape[1:]).bit_length() - 1} channels for images {shape}; "
            f"got {channels}"
        )
    layers.append(nn.Flatten())
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(width * height * breadth, classes))


def resmlp(
    shape: tuple[int, int, int], classes: int, width: int = 64, blocks: int = 3, zero_gamma: bool = False
) -> nn.Module:
    """Residual blocks of two dense layers with BatchNorm; `zero_gamma`: Goyal et al. 2017, section 5.1."""
    layers: list[nn.Module] = [nn.Flatten(), *dense(math.prod(shape), width)]
    for _ in range(blocks):
        last = nn.BatchNorm1d(width)
        if zero_gamma:
            nn.init.zeros_(last.weight)
        body = nn.Sequential(*dense(width, width), nn.Linear(width, width), last)
        layers += [Residual(body), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, classes))


@of_images
def keskar_cnn(shape: tuple[int, int, int], classes: int, dropout: float = 0.5) -> nn.Module:
    """C1 and C3 of Keskar et al. 2017: two 5x5 convolutions of 64 channels, dense layers of 384 and 192.

    The paper gives the layers in words. Paddings ("same") and the order of BatchNorm, ReLU and maximum are
    those of the authors' shallownet (github.com/keskarnitish/large-batch-training).
    """
    height, breadth = (-(-side // 4) for side in shape[1:])  # each maximum halves, rounding up
    return nn.Sequential(
        *convolution(shape[0], 64, 5),
        nn.MaxPool2d(3, stride=2, padding=1),
        *convolution(64, 64, 5),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Flatten(),
        *dense(64 * height * breadth, 384),
        *dropouts(dropout),
        *dense(384, 192),
        *dropouts(dropout),
        nn.Linear(192, classes),
    )


# Channels and convolutions of each group, and the dropout between its convolutions.
VGG_GROUPS = ((64, 2, 0.3), (128, 2, 0.4), (256, 3, 0.4), (512, 3, 0.4), (512, 3, 0.4))


@of_images
def vgg(shape: tuple[int, int, int], classes: int, dropout: bool = True) -> nn.Module:
    """C2 and C4 of Keskar et al. 2017: the VGG net with BatchNorm of Zagoruyko 2015 (torch.ch/blog)."""
    height, breadth = (side // 2 ** len(VGG_GROUPS) for side in shape[1:])
    if height * breadth == 0:
        raise ValueError(f"model vgg: images of at least 32 x 32 pixels; got {shape[1]} x {shape[2]}")
    layers: list[nn.Module] = []
    width = shape[0]
    for size, count, share in VGG_GROUPS:
        for number in range(count):
            layers += dropouts(share if dropout and number else 0.0)
            layers += convolution(width, size, 3)
            width = size
        layers.append(nn.MaxPool2d(2))
    before, behind = (dropouts(0.5 if dropout else 0.0) for _ in range(2))
    layers += [nn.Flatten(), *before, *dense(width * height * breadth, 512), *behind]
    return nn.Sequential(*layers, nn.Linear(512, classes))


def convolution(before: int, after: int, size: int, **options) -> list[nn.Module]:
    """A convolution that keeps the image's size, unless it has a stride, with BatchNorm and ReLU."""
    layer = nn.Conv2d(before, after, size, padding=size // 2, **options)
    return [layer, nn.BatchNorm2d(after), nn.ReLU()]


def dense(before: int, after: int) -> list[nn.Module]:
    """A dense layer with BatchNorm and ReLU."""
    return [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]


def dropouts(share: float) -> list[nn.Module]:
    """One dropout, or none of share 0."""
    return [nn.Dropout(share)] if share else []


@of_images
def resnet(shape: tuple[int, int, int], classes: int, depth: int = 20, zero_gamma: bool = False) -> nn.Module:
    """The net for CIFAR of He et al. 2016, section 4.2, of depth 6n + 2; its shortcuts are of option A.

    Initial weights of the convolutions after He et al. 2015; `zero_gamma`: Goyal et al. 2017, section 5.1.
    """
    layers = convolution(shape[0], 16, 3, bias=False)
    widths = [size for size in (16, 32, 64) for _ in range((depth - 2) // 6)]
    for before, after in itertools.pairwise([16, *widths]):
        layers += [basic_block(before, after, zero_gamma), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)]
    for layer in (net := nn.Sequential(*layers)).modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return net


def basic_block(before: int, after: int, zero_gamma: bool = False) -> Residual:
    """Two 3x3 convolutions with BatchNorm, added to their input; more channels come with half the size."""
    last = nn.BatchNorm2d(after)
    if zero_gamma:
        nn.init.zeros_(last.weight)
    stride = 1 if before == after else 2
    body = nn.Sequential(
        *convolution(before, after, 3, stride=stride, bias=False),
        *(nn.Conv2d(after, after, 3, padding=1, bias=False), last),
    )
    return Residual(body, None if before == after else Subsample(after))


@of_images
def resnet50(shape: tuple[int, int, int], classes: int, zero_gamma: bool = False) -> nn.Module:
    """ResNet-50 as torchvision has it: strides in the 3x3 convolutions, as in Goyal et al. 2017, section 5.1.

    Unlike there, the last layer starts as PyTorch's own dense layer, not with a deviation of 0.01.
    """
    from torchvision.models import resnet50 as build_resnet50  # seconds, for those who train it

    if shape[0] != 3:
        raise ValueError(f"model resnet50: images of 3 channels; got {shape[0]}")
    return contained(build_resnet50(weights=None, num_classes=classes, zero_init_residual=zero_gamma))


def contained(net: nn.Module) -> nn.Module:
    """torchvision's ResNet of bottlenecks as a Sequential of Residuals, which shares its weights."""
    layers: list[nn.Module] = [net.conv1, net.bn1, nn.ReLU(), net.maxpool]
    for block in itertools.chain(net.layer1, net.layer2, net.layer3, net.layer4):
        body = nn.Sequential(
            *(block.conv1, block.bn1, nn.ReLU()),
            *(block.conv2, block.bn2, nn.ReLU()),
            *(block.conv3, block.bn3),
        )
        layers += [Residual(body, block.downsample), nn.ReLU()]
    return nn.Sequential(*layers, net.avgpool, nn.Flatten(), net.fc)


MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resmlp": resmlp,
    "keskar_cnn": keskar_cnn,
    "vgg": vgg,
    "resnet": resnet,
    "resnet50": resnet50,
    "imported": imported,
}


def build(seed: int, name: str, shape: tuple[int, int, int], classes: int, **options) -> nn.Module:
    """The model with this seed's initial weights; PyTorch's own, but for what a model says of its own.

    Constructors draw from the global generator, which is given back as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(seed, "weights"))  # of the CPU only
        net = MODELS[name](shape, classes, **options)
        if any(is_lazy(tensor) for tensor in [*net.parameters(), *net.buffers()]):
            with evaluating(net), torch.no_grad():
                net(torch.zeros(2, *shape))
        return net


def initial(arm: Arm, seed: int, dataset: Dataset) -> nn.Module:
    """The net that an arm begins with on this data, in the mode it is built in."""
    return build(seed, shape=dataset.shape, classes=outputs_of(arm, dataset), **arm.model.model_dump())


def outputs_of(arm: Arm, dataset: Dataset) -> int:
    """How many values the arm's net gives for an example: one per class or target, or one in all."""
    if not facts_of(arm.loss).one_output:
        return dataset.outputs
    if dataset.outputs != 2:
        raise ValueError(f"loss {arm.loss}: wanted data of two classes; got {dataset.outputs}")
    return 1


@contextmanager
def evaluating(net: nn.Module) -> Iterator[nn.Module]:
    """The net in evaluation mode; afterwards every part in the mode it was in."""
    modes = {part: part.training for part in net.modules()}
    try:
        yield net.eval()
    finally:
        for part, mode in modes.items():
            part.training = mode


def widest_activation(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """The largest number of values that one layer puts out for one example; the model stays as it was."""
    # Two, for there is BatchNorm that takes a batch's statistics in evaluation mode, too.
    images = torch.zeros(2, *shape)
    copies = {
        name: tensor.detach().clone().float() if tensor.is_floating_point() else tensor.clone()
        for name, tensor in places_of(model).items()
    }
    with (
        output_sizes(model.modules()) as sizes,
        evaluating(model),
        torch.random.fork_rng(devices=[]),
        torch.no_grad(),
    ):
        called_with(model, copies, images)
    return max(sizes) // len(images)


@contextmanager
def output_sizes(parts: Iterable[nn.Module]) -> Iterator[list[int]]:
    """Collects how many values each call of these modules puts out."""
    sizes: list[int] = []
    hooks = [part.register_forward_hook(lambda _m, _i, out: sizes.append(size_of(out))) for part in parts]
    try:
        yield sizes
    finally:
        for hook in hooks:
            hook.remove()


def size_of(out) -> int:
    """Values in a tensor, or in what a module puts out in place of one."""
    if isinstance(out, torch.Tensor):
        return out.numel()
    if isinstance(out, dict):
        return sum(map(size_of, out.values()))
    return sum(map(size_of, out)) if isinstance(out, list | tuple) else 0
