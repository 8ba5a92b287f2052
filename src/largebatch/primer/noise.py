"""Variance and bias of the mini-batch gradient. Statements P1 and P2.

G is the gradient of the mean loss over n examples, g_i that of example i alone, and
S² = (1/n) Σ |g_i - G|² the variance of a single example, summed over the coordinates. The mean of B examples
has the variance S²/B if they are drawn with replacement, and (n - B)/(n - 1) S²/B if without.
"""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from largebatch.files import Observation
from largebatch.primer.problems import SOFTMAX, SQUARED, Linear, Mlp, digits, with_ones
from largebatch.primer.randomness import stream

Problem = Linear | Mlp

POPULATION = 8  # of gradient_bias: 255 batches without replacement
MOST_WITH = 4  # with replacement there are 8^B batches: 6,435 different ones of 8, but 494 of up to 4


def regression(seed: int, examples: int) -> tuple[Problem, np.ndarray]:
    """Linear regression on 10 standard normal inputs with noise 1; all weights zero."""
    draw = stream(seed, "data")
    x = draw.standard_normal((examples, 10))
    y = x @ draw.standard_normal((10, 1)) + draw.standard_normal((examples, 1))
    problem = Linear(with_ones(x), y, SQUARED)
    return problem, problem.start()


def mlp(seed: int, examples: int) -> tuple[Problem, np.ndarray]:
    """A tanh net of 16 units on digits, untrained."""
    (x, targets), _ = digits(stream(seed, "data"), examples)
    problem = Mlp(x, targets, SOFTMAX, hidden=16)
    return problem, problem.start(stream(seed, "start"))


PROBLEMS: dict[str, Callable[[int, int], tuple[Problem, np.ndarray]]] = {"regression": regression, "mlp": mlp}
REPLACE = {"with": True, "without": False}


def noise(seeds: list[int], examples: int, draws: int) -> Iterator[tuple[str, Observation]]:
    """Gradient noise of linear regression and of a digits net, at B = 1, 2, 4, ... up to n/2. P1, P2.

    Arms: regression_with, regression_without, mlp_with, mlp_without (replacement).
    gradient_variance at B: mean of |g_B - G|² over `draws` batches; in the arm <arm>_theory S²/B, times
    (n - B)/(n - 1) without replacement. gradient_bias: largest |mean - G|/|G|, where the mean is over all
    possible batches of 8 examples, for B = 1 to 8 without replacement and 1 to 4 with.
    """
    if draws < 1 or examples < 2 * POPULATION:
        raise ValueError(f"noise: wanted draws from 1, examples from 16; got {draws}, {examples}")
    sizes = [2**k for k in range((examples // 2).bit_length())]
    for (name, problem_of), (manner, replace) in itertools.product(PROBLEMS.items(), REPLACE.items()):
        arm = f"{name}_{manner}"
        for seed in seeds:
            problem, w = problem_of(seed, examples)
            draw = stream(seed, "draws")
            single = single_variance(problem, w, examples)
            for size in sizes:
                measured = measured_variance(problem, w, examples, size, replace, draws, draw)
                theory = variance_theory(single, examples, size, replace)
                yield arm, Observation(seed, "gradient_variance", size, measured)
                yield f"{arm}_theory", Observation(seed, "gradient_variance", size, theory)
            yield arm, Observation(seed, "gradient_bias", None, bias(problem, w, replace))


def single_variance(problem: Problem, w: np.ndarray, examples: int) -> float:
    """S²: mean of |g_i - G|² over all examples."""
    gradients = np.stack([problem.gradient(w, np.array([i])).ravel() for i in range(examples)])  # (n, p)
    return float(np.square(gradients - gradients.mean(0)).sum(1).mean())


def variance_theory(single: float, examples: int, size: int, replace: bool) -> float:
    """Variance of the mean gradient of `size` of the examples."""
    return single / size * (1 if replace else (examples - size) / (examples - 1))


def measured_variance(
    problem: Problem,
    w: np.ndarray,
    examples: int,
    size: int,
    replace: bool,
    draws: int,
    draw: np.random.Generator,
) -> float:
    """Mean of |g_B - G|² over batches drawn."""
    full = problem.gradient(w, np.arange(examples))
    batches = (draw.choice(examples, size, replace=replace) for _ in range(draws))
    return sum(float(np.square(problem.gradient(w, rows) - full).sum()) for rows in batches) / draws


def bias(problem: Problem, w: np.ndarray, replace: bool) -> float:
    """Largest |mean of all batches' gradients - G|/|G| over batch sizes; the population is the first 8."""
    full = problem.gradient(w, np.arange(POPULATION))
    sizes = range(1, (MOST_WITH if replace else POPULATION) + 1)
    means = (mean_of_all_batches(problem, w, size, replace) for size in sizes)
    return float(max(np.linalg.norm(mean - full) for mean in means) / np.linalg.norm(full))


def mean_of_all_batches(problem: Problem, w: np.ndarray, size: int, replace: bool) -> np.ndarray:
    """The expected gradient of a batch of `size` of 8 examples; the order within a batch does not count."""
    choose = itertools.combinations_with_replacement if replace else itertools.combinations
    total, orders = 0.0, 0
    for rows in choose(range(POPULATION), size):
        ways = math.factorial(size)  # orders in which this batch can be drawn
        for twins in np.bincount(rows):
            ways //= math.factorial(twins)
        total = total + ways * problem.gradient(w, np.array(rows))
        orders += ways
    return total / orders
