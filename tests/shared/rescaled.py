"""Other weights of the same function: BatchNorm behind a layer undoes what is done to it."""

from copy import deepcopy
from itertools import pairwise

import torch

from largebatch.measures.landscape import Landscape
from largebatch.nets.batch_norm import StackedBatchNorm
from largebatch.nets.layers import StackedConv2d, StackedLinear


@torch.no_grad()
def before_batch_norm(landscape, factor, shift=0.0):
    """The landscape with `factor` on each layer that BatchNorm follows, and `shift` on its biases.

    BatchNorm's statistics move along, as they would if they were estimated anew without its eps.
    """
    changed = deepcopy(landscape.model)
    layers = list(changed.layers)
    for layer, norm in pairwise(layers):
        if isinstance(layer, StackedLinear | StackedConv2d) and isinstance(norm, StackedBatchNorm):
            layer.weight.mul_(factor)
            layer.bias.mul_(factor).add_(shift)
            norm.running_mean.mul_(factor).add_(shift)
            norm.running_var.add_(norm.eps).mul_(factor**2).sub_(norm.eps)
    twin = Landscape(changed, landscape.images, landscape.labels, landscape.kind)
    torch.testing.assert_close(
        changed(landscape.images), landscape.model(landscape.images), rtol=1e-10, atol=1e-12
    )
    return twin
