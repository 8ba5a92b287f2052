"""The numbers that the text works out by hand, computed by the rule, and their distance from the text."""

from collections.abc import Iterator, Sequence

import numpy as np

from largebatch.files import Observation
from largebatch.primer.descent import batches, descend

RATE = 0.1
GRADIENTS = np.array([0.4, -0.2, 0.6, -0.8])  # of four examples, from w = 1
OTHERS = np.array([0.3, -0.1, 0.5, -0.7])  # from w = 0.5
X, Y = np.array([-1.2, 0.5]), np.array([-2.4, 1.0])

# What the text prints, by arm and item: the weight after each update (0: the start); for the batch of two
# dw, db, w, b; for the arithmetic the numbers of updates.
TEXT = {
    "full": {0: 1.0, 1: 1.0},
    "pairs": {0: 1.0, 1: 0.990, 2: 1.0},
    "other_pairs": {0: 0.5, 1: 0.49, 2: 0.50},
    "online": {0: 1.0, 1: 0.960, 2: 0.980, 3: 0.920, 4: 1.0},
    "batch_of_two": {1: -1.690, 2: 0.700, 3: 0.169, 4: -0.070},
    "arithmetic": {1: 100, 2: 2_000, 3: 391, 4: 3_907},
}


def worked(seeds: Sequence[int]) -> Iterator[tuple[str, Observation]]:
    """Each number, and for each arm the largest distance from the text; the same for every seed."""
    for seed in seeds:
        for arm, values in {**descents(), "arithmetic": arithmetic(seed)}.items():
            found = dict(zip(TEXT[arm], values, strict=True))
            yield from ((arm, Observation(seed, "worked_value", at, value)) for at, value in found.items())
            error = max(abs(value - TEXT[arm][at]) for at, value in found.items())
            yield arm, Observation(seed, "worked_error", None, float(error))


def descents() -> dict[str, list[float]]:
    """The weights of one epoch at three batch sizes, and the one update of the batch of two."""
    return {
        "full": epoch(GRADIENTS, 1.0, size=4),
        "pairs": epoch(GRADIENTS, 1.0, size=2),
        "other_pairs": epoch(OTHERS, 0.5, size=2),
        "online": epoch(GRADIENTS, 1.0, size=1),
        "batch_of_two": batch_of_two(),
    }


def epoch(gradients: np.ndarray, start: float, size: int) -> list[float]:
    """The weight at the start and after each update; gradients: (n,), one per example, given by the text."""
    rows = np.arange(len(gradients)).reshape(-1, size)
    after = descend(lambda _, batch: gradients[batch].mean(), np.array(start), rows, lambda _: RATE)
    return [start, *map(float, after)]


def batch_of_two() -> list[float]:
    """dw, db, w, b of one update from w = b = 0 on both examples (X, Y)."""
    both, start = np.arange(2), np.zeros(2)
    (after,) = descend(line_gradient, start, [both], lambda _: RATE)
    return [*line_gradient(start, both).tolist(), *after.tolist()]


def line_gradient(weights: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """(dw, db) of the batch's mean of (w x + b - y)² / 2; without the half both are twice the text's."""
    w, b = weights
    residual = w * X[batch] + b - Y[batch]
    return np.array([(residual * X[batch]).mean(), residual.mean()])


def arithmetic(seed: int) -> list[float]:
    """Updates per epoch and in 20 epochs of 10,000 examples by 100; per epoch of 10⁵ and of 10⁶ by 256."""
    stream = np.random.default_rng(seed)

    def updates(count: int, size: int) -> float:
        return float(sum(1 for _ in batches(count, size, stream)))

    twenty = sum(updates(10_000, 100) for _ in range(20))
    return [updates(10_000, 100), twenty, updates(100_000, 256), updates(1_000_000, 256)]
