"""What a learning rate does on convex problems: how it decays (S5), and where it diverges (S7)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from largebatch.files import Observation
from largebatch.primer.descent import descend
from largebatch.primer.randomness import stream
from largebatch.primer.runs import thinned
from largebatch.training.schedules import inverse_sqrt, inverse_time

CURVATURES = (0.5, 2.0)  # of the strongly convex problem, smallest and largest


@dataclass(frozen=True)
class Convex:
    """A convex function of several weights with minimum 0, at 0; both functions act on (..., p)."""

    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]


def bowl(dimensions: int) -> Convex:
    """Σ h w²/2 with curvatures h between those of CURVATURES: strongly convex."""
    h = np.geomspace(*CURVATURES, dimensions)
    return Convex(lambda w: 0.5 * (h * w * w).sum(-1), lambda w: h * w)


def flat(dimensions: int) -> Convex:
    """Σ w⁴/4, and |w| - 3/4 beyond |w| = 1: convex, with gradients of at most 1.

    At its minimum the curvature is 0, so it is not strongly convex there.
    """

    def value(w: np.ndarray) -> np.ndarray:
        size = np.abs(w)
        return np.where(size < 1, size**4 / 4, size - 0.75).sum(-1)

    return Convex(value, lambda w: np.clip(w, -1, 1) ** 3)


PROBLEMS = {"": bowl, "flat_": flat}


def rates(
    seeds: list[int],
    dimensions: int,
    examples: int,
    noise: float,
    constant: float,
    peak: float,
    delay: float,
    updates: int,
    repeats: int,
) -> Iterator[tuple[str, Observation]]:
    """Single examples at a constant and at decaying rates, on two convex problems. S5.

    Example i has the loss f(w) + noise e_i·w; the standard normal e_i sum to zero. Arms: constant,
    constant_half, constant_quarter; inverse_sqrt: peak/√(1 + t/delay); inverse_time: peak/(1 + t/delay); all
    on the strongly convex `bowl`, and with flat_ before the name on `flat`. Values are means over `repeats`
    runs: excess_loss at update of the weights, excess_loss_of_average at update of the mean of all weights so
    far, noise_floor of constant arms: mean excess loss over the last half.
    """
    schedules = {
        "constant": lambda _: constant,
        "constant_half": lambda _: constant / 2,
        "constant_quarter": lambda _: constant / 4,
        "inverse_sqrt": lambda t: peak * inverse_sqrt(t, delay),
        "inverse_time": lambda t: peak * inverse_time(t, delay),
    }
    for prefix, problem_of in PROBLEMS.items():
        problem = problem_of(dimensions)
        for seed in seeds:
            pulls = noise * centred(stream(seed, "data"), examples, dimensions)
            for name, rate in schedules.items():
                order = stream(seed, "order")
                path = noisy_path(problem, pulls, rate, updates, repeats, order)
                excess = problem.value(path).mean(1)  # (t,)
                averages = np.cumsum(path, 0) / np.arange(1, updates + 1)[:, None, None]
                of_average = problem.value(averages).mean(1)
                for update in thinned(updates, 40)[1:]:
                    at = update - 1  # the path begins after the first update
                    yield prefix + name, Observation(seed, "excess_loss", update, float(excess[at]))
                    yield (
                        prefix + name,
                        Observation(seed, "excess_loss_of_average", update, float(of_average[at])),
                    )
                if name.startswith("constant"):
                    floor = float(excess[updates // 2 :].mean())
                    yield prefix + name, Observation(seed, "noise_floor", None, floor)


def centred(draw: np.random.Generator, count: int, dimensions: int) -> np.ndarray:
    """Standard normal e_i, shifted to sum to zero; (count, dimensions)."""
    drawn = draw.standard_normal((count, dimensions))
    return drawn - drawn.mean(0)


def noisy_path(
    problem: Convex,
    pulls: np.ndarray,
    rate: Callable[[int], float],
    updates: int,
    repeats: int,
    order: np.random.Generator,
) -> np.ndarray:
    """Weights after each update, each on a newly drawn example; (updates, repeats, p)."""
    rows = order.integers(len(pulls), size=(updates, repeats))
    start = np.ones((repeats, pulls.shape[1]))
    path = descend(lambda w, drawn: problem.gradient(w) + pulls[drawn], start, rows, rate)
    return np.array(list(path))


TRIO = {"too_small": 0.01, "about_right": 0.5, "too_large": 1.05}  # shares of the edge 2/λ_max


def edge(
    seeds: list[int], dimensions: int, condition: float, updates: int, steps: int
) -> Iterator[tuple[str, Observation]]:
    """Full-batch descent on a quadratic wᵀHw/2 around the rate 2/λ_max. S7.

    H has eigenvalues from 1 to `condition` along directions that each seed draws. quadratic_loss at update,
    in arms too_small, about_right, too_large, whose rates are 0.01, 0.5 and 1.05 of the edge. edge_ratio in
    arm edge: the largest rate that does not diverge, found by `steps` bisections between 0 and twice the
    edge, divided by the edge.
    """
    if condition <= 1 or dimensions < 2:
        raise ValueError(f"edge: wanted condition above 1, dimensions from 2; got {condition}, {dimensions}")
    for seed in seeds:
        draw = stream(seed, "data")
        h = quadratic(draw, dimensions, condition)
        start = draw.standard_normal(dimensions)
        for arm, share in TRIO.items():
            losses = quadratic_losses(h, start, share * 2 / condition, updates)
            for update, loss in enumerate(losses):
                yield arm, Observation(seed, "quadratic_loss", update, float(loss))
        found = largest_rate(h, start, 4 / condition, steps)
        yield "edge", Observation(seed, "edge_ratio", None, found / (2 / condition))


def quadratic(draw: np.random.Generator, dimensions: int, condition: float) -> np.ndarray:
    """A matrix with eigenvalues from 1 to `condition` in random orthogonal directions; (p, p)."""
    directions, _ = np.linalg.qr(draw.standard_normal((dimensions, dimensions)))
    return directions * np.geomspace(1, condition, dimensions) @ directions.T


def quadratic_losses(h: np.ndarray, start: np.ndarray, rate: float, updates: int) -> np.ndarray:
    """The loss before the first update and after each; (updates + 1,)."""
    whole = (np.arange(1) for _ in range(updates))  # one example: the full batch
    path = np.array([start, *descend(lambda w, _: h @ w, start, whole, lambda _: rate)])
    return 0.5 * ((path @ h) * path).sum(1)


def largest_rate(h: np.ndarray, start: np.ndarray, high: float, steps: int, updates: int = 400) -> float:
    """The largest rate that does not diverge, by bisection in [0, high].

    A rate diverges if the loss grows in the last half of the updates."""
    low = 0.0
    for _ in range(steps):
        middle = (low + high) / 2
        losses = quadratic_losses(h, start, middle, updates)
        if losses[-1] > losses[updates // 2]:
            high = middle
        else:
            low = middle
    return low
