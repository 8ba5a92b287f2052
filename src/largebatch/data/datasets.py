"""Each data set, from its published files to one checksummed tensor file."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from largebatch import progress
from largebatch.config.arrays import ArrayFile, ImportedData, Source
from largebatch.config.images import IMAGES, Folder, Images
from largebatch.config.settings import located
from largebatch.data import archives, arrays, contents, folders
from largebatch.files import record_of, write_json, write_stream
from largebatch.seals import checksum


class Published(NamedTuple):
    """A data set: its images in order, each (c, h, w) of bytes, or of numbers in [0, 1].

    labels: (n,), indices of `classes`, or without any numbers (n, k); the last `held_out` are the test part;
    source: where it comes from;
    seen: counts that grow while the images are read. Of arrays, an image is one example of any shape;
    standardise: whether its channels are, see splits.py.
    """

    images: Iterable[np.ndarray]
    labels: np.ndarray
    classes: list[str]
    source: dict
    held_out: int = 0
    seen: Counter[str] = Counter()
    standardise: bool = True


def digits(sources: Path) -> Published:
    """scikit-learn's optical digits, (1797, 1, 8, 8) in [0, 1]; embedded."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = (raw.images[:, None] / 16.0).astype(np.float32)
    source = {"scikit-learn": "load_digits", "version": version("scikit-learn")}
    return Published(images, raw.target.astype(np.int64), [str(name) for name in raw.target_names], source)


def downloaded(name: str, kind: str, sources: Path) -> Published:
    """What torchvision's class of that name reads."""
    from torchvision import datasets  # late, for it takes seconds

    from largebatch.data import downloads

    with downloads.complete(name, kind, sources) as folder:
        train, test = (getattr(datasets, kind)(folder, train=train) for train in (True, False))
    images = np.concatenate([planes(np.asarray(part.data)) for part in (train, test)])
    labels = np.concatenate([np.asarray(part.targets, dtype=np.int64) for part in (train, test)])
    source = {"torchvision": kind, "version": version("torchvision")}
    return Published(images, labels, list(train.classes), source, len(test.targets))


def planes(pixels: np.ndarray) -> np.ndarray:
    """(n, h, w) or (n, h, w, c) -> (n, c, h, w)"""
    return pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)


DATA: dict[str, Callable[[Path], Published]] = {
    "digits": digits,
    "mnist": partial(downloaded, "mnist", "MNIST"),  # (70000, 1, 28, 28); LeCun et al. 1998
    "cifar10": partial(downloaded, "cifar10", "CIFAR10"),  # (60000, 3, 32, 32); Krizhevsky 2009
    "cifar100": partial(downloaded, "cifar100", "CIFAR100"),  # the same size, the fine labels
}


def prepare(name: str, sources: Path, path: Path, folder: Source | None = None) -> None:
    """Write the tensor file of a data set: images, labels, and how many of the last are held out.

    A record beside it holds checksum, shape, classes, source and what was noticed.
    """
    with opened(name, sources, folder, path.parent) as found:
        check(name, found)
        record_of(path).unlink(missing_ok=True)  # no record may describe a file that is gone
        noticed = contents.Contents()
        shape = write(found._replace(images=noticed.watch(name, found.images)), path)
    copies = noticed.copies(label_of_each(found.labels), found.held_out)
    for line in remarks(found, noticed, copies):
        progress.say(f"{name}: {line}")
    about = {"copies": copies, "constant_channels": noticed.constant, **found.seen}
    write_json(record_of(path), record(name, found, shape, path) | about)


def label_of_each(labels: np.ndarray) -> np.ndarray:
    """Labels (n,); of targets (n, k) numbers by which equal ones are known."""
    return labels if labels.ndim == 1 else np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)


