"""A spiked batch, with the gradient clipped or not. Statement P10."""

from collections.abc import Callable, Iterator

import numpy as np

from largebatch.files import Observation
from largebatch.primer.descent import Gradient, descend
from largebatch.primer.problems import SOFTMAX, Linear, with_ones
from largebatch.primer.randomness import stream
from largebatch.primer.runs import epochs_of


def clipped(gradient: np.ndarray, norm: float) -> np.ndarray:
    """The gradient, shortened to `norm` if it is longer."""
    length = np.linalg.norm(gradient)
    return gradient * (norm / length) if length > norm else gradient


def clipping_of(gradient: Gradient, norm: float) -> Gradient:
    return lambda w, rows: clipped(gradient(w, rows), norm)


def clipping(
    seeds: list[int],
    examples: int,
    size: int,
    rate: float,
    epochs: int,
    spike_at: int,
    spike: float,
    norm: float,
) -> Iterator[tuple[str, Observation]]:
    """Logistic regression; the batch of update `spike_at` has its inputs multiplied by `spike`. P10.

    Its labels are wrong too, so that the update goes in a wrong direction. Arms: clipped (at `norm`),
    unclipped; both see the same batches. clipping_loss (of the clean examples) at update, loss_after_spike
    right after it, clipping_final_loss after the last update; clipped_cosine in arm clipped: cosine between
    the spiked batch's gradient and the same gradient clipped.
    """
    if not 1 <= spike_at <= epochs * -(-examples // size) or norm <= 0:
        raise ValueError(f"clipping: wanted a spike within the run, a norm above 0; got {spike_at}, {norm}")
    for seed in seeds:
        clean = two_classes(stream(seed, "data"), examples)
        records = spiked(clean, size, spike)
        batches = list(epochs_of(examples, size, epochs, stream(seed, "order")))
        batches[spike_at - 1] = np.arange(examples, examples + size)
        kinds: dict[str, Callable] = {
            "clipped": clipping_of(records.gradient, norm),
            "unclipped": records.gradient,
        }
        for arm, gradient in kinds.items():
            start = clean.start()
            path = [start, *descend(gradient, start, batches, lambda _: rate)]
            losses = [clean.loss(w) for w in path]
            for update, loss in enumerate(losses):
                yield arm, Observation(seed, "clipping_loss", update, loss)
            yield arm, Observation(seed, "loss_after_spike", None, losses[spike_at])
            yield arm, Observation(seed, "clipping_final_loss", None, losses[-1])
            if arm == "clipped":
                whole = records.gradient(path[spike_at - 1], batches[spike_at - 1])
                yield arm, Observation(seed, "clipped_cosine", None, cosine(whole, clipped(whole, norm)))


def two_classes(draw: np.random.Generator, examples: int) -> Linear:
    """Two overlapping Gaussian clouds of 10 inputs, a standard deviation apart on each of them."""
    labels = draw.integers(2, size=examples)
    x = draw.standard_normal((examples, 10)) + (labels - 0.5)[:, None]
    return Linear(with_ones(x), np.eye(2)[labels], SOFTMAX)


def spiked(clean: Linear, size: int, spike: float) -> Linear:
    """The examples, followed by spiked, mislabelled copies of the first `size`."""
    inputs = np.vstack([clean.inputs, spike * clean.inputs[:size]])
    return Linear(inputs, np.vstack([clean.targets, clean.targets[:size, ::-1]]), clean.head)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b)))
