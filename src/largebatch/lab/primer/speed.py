"""What a batch costs on the machine at hand. Statements P11 and P12."""

import tracemalloc
from collections.abc import Iterator
from time import perf_counter

import numpy as np

from largebatch.descent import descend
from largebatch.files import Observation
from largebatch.lab.primer.problems import SOFTMAX, Mlp, digits
from largebatch.lab.primer.randomness import stream
from largebatch.lab.primer.runs import epochs_of

BEST_SHARE = 0.9


def speed(
    seeds: list[int], examples: int = 1024, hidden: int = 64, repeats: int = 3
) -> Iterator[tuple[str, Observation]]:
    """Seconds and memory of a digits net in NumPy, at batch sizes 1, 2, 4, ... up to all examples. P11, P12.

    Arm: machine; a seed is a repeat. epoch_seconds, update_seconds, examples_per_second at batch size: the
    quickest of `repeats` epochs, after an untimed update; saturating_batch_size: the least batch with nine
    tenths of the best throughput. peak_memory_mib at batch size: the most that NumPy holds at once during two
    updates, beyond the data and the weights at the start; counted, not timed. memory_growth: what the last
    doubling of the batch added to it, over what the doubling before added: 2 if memory is a constant plus so
    much an example.
    """
    if examples < 4 or repeats < 1:
        raise ValueError(f"speed: wanted examples from 4, repeats from 1; got {examples}, {repeats}")
    sizes = [2**k for k in range(examples.bit_length())]
    for seed in seeds:
        (x, targets), _ = digits(stream(seed, "data"), examples)
        net = Mlp(x, targets, SOFTMAX, hidden)
        start = net.start(stream(seed, "start"))
        throughput, peaks = {}, []
        for size in sizes:
            seconds, updates = quickest_epoch(net, start, size, repeats, stream(seed, "order"))
            throughput[size] = examples / seconds
            peaks.append(peak_mib(net, start, size))
            numbers = {
                "epoch_seconds": seconds,
                "update_seconds": seconds / updates,
                "examples_per_second": throughput[size],
                "peak_memory_mib": peaks[-1],
            }
            for metric, value in numbers.items():
                yield "machine", Observation(seed, metric, size, value)
        yield "machine", Observation(seed, "saturating_batch_size", None, first_at_share(throughput))
        growth = (peaks[-1] - peaks[-2]) / (peaks[-2] - peaks[-3])
        yield "machine", Observation(seed, "memory_growth", None, growth)


def first_at_share(throughput: dict[int, float], share: float = BEST_SHARE) -> int:
    """The least batch size with this share of the best throughput."""
    best = max(throughput.values())
    return min(size for size, found in throughput.items() if found >= share * best)


def quickest_epoch(
    net: Mlp, start: np.ndarray, size: int, repeats: int, order: np.random.Generator
) -> tuple[float, int]:
    """Seconds and updates of an epoch; the quickest is the one that other programs disturbed least."""
    rows = list(epochs_of(len(net.inputs), size, 1, order))
    net.gradient(start, rows[0])  # the first call pays for what later ones find ready
    seconds = []
    for _ in range(repeats):
        begin = perf_counter()
        for _ in descend(net.gradient, start, rows, lambda _: 0.1):
            pass
        seconds.append(perf_counter() - begin)
    return min(seconds), len(rows)


def peak_mib(net: Mlp, start: np.ndarray, size: int) -> float:
    """The most memory that two updates hold at once, beyond what was there before."""
    rows = [np.arange(size)] * 2
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        for _ in descend(net.gradient, start, rows, lambda _: 0.1):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if ours:
            tracemalloc.stop()
    return (peak - before) / 2**20
