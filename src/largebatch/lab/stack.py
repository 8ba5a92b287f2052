"""Many seeds of one plain model as a single module with a leading seed dimension.

Each layer is replaced by its stacked twin of layers.py, each container by one of the same names. A
module of an unknown type is run through torch.func.vmap.
"""

import itertools
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn

from largebatch.lab.layers import (
    Stacked,
    StackedBatchNorm,
    StackedConv2d,
    StackedDropout,
    StackedElementwise,
    StackedFlatten,
    StackedIdentity,
    StackedLinear,
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
        every = containers[0].named_parameters(remove_duplicate=False)
        if len(list(every)) != len(list(containers[0].parameters())):
            raise TypeError("a model that uses each weight once; got one that uses some twice")
        # Not named_children(), which skips a module that stands in two places, as one nn.ReLU() may.
        for name in containers[0]._modules:
            self.add_module(name, stack([getattr(c, name) for c in containers]))

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

    def push(self, x):
        for child in self.layers:
            x = child.push(x)
        return x

    def pull(self, g, sink, to_input=True):
        for number, child in reversed(tuple(enumerate(self.layers))):
            wanted = to_input or number > self.first
            g = child.pull(g, sink, wanted)
            if not wanted:
                return None
        return g


class StackedResidual(StackedContainer):
    def forward(self, x):
        return self.body(x) + self.shortcut(x)

    def push(self, x):
        return self.body.push(x) + self.shortcut.push(x)

    def pull(self, g, sink, to_input=True):
        by_body, by_shortcut = (part.pull(g, sink, to_input) for part in (self.body, self.shortcut))
        return by_body + by_shortcut if to_input else None


class StackedByVmap(Stacked):
    """Any other module, through torch.func.vmap: about as fast for large batches, slower for small."""

    def __init__(self, modules: list[nn.Module]):
        super().__init__()
        for part in modules[0].modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
                raise TypeError(
                    f"{type(part).__name__} inside {type(modules[0]).__name__}, a module without a "
                    "stacked twin: wanted it in nn.Sequential or Residual"
                )
        if any(True for _ in modules[0].buffers()):
            raise TypeError(
                f"{type(modules[0]).__name__} without buffers, for want of a stacked twin; got some"
            )
        # Kept out of the module tree: its own weights are not trained.
        self.template = (modules[0],)
        states = [dict(m.named_parameters()) for m in modules]
        self.names = list(states[0])
        self.stacked = nn.ParameterList(
            torch.stack([s[name].detach() for s in states]) for name in self.names
        )

    def spared(self):
        return [p for p in self.stacked if p.ndim <= 2]  # vectors and numbers of the plain module

    def forward(self, x):
        def one(weights, x):
            return torch.func.functional_call(self.template[0], weights, (x,))

        return torch.func.vmap(one)(dict(zip(self.names, self.stacked, strict=True)), x)

    def plain(self):
        return {name: p.detach() for name, p in zip(self.names, self.stacked, strict=True)}


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
    nn.GELU: StackedElementwise,
    nn.Softplus: StackedElementwise,
    nn.MaxPool2d: StackedMaxPool2d,
    nn.AvgPool2d: StackedPerImage,
    nn.AdaptiveAvgPool2d: StackedPerImage,
    nn.Sequential: StackedSequential,
    Residual: StackedResidual,
    Subsample: StackedPerImage,
}


def stack(modules: list[nn.Module]) -> Stacked:
    """One module for several of the same architecture; the weights are copied."""
    return TWINS.get(type(modules[0]), StackedByVmap)(modules)


def keep_lanes(stacked: Stacked, lanes: torch.Tensor) -> None:
    """Drop all seeds but these from a stacked module; lanes: (s,) indices."""
    for tensor in [*stacked.parameters(), *stacked.buffers()]:
        tensor.data = tensor.data[lanes]
    for layer in stacked.modules():
        if isinstance(layer, StackedDropout) and layer.generators:
            layer.generators = [layer.generators[lane] for lane in lanes.tolist()]


# Examples of each seed in one batch of population statistics: fixed, for deeper layers see its size.
POPULATION_BATCH = 512


@torch.no_grad()
def estimate_population_statistics(model: Stacked, batches: Iterable[torch.Tensor]) -> None:
    """BatchNorm's population statistics, anew from batches of images (s, b, c, h, w) ("precise BN").

    Everything else is in evaluation mode meanwhile, and the whole model afterwards. A model without
    BatchNorm does not ask for the batches.
    """
    model.eval()
    layers = [layer for layer in model.modules() if isinstance(layer, StackedBatchNorm)]
    if not layers:
        return
    for layer in layers:
        layer.train()
        layer.moments = []
    for images in batches:
        model(images)
    for layer in layers:
        layer.settle()
        layer.eval()
