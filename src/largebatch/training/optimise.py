"""Optimisers over stacked weights: PyTorch's own update rules, one rate per update, seeds that can leave.

Backward hands gradients to a sink: `Collected` sums them up for an optimiser, `PlainSgd` is done with
them at once.

torch.optim's functional forms are used rather than its classes: the state is then ours to keep, to
save and to take seeds out of, and a call costs less than Optimizer.step.
"""

from collections.abc import Callable, Iterable

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from largebatch.nets.products import by_numpy, product

Tensors = list[torch.Tensor]
# Batches below which PyTorch's product, added into the weights, is faster than NumPy's and an addition.
FUSED = 16


class Collected:
    """Gradients, `share` times each, summed into .grad for an optimiser to use."""

    def __init__(self, share: float = 1.0):
        self.share = share

    def take(self, weight: torch.Tensor, gradient: torch.Tensor) -> None:
        if self.share != 1.0:
            gradient = gradient * self.share
        if weight.grad is None:
            # contiguous as weights are: fused optimisers go through both without a look at their strides
            weight.grad = gradient.contiguous()
        else:
            weight.grad.add_(gradient)

    def take_product(self, weight: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
        self.take(weight, product(left, right))


class PlainSgd:
    """w <- w - lr (g + weight_decay w) as soon as g is known.

    Where g is a matrix product it is added into w by the product itself at small batches: no gradient is
    written and read again, which there is most of the time of an update.
    """

    def __init__(self, lr: float, weight_decay: float, undecayed: set[int]):
        self.lr = lr
        self.shrink = 1.0 - lr * weight_decay
        self.undecayed = undecayed  # ids of weights without decay

    def _shrink(self, weight: torch.Tensor) -> float:
        return 1.0 if id(weight) in self.undecayed else self.shrink

    def take(self, weight: torch.Tensor, gradient: torch.Tensor) -> None:
        shrink = self._shrink(weight)
        if shrink != 1.0:
            weight.mul_(shrink)
        weight.add_(gradient, alpha=-self.lr)

    def take_product(self, weight: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
        if left.shape[2] < FUSED or not by_numpy(left, right):
            weight.baddbmm_(left, right, beta=self._shrink(weight), alpha=-self.lr)
        else:
            self.take(weight, product(left, right))


Sink = Collected | PlainSgd


class Optimiser:
    """An optimiser. spared: numbers of the weights that a rate for each layer is not for.

    is_plain: it does what PlainSgd does. takes_a_tensor: its rate may be one, as of recorded updates.
    """

    is_plain, takes_a_tensor = False, True

    def __init__(self, spared: Iterable[int] = ()):
        self.spared = frozenset(spared)


class Sgd(Optimiser):
    """w <- w - lr v, v <- momentum v + g + weight_decay w; or its Nesterov form. torch.optim.SGD."""

    def __init__(self, weights: Tensors, momentum: float = 0.0, nesterov: bool = False, **common):
        super().__init__(**common)
        self.is_plain = not momentum
        self.options = {"momentum": momentum, "nesterov": nesterov}
        # Zero buffers start as PyTorch's empty ones do: the first v is the first gradient.
        self.buffers = [torch.zeros_like(w) if momentum else None for w in weights]

    def update(self, weights: Tensors, gradients: Tensors, which: list[int], lr: float, weight_decay: float):
        """Update the weights numbered by `which`, in place."""
        sgd(
            [weights[i] for i in which],
            [gradients[i] for i in which],
            [self.buffers[i] for i in which],
            fused=True,
            lr=lr,
            weight_decay=weight_decay,
            dampening=0.0,
            maximize=False,
            **self.options,
        )

    def state(self) -> Tensors:
        """Tensors with a leading seed dimension."""
        return [b for b in self.buffers if b is not None]


class Adam(Optimiser):
    """Kingma and Ba 2015, algorithm 1, with torch.optim.Adam's L2 weight decay."""

    def __init__(
        self, weights: Tensors, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, **common
    ):
        super().__init__(**common)
        self.options = {"beta1": beta1, "beta2": beta2, "eps": epsilon}
        self.first = [torch.zeros_like(w) for w in weights]
        self.second = [torch.zeros_like(w) for w in weights]
        self.steps = [torch.zeros((), device=w.device) for w in weights]

    def update(self, weights: Tensors, gradients: Tensors, which: list[int], lr: float, weight_decay: float):
        """Update the weights numbered by `which`, in place."""
        adam(
            [weights[i] for i in which],
            [gradients[i] for i in which],
            [self.first[i] for i in which],
            [self.second[i] for i in which],
            [],
            [self.steps[i] for i in which],
            fused=True,
            amsgrad=False,
            lr=lr,
            weight_decay=weight_decay,
            maximize=False,
            **self.options,
        )

    def state(self) -> Tensors:
        """Tensors with a leading seed dimension."""
        return self.first + self.second


class Lars(Optimiser):
    """v <- momentum v + local (g + weight_decay w), w <- w - lr v; You et al. 2017, algorithm 1.

    local = trust ‖w‖ / (‖g‖ + weight_decay ‖w‖) of each weight tensor of each seed; 1 for those numbered in
    `spared`, and where a norm is 0.
    """

    takes_a_tensor = False

    def __init__(self, weights: Tensors, momentum: float = 0.9, trust: float = 0.001, **common):
        super().__init__(**common)
        self.momentum, self.trust = momentum, trust
        self.buffers = [torch.zeros_like(w) for w in weights]

    def update(self, weights: Tensors, gradients: Tensors, which: list[int], lr: float, weight_decay: float):
        """Update the weights numbered by `which`, in place."""
        for i in which:
            w, g = weights[i], gradients[i]
            step = torch.add(g, w, alpha=weight_decay)
            if i not in self.spared:
                scale_by_seed([step], self.local(norm_by_seed([w]), norm_by_seed([g]), weight_decay))
            self.buffers[i].mul_(self.momentum).add_(step)
            w.add_(self.buffers[i], alpha=-lr)

    def local(self, w: torch.Tensor, g: torch.Tensor, weight_decay: float) -> torch.Tensor:
        """The layer's own rate from the norms of its weights and gradients; (s,) each."""
        ratio = self.trust * w / (g + weight_decay * w)
        return torch.where((w > 0) & (g > 0), ratio, 1.0)

    def state(self) -> Tensors:
        """Tensors with a leading seed dimension."""
        return self.buffers


OPTIMISERS: dict[str, Callable[..., Optimiser]] = {"sgd": Sgd, "adam": Adam, "lars": Lars}


def norm_by_seed(tensors: Tensors) -> torch.Tensor:
    """Euclidean norm over all tensors together; (s, ...) each -> (s,)."""
    return sum(t.flatten(1).square().sum(1) for t in tensors).sqrt()


def scale_by_seed(tensors: Tensors, scale: torch.Tensor) -> None:
    """Multiply each seed's part of every tensor, in place; (s, ...) each, scale: (s,)."""
    for t in tensors:
        t.mul_(scale.view(-1, *[1] * (t.ndim - 1)))


def clip_by_norm(gradients: Tensors, most: float) -> None:
    """Scale each seed's whole gradient down to norm `most`, in place; gradients: (s, ...) each."""
    scale_by_seed(gradients, (most / norm_by_seed(gradients)).clamp(max=1.0))
