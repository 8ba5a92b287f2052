"""Random numbers that the primer's page can draw again: a generator small enough to write in two languages.

The second one is page/page.physics.js.jinja; tests hold them against each other in a browser.
"""

from math import cos, log, pi, prod, sin, sqrt

import numpy as np

WORD = 0xFFFFFFFF
GRAIN = 2.0**-24


class PageRandom:
    """What surfaces.examples and descent.batches need of np.random.Generator, from mulberry32."""

    def __init__(self, seed: int):
        """seed: 32 bits."""
        self.state = seed & WORD

    def uniform(self) -> float:
        """A number in [0, 1)."""
        self.state = (self.state + 0x6D2B79F5) & WORD
        mixed = (self.state ^ self.state >> 15) * (self.state | 1) & WORD
        mixed ^= (mixed + (mixed ^ mixed >> 7) * (mixed | 61)) & WORD
        return (mixed ^ mixed >> 14) / 2**32

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Multiples of GRAIN, an even number of them; Box and Muller 1958.

        Sums of such numbers round nowhere: examples that should sum to zero do so exactly, in any order.
        Otherwise the full batch would leave a saddle by rounding.
        """
        drawn = [number for _ in range(prod(shape) // 2) for number in self.normal_pair()]
        return np.floor(np.array(drawn) / GRAIN).reshape(shape) * GRAIN

    def normal_pair(self) -> tuple[float, float]:
        """Two independent standard normal numbers."""
        radius, angle = sqrt(-2 * log(1 - self.uniform())), 2 * pi * self.uniform()
        return radius * cos(angle), radius * sin(angle)

    def permutation(self, count: int) -> np.ndarray:
        """0 ... count - 1 in an order drawn anew; Fisher and Yates 1938."""
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = int(self.uniform() * (last + 1))
            order[last], order[other] = order[other], order[last]
        return np.array(order)
