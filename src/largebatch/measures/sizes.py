"""The size of each weight, as far as it means anything: what adaptive measures of sharpness go by."""

from collections.abc import Iterator
from itertools import pairwise

import torch

from largebatch.measures.landscape import Landscape
from largebatch.nets.batch_norm import StackedBatchNorm
from largebatch.nets.layers import Stacked, StackedProduct
from largebatch.nets.stack import StackedSequential


def sizes_of(landscape: Landscape) -> torch.Tensor:
    """|x| of every weight, 0 of biases that BatchNorm takes away; (s, p).

    Training does not feel such a bias, and with Adam it drifts by what rounding leaves of its gradient.
    """
    idle = set(idle_biases(landscape.model))
    tensors = zip(landscape.model.parameters(), landscape.weights.split(landscape.sizes, 1), strict=True)
    return torch.cat([part.abs() * (id(parameter) not in idle) for parameter, part in tensors], dim=1)


def idle_biases(model: Stacked) -> Iterator[int]:
    """The ids of the biases of layers that BatchNorm follows in a sequence."""
    for part in model.modules():
        if isinstance(part, StackedSequential):
            for layer, following in pairwise(part.layers):
                normalised = isinstance(layer, StackedProduct) and isinstance(following, StackedBatchNorm)
                if normalised and layer.bias is not None:
                    yield id(layer.bias)
