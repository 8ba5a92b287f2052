"""Squared norms of the gradients of single examples, without ever forming those gradients.

The gradient of one example by a linear layer's weight is a product δ aᵀ of what flows back and what came
in, so that its squared norm is ‖δ‖² ‖a‖² (Goodfellow 2015); other layers are like it. A pass over many
examples then costs what a plain backward pass costs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn

from largebatch.measures.landscape import Landscape
from largebatch.nets import layers
from largebatch.nets.batch_norm import StackedBatchNorm
from largebatch.nets.layers import Stacked
from largebatch.nets.products import product
from largebatch.nets.stack import StackedContainer

# Memory for what a pass over a block of examples holds of one layer, all seeds together.
BLOCK_BYTES = 256 << 20


def linear_norms(layer: layers.StackedLinear, seen: torch.Tensor, g: torch.Tensor) -> list[torch.Tensor]:
    """‖δ aᵀ‖² = ‖δ‖² ‖a‖² of each example, and ‖δ‖² of the bias; (s, b) each."""
    if g.ndim > 3:  # several rows of an example: ‖Σ δ aᵀ‖²
        rows, deltas = (t.flatten(2, -2) for t in (seen, g))
        norms = [torch.einsum("sbri,sbro->sbio", rows, deltas).square().sum((2, 3))]
        return norms if layer.bias is None else [*norms, deltas.sum(2).square().sum(2)]
    squares = g.square().sum(2)
    norms = [squares * seen.square().sum(2)]
    return norms if layer.bias is None else [*norms, squares]


def convolution_norms(layer: layers.StackedConv2d, seen: torch.Tensor, g: torch.Tensor) -> list[torch.Tensor]:
    """‖δ Pᵀ‖² with P the unfolded input; of places and weights, by the fewer (δᵀδ against PᵀP)."""
    options = layer.options | {"kernel_size": layer.weight.shape[-2:]}
    patches = F.unfold(seen.flatten(0, 1), **options)  # (s*b, c*kh*kw, places)
    deltas = g.flatten(0, 1).flatten(2)  # (s*b, out, places)
    if deltas.shape[2] ** 2 < deltas.shape[1] * patches.shape[1]:
        inner = (product(t.transpose(1, 2), t) for t in (deltas, patches))
        by_weight = (next(inner) * next(inner)).sum((1, 2))
    else:
        by_weight = product(deltas, patches.transpose(1, 2)).square().sum((1, 2))
    norms = [by_weight.view(g.shape[:2])]
    return norms if layer.bias is None else [*norms, deltas.sum(2).square().sum(1).view(g.shape[:2])]


def batch_norm_norms(layer: StackedBatchNorm, seen: torch.Tensor, g: torch.Tensor) -> list[torch.Tensor]:
    """With frozen statistics: weight and bias scale and shift the normalised input."""
    shape = (len(seen), 1, -1, *[1] * (seen.ndim - 3))
    normal = (seen - layer.running_mean.view(shape)) * torch.rsqrt(layer.running_var.view(shape) + layer.eps)
    return [each.flatten(3).sum(3).square().sum(2) for each in ((g * normal)[..., None], g[..., None])]


Norms = Callable[..., list[torch.Tensor]]
# Squared norms, by example, of the gradient by each of a layer's weights, in the order of its parameters.
NORMS: dict[type[Stacked], Norms] = {
    layers.StackedLinear: linear_norms,
    layers.StackedConv2d: convolution_norms,
    StackedBatchNorm: batch_norm_norms,
}


def leaves(model: Stacked) -> Iterator[Stacked]:
    """The layers of a stacked model, in the order of its parameters."""
    if isinstance(model, StackedContainer):
        for child in model.children():
            yield from leaves(child)
    else:
        yield model


def has_norms(model: Stacked) -> bool:
    """Whether every layer with weights is one of NORMS."""
    weighted = (layer for layer in leaves(model) if any(True for _ in layer.parameters()))
    return all(type(layer) in NORMS and getattr(layer, "groups", 1) == 1 for layer in weighted)


Backwards = Callable[[torch.Tensor, torch.Tensor], Iterator[torch.Tensor]]


def summed_squares(landscape: Landscape, backwards: Backwards) -> torch.Tensor:
    """Sum over all examples of Σ_k ‖Jᵀ l_k‖², by weight tensor; (tensors, s) in double precision.

    J: an example's logits by the weights. backwards: logits (s, b, classes) and labels (s, b) -> the l_k,
    each shaped like the logits. ValueError for a net with a layer that is not among NORMS.
    """
    if not has_norms(landscape.model):
        kinds = sorted({type(layer).__name__ for layer in leaves(landscape.model)})
        raise ValueError(
            f"norms: wanted layers with weights among {sorted(n.__name__ for n in NORMS)}; got {kinds}"
        )
    weighted = [layer for layer in leaves(landscape.model) if type(layer) in NORMS]
    at_once = max(1, BLOCK_BYTES // (landscape.seeds * bytes_of_an_example(landscape, weighted)))
    blocks = zip(landscape.images.split(at_once, 1), landscape.labels.split(at_once, 1), strict=True)
    return sum(block_squares(landscape.model, weighted, *block, backwards) for block in blocks)


def bytes_of_an_example(landscape: Landscape, weighted: list[Stacked]) -> int:
    """Of the widest layer: its input, unfolded, its output and the product that a norm is taken of."""
    with taps(weighted) as seen, torch.no_grad():
        landscape.model(landscape.images[:, :1])
    widest = 0
    for layer, (x, out) in seen.items():
        values = x[0].numel() + out[0].numel()
        if isinstance(layer, layers.StackedConv2d):
            places, weights = out[0, 0, 0].numel(), layer.weight[0, 0].numel()
            values += places * weights + min(2 * places**2, layer.weight[0].numel())
        elif isinstance(layer, layers.StackedLinear) and x.ndim > 3:
            values += layer.weight[0].numel()
        widest = max(widest, values)
    return widest * landscape.weights.element_size()


def block_squares(
    model: Stacked, weighted: list[Stacked], images: torch.Tensor, labels: torch.Tensor, backwards: Backwards
) -> torch.Tensor:
    """The same of some examples."""
    with taps(weighted) as seen, torch.enable_grad():
        logits = model(images)
    outputs = [seen[layer][1] for layer in weighted]
    total: torch.Tensor | float = 0.0
    for vector in backwards(logits.detach(), labels):
        by_outputs = torch.autograd.grad(logits, outputs, vector, retain_graph=True)
        norms = [
            norm.sum(1, dtype=torch.float64)
            for layer, g in zip(weighted, by_outputs, strict=True)
            for norm in NORMS[type(layer)](layer, seen[layer][0], g)
        ]
        total = total + torch.stack(norms)
    return total


@contextmanager
def taps(weighted: list[Stacked]) -> Iterator[dict[nn.Module, tuple[torch.Tensor, torch.Tensor]]]:
    """layer -> (input, output) of the forward pass inside; inputs without their graph."""
    seen: dict[nn.Module, tuple[torch.Tensor, torch.Tensor]] = {}

    def keep(layer, inputs, output):
        seen[layer] = (inputs[0].detach(), output)

    hooks = [layer.register_forward_hook(keep) for layer in weighted]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
