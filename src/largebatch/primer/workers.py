"""Several workers that act as one: a ring that averages (P15), and three ways to make one update (P16)."""

from collections.abc import Iterator, Sequence

import numpy as np

from largebatch.files import Observation
from largebatch.primer.descent import Gradient, descend
from largebatch.primer.problems import SOFTMAX, Mlp, digits
from largebatch.primer.randomness import stream


def ring_mean(vectors: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """The mean of K workers' vectors, as each worker computes it, and how many values each has sent.

    Each vector is split in K chunks; a worker sends only to the next one. Reduce-scatter: workers add to the
    chunk and pass it on, until worker k has the whole sum of chunk k + 1. All-gather: the sums are passed on
    unchanged.
    """
    if not vectors or len({v.shape for v in vectors}) > 1:
        raise ValueError(f"ring: wanted vectors of one shape; got {[v.shape for v in vectors]}")
    count = len(vectors)
    chunks = [np.array_split(v.astype(float), count) for v in vectors]  # [worker][chunk]
    sent = [0] * count
    for adds in (True, False):
        for step in range(count - 1):
            # All send at once: what is sent is read before anything is received.
            messages = []
            for worker in range(count):
                number = (worker - step + (0 if adds else 1)) % count
                messages.append((worker, number, chunks[worker][number].copy()))
            for worker, number, message in messages:
                sent[worker] += message.size
                after = (worker + 1) % count
                chunks[after][number] = chunks[after][number] + message if adds else message
    return [np.concatenate(own) / count for own in chunks], sent


def ring(seeds: list[int], values: int) -> Iterator[tuple[str, Observation]]:
    """A ring all-reduce of K = 2, 3, 4, 6, 8, 12, 16 workers with gradients of `values` numbers each. P15.

    Arms: ring, theory. ring_sent_share at K: the most values a worker sends, divided by the size of the
    gradient; in theory 2(K - 1)/K. ring_error at K: largest difference of any worker's result from the mean.
    """
    if values < 1:
        raise ValueError(f"ring: wanted values from 1; got {values}")
    for seed in seeds:
        draw = stream(seed, "data")
        for workers in (2, 3, 4, 6, 8, 12, 16):
            vectors = list(draw.standard_normal((workers, values)))
            means, sent = ring_mean(vectors)
            error = max(float(np.abs(mean - np.mean(vectors, 0)).max()) for mean in means)
            yield "ring", Observation(seed, "ring_sent_share", workers, max(sent) / values)
            yield "theory", Observation(seed, "ring_sent_share", workers, 2 * (workers - 1) / workers)
            yield "ring", Observation(seed, "ring_error", workers, error)


def accumulated(gradient: Gradient, parts: int) -> Gradient:
    """The mean gradient of a batch, from that of each of its micro-batches."""
    return lambda w, rows: sum(gradient(w, micro) for micro in np.split(rows, parts)) / parts


def in_workers(gradient: Gradient, workers: int) -> Gradient:
    """The mean gradient of a batch: each worker's mean gradient, averaged on a ring."""
    return lambda w, rows: ring_mean([gradient(w, share) for share in np.split(rows, workers)])[0][0]


def three_ways(seeds: list[int], share: int, workers: int, rate: float) -> Iterator[tuple[str, Observation]]:
    """One update of a digits net on the same examples in three ways: a batch, micro-batches, workers. P16.

    The batch is of workers · share examples. Arm: ways; ways_difference: largest absolute difference of a
    weight between any two of the three.
    """
    for seed in seeds:
        (x, targets), _ = digits(stream(seed, "data"), workers * share)
        net = Mlp(x, targets, SOFTMAX, hidden=16)
        start, rows = net.start(stream(seed, "start")), np.arange(len(x))
        ways = (net.gradient, accumulated(net.gradient, workers), in_workers(net.gradient, workers))
        ends = np.stack([next(descend(way, start, [rows], lambda _: rate)) for way in ways])  # (3, p)
        yield "ways", Observation(seed, "ways_difference", None, float(np.ptp(ends, axis=0).max()))
