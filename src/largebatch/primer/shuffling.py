"""Sorted data, shuffled never, once, or every epoch. Statement P9."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from largebatch.files import Observation
from largebatch.primer.descent import descend
from largebatch.primer.problems import SOFTMAX, Linear, Part, accuracy_percent, digits, with_ones
from largebatch.primer.randomness import stream

# The number of examples and a stream -> an epoch's rows; the data are sorted by class.
ORDERS: dict[str, Callable[[int, int, np.random.Generator], Iterator[np.ndarray]]] = {
    "never": lambda count, epochs, draw: (np.arange(count) for _ in range(epochs)),
    "once": lambda count, epochs, draw: iter([draw.permutation(count)] * epochs),
    "every_epoch": lambda count, epochs, draw: (draw.permutation(count) for _ in range(epochs)),
}


def shuffling(
    seeds: list[int],
    train: int,
    test: int,
    size: int,
    rate: float,
    epochs: int,
    every: int,
) -> Iterator[tuple[str, Observation]]:
    """Softmax regression on data sorted by class, in batches of 20. P9.

    Arms: never, once, every_epoch shuffled, on three overlapping clouds of 2 inputs, where each class takes
    15 updates; with the prefix digits_ on digits, where each of ten classes takes 4 or 5 and few images are
    hard. shuffling_accuracy (percent, test part) at epoch; final_accuracy_percent; shuffling_loss (training
    part) at every `every`-th update and at all of the last epoch; loss_oscillation: standard deviation of
    that loss within the last epoch.
    """
    if train % size:
        raise ValueError(f"shuffling: wanted a size that divides {train} examples; got {size}")
    a_pass = train // size
    for (prefix, parts_of), seed in itertools.product(PROBLEMS.items(), seeds):
        learnt, tested = parts_of(stream(seed, "data"), train, test)
        for name, order_of in ORDERS.items():
            arm = prefix + name
            orders = order_of(train, epochs, stream(seed, "order"))
            rows = (batch for order in orders for batch in np.split(order, a_pass))
            path = [learnt.start()]
            path += descend(learnt.gradient, path[0], rows, lambda _: rate)
            for epoch in range(epochs + 1):
                accuracy = accuracy_percent(tested, path[epoch * a_pass])
                yield arm, Observation(seed, "shuffling_accuracy", epoch, accuracy)
            yield arm, Observation(seed, "final_accuracy_percent", None, accuracy)
            last = range((epochs - 1) * a_pass + 1, epochs * a_pass + 1)
            losses = {u: learnt.loss(path[u]) for u in [*range(0, last[0], every), *last]}
            for update, loss in losses.items():
                yield arm, Observation(seed, "shuffling_loss", update, loss)
            oscillation = float(np.std([losses[update] for update in last]))
            yield arm, Observation(seed, "loss_oscillation", None, oscillation)


def clouds(draw: np.random.Generator, train: int, test: int) -> tuple[Part, Part]:
    """Three Gaussian clouds of deviation 1 around the corners of a triangle of side 2."""
    centres = 2 / np.sqrt(3) * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)  # (3, 2)
    labels = draw.integers(3, size=train + test)
    x = centres[labels] + draw.standard_normal((train + test, 2))
    targets = np.eye(3)[labels]
    return (x[:train], targets[:train]), (x[train:], targets[train:])


def sorted_parts(parts_of: Callable, draw: np.random.Generator, train: int, test: int) -> list[Linear]:
    """A training part sorted by class, and a test part."""
    (x, targets), held_out = parts_of(draw, train, test)
    by_class = np.argsort(targets.argmax(1), kind="stable")
    parts = ((x[by_class], targets[by_class]), held_out)
    return [Linear(with_ones(inputs), labels, SOFTMAX) for inputs, labels in parts]


ANGLES = 2 * np.pi * np.arange(3) / 3
PROBLEMS = {"": partial(sorted_parts, clouds), "digits_": partial(sorted_parts, digits)}
