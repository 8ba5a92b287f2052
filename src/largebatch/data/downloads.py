"""MNIST's and CIFAR's files, checked: torchvision downloads, unpacks and knows the md5 of what is published.

Files are downloaded into a folder beside their final one and moved when they are complete. So an interrupted
download starts again.
"""

import gzip
import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from torchvision import datasets
from torchvision.datasets.utils import calculate_md5, check_integrity

from largebatch import progress

# The download fails if the server sends nothing for longer.
SILENT_SECONDS = 60.0


class Original(NamedTuple):
    """The files that torchvision's class reads, and the archives that it downloads.

    files, archives: path below the folder of sources -> md5.
    """

    files: dict[str, str]
    archives: dict[str, str]


# torchvision has no md5 of MNIST's unpacked files: these are of those it unpacks.
MNIST_FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def original(kind: str) -> Original:
    """What torchvision's class of that name reads and downloads."""
    if kind == "MNIST":
        archives = {f"MNIST/raw/{name}": md5 for name, md5 in datasets.MNIST.resources}
        return Original({f"MNIST/raw/{name}": md5 for name, md5 in MNIST_FILES.items()}, archives)
    cifar = getattr(datasets, kind)
    files = [*cifar.train_list, *cifar.test_list, (cifar.meta["filename"], cifar.meta["md5"])]
    named = {f"{cifar.base_folder}/{name}": md5 for name, md5 in files}
    return Original(named, {cifar.filename: cifar.tgz_md5})


@contextmanager
def complete(name: str, kind: str, sources: Path) -> Iterator[Path]:
    """A folder with all files that torchvision's class reads: the sources, or one to download into.

    What was missing is moved among the sources afterwards, if they may be written to.
    """
    wanted = original(kind)
    require_published(kind, sources)
    absent = missing(wanted, sources)
    if not absent:
        yield sources
        return
    with scratch(sources) as folder:
        download(name, kind, sources, folder)
        yield folder
        if writable(sources):
            for file in absent:
                (sources / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).replace(sources / file)


def missing(wanted: Original, sources: Path) -> list[str]:
    """The files that are not there."""
    return [file for file in wanted.files if not (sources / file).is_file()]


# What early versions of torchvision wrote, and all read in place of the published files.
INSTEAD = ("MNIST/processed/training.pt", "MNIST/processed/test.pt")


def require_published(kind: str, sources: Path) -> None:
    """Refuse a file that is there and is not the one that was published, and files read in place of those."""
    wanted = original(kind)
    for path in (sources / file for file in INSTEAD if kind == "MNIST"):
        if path.exists():
            raise ValueError(
                f"{path}: wanted only the published files, in {path.parents[1] / 'raw'}; got a file that "
                "torchvision would read in place of those: remove it"
            )
    for file, md5 in wanted.files.items():
        path = sources / file
        if path.is_file() and not check_integrity(path, md5):
            raise ValueError(
                f"{path}: wanted the published file, md5 {md5}; "
                f"got {path.stat().st_size} bytes, md5 {calculate_md5(path)}: remove it"
            )


@contextmanager
def scratch(sources: Path) -> Iterator[Path]:
    """A folder to download into: inside the sources if they are writable, so that files can be moved."""
    with suppress(OSError):
        sources.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".partial-", dir=sources if writable(sources) else None) as folder:
        yield Path(folder)


def writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def download(name: str, kind: str, sources: Path, folder: Path) -> None:
    """All files into the folder: from what is packed among the sources if that is whole, else the network."""
    if unpack(kind, sources, folder):
        return
    archives = original(kind).archives
    found = [archive for archive in archives if (sources / archive).is_file()]
    whole = [archive for archive in found if check_integrity(sources / archive, archives[archive])]
    for archive in whole:  # torchvision takes these for downloaded; a broken one it would write over
        (folder / archive).parent.mkdir(parents=True, exist_ok=True)
        (folder / archive).symlink_to((sources / archive).resolve())
    if len(whole) < len(archives):
        progress.say(f"{name}: downloading into {sources}")
    try:
        with patience(SILENT_SECONDS):
            getattr(datasets, kind)(folder, download=True)
    except (RuntimeError, OSError, HTTPException, EOFError) as error:
        broken = sorted(set(found) - set(whole))
        raise ValueError(unavailable(name, original(kind), sources, broken, error)) from error


def unpack(kind: str, sources: Path, folder: Path) -> bool:
    """Whether the folder now has all files, unpacked from .gz that anyone may have packed."""
    wanted = original(kind).files
    for file, md5 in wanted.items():
        place, packed = folder / file, sources / f"{file}.gz"
        if packed.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError, EOFError, zlib.error), gzip.open(packed, mode="rb") as inside:
                place.write_bytes(inside.read())
            if not check_integrity(place, md5):
                place.unlink(missing_ok=True)
    return not missing(original(kind), folder)


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
