"""Randomness as an argument: one independent stream for each seed and purpose."""

import numpy as np
import torch

# A stream must not depend on which other seeds or purposes are used, so never change the order here.
PURPOSES = (
    *("split", "weights", "order", "dropout", "curvature"),
    *("augment", "sharpness", "surface", "noise"),
)


def stream_seed(seed: int, purpose: str) -> int:
    """A 63-bit number, independent between seeds and purposes (NumPy's SeedSequence)."""
    words = np.random.SeedSequence([seed, PURPOSES.index(purpose)]).generate_state(1, np.uint64)
    return int(words[0] >> 1)


def generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one seed and purpose."""
    return torch.Generator(device).manual_seed(stream_seed(seed, purpose))
