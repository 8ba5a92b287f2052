"""Data sets as one checksummed tensor file each, and the splits that each seed draws from them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from largebatch.files import read_arrays, write_arrays
from largebatch.lab.randomness import generator


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's optical digits: images (1797, 1, 8, 8) in [0, 1], labels (1797,)."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    return (raw.images[:, None] / 16.0).astype(np.float32), raw.target.astype(np.int64)


DATA: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {"digits": digits}


def prepare(name: str, path: Path) -> None:
    """Write the tensor file of a data set: images (n, channels, height, width), labels (n,)."""
    images, labels = DATA[name]()
    write_arrays(path, {"images": images, "labels": labels})


# Training parts of up to this size, all seeds together, are kept standardised.
KEPT_BYTES = 64 << 20


@dataclass(frozen=True)
class Dataset:
    """images: (n, c, h, w); labels: (n,)."""

    images: torch.Tensor
    labels: torch.Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.images.shape[1:])

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


def load(path: Path, dtype: torch.dtype, device: torch.device) -> Dataset:
    """A prepared data set on a device."""
    arrays = {name: torch.from_numpy(array) for name, array in read_arrays(path).items()}
    return Dataset(arrays["images"].to(device, dtype), arrays["labels"].to(device))


class Splits:
    """The splits of several seeds, and the images of each standardised by its own training part.

    Every seed draws its own split, so that intervals over seeds cover the choice of split.
    """

    def __init__(self, dataset: Dataset, seeds: list[int], train: int, validation: int, test: int):
        count = len(dataset.labels)
        if train + validation + test > count:
            raise ValueError(
                f"data: train + validation + test of at most {count} images; "
                f"got {train} + {validation} + {test}"
            )
        self.dataset = dataset
        order = torch.stack([torch.randperm(count, generator=generator(s, "split")) for s in seeds])
        parts = order[:, : train + validation + test].to(dataset.labels.device)
        self.rows = dict(
            zip(("train", "validation", "test"), parts.split([train, validation, test], 1), strict=True)
        )
        self.scale, self.shift = self._standardisation()
        self.kept: tuple[torch.Tensor, torch.Tensor] | None = None

    def _standardisation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """1 / deviation and -mean / deviation of each seed's training pixels by channel; (s, 1, c, 1, 1)."""
        images = self.dataset.images.double()
        first, second = images.mean((2, 3)), images.square().mean((2, 3))  # (n, c)
        mean, square = (m[self.rows["train"]].mean(1) for m in (first, second))  # (s, c)
        std = (square - mean.square()).sqrt()
        both = (1 / std, -mean / std)
        return tuple(m[:, None, :, None, None].to(self.dataset.images.dtype) for m in both)

    def examples(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """rows: (s, m) of the data set -> standardised images (s, m, c, h, w), labels (s, m)."""
        images = self.dataset.images.index_select(0, rows.flatten()).unflatten(0, rows.shape)
        return torch.addcmul(self.shift, images, self.scale), self.dataset.labels[rows]

    def shuffled(self, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Training examples by their places in each seed's training part; order: (s, m).

        Small parts are standardised once and kept, not at every epoch.
        """
        train = self.rows["train"]
        image = self.dataset.images[0]
        if train.numel() * image.numel() * image.element_size() > KEPT_BYTES:
            return self.examples(train.gather(1, order))
        if self.kept is None:
            self.kept = self.examples(train)
        images, labels = self.kept
        starts = torch.arange(len(train), device=train.device)[:, None] * train.shape[1]
        picked = images.flatten(0, 1).index_select(0, (order + starts).flatten())
        return picked.unflatten(0, order.shape), labels.gather(1, order)

    def keep(self, lanes: torch.Tensor) -> None:
        """Keep only these seeds' splits; lanes: (s,) indices."""
        self.kept = None
        self.rows = {part: rows[lanes] for part, rows in self.rows.items()}
        self.scale, self.shift = self.scale[lanes], self.shift[lanes]
