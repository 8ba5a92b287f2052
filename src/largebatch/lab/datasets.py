"""Data sets from where they are published to one checksummed tensor file each."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from largebatch.files import write_arrays


class Published(NamedTuple):
    """images (n, c, h, w): bytes, or numbers in [0, 1]; labels (n,) from 0; the last `held_out` are test."""

    images: np.ndarray
    labels: np.ndarray
    held_out: int = 0


def digits(sources: Path) -> Published:
    """scikit-learn's optical digits, (1797, 1, 8, 8) in [0, 1]; embedded."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    return Published((raw.images[:, None] / 16.0).astype(np.float32), raw.target.astype(np.int64))


def mnist(sources: Path) -> Published:
    """The 60,000 training and 10,000 test images of MNIST (LeCun et al. 1998), (n, 1, 28, 28)."""
    from torchvision.datasets import MNIST

    parts = [MNIST(sources, train=train, download=True) for train in (True, False)]
    images = np.concatenate([part.data.numpy() for part in parts])[:, None]
    labels = np.concatenate([part.targets.numpy() for part in parts])
    return Published(images, labels.astype(np.int64), len(parts[1]))


DATA: dict[str, Callable[[Path], Published]] = {"digits": digits, "mnist": mnist}


def prepare(name: str, sources: Path, path: Path) -> None:
    """Write the tensor file of a data set: images, labels, and how many of the last are held out."""
    found = DATA[name](sources)
    arrays = {"images": found.images, "labels": found.labels}
    if found.held_out:
        arrays["held_out"] = np.array(found.held_out, dtype=np.int64)
    write_arrays(path, arrays)
