"""Loss surfaces over two weights, told as numbers, so that Python and the page's script read the same ones.

A surface is a polynomial plus Gaussian bumps. Its mini-batches are those of a finite sum: example i has the
loss f(w) + noise e_i · w, and the e_i sum to zero, so that the mean over all examples is f exactly.
"""

from dataclasses import dataclass

import numpy as np

EXAMPLES = 64


@dataclass(frozen=True)
class Surface:
    """c x^i y^j for each of powers (c, i, j), a exp(-((x-p)² + (y-q)²) / 2s²) for each of bumps (a, p, q, s).

    bounds: (x low, x high, y low, y high) of what is drawn; start: where paths begin; tells: what it shows.
    """

    powers: tuple[tuple[float, int, int], ...]
    bumps: tuple[tuple[float, float, float, float], ...]
    bounds: tuple[float, float, float, float]
    start: tuple[float, float]
    tells: str

    def value(self, w: np.ndarray) -> np.ndarray:
        """f at points w: (..., 2) -> (...)."""
        x, y = w[..., 0], w[..., 1]
        total = sum(c * x**i * y**j for c, i, j in self.powers)
        return total + sum(
            a * np.exp(-((x - p) ** 2 + (y - q) ** 2) / (2 * s * s)) for a, p, q, s in self.bumps
        )

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """∇f at points w: (..., 2) -> (..., 2)."""
        x, y = w[..., 0], w[..., 1]
        by_x = sum(c * i * x ** (i - 1) * y**j for c, i, j in self.powers if i)
        by_y = sum(c * j * x**i * y ** (j - 1) for c, i, j in self.powers if j)
        for a, p, q, s in self.bumps:
            bump = a * np.exp(-((x - p) ** 2 + (y - q) ** 2) / (2 * s * s)) / (s * s)
            by_x, by_y = by_x - bump * (x - p), by_y - bump * (y - q)
        return np.stack([by_x + np.zeros_like(x), by_y + np.zeros_like(y)], axis=-1)


SURFACES = {
    "bowl": Surface(
        powers=((0.5, 2, 0), (0.5, 0, 2)),
        bumps=(),
        bounds=(-3.0, 3.0, -3.0, 3.0),
        start=(-2.5, 2.0),
        tells="The same curvature all round: every batch size finds the minimum.",
    ),
    "ravine": Surface(
        powers=((0.025, 2, 0), (0.5, 0, 2)),
        bumps=(),
        bounds=(-6.0, 6.0, -3.0, 3.0),
        start=(-5.5, 2.0),
        tells="Curvature 1 across and 1/20 along: the rate is bounded by one and the speed by the other.",
    ),
    "saddle": Surface(
        powers=((0.25, 4, 0), (-0.5, 2, 0), (0.5, 0, 2)),
        bumps=(),
        bounds=(-2.0, 2.0, -2.0, 2.0),
        start=(0.0, 1.6),
        tells="On the ridge x = 0 the full gradient points to the saddle, where it is zero; noise leaves it.",
    ),
    "trap": Surface(
        powers=((0.02, 4, 0), (0.3, 0, 2)),
        bumps=((-1.2, 1.6, 0.0, 0.7), (-0.45, -1.6, 0.0, 0.45)),
        bounds=(-3.0, 3.0, -2.0, 2.0),
        start=(-2.4, 1.0),
        tells="A shallow trap on the way to a deep valley: noise may leave it.",
    ),
}


def examples(stream: np.random.Generator, count: int = EXAMPLES) -> np.ndarray:
    """The e_i of a finite sum: (count, 2), standard normal, shifted to sum to zero."""
    drawn = stream.standard_normal((count, 2))
    return drawn - drawn.mean(0)


def batch_gradient(surface: Surface, pulls: np.ndarray, noise: float):
    """(weights (2,), rows) -> the mean gradient of these examples; pulls: the e_i."""
    return lambda w, rows: surface.gradient(w) + noise * pulls[rows].mean(0)
