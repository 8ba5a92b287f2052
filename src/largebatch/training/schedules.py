"""Learning-rate schedules: pure functions from t, the share of the run that is done (0 to 1), to the
factor by which the peak rate is multiplied. Options are those of parts.py's classes of the same names."""

import math
from collections.abc import Callable

from largebatch.config.milestones import grown_size


def constant(t: float) -> float:
    return 1.0


def step(t: float, at: list[float], factor: float) -> float:
    return factor ** sum(t >= milestone for milestone in at)


def exponential(t: float, final: float) -> float:
    return final**t


def inverse_sqrt(t: float, scale: float) -> float:
    return 1 / math.sqrt(1 + t / scale)


def inverse_time(t: float, scale: float) -> float:
    return 1 / (1 + t / scale)


def linear(t: float, floor: float) -> float:
    return floor + (1 - floor) * (1 - t)


def cosine(t: float, floor: float) -> float:
    """Loshchilov and Hutter 2017, eq. 5."""
    return floor + (1 - floor) * (1 + math.cos(math.pi * t)) / 2


def triangular(t: float, low: float, cycles: int) -> float:
    """Smith 2017: up from `low` to 1 and down again, `cycles` times; a cycle is two step sizes."""
    position = (t * cycles) % 1.0
    return low + (1 - low) * (1 - abs(2 * position - 1))


def cosine_restarts(t: float, cycles: int, growth: float, floor: float) -> float:
    """SGDR, Loshchilov and Hutter 2017: cosine cycles, each `growth` times as long as the one before."""
    lengths = [growth**cycle for cycle in range(cycles)]
    left = t * sum(lengths)
    for length in lengths[:-1]:
        # Epochs counted in floating point must not fall a rounding error short of the restart.
        if left < length * (1 - 1e-9):
            return cosine(left / length, floor)
        left = max(left - length, 0.0)
    return cosine(min(left / lengths[-1], 1.0), floor)


def grown_batch(t: float, at: list[float], factor: float, batch_size: int, train_images: int) -> int:
    """Smith et al. 2018: the batch at t, at most the whole training set."""
    return grown_size(batch_size, factor, sum(t >= milestone for milestone in at), train_images)


def batch_growth(t: float, at: list[float], factor: float, batch_size: int, train_images: int) -> float:
    """What the batch can no longer grow by divides the rate."""
    wanted = batch_size * factor ** sum(t >= milestone for milestone in at)
    return grown_batch(t, at, factor, batch_size, train_images) / wanted


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": constant,
    "step": step,
    "exponential": exponential,
    "inverse_sqrt": inverse_sqrt,
    "inverse_time": inverse_time,
    "linear": linear,
    "cosine": cosine,
    "triangular": triangular,
    "cosine_restarts": cosine_restarts,
    "batch_growth": batch_growth,
}
# Schedules that change the batch, too: functions of the same arguments to its size.
BATCH_SIZES: dict[str, Callable[..., int]] = {"batch_growth": grown_batch}


def warmup(epoch: float, kind: str, epochs: float, start: float) -> float:
    """Factor in the first `epochs`: `start` (constant) or a line from it to 1 (gradual). Goyal 2017, 2.2."""
    if epoch >= epochs:
        return 1.0
    return start if kind == "constant" else start + (1 - start) * epoch / epochs
