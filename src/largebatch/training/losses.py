"""Losses by stacked outputs: values, gradients and curvature of single examples."""

from collections.abc import Callable, Iterator
from functools import partial
from inspect import isclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

from largebatch.config.losses import ImportedLoss
from largebatch.data.code import load


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


def with_zero(outputs: torch.Tensor) -> torch.Tensor:
    """One output (s, b, 1) as the logits (s, b, 2) of two classes, of which the first has 0."""
    return F.pad(outputs, (1, 0))


def binary_cross_entropy(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Of each example, in nats; outputs (s, b, 1): the logit of class 1; labels (s, b) -> (s, b)."""
    return cross_entropy(with_zero(outputs), labels)


def binary_cross_entropy_gradient(
    outputs: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Of the summed binary cross-entropy by the outputs: sigmoid minus target; (s, b, 1)."""
    return cross_entropy_gradient(with_zero(outputs), labels, smoothing)[:, :, 1:]


def squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Half the squared distance from each target; outputs (s, b, k) -> (s, b).

    targets: (s, b, k), or labels (s, b), which stand for one-hot targets (Cohen et al. 2021).
    """
    return squared_error_gradient(outputs, targets).square().sum(2) / 2


def squared_error_gradient(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of the summed squared error by the outputs: outputs minus targets; (s, b, k)."""
    return outputs - as_numbers(targets, outputs.shape[2])


def as_numbers(targets: torch.Tensor, outputs: int) -> torch.Tensor:
    """Targets (s, b, k) as they are; labels (s, b) one-hot."""
    return targets if targets.is_floating_point() else F.one_hot(targets, outputs)


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


def binary_cross_entropy_factors(outputs: torch.Tensor) -> Iterator[torch.Tensor]:
    """√π(1 - π), with π the sigmoid."""
    yield (torch.sigmoid(outputs) * torch.sigmoid(-outputs)).sqrt()


class Loss(NamedTuple):
    """`each`: of every example; `gradient`: of its sum. What it is called stands in config/losses.py.

    `factors`: vectors by the outputs, (s, b, k) each, whose outer products sum to an example's Hessian; None
    where these are not known.
    """

    each: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    gradient: Callable[..., torch.Tensor]
    factors: Callable[[torch.Tensor], Iterator[torch.Tensor]] | None


LOSSES = {
    "cross_entropy": Loss(cross_entropy, cross_entropy_gradient, cross_entropy_factors),
    "binary_cross_entropy": Loss(
        binary_cross_entropy, binary_cross_entropy_gradient, binary_cross_entropy_factors
    ),
    "squared_error": Loss(squared_error, squared_error_gradient, squared_error_factors),
}


Kind = str | ImportedLoss  # one of LOSSES, or one of the user's


def loss_of(kind: Kind) -> Loss:
    """One of LOSSES by its name, or one of the user's, with its gradient by autograd."""
    if isinstance(kind, str):
        return LOSSES[kind]
    each = partial(own_loss, kind, function_of(kind))
    return Loss(each, partial(gradient_of, each), None)


def function_of(kind: ImportedLoss) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The user's function with its options, or an object of the user's class."""
    made = load(kind)
    return made(**kind.options) if isclass(made) else partial(made, **kind.options)


def own_loss(
    kind: ImportedLoss, function: Callable, outputs: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Of each example; the function sees those of all seeds in one row. Shapes as of the other losses."""
    if targets.is_floating_point():
        targets = targets.to(outputs.dtype)
    found = function(outputs.flatten(0, 1), targets.flatten(0, 1))
    examples = outputs.shape[0] * outputs.shape[1]
    if not isinstance(found, torch.Tensor) or found.shape != (examples,):
        got = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise ValueError(
            f"loss.import {kind.file}: wanted the loss of each example, ({examples},); got {got}"
        )
    return found.unflatten(0, outputs.shape[:2])


def gradient_of(each: Callable, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of the summed loss by the outputs, by autograd."""
    with torch.enable_grad():
        at = outputs.detach().requires_grad_()
        # a copy: autograd may give a view of what is not its own
        return torch.autograd.grad(each(at, targets).sum(), at)[0].clone(
            memory_format=torch.contiguous_format
        )
