"""MNIST and CIFAR through torchvision's download and reader, with a check of every file.

Files are downloaded into a folder beside their final one and moved when they are complete. So an interrupted
download starts again.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from largebatch import progress

# The download fails if the server sends nothing for longer.
SILENT_SECONDS = 60.0


class Original(NamedTuple):
    """A data set as published: torchvision's class, what it reads, and the archives it downloads.

    files, archives: path below the folder of sources -> md5.
    """

    kind: str
    files: dict[str, str]
    archives: dict[str, str]


class Parts(NamedTuple):
    """The data that were read, the test part last; images: (n, c, h, w) bytes; labels: (n,) from 0."""

    images: np.ndarray
    labels: np.ndarray
    held_out: int
    classes: list[str]


# torchvision has no md5 of MNIST's unpacked files; these are computed from the archives it checks.
MNIST_FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def original(kind: str) -> Original:
    """The files that torchvision's class of that name reads and downloads."""
    from torchvision import datasets

    if kind == "MNIST":
        archives = {f"MNIST/raw/{name}": md5 for name, md5 in datasets.MNIST.resources}
        return Original(kind, {f"MNIST/raw/{name}": md5 for name, md5 in MNIST_FILES.items()}, archives)
    cifar = getattr(datasets, kind)
    files = [*cifar.train_list, *cifar.test_list, (cifar.meta["filename"], cifar.meta["md5"])]
    named = {f"{cifar.base_folder}/{name}": md5 for name, md5 in files}
    return Original(kind, named, {cifar.filename: cifar.tgz_md5})


def read(name: str, wanted: Original, sources: Path) -> Parts:
    """A data set from the folder of sources; missing files are downloaded into it."""
    check(wanted, sources)
    if not missing(wanted, sources):
        return read_files(wanted, sources)
    with scratch(sources) as folder:
        download(name, wanted, sources, folder)
        check(wanted, folder)
        parts = read_files(wanted, folder)
        keep(wanted, sources, folder)
    return parts


def missing(wanted: Original, sources: Path) -> list[str]:
    """The files that are not there."""
    return [file for file in wanted.files if not (sources / file).is_file()]


def check(wanted: Original, sources: Path) -> None:
    """Refuse a file that is not the published one."""
    for file, md5 in wanted.files.items():
        path = sources / file
        if path.is_file() and (got := md5_of(path)) != md5:
            size = path.stat().st_size
            raise ValueError(
                f"{path}: wanted the published file, md5 {md5}; got {size} bytes, md5 {got}: remove it"
            )


def md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "md5").hexdigest()


def read_files(wanted: Original, root: Path) -> Parts:
    """Both parts, by torchvision's reader."""
    from torchvision import datasets

    train, test = (getattr(datasets, wanted.kind)(root, train=train) for train in (True, False))
    images = np.concatenate([planes(np.asarray(part.data)) for part in (train, test)])
    labels = np.concatenate([np.asarray(part.targets, dtype=np.int64) for part in (train, test)])
    return Parts(images, labels, len(test.targets), list(train.classes))


def planes(pixels: np.ndarray) -> np.ndarray:
    """(n, h, w) or (n, h, w, c) -> (n, c, h, w)"""
    return pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)


@contextmanager
def scratch(sources: Path) -> Iterator[Path]:
    """A folder to download into: inside the sources if they are writable, so that files can be moved."""
    with suppress(OSError):
        sources.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".partial-", dir=sources if writable(sources) else None) as folder:
        yield Path(folder)


def writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def download(name: str, wanted: Original, sources: Path, folder: Path) -> None:
    """Put all files into the folder: from complete archives among the sources, else from the network."""
    from torchvision import datasets

    found = [archive for archive in wanted.archives if (sources / archive).is_file()]
    whole = [archive for archive in found if md5_of(sources / archive) == wanted.archives[archive]]
    for archive in whole:
        (folder / archive).parent.mkdir(parents=True, exist_ok=True)
        (folder / archive).symlink_to((sources / archive).resolve())
    if len(whole) < len(wanted.archives):
        progress.say(f"{name}: downloading into {sources}")
    try:
        with patience(SILENT_SECONDS):
            getattr(datasets, wanted.kind)(folder, download=True)
    except (RuntimeError, OSError, HTTPException, EOFError) as error:
        broken = sorted(set(found) - set(whole))
        raise ValueError(unavailable(name, wanted, sources, broken, error)) from error


def unavailable(name: str, wanted: Original, sources: Path, broken: list[str], error: Exception) -> str:
    """The line that says which files go where."""
    absent = [Path(file) for file in missing(wanted, sources)]
    archives = list(wanted.archives)
    instead = f"{archives[0]} in {sources}" if len(archives) == 1 else "their .gz"
    there = f"; {', '.join(broken)} in {sources}: not whole" if broken else ""
    return (
        f"{name}: wanted {', '.join(file.name for file in absent)} in {sources / absent[0].parent} "
        f"(or {instead}); could not download them: {' '.join(str(error).split())}{there}"
    )


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within this context, a connection without data for so many seconds fails."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def keep(wanted: Original, sources: Path, folder: Path) -> None:
    """Move the missing files to the sources, if these are writable."""
    if not writable(sources):
        return
    for file in missing(wanted, sources):
        (sources / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).replace(sources / file)
