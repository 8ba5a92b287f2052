"""Losses by stacked logits: values, gradients and curvature of single examples."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Of each example, in nats; logits (s, b, classes), labels (s, b) -> (s, b)."""
    return F.cross_entropy(classes_first(logits), labels, reduction="none")


def cross_entropy_gradient(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Of the summed cross-entropy by the logits: softmax minus target; (s, b, classes), labels (s, b)."""
    gradient = torch.softmax(classes_first(logits), 1)
    hit = gradient.new_full((1, 1, 1), smoothing - 1.0).expand(labels.shape[0], 1, labels.shape[1])
    gradient.scatter_add_(1, labels[:, None], hit)
    if smoothing:
        gradient.sub_(smoothing / logits.shape[2])
    return gradient.transpose(1, 2)


def squared_error(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Half the squared distance from each one-hot target (Cohen et al. 2021); shapes as cross_entropy's."""
    return squared_error_gradient(logits, labels).square().sum(2) / 2


def squared_error_gradient(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Of the summed squared error by the logits: logits minus one-hot target; (s, b, classes)."""
    return logits - F.one_hot(labels, logits.shape[2])


def classes_first(logits: torch.Tensor) -> torch.Tensor:
    """(s, b, classes) -> (s, classes, b): a softmax over ten values side by side is ten times slower."""
    return logits.transpose(1, 2).contiguous()


def cross_entropy_factors(logits: torch.Tensor) -> Iterator[torch.Tensor]:
    """√π_c (e_c - π) for each class c, with π the softmax: their outer products sum to diag π - π πᵀ."""
    shares = logits.softmax(2)
    for c in range(logits.shape[2]):
        factor = -shares
        factor[:, :, c] += 1.0
        yield shares[:, :, c : c + 1].sqrt() * factor


def squared_error_factors(logits: torch.Tensor) -> Iterator[torch.Tensor]:
    """e_c for each class c: their outer products sum to the identity."""
    for c in range(logits.shape[2]):
        factor = torch.zeros_like(logits)
        factor[:, :, c] = 1.0
        yield factor


class Loss(NamedTuple):
    """`metric`: what its mean is called in a history; `each`: of every example; `gradient`: of its sum.

    `factors`: vectors by the logits, (s, b, classes) each, whose outer products sum to an example's Hessian.
    """

    metric: str
    each: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    gradient: Callable[..., torch.Tensor]
    factors: Callable[[torch.Tensor], Iterator[torch.Tensor]]


LOSSES = {
    "cross_entropy": Loss("loss_nats", cross_entropy, cross_entropy_gradient, cross_entropy_factors),
    "squared_error": Loss("squared_error", squared_error, squared_error_gradient, squared_error_factors),
}
