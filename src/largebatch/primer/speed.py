"""What a batch costs on the machine at hand. Statements P11 and P12."""

import math
import tracemalloc
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from largebatch.files import Observation
from largebatch.primer.clock import update_times
from largebatch.primer.descent import descend
from largebatch.primer.problems import SOFTMAX, Mlp, digits
from largebatch.primer.randomness import stream

BEST_SHARE = 0.9


def speed(
    seeds: list[int], examples: int, hidden: int, rounds: int, memory_mib: float
) -> Iterator[tuple[str, Observation]]:
    """Seconds and memory of a digits net in NumPy, at batch sizes 1, 2, 4, ... up to all examples. P11, P12.

    Arms: machine, line; a seed is a repeat. update_seconds at batch size: of the shortest of `rounds`, each
    of which times some updates of every size; epoch_seconds, examples_per_second: from these; time_spread:
    the median round over the shortest. saturating_batch_size: the least batch with nine tenths of the best
    throughput.
    peak_memory_mib at batch size: the most that NumPy holds at once during two updates, beyond the data and
    the weights at the start; counted, not timed. memory_growth: what the last doubling of the batch added to
    it, over what the doubling before added: 2 if memory is a constant plus a fixed amount per example.
    fitting_batch_size: the largest batch that takes at most memory_mib, up to all examples: of `machine` as
    searched, of `line` as the line through the peaks at an eighth and a quarter of the examples predicts it.
    """
    if examples < 4 or rounds < 1:
        raise ValueError(f"speed: wanted examples from 4, rounds from 1; got {examples}, {rounds}")
    sizes = {size: size for size in (2**k for k in range(examples.bit_length()))}
    for seed in seeds:
        (x, targets), _ = digits(stream(seed, "data"), examples)
        net = Mlp(x, targets, SOFTMAX, hidden)
        start = net.start(stream(seed, "start"))
        times = update_times(net.gradient, start, examples, sizes, rounds, stream(seed, "clock"))
        throughput, peaks = {}, []
        for size, (seconds, spread) in times.items():
            epoch = seconds * math.ceil(examples / size)
            throughput[size] = examples / epoch
            peaks.append(peak_mib(net, start, size))
            numbers = {
                "epoch_seconds": epoch,
                "update_seconds": seconds,
                "examples_per_second": throughput[size],
                "time_spread": spread,
                "peak_memory_mib": peaks[-1],
            }
            for metric, value in numbers.items():
                yield "machine", Observation(seed, metric, size, value)
        yield "machine", Observation(seed, "saturating_batch_size", None, first_at_share(throughput))
        growth = (peaks[-1] - peaks[-2]) / (peaks[-2] - peaks[-3])
        yield "machine", Observation(seed, "memory_growth", None, growth)
        taken = partial(peak_mib, net, start)
        for arm, way in (("machine", searched), ("line", predicted)):
            yield arm, Observation(seed, "fitting_batch_size", None, way(taken, memory_mib, examples))


def first_at_share(throughput: dict[int, float]) -> int:
    """The least batch size with this share of the best throughput."""
    best = max(throughput.values())
    return min(size for size, found in throughput.items() if found >= BEST_SHARE * best)


def searched(taken: Callable[[int], float], memory_mib: float, most: int) -> int:
    """The largest batch up to `most` that fits, by halving; taken: MiB of a batch, which grows with it."""
    if taken(1) > memory_mib:
        raise ValueError(
            f"speed: wanted memory_mib from what a batch of 1 takes, {taken(1)}; got {memory_mib}"
        )
    return bisect_right(range(2, most + 1), memory_mib, key=taken) + 1


def predicted(taken: Callable[[int], float], memory_mib: float, most: int) -> int:
    """The same from the line through what two small batches take."""
    small, larger = max(1, most // 8), max(2, most // 4)
    each = (taken(larger) - taken(small)) / (larger - small)
    return max(1, min(most, math.floor(small + (memory_mib - taken(small)) / each)))


def peak_mib(net: Mlp, start: np.ndarray, size: int) -> float:
    """The most memory that two updates hold at once, beyond what was held before."""
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
