"""What may be done to a batch against bad minima: pure functions on images, gradients and weights.

Everything has a leading seed dimension, and every seed is treated as if it were alone. Gradients are
taken by the caller, under torch.no_grad(); see engine.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from largebatch.training.optimise import Tensors, norm_by_seed, scale_by_seed

# Below this norm a gradient has no direction to follow, only rounding.
LEAST_NORM = 1e-12


def ascent(gradients: Tensors, rho: float) -> Tensors:
    """rho g/‖g‖, SAM's way up from the weights (Foret et al. 2021, eq. 2 with p = 2); (s, ...) each."""
    way = [g.clone() for g in gradients]
    scale_by_seed(way, rho / norm_by_seed(gradients).clamp(min=LEAST_NORM))
    return way


@contextmanager
def moved(weights: Tensors, way: Tensors) -> Iterator[None]:
    """The weights moved by `way`; afterwards exactly those from before."""
    before = [w.clone() for w in weights]
    for w, by in zip(weights, way, strict=True):
        w.add_(by)
    try:
        yield
    finally:
        for w, old in zip(weights, before, strict=True):
            w.copy_(old)


def add_penalty(gradients: Tensors, moved_gradients: Tensors, strength: float, step: float) -> None:
    """Add strength H g, the gradient of strength/2 ‖g‖², to g, in place; (s, ...) each.

    moved_gradients: those at w + step g/‖g‖, so that H g is ‖g‖/step times the difference. Geiping et al.
    2021, section 3.4.
    """
    scale = strength / step * norm_by_seed(gradients)
    for g, there in zip(gradients, moved_gradients, strict=True):
        difference = there.sub_(g)
        scale_by_seed([difference], scale)
        g.add_(difference)


def fast_gradient_sign(images: torch.Tensor, gradient: torch.Tensor, size: float) -> torch.Tensor:
    """x + size sign(∇ₓ loss), not clipped to the range of pixels; Goodfellow et al. 2015, section 4."""
    return torch.add(images, gradient.sign(), alpha=size)


def add_pull(gradients: Tensors, weights: Tensors, centre: Tensors, strength: float) -> None:
    """Add the gradient of strength/2 ‖w - centre‖² to the others, in place; (s, ...) each."""
    for g, w, c in zip(gradients, weights, centre, strict=True):
        g.add_(w - c, alpha=strength)
