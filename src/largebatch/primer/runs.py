"""What all runs of the primer share: batches over epochs, and the updates that are recorded."""

from collections.abc import Iterator

import numpy as np

from largebatch.primer.descent import batches


def epochs_of(count: int, size: int, epochs: int, stream: np.random.Generator) -> Iterator[np.ndarray]:
    """The rows of each batch, epoch after epoch, each epoch in a new random order."""
    if not 1 <= size <= count:
        raise ValueError(f"wanted a batch of 1 to {count} examples; got {size}")
    for _ in range(epochs):
        yield from batches(count, size, stream)


def thinned(last: int, points: int) -> list[int]:
    """About `points` updates from 0 to `last`, evenly spaced on a logarithmic axis."""
    if last < 1:
        raise ValueError(f"wanted at least one update; got {last}")
    spaced = np.geomspace(1, last, points).round().astype(int)
    return [0, *np.unique(spaced).tolist()]
