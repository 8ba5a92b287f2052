"""Batch normalisation of many seeds at once, and the moments that it takes; see layers.py."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from largebatch.nets.layers import Stacked, above, beside, stacked_parameter

# What several workers' tensors sum up to, each over all workers.
Summed = Callable[[list[torch.Tensor]], list[torch.Tensor]]


class StackedBatchNorm(Stacked):
    """Statistics of the batch in training (of each ghost batch, Hoffer 2017), of the population after.

    There is no running average: population statistics are re-estimated on the training set
    (`estimating`), because an average over few large-batch updates is stale.

    summed: with it, the batch in training is that of all workers.
    """

    TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

    @staticmethod
    def honours(layer):
        return layer.affine and layer.track_running_stats and layer.running_mean is not None

    def __init__(self, layers: list[nn.BatchNorm1d | nn.BatchNorm2d]):
        super().__init__()
        like = layers[0]
        self.eps = like.eps
        self.ghost: int | None = None
        self.summed: Summed | None = None
        self.moments: list[tuple[int, torch.Tensor, torch.Tensor]] | None = None
        self.weight, self.bias = (stacked_parameter(layers, name) for name in ("weight", "bias"))  # (s, c)
        self.register_buffer("running_mean", torch.stack([layer.running_mean for layer in layers]))
        self.register_buffer("running_var", torch.stack([layer.running_var for layer in layers]))

    def spared(self):
        return [self.weight, self.bias]

    def forward(self, x):  # (s, b, c, ...) -> same
        if not self.training:
            return self._affine(x, self._shaped(self.running_mean, x), self._shaped(self.running_var, x))
        ghost = self.ghost if self.ghost and self.moments is None else x.shape[1]
        parts = [self._by_batch(part) for part in x.split(ghost, dim=1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def push(self, x, to_input=True):
        if self._by_kernel(x):
            seen, affine = beside(x), (self.weight.flatten(), self.bias.flatten())
            out, *moments = torch.native_batch_norm(
                seen, *affine, None, None, training=True, momentum=0.0, eps=self.eps
            )
            self.kept = seen, moments, to_input
            return above(out, x.shape[0])
        if not self._by_formula(x):
            return super().push(x, to_input)
        x = x.unflatten(1, (-1, self.ghost or x.shape[1]))  # (s, ghosts, b, c, ...)
        if self.summed:
            count, var, centred = moments_of_all(x, others_of(x), self.summed)
        else:
            count, (_, var, centred) = None, moments_of(x, others_of(x))
        scale = torch.rsqrt(var + self.eps)
        normal = centred.mul_(scale)
        self.kept = normal, scale, count, to_input
        weight, bias = self._shaped(self.weight, x, 2), self._shaped(self.bias, x, 2)
        return torch.addcmul(bias, normal, weight).flatten(1, 2)

    def pull(self, g, sink):
        if self._by_kernel(g):
            seen, moments, to_input = self.kept
            given = beside(g), seen, self.weight.flatten(), None, None, *moments, True, self.eps
            back = torch.ops.aten.native_batch_norm_backward
            by_input, *by_affine = back(*given, [to_input, True, True])
            for parameter, gradient in zip((self.weight, self.bias), by_affine, strict=True):
                sink.take(parameter, gradient.view_as(parameter))
            return above(by_input, g.shape[0]) if to_input else None
        if not self._by_formula(g):
            return super().pull(g, sink)
        normal, scale, count, to_input = self.kept
        g = g.unflatten(1, (-1, self.ghost or g.shape[1]))
        along = g * normal
        by_bias, by_weight = (t.sum(others_of(g), keepdim=True) for t in (g, along))
        by_input = None
        if to_input:
            # Ioffe and Szegedy 2015, section 3, the terms collected. Before the sink may move the weight.
            each = [by_bias, by_weight]
            mean_bias, mean_weight = (
                total / (g.numel() // by_bias.numel() if count is None else count)
                for total in (self.summed(each) if self.summed else each)
            )
            by_input = torch.addcmul(g - mean_bias, normal, mean_weight, value=-1)
            by_input = by_input.mul_(scale * self._shaped(self.weight, g, 2)).flatten(1, 2)
        for parameter, gradient in ((self.bias, by_bias), (self.weight, by_weight)):
            sink.take(parameter, gradient.sum(1).view_as(parameter))
        return by_input

    def _by_kernel(self, x) -> bool:
        """Whether PyTorch's own kernel, several times as fast, sees the seeds as channels without a copy."""
        return self.training and not (self.ghost or self.summed) and (x.shape[0] == 1 or x.ndim > 3)

    def _by_formula(self, x) -> bool:
        """Whether push and pull are written out here: by statistics of batches, no short ghost batch."""
        return self.training and not (self.ghost and x.shape[1] % self.ghost)

    def _by_batch(self, x):
        mean, var, _ = moments_of(x, [1, *range(3, x.ndim)])
        if self.moments is not None:
            seeds, channels = x.shape[0], x.shape[2]
            self.moments.append((x.shape[1], mean.view(seeds, channels), var.view(seeds, channels)))
        return self._affine(x, mean, var)

    def _affine(self, x, mean, var):
        scale = self._shaped(self.weight, x) * torch.rsqrt(var + self.eps)
        return torch.addcmul(self._shaped(self.bias, x) - mean * scale, x, scale)

    def _shaped(self, tensor, x, before: int = 1):  # (s, c) -> (s, [1] * before, c, 1, ...)
        seeds, channels = tensor.shape
        return tensor.reshape(seeds, *[1] * before, channels, *[1] * (x.ndim - before - 2))

    def settle(self) -> None:
        """Population statistics from the batches seen: pooled mean, and the law of total variance."""
        mean, variance = pooled(*zip(*self.moments, strict=True))
        self.running_mean.copy_(mean)
        self.running_var.copy_(variance)
        self.moments = None


def others_of(x: torch.Tensor) -> list[int]:
    """The dimensions of (s, ghosts, b, c, ...) that statistics of channels are over."""
    return [2, *range(4, x.ndim)]


def moments_of(x: torch.Tensor, others: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean and variance over these dimensions, which stay with length 1, and x less its mean.

    In two passes: torch.var_mean over other dimensions than the last ones is 20 to 70 times slower on a CPU.
    On a GPU neither was timed.
    """
    mean = x.mean(others, keepdim=True)
    centred = x - mean
    return mean, centred.square().mean(others, keepdim=True), centred


def moments_of_all(
    x: torch.Tensor, others: list[int], summed: Summed
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """How many values of a channel all workers have, and moments_of() them: variance, and x less the mean."""
    total = x.sum(others, keepdim=True)
    total, count = summed([total, total.new_full((1,), x.numel() // total.numel())])
    centred = x - total / count
    (squares,) = summed([centred.square().sum(others, keepdim=True)])
    return count, squares / count, centred


def pooled(
    sizes: Sequence[int],
    means: Sequence[torch.Tensor],
    variances: Sequence[torch.Tensor],
    between: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of several batches together; without `between`, the mean of their variances."""
    mean, variance = torch.stack(means), torch.stack(variances)  # (batches, ...)
    sizes = torch.tensor(sizes, dtype=mean.dtype)
    share = (sizes / sizes.sum()).to(mean.device).view(-1, *[1] * (mean.ndim - 1))
    centre = (share * mean).sum(0)
    if between:
        variance = variance + (mean - centre).square()
    return centre, (share * variance).sum(0)
