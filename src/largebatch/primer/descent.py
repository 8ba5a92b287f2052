"""Gradient descent from first principles: full-batch, mini-batch and stochastic are one rule."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

Gradient = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (weights, rows of a batch) -> mean gradient


def batches(count: int, size: int, stream: np.random.Generator) -> Iterator[np.ndarray]:
    """One epoch: the rows of each batch, in a new random order; the last batch may be short."""
    order = stream.permutation(count)
    yield from (order[first : first + size] for first in range(0, count, size))


def descend(
    gradient: Gradient,
    weights: np.ndarray,
    rows: Iterable[np.ndarray],
    rate: Callable[[int], float],
    momentum: float = 0.0,
) -> Iterator[np.ndarray]:
    """The weights after each update: v <- momentum v + g, w <- w - rate(t) v, g the batch's mean gradient."""
    velocity = np.zeros_like(weights)
    for update, batch in enumerate(rows):
        velocity = momentum * velocity + gradient(weights, batch)
        weights = weights - rate(update) * velocity
        yield weights
