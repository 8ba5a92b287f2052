"""Randomness as an argument: one independent stream for each seed and purpose of the primer."""

import numpy as np

# Never change the order: the number of a purpose is its place here.
PURPOSES = ("data", "start", "order", "draws", "clock")


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A generator for one seed and purpose."""
    return np.random.default_rng([seed, PURPOSES.index(purpose)])
