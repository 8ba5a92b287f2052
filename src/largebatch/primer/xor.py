"""Four examples that no line separates, at three batch sizes. Statement P7."""

from collections.abc import Iterator

import numpy as np

from largebatch.files import Observation
from largebatch.primer.descent import descend
from largebatch.primer.problems import SQUARED, Mlp
from largebatch.primer.randomness import stream
from largebatch.primer.runs import epochs_of

INPUTS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
TARGETS = np.array([[-1.0], [1.0], [1.0], [-1.0]])


def xor(seeds: list[int], hidden: int, rate: float, epochs: int) -> Iterator[tuple[str, Observation]]:
    """A 2-4-1 tanh net on XOR with half the squared error, in inputs and targets of ±1. P7.

    Arms: batch_4, batch_2, batch_1, from the same weights for equally many epochs. xor_loss (of all four) at
    update; rises_percent: updates after which it is higher than before. Arm one_run: xor_loss_of_4, _of_2 and
    _of_1 at update, of the first seed alone, because a mean over seeds would be too smooth.
    """
    net = Mlp(INPUTS, TARGETS, SQUARED, hidden)
    for size in (4, 2, 1):
        for seed in seeds:
            start = net.start(stream(seed, "start"))
            rows = epochs_of(4, size, epochs, stream(seed, "order"))
            path = [start, *descend(net.gradient, start, rows, lambda _: rate)]
            losses = np.array([net.loss(w) for w in path])
            for update, loss in enumerate(losses):
                yield f"batch_{size}", Observation(seed, "xor_loss", update, float(loss))
                if seed == seeds[0]:
                    yield "one_run", Observation(seed, f"xor_loss_of_{size}", update, float(loss))
            rises = 100 * (np.diff(losses) > 0).mean()
            yield f"batch_{size}", Observation(seed, "rises_percent", None, float(rises))
