"""What a data set's examples are like, as far as it can be known without preparing it."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from largebatch.config.arrays import Source
from largebatch.config.images import IMAGES, Folder, Images
from largebatch.config.settings import located
from largebatch.data import archives, arrays, folders

# The shape of one image, and the number of classes, of the data sets that come with the package.
SHAPES = {
    "digits": ((1, 8, 8), 10),
    "mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
}


SOME = 16  # targets to try a net and a loss with


class Known(NamedTuple):
    """shape: of one example; images: how many there are; targets: of some examples, if they are numbers."""

    shape: tuple[int, ...]
    classes: int
    images: Images
    targets: np.ndarray | None = None


def known(name: str, sources: Path, own: Source | None = None) -> Known | None:
    """What a data set is like; None of an archive, which would have to be unpacked."""
    if own is None:
        return Known(*SHAPES[name], IMAGES[name])
    if not isinstance(own, Folder):
        found = arrays.read(own, sources)
        images = counted(found.labels, found.held_out)
        some = None if found.classes else found.labels[np.linspace(0, len(found.labels) - 1, SOME, dtype=int)]
        return Known(found.x.shape[1:], len(found.classes), images, some)
    path = sources / located(own.path)
    if not path.is_dir():
        archives.require_archive(path)
        return None
    found = folders.listing(path, path)
    some = found._replace(files=found.files[:1], labels=found.labels[:1])
    (image,) = folders.decoded(name, some, own.size, own.resize, Counter())
    return Known(image.shape, len(found.classes), counted(found.labels, found.held_out))


def counted(labels: np.ndarray, held_out: int) -> Images:
    return Images(len(labels) - held_out, held_out)
