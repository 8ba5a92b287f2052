"""The standard layers without weights, of many seeds at once; see layers.py."""

import torch
import torch.nn.functional as F
from torch import nn

from largebatch.nets.layers import Stacked


class StackedDropout(Stacked):
    """Each seed draws its masks from its own stream, so company does not change them."""

    def __init__(self, layers: list[nn.Dropout]):
        super().__init__()
        self.p = layers[0].p
        self.generators: list[torch.Generator] = []

    @staticmethod
    def honours(layer):
        return layer.p < 1  # else the mask would be 0 / 0

    def keep(self, kept: list[int]) -> None:
        """Drop the streams of all seeds but these."""
        self.generators = [self.generators[index] for index in kept] if self.generators else []

    def forward(self, x):
        return x * self._mask(x) if self.training and self.p else x

    def push(self, x):
        self.mask = self._mask(x) if self.training and self.p else None
        return x if self.mask is None else x * self.mask

    def pull(self, g, sink, to_input=True):
        return g if self.mask is None else g * self.mask

    def _mask(self, x):
        mask = torch.empty_like(x, memory_format=torch.contiguous_format)
        for of_seed, stream in zip(mask, self.generators, strict=True):
            of_seed.bernoulli_(1 - self.p, generator=stream)
        return mask.div_(1 - self.p)


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

    def push(self, x):
        self.seen, like = x.flatten(0, 1), self.layer
        self.options = [like.kernel_size, like.stride, like.padding, like.dilation, like.ceil_mode]
        out, self.indices = F.max_pool2d(self.seen, *self.options, return_indices=True)
        return out.unflatten(0, x.shape[:2])

    def pull(self, g, sink, to_input=True):
        lists = [o if isinstance(o, bool) else nn.modules.utils._pair(o) for o in self.options]
        back = torch.ops.aten.max_pool2d_with_indices_backward(
            g.flatten(0, 1), self.seen, *lists, self.indices
        )
        return back.unflatten(0, g.shape[:2])


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
    def push(self, x):
        return x

    def pull(self, g, sink, to_input=True):
        return g


class StackedReLU(StackedElementwise):
    """Overwrites its input and its gradient where its neighbours need neither (see StackedSequential)."""

    owns_input = owns_gradient = False

    @staticmethod
    def honours(layer):
        return True

    def push(self, x):
        self.out = x.relu_() if self.owns_input else x.relu()
        return self.out

    def pull(self, g, sink, to_input=True):
        backward = torch.ops.aten.threshold_backward
        if self.owns_gradient and g.is_contiguous():
            return backward.grad_input(g, self.out, 0, grad_input=g)
        return backward(g, self.out, 0)


class StackedTanh(StackedElementwise):
    def push(self, x):
        self.out = x.tanh()
        return self.out

    def pull(self, g, sink, to_input=True):
        return torch.ops.aten.tanh_backward(g, self.out)


class StackedFlatten(Stacked):
    def __init__(self, layers: list[nn.Flatten]):
        super().__init__()

    @staticmethod
    def honours(layer):
        return (layer.start_dim, layer.end_dim) == (1, -1)

    def forward(self, x):  # (s, b, ...) -> (s, b, n)
        return x.flatten(2)

    def push(self, x):
        self.shape = x.shape
        return x.flatten(2)

    def pull(self, g, sink, to_input=True):
        return g.reshape(self.shape)
