"""Many seeds of one plain model as a single module with a leading seed dimension.

Each layer is replaced by its stacked twin of layers.py, each container by one of the same names. A net in
which a twin would not do the same for a single layer runs seed after seed instead (one_by_one.py): as a
whole, since a hook, a tied weight or a module of another type may reach any other part of it.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from largebatch.nets.batch_norm import StackedBatchNorm, pooled
from largebatch.nets.layers import Stacked, StackedConv2d, StackedLinear
from largebatch.nets.one_by_one import OneByOne
from largebatch.nets.weightless import (
    StackedDropout,
    StackedElementwise,
    StackedFlatten,
    StackedIdentity,
    StackedMaxPool2d,
    StackedPerImage,
    StackedReLU,
    StackedTanh,
)


class Residual(nn.Module):
    """body(x) + shortcut(x), the container to write skip connections with."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None):
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class Subsample(nn.Module):
    """Every second pixel, and channels of zeros up to `channels`: a shortcut without weights.

    Option A of He et al. 2016, section 3.3.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x):  # (b, c, h, w) -> (b, channels, ceil(h / 2), ceil(w / 2))
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.channels - x.shape[1]))


class StackedContainer(Stacked):
    """A container keeps its children's names, so that weights keep theirs."""

    def __init__(self, containers: list[nn.Module]):
        super().__init__()
        # Not named_children(), which skips a module that stands in two places, as one nn.ReLU() may.
        for name in containers[0]._modules:
            self.add_module(name, twin_of([getattr(c, name) for c in containers]))

    def plain(self):
        return {
            f"{name}.{key}": tensor
            for name, child in self.named_children()
            for key, tensor in child.plain().items()
        }


class StackedSequential(StackedContainer):
    def __init__(self, containers: list[nn.Module]):
        super().__init__(containers)
        self.layers = children = tuple(self.children())
        for before, child in itertools.pairwise(children):
            if isinstance(child, StackedReLU):
                child.owns_input = isinstance(before, FRESH)
            if isinstance(before, StackedReLU):
                before.owns_gradient = isinstance(child, FRESH)
        # Behind the first layer with weights, nobody asks for gradients.
        self.first = next(
            (i for i, c in enumerate(children) if any(True for _ in c.parameters())), len(children)
        )

    def forward(self, x):
        for child in self.layers:
            x = child(x)
        return x

    def push(self, x, to_input=True):
        for number, child in enumerate(self.layers):
            x = child.push(x, to_input or number > self.first)
        return x

    def pull(self, g, sink):
        for child in reversed(self.layers):
            g = child.pull(g, sink)
            if g is None:
                break
        return g


class StackedResidual(StackedContainer):
    def forward(self, x):
        return self.body(x) + self.shortcut(x)

    def push(self, x, to_input=True):
        return self.body.push(x, to_input) + self.shortcut.push(x, to_input)

    def pull(self, g, sink):
        by_body, by_shortcut = (part.pull(g, sink) for part in (self.body, self.shortcut))
        return None if by_body is None else by_body + by_shortcut


# Layers whose outputs, and whose gradients by their input, are tensors of their own that nobody else reads.
FRESH = (StackedLinear, StackedConv2d, StackedBatchNorm, StackedMaxPool2d, StackedResidual)

TWINS: dict[type[nn.Module], type[Stacked]] = {
    nn.Linear: StackedLinear,
    nn.Conv2d: StackedConv2d,
    nn.BatchNorm1d: StackedBatchNorm,
    nn.BatchNorm2d: StackedBatchNorm,
    nn.Dropout: StackedDropout,
    nn.Flatten: StackedFlatten,
    nn.Identity: StackedIdentity,
    nn.ReLU: StackedReLU,
    nn.Tanh: StackedTanh,
    nn.ELU: StackedElementwise,
    nn.GELU: StackedElementwise,
    nn.LeakyReLU: StackedElementwise,
    nn.Sigmoid: StackedElementwise,
    nn.SiLU: StackedElementwise,
    nn.Softplus: StackedElementwise,
    nn.MaxPool2d: StackedMaxPool2d,
    nn.AvgPool2d: StackedPerImage,
    nn.AdaptiveAvgPool2d: StackedPerImage,
    nn.Sequential: StackedSequential,
    Residual: StackedResidual,
    Subsample: StackedPerImage,
}


def stack(modules: list[nn.Module]) -> Stacked:
    """One module for several of the same architecture.

    The weights are copied. Where the net is run seed after seed, the modules given become part of the
    result, and may not be used any more.
    """
    return OneByOne(modules) if obstacle(modules) else twin_of(modules)


def twin_of(modules: list[nn.Module]) -> Stacked:
    return TWINS[type(modules[0])](modules)


def obstacle(modules: list[nn.Module]) -> str | None:
    """Why these nets cannot be stacked exactly, the first reason found; None if they can be."""
    return next(obstacles(modules), None)


