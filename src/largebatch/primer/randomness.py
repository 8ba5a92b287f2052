"""Randomness as an argument: one independent stream for each seed and purpose of the primer."""

import numpy as np

# The order here is for good: a purpose's number is its place.
PURPOSES = ("data", "start", "order", "draws", "clock")


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A generator for one seed and purpose."""
    return np.random.default_rng([seed, PURPOSES.index(purpose)])