def remarks(found: Published, noticed: contents.Contents, copies: dict[str, int]) -> Iterator[str]:
    """What users should know about the images, one line each."""
    if copies["images"]:
        yield (
            f"{copies['images']} images are exact copies of an earlier one, {copies['held_out']} of the test "
            f"part also lie outside it, {copies['other_label']} have a copy with another label: all kept"
        )
    if noticed.constant:
        yield f"channels {noticed.constant}, counted from 0, never vary: standardised they are 0"
    if transparent := found.seen["transparent"]:
        yield f"{transparent} images are transparent somewhere: their colours there are those of the file"


def opened(
    name: str, sources: Path, folder: Source | None, scratch: Path
) -> AbstractContextManager[Published]:
    """A data set, open while its images are read."""
    if isinstance(folder, ArrayFile | ImportedData):
        return nullcontext(of_arrays(folder, sources))
    if folder is not None:
        return pictures(name, sources / located(folder.path), folder, scratch)
    if name not in DATA:
        raise ValueError(f"data set must be one of {sorted(DATA)}; got {name!r}")
    return nullcontext(DATA[name](sources))


def of_arrays(settings: ArrayFile | ImportedData, sources: Path) -> Published:
    """Anyone's own arrays."""
    found = arrays.read(settings, sources)
    kept = {"held_out": found.held_out, "standardise": settings.standardise}
    return Published(found.x, found.labels, found.classes, found.source, **kept)


@contextmanager
def pictures(name: str, path: Path, folder: Folder, scratch: Path) -> Iterator[Published]:
    """The images of a folder, or of an archive that is unpacked below `scratch` meanwhile."""
    with archives.unpacked(path, scratch) as top:
        root = top if path.is_dir() else archives.lone_folder(top)
        found, hidden = folders.listing(root, path), folders.hidden_in(top)
        if hidden:
            progress.say(f"{name}: left out: {folders.hidden_in_words(hidden)}")
        if found.ignored:
            progress.say(f"{name}: {found.ignored} files have no ending of an image: left out")
        source = {
            "folder": folder.model_dump(),
            "files_left_out": found.ignored,
            "hidden_files_left_out": hidden.total(),
            "pillow": version("pillow"),
        }
        if path.is_file():
            source["sha256"] = checksum(path)
        seen = Counter(transparent=0)
        images = folders.decoded(name, found, folder.size, folder.resize, seen)
        yield Published(images, found.labels, found.classes, source, found.held_out, seen)


def write(found: Published, path: Path) -> tuple[int, ...]:
    """Stream the images into the file; their shape (n, c, h, w)."""
    small = {"labels": found.labels}
    if found.held_out:
        small["held_out"] = np.array(found.held_out, dtype=np.int64)
    if not found.standardise:
        small["as_they_are"] = np.array(1, dtype=np.int64)
    return write_stream(path, small, "images", found.images, len(found.labels))


def record(name: str, found: Published, shape: tuple[int, ...], path: Path) -> dict:
    """What the file holds and where it comes from, for JSON."""
    targets = {} if found.classes else {"targets": found.labels.shape[1]}
    return targets | {
        "name": name,
        "sha256": checksum(path),
        "images": len(found.labels),
        "held_out": found.held_out,
        "shape": shape,
        "classes": found.classes,
        "source": found.source,
    }


def check(name: str, found: Published) -> None:
    """Refuse a wrong number of images, and parts without some class, if there are classes."""
    images = Images(len(found.labels) - found.held_out, found.held_out)
    if images != IMAGES.get(name, images):
        known = IMAGES[name]
        raise ValueError(
            f"{name}: wanted {known.open} images and {known.held_out} held out; "
            f"got {images.open} and {images.held_out}"
        )
    parts = {"images": found.labels[: images.open], "held-out images": found.labels[images.open :]}
    for part, labels in parts.items() if found.classes else ():
        present, known = set(np.unique(labels).tolist()), set(range(len(found.classes)))
        if len(labels) and present != known:
            raise ValueError(
                f"{name}: wanted {part} of all {len(known)} classes, labelled 0 to {len(known) - 1}; "
                f"got none of {sorted(known - present)}, and unknown labels {sorted(present - known)}"
            )
