"""The standard layers without weights, of many seeds at once; see layers.py."""

import torch
from torch import nn

from largebatch.nets.layers import Stacked


class StackedDropout(Stacked):
    """Each seed draws its masks from its own stream, so company does not change them.

    share: examples of a whole batch, and which of them this worker has; masks are drawn for the whole.
    """

    def __init__(self, layers: list[nn.Dropout]):
        super().__init__()
        self.p = layers[0].p
        self.generators: list[torch.Generator] = []
        self.share: tuple[int, slice] | None = None

    @staticmethod
    def honours(layer):
        return layer.p < 1  # else the mask would be 0 / 0

    def keep(self, kept: list[int]) -> None:
        """Drop the streams of all seeds but these."""
        self.generators = [self.generators[index] for index in kept] if self.generators else []

    def forward(self, x):
        return x * self._mask(x) if self.training and self.p else x

    def _mask(self, x):
        examples, mine = self.share or (x.shape[1], slice(None))
        mask = x.new_empty(x.shape[0], examples, *x.shape[2:])
        for of_seed, stream in zip(mask, self.generators, strict=True):
            of_seed.bernoulli_(1 - self.p, generator=stream)
        return mask[:, mine].div_(1 - self.p)


class StackedPerImage(Stacked):
    """A layer without weights that treats every image alike."""

    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        self.layer = layers[0]

    def forward(self, x):  # (s, b, c, h, w) -> (s, b, c, h', w')
        return self.layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class StackedMaxPool2d(StackedPerImage):
    @staticmethod
    def honours(layer):
        return not layer.return_indices


class StackedElementwise(Stacked):
    """A layer without weights that treats every value alike."""

    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        self.layer = layers[0]

    @staticmethod
    def honours(layer):
        return not getattr(layer, "inplace", False)

    def forward(self, x):
        return self.layer(x)


class StackedIdentity(StackedElementwise):
    pass


class StackedTanh(StackedElementwise):
    pass


class StackedReLU(StackedElementwise):
    """Overwrites its input and its gradient where its neighbours need neither (see StackedSequential)."""

    owns_input = owns_gradient = False

    @staticmethod
    def honours(layer):
        return True

    def push(self, x, to_input=True):
        out = x.relu_() if self.owns_input else x.relu()
        self.kept = out, to_input
        return out

    def pull(self, g, sink):
        out, to_input = self.kept
        if not to_input:
            return None
        backward = torch.ops.aten.threshold_backward
        if self.owns_gradient and g.is_contiguous():
            return backward.grad_input(g, out, 0, grad_input=g)
        return backward(g, out, 0)


class StackedFlatten(Stacked):
    def __init__(self, layers: list[nn.Flatten]):
        super().__init__()

    @staticmethod
    def honours(layer):
        return (layer.start_dim, layer.end_dim) == (1, -1)

    def forward(self, x):  # (s, b, ...) -> (s, b, n)
        return x.flatten(2)
