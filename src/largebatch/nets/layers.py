"""The standard layers of many seeds at once: each a module with a leading seed dimension.

Each standard layer has a stacked twin: activations are (s, b, ...), s seeds by b examples, and one
kernel call serves all seeds. stack.py puts twins together into whole nets.

In training a twin is pushed (forward, keeping what backward needs) and pulled (backward, handing the
gradients of its weights to a sink, see optimise.py). Autograd does it, layer by layer, but for the three
layers of fully connected nets: at small batches it costs more than their arithmetic (see docs/engine.md).
"""

import torch
import torch.nn.functional as F
from torch import nn

from largebatch.nets.products import product


class Stacked(nn.Module):
    """A twin: knows its tensors by the names and shapes of the plain layer, with a leading s.

    TENSORS: all parameters and buffers that the plain layer has.
    """

    TENSORS: tuple[str, ...] = ()

    @staticmethod
    def honours(layer: nn.Module) -> bool:
        """Whether the twin does all that this plain layer's options ask for."""
        return True

    def parts(self) -> list[nn.Module]:
        """The layers that put out activations."""
        return [part for part in self.modules() if not list(part.children())]

    def plain(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach() for name, tensor in [*self.named_parameters(), *self.named_buffers()]}

    def spared(self) -> list[nn.Parameter]:
        """Parameters to leave without weight decay if biases and normalisation are."""
        return []

    def push(self, x: torch.Tensor, to_input: bool = True) -> torch.Tensor:
        """The output for x, keeping what `pull` needs; no graph is left behind.

        to_input: whether `pull` is to give the gradient by x.
        """
        if not to_input and not self._parameters:
            self.kept = x, None
            return self(x)
        with torch.enable_grad():
            x = x.detach().requires_grad_(to_input)
            out = self(x)
        self.kept = x, out
        return out.data  # not detach(): of what ReLU may write into it autograd is not to hear

    def pull(self, g: torch.Tensor, sink) -> torch.Tensor | None:
        """From the gradient by the output to that by the input; those by the weights go to the sink."""
        # A graph that stays would tie the weights to this number of seeds.
        (x, out), self.kept = self.kept, None
        weights = [weight for weight in self._parameters.values() if weight is not None]
        wanted = [*weights, x] if x.requires_grad else weights
        gradients = torch.autograd.grad(out, wanted, g) if wanted else ()
        for weight, gradient in zip(weights, gradients, strict=False):
            sink.take(weight, gradient)
        return gradients[-1] if x.requires_grad else None


class StackedProduct(Stacked):
    """A layer that is a product with its weight.

    products: the precision that both factors are rounded to in training (Micikevicius et al. 2018); the
    results, and all that lies between such layers, keep the precision of the weight.
    """

    TENSORS = ("weight", "bias")
    products: torch.dtype | None = None

    def spared(self):
        return [] if self.bias is None else [self.bias]

    def factor(self, x: torch.Tensor) -> torch.Tensor:
        """x as it is multiplied."""
        return x.to(self.products) if self.products and self.training else x


class StackedLinear(StackedProduct):
    """weight is kept (s, in, out): the forward product then runs up to twice as fast on a CPU."""

    def __init__(self, layers: list[nn.Linear]):
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]).contiguous())
        bias = stacked_parameter(layers, "bias")
        self.bias = None if bias is None else nn.Parameter(bias.detach()[:, None])  # (s, 1, out)

    def forward(self, x):  # (s, b, ..., in) -> (s, b, ..., out)
        out = product(in_rows(x), self.weight, self.bias)
        return out if x.ndim == 3 else out.unflatten(1, x.shape[1:-1])

    def push(self, x, to_input=True):
        rows = self.factor(in_rows(x))
        self.kept = rows, to_input
        if self.products is None:
            out = product(rows, self.weight, self.bias)
        else:
            out = torch.bmm(rows, self.factor(self.weight)).to(x.dtype)
            out = out if self.bias is None else out.add_(self.bias)
        return out if x.ndim == 3 else out.unflatten(1, x.shape[1:-1])

    def pull(self, g, sink):
        rows, to_input = self.kept
        inner, g = g.shape[1:-1], in_rows(g).contiguous()
        by_output, before = self.factor(g), rows.transpose(1, 2)
        by_input = None
        if to_input:  # before the sink may move the weight
            by_input = product(by_output, self.factor(self.weight).transpose(1, 2)).to(g.dtype)
            by_input = by_input if len(inner) == 1 else by_input.unflatten(1, inner)
        if self.products is None:
            sink.take_product(self.weight, before, by_output)
        else:
            sink.take(self.weight, torch.bmm(before, by_output).to(g.dtype))
        if self.bias is not None:
            sink.take(self.bias, g.sum(1, keepdim=True))
        return by_input

    def plain(self):
        tensors = {"weight": self.weight.detach().transpose(1, 2)}
        return tensors if self.bias is None else tensors | {"bias": self.bias.detach()[:, 0]}


def stacked_parameter(layers: list[nn.Module], name: str) -> nn.Parameter | None:
    """The layers' weight or bias of that name, (s, ...); None if they have none."""
    if getattr(layers[0], name) is None:
        return None
    return nn.Parameter(torch.stack([getattr(layer, name).detach() for layer in layers]))


def in_rows(x: torch.Tensor) -> torch.Tensor:
    """(s, b, ..., n) -> (s, b * ..., n)"""
    return x if x.ndim == 3 else x.flatten(1, -2)


class StackedConv2d(StackedProduct):
    """A convolution with one group per seed.

    by_channels: the channels of a pixel lie side by side, which for one seed's large images is faster.
    """

    by_channels = False

    @staticmethod
    def honours(layer):
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)

    def __init__(self, layers: list[nn.Conv2d]):
        super().__init__()
        like = layers[0]
        self.options = {"stride": like.stride, "padding": like.padding, "dilation": like.dilation}
        self.groups = like.groups
        self.weight, self.bias = (stacked_parameter(layers, name) for name in ("weight", "bias"))

    def forward(self, x):  # (s, b, c, h, w) -> (s, b, o, h', w')
        together = beside(self.factor(x))
        if self.by_channels:
            together = together.contiguous(memory_format=torch.channels_last)
        weight = self.factor(self.weight).flatten(0, 1)
        bias = None if self.bias is None else self.factor(self.bias).flatten()
        out = F.conv2d(together, weight, bias, groups=self.groups * x.shape[0], **self.options)
        return above(out, x.shape[0]).to(x.dtype)


def beside(x):
    """(s, b, c, ...) -> (b, s*c, ...), the seeds as groups of channels."""
    return x.transpose(0, 1).flatten(1, 2)


def above(x, seeds):
    """(b, s*c, ...) -> (s, b, c, ...)"""
    return x.unflatten(1, (seeds, -1)).transpose(0, 1)
