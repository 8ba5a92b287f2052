"""Vectors with targets that are numbers, and small arms of each loss."""

import torch

from largebatch.data.splits import Dataset
from tests.conftest import SMALL, small_arm
from tests.shared.own import HUBER, imported, write

NUMBERS = SMALL["data"] | {"name": "mine", "targets": "numbers"}
LOSSES = ["cross_entropy", "binary_cross_entropy", "squared_error of classes", "squared_error", "own_loss"]


def vectors(targets=2):
    """80 vectors of 5 numbers in double precision, and as many targets as are asked for, in large units."""
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(80, 5, generator=stream, dtype=torch.float64)
    way = torch.randn(5, targets, generator=stream, dtype=torch.float64)
    noise = torch.randn(80, targets, generator=stream, dtype=torch.float64)
    return Dataset(x, 40.0 * (torch.tanh(x @ way) + 0.2 * noise) + 300.0, x.dtype)


def huber(folder, delta=0.5):
    """A loss of the user's."""
    write(folder, HUBER, "my_loss.py")
    return imported(folder, "my_loss.py:huber", delta=delta)


def arm_and_data(loss, folder, dataset, **settings):
    """A small arm of each of LOSSES, and what it is trained on: three classes, two of them, or numbers."""
    if loss in ("squared_error", "own_loss"):
        loss = huber(folder) if loss == "own_loss" else loss
        return small_arm(**{"loss": loss, "data": NUMBERS} | settings), vectors()
    if loss == "binary_cross_entropy":
        data = SMALL["data"] | {"name": "mine"}
        two = Dataset(dataset.images, dataset.labels % 2, dataset.dtype)
        return small_arm(**{"loss": loss, "data": data} | settings), two
    return small_arm(loss=loss.partition(" ")[0], **settings), dataset
