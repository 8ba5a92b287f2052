"""What a batch costs on the machine at hand. Statements P11 and P12."""

import math
import tracemalloc
from collections.abc import Iterator

import numpy as np

from largebatch.files import Observation
from largebatch.primer.clock import update_times
from largebatch.primer.descent import descend
from largebatch.primer.problems import SOFTMAX, Mlp, digits
from largebatch.primer.randomness import stream

BEST_SHARE = 0.9


def speed(seeds: list[int], examples: int, hidden: int, rounds: int) -> Iterator[tuple[str, Observation]]:
    """Seconds and memory of a digits net in NumPy, at batch sizes 1, 2, 4, ... up to all examples. P11, P12.

    Arm: machine; a seed is a repeat. update_seconds at batch size: of the shortest of `rounds`, each of which
    times some updates of every size; epoch_seconds, examples_per_second: from these; time_spread: the median
    round over the shortest. saturating_batch_size: the least batch with nine tenths of the best throughput.
    peak_memory_mib at batch size: the most that NumPy holds at once during two updates, beyond the data and
    the weights at the start; counted, not timed. memory_growth: what the last doubling of the batch added to
    it, over what the doubling before added: 2 if memory is a constant plus a fixed amount per example.
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


def first_at_share(throughput: dict[int, float]) -> int:
    """The least batch size with this share of the best throughput."""
    best = max(throughput.values())
    return min(size for size, found in throughput.items() if found >= BEST_SHARE * best)


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
