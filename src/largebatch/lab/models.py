"""Models as plain modules. Whoever writes one need not know that seeds train together."""

import math
from collections.abc import Callable

import torch
from torch import nn

from largebatch.lab.randomness import stream_seed
from largebatch.lab.stack import Residual

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


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
    width = shape[0] * shape[1] * shape[2]
    for size in hidden:
        layers.append(nn.Linear(width, size))
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    return nn.Sequential(*layers, nn.Linear(width, classes))


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
    layers: list[nn.Module] = [
        nn.Flatten(),
        nn.Linear(math.prod(shape), width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
    ]
    for _ in range(blocks):
        last = nn.BatchNorm1d(width)
        if zero_gamma:
            nn.init.zeros_(last.weight)
        body = nn.Sequential(
            *(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, width), last),
        )
        layers += [Residual(body), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, classes))


MODELS: dict[str, Callable[..., nn.Module]] = {"mlp": mlp, "cnn": cnn, "resmlp": resmlp}


def build(seed: int, name: str, shape: tuple[int, int, int], classes: int, **options) -> nn.Module:
    """The model with this seed's initial weights; PyTorch's own initialisation.

    Constructors draw from the global generator, which is given back as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(seed, "weights"))  # of the processor only
        return MODELS[name](shape, classes, **options)


def widest_activation(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """The largest number of values that one layer puts out for one example."""
    sizes = []
    hooks = [m.register_forward_hook(lambda _m, _i, out: sizes.append(out.numel())) for m in model.modules()]
    training = model.training
    try:
        with torch.no_grad():
            parameter = next(model.parameters())
            model.eval()(torch.zeros(1, *shape, dtype=parameter.dtype, device=parameter.device))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return max(sizes)