def obstacles(modules: list[nn.Module]) -> Iterator[str]:
    like = modules[0]
    for module in modules:
        if len(list(module.named_parameters(remove_duplicate=False))) != len(list(module.parameters())):
            yield "a weight is used twice"
    every = [list(module.named_modules(remove_duplicate=False)) for module in modules]
    for others in every[1:]:
        if [(name, options(part)) for name, part in others] != [(n, options(p)) for n, p in every[0]]:
            yield "seeds differ in their layers"
    for name, part in itertools.chain(*every):
        for reason in oddities(part, like.training):
            yield f"{name or 'the net'}: {reason}"
    kinds = {type(part) for part in like.modules()}
    if Residual in kinds and any(getattr(part, "inplace", False) for part in like.modules()):
        yield "inplace beside Residual, which reads its input twice"


def oddities(part: nn.Module, training: bool) -> Iterator[str]:
    """What keeps a single layer or container from being stacked; training: the mode of the whole net."""
    twin = TWINS.get(type(part))
    if twin is None:
        yield f"{type(part).__name__} has no stacked twin"
        return
    if not twin.honours(part):
        yield f"{type(part).__name__} with options that its stacked twin lacks"
    if part.training != training:
        yield "its mode is not that of the net"
    if any(value for key, value in vars(part).items() if key.endswith("hooks")):
        yield "hooks"
    # Bound to this one object, as `layer.forward = ...` does.
    if any(callable(getattr(type(part), key, None)) for key in vars(part)):
        yield "a method of its own"
    if {*part._parameters, *part._buffers} - {*twin.TENSORS}:
        yield "further weights or buffers"
    if part._modules and not issubclass(twin, StackedContainer):
        yield "modules within it"
    for key, weight in part._parameters.items():
        if weight is not None and (reason := oddity_of_weight(weight)):
            yield f"{key} {reason}"


def oddity_of_weight(weight: nn.Parameter) -> str | None:
    if not weight.requires_grad:
        return "is frozen"
    if weight._backward_hooks or weight._post_accumulate_grad_hooks:
        return "has hooks"
    if type(weight) is not nn.Parameter or not weight.is_floating_point():
        return f"is a {type(weight).__name__} of {weight.dtype}"
    return None


def options(part: nn.Module) -> tuple[type, dict]:
    """What tells one layer from another but for its weights."""
    return type(part), {
        key: value
        for key, value in vars(part).items()
        if key[0] != "_" and key != "training" and isinstance(value, int | float | str | tuple | None)
    }


def keep_seeds(stacked: Stacked, kept: torch.Tensor) -> None:
    """Drop all seeds but these from a stacked module; kept: (s,) indices."""
    for tensor in [*stacked.parameters(), *stacked.buffers()]:
        tensor.data = tensor.data[kept]
    for layer in drawing(stacked):
        layer.keep(kept.tolist())


def drawing(stacked: Stacked) -> list[StackedDropout | OneByOne]:
    """The parts that draw random numbers in training, from `generators`: one stream per seed."""
    return [layer for layer in stacked.modules() if isinstance(layer, StackedDropout | OneByOne)]


# Examples of each seed in one batch of population statistics: fixed, for deeper layers see its size.
POPULATION_BATCH = 512


@torch.no_grad()
def estimate_population_statistics(
    model: Stacked,
    batches: Iterable[torch.Tensor],
    gathered: Callable[[Any], list] | None = None,
) -> None:
    """BatchNorm's population statistics, anew from batches of images (s, b, c, h, w) ("precise BN").

    Everything else is in evaluation mode meanwhile, and the whole model afterwards. A model without
    BatchNorm does not ask for the batches. gathered: what each worker gives it; each has batches of its own.
    """
    if isinstance(model, OneByOne):
        model.estimate_population_statistics(batches)
        return
    model.eval()
    layers = [layer for layer in model.modules() if isinstance(layer, StackedBatchNorm)]
    if not layers:
        return
    for layer in layers:
        layer.train()
        layer.moments = []
    for images in batches:
        model(images)
    if gathered:
        share_moments(layers, gathered)
    for layer in layers:
        layer.settle()
        layer.eval()


def share_moments(layers: list[StackedBatchNorm], gathered: Callable[[Any], list]) -> None:
    """Give each layer the moments of all workers' batches; those of one worker are pooled before."""
    own = []
    for layer in layers:
        sizes, *moments = zip(*layer.moments, strict=True) if layer.moments else ((), (), ())
        own.append([(sum(sizes), *(m.cpu() for m in pooled(sizes, *moments)))] if sizes else [])
    of_all = gathered(own)
    for number, layer in enumerate(layers):
        layer.moments = [each for of_worker in of_all for each in of_worker[number]]


def decay_groups(model: Stacked, everything: bool) -> tuple[list[int], list[int]]:
    """Numbers of the weights that decay and of those that do not.

    Spared are BatchNorm's parameters (Goyal 2017, 5.1) and, as is common, biases; of a net that is not
    stacked, what OneByOne.spared says.
    """
    spared = {id(p) for m in model.modules() if isinstance(m, Stacked) for p in m.spared()}
    weights = list(model.parameters())
    decayed = [i for i, w in enumerate(weights) if everything or id(w) not in spared]
    return decayed, [i for i in range(len(weights)) if i not in decayed]
