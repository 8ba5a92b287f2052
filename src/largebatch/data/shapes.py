"""What a data set's examples are like, as far as it can be known without preparing it."""

from collections import Counter
from pathlib import Path

from largebatch.config.images import Folder
from largebatch.config.settings import located
from largebatch.data import folders

# The shape of one image, and the number of classes, of the data sets that come with the package.
SHAPES = {
    "digits": ((1, 8, 8), 10),
    "mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
}


def shape_and_classes(
    name: str, sources: Path, folder: Folder | None = None
) -> tuple[tuple[int, ...], int] | None:
    """Shape of one example and number of classes; None of an archive, which would have to be unpacked."""
    if folder is None:
        return SHAPES[name]
    path = sources / located(folder.path)
    if not path.is_dir():
        return None
    found = folders.listing(path, path)
    some = found._replace(files=found.files[:1], labels=found.labels[:1])
    (image,) = folders.decoded(name, some, folder.size, folder.resize, Counter())
    return image.shape, len(found.classes)
