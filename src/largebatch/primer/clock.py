"""Timing that other programs on the machine disturb as little as possible. Statements P3 and P11."""

from collections.abc import Callable, Hashable
from itertools import islice
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeVar

import numpy as np

from largebatch.primer.descent import Gradient, batches, descend

ROUNDS = 30
# Short enough that some blocks run without interruption by other programs.
UPDATES_TIMED_TOGETHER = 16

Key = TypeVar("Key", bound=Hashable)


class Timing(NamedTuple):
    """seconds: of the shortest round; spread: the median round over the shortest, 1 on an idle machine."""

    seconds: float
    spread: float


def quickest(tasks: dict[Key, Callable[[], None]], rounds: int) -> dict[Key, Timing]:
    """Time every task once per round, so that a machine that slows down affects all tasks.

    The shortest round of each counts, as in Python's timeit: other programs can only add time.
    """
    for task in tasks.values():
        task()  # the first call is slower: caches are still empty
    seconds: dict[Key, list[float]] = {key: [] for key in tasks}
    for _ in range(rounds):
        for key, task in tasks.items():
            begin = perf_counter()
            task()
            seconds[key].append(perf_counter() - begin)
    return {key: Timing(min(found), median(found) / min(found)) for key, found in seconds.items()}


def update_times(
    gradient: Gradient,
    start: np.ndarray,
    examples: int,
    sizes: dict[Key, int],
    rounds: int,
    order: np.random.Generator,
) -> dict[Key, Timing]:
    """Seconds per update of descent from `start` in batches of each size."""
    rows = {
        key: list(islice(batches(examples, size, order), UPDATES_TIMED_TOGETHER))
        for key, size in sizes.items()
    }

    def descent(batches_timed: list[np.ndarray]) -> Callable[[], None]:
        def task() -> None:
            for _ in descend(gradient, start, batches_timed, lambda _: 0.01):
                pass

        return task

    found = quickest({key: descent(some) for key, some in rows.items()}, rounds)
    return {key: Timing(seconds / len(rows[key]), spread) for key, (seconds, spread) in found.items()}
