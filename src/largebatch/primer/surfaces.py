"""Paths on surfaces of two weights: what noise helps to escape, and where it does harm. Statement P8."""

from collections.abc import Callable, Iterator

import numpy as np

from largebatch.config.surfaces import EXAMPLES, SURFACES, Surface, batch_gradient, examples
from largebatch.files import Observation
from largebatch.primer.descent import descend
from largebatch.primer.randomness import stream
from largebatch.primer.runs import epochs_of

SIZES = {"full": EXAMPLES, "mini": 8, "online": 1}
GRID = 2.0**-20

# Whether a run at points (..., 2) has escaped.
ESCAPED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "saddle": lambda w: np.abs(w[..., 0]) > 0.5,  # the minima are at x = ±1
    "trap": lambda w: w[..., 0] > 0.5,  # the deep valley is around x = 1.5
}


def pulls_on_a_grid(draw: np.random.Generator) -> np.ndarray:
    """The surfaces' e_i, as multiples of 2^-20: in any order they sum to exactly zero.

    So the full batch stays on the saddle's ridge for ever, and rounding cannot move it away.
    """
    pulls = np.round(examples(draw) / GRID) * GRID
    pulls[-1] = -pulls[:-1].sum(0)
    return pulls


def surfaces(
    seeds: list[int],
    noise: float,
    rate: float,
    thrash_rate: float,
    updates: int,
    every: int,
    runs: int,
    escape_updates: int,
) -> Iterator[tuple[str, Observation]]:
    """Full-batch, mini-batch (8 of 64) and online descent on SURFACES, and how many runs escape. P8.

    Arms: <surface>_full, <surface>_mini, <surface>_online at `rate`; ravine_thrash: online at thrash_rate,
    nine tenths of the edge at which even the full batch diverges there. path_x, path_y, surface_loss_at at
    every `every`-th update. thrash_ratio in arm ravine_thrash: mean loss of its last quarter over that of
    ravine_online. Arms saddle and trap: escaped_percent at batch size 1, 2, 4, ... 64: runs out of `runs`
    that end off the ridge (|x| > 0.5) or in the deep valley (x > 0.5).
    """
    for seed in seeds:
        pulls = pulls_on_a_grid(stream(seed, "data"))
        last = {}
        kinds = [(f"{n}_{k}", n, size, rate) for n in SURFACES for k, size in SIZES.items()]
        for arm, name, size, speed in [*kinds, ("ravine_thrash", "ravine", 1, thrash_rate)]:
            surface = SURFACES[name]
            path = walk(surface, pulls, noise, size, speed, updates, stream(seed, "order"))
            losses = surface.value(path)
            last[arm] = losses[-(updates // 4) :].mean()
            for update in range(0, updates + 1, every):
                x, y = path[update].tolist()
                yield arm, Observation(seed, "path_x", update, x)
                yield arm, Observation(seed, "path_y", update, y)
                yield arm, Observation(seed, "surface_loss_at", update, float(losses[update]))
        ratio = float(last["ravine_thrash"] / last["ravine_online"])
        yield "ravine_thrash", Observation(seed, "thrash_ratio", None, ratio)
        for name in ESCAPED:
            for size in (2**k for k in range(EXAMPLES.bit_length())):
                draw = stream(seed, "draws")
                share = escaped_percent(name, pulls, noise, size, rate, escape_updates, runs, draw)
                yield name, Observation(seed, "escaped_percent", size, share)


def walk(
    surface: Surface,
    pulls: np.ndarray,
    noise: float,
    size: int,
    rate: float,
    updates: int,
    order: np.random.Generator,
) -> np.ndarray:
    """The start and the weights after each update; (updates + 1, 2)."""
    start = np.array(surface.start)
    rows = epochs_of(len(pulls), size, updates * size // len(pulls) + 1, order)
    path = descend(batch_gradient(surface, pulls, noise), start, rows, lambda _: rate)
    return np.array([start, *(w for w, _ in zip(path, range(updates), strict=False))])


def escaped_percent(
    name: str,
    pulls: np.ndarray,
    noise: float,
    size: int,
    rate: float,
    updates: int,
    runs: int,
    draw: np.random.Generator,
) -> float:
    """Percentage of runs that escape, each with its own order."""
    surface = SURFACES[name]
    start = np.tile(surface.start, (runs, 1))
    gradient = batch_gradient(surface, pulls, noise)  # rows (b, runs) -> (runs, 2)
    path = descend(gradient, start, side_by_side(len(pulls), size, updates, runs, draw), lambda _: rate)
    *_, last = path
    return float(100 * ESCAPED[name](last).mean())


def side_by_side(
    count: int, size: int, updates: int, runs: int, draw: np.random.Generator
) -> Iterator[np.ndarray]:
    """Rows of each batch of all runs, (b, runs): every epoch of every run has its own order."""
    a_pass = count // size
    for update in range(updates):
        if update % a_pass == 0:
            order = draw.permuted(np.tile(np.arange(count)[:, None], runs), axis=0)  # (count, runs)
        first = update % a_pass * size
        yield order[first : first + size]
