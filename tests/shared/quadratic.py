"""A noisy quadratic whose best rate and critical batch are known in closed form.

Each update moves one of BLOCKS blocks of weights, drawn at random; its gradient is H θ, with noise of NOISE
times its squared length per example. From |θ_j|² one update at rate ε and batch B leaves
(1 - εH)² + (εH)² NOISE/B of it, on average. So the best rate is 1 / (H (1 + NOISE/B)), it takes
1 / (1 + NOISE/B) off, and while that is little of the whole loss, updates to a goal grow as 1 + NOISE/B.
"""

import numpy as np

H, NOISE = 2.0, 24.0
BLOCKS, WIDTH = 24, 16


def best_rate(batch):
    return 1 / (H * (1 + NOISE / batch))


def updates_to(goal, batch, rate, seed, most=20_000):
    """Updates until the loss is `goal` times that of the start; NaN if it never is, or diverges."""
    draw = np.random.default_rng([seed, batch])
    theta = np.ones((BLOCKS, WIDTH))
    squares = np.square(theta).sum(axis=1)
    start = squares.sum()
    for update in range(1, most + 1):
        j = draw.integers(BLOCKS)
        scale = np.sqrt(squares[j] * NOISE / batch / WIDTH)
        theta[j] -= rate * H * (theta[j] + scale * draw.standard_normal(WIDTH))
        squares[j] = theta[j] @ theta[j]
        total = squares.sum()
        if total <= goal * start:
            return float(update)
        if total > 1e3 * start:
            return np.nan
    return np.nan
