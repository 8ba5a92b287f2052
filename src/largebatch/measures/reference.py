"""PyHessian (Yao et al. 2020) as a selectable backend, and as the reference for our own curvature."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from largebatch.nets.models import evaluating
from largebatch.nets.one_by_one import twice_differentiable
from largebatch.training.losses import Kind, loss_of


@contextmanager
def borrowed(model: nn.Module, seed: int) -> Iterator[nn.Module]:
    """The model in evaluation mode without gradients, and the global generator at `seed`; then as found.

    PyHessian leaves models in evaluation mode, adds to .grad and draws from the global generator.
    """
    gradients = [p.grad for p in model.parameters()]
    try:
        model.zero_grad(set_to_none=True)
        with (
            evaluating(model),
            twice_differentiable(model),
            torch.random.fork_rng(),
            warnings.catch_warnings(),
        ):
            torch.manual_seed(seed)
            # Its reference cycle is broken below, when .grad is given back.
            warnings.filterwarnings("ignore", message="Using backward.. with create_graph=True")
            yield model
    finally:
        for p, gradient in zip(model.parameters(), gradients, strict=True):
            p.grad = gradient


def hessian_of(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, loss: Kind):
    """PyHessian's Hessian of the mean loss; images: (n, c, h, w), labels: (n,) or targets (n, k)."""
    from pyhessian import hessian  # imports torchvision and matplotlib: seconds, for those who measure

    def mean_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return loss_of(loss).each(logits[None], labels[None]).mean()

    return hessian(model, mean_loss, data=(images, labels), cuda=images.is_cuda)


def top_eigenvalue(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    iterations: int,
    tolerance: float,
    seed: int,
    loss: Kind = "cross_entropy",
) -> float:
    """Eigenvalue of the Hessian of the mean loss that is largest in magnitude, by power iteration.

    Stops when two iterations differ by less than `tolerance` of the value, which bounds no error: where the
    two largest eigenvalues are close many times that is left, and where the start has little of the first
    eigenvector it may stop at the second eigenvalue. What it gives exceeds no largest magnitude.
    """
    require_finite(model)
    with borrowed(model, seed):
        values, _ = hessian_of(model, images, labels, loss).eigenvalues(
            maxIter=iterations, tol=tolerance, top_n=1
        )
    return float(values[0])


def trace(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    probes: int,
    seed: int,
    loss: Kind = "cross_entropy",
) -> tuple[float, float]:
    """Trace of the Hessian of the mean loss, and its standard error.

    Hutchinson's mean over `probes` random sign vectors; one scatters by about 40 % on the nets here.
    """
    require_finite(model)
    with borrowed(model, seed):
        # Its early stop favours lucky estimates, and negative ones pass any tolerance down to 0.
        estimates = hessian_of(model, images, labels, loss).trace(maxIter=probes, tol=-math.inf)
    found = torch.tensor(estimates, dtype=torch.float64)
    return found.mean().item(), found.std().item() / probes**0.5


def require_finite(model: nn.Module) -> None:
    for name, p in model.named_parameters():
        if not p.isfinite().all():
            raise ValueError(f"curvature: wanted finite weights; got NaN or infinity in {name}")
