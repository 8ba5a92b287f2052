"""What a packed file would take once it is unpacked is bounded, before anything of it is."""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch

from largebatch.cli import memory
from largebatch.config.arrays import ArrayFile, ImportedData, Source
from largebatch.config.settings import located

# No archive may take more on the disk, whatever it holds: ImageNet takes a sixth of that.
MOST_BYTES = 1 << 40
UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError)


def require_bounded(source: Source | None, sources: Path, scratch: Path) -> None:
    """Refuse a source that takes too much: of the disk below `scratch`, or, of arrays, of the memory."""
    if source is None or isinstance(source, ImportedData):
        return
    if isinstance(source, ArrayFile):
        own = (least for least, _ in memory.of_process())
        most, where = min([memory.limit(torch.device("cpu")), *own]), "of memory"
        packed = [file for file in source.files(sources) if file.suffix == ".npz"]
    else:
        most, where = min(MOST_BYTES, free_bytes(scratch)), "on the disk"
        packed = [sources / located(source.path)]
    for path in packed:
        total = 0
        for size in sizes(path):
            total += size
            if total > most:
                raise ValueError(f"{path}: wanted at most {most} bytes {where} when it is unpacked; got more")


def free_bytes(folder: Path) -> int:
    """Of the disk that a folder lies on, or will."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free


def sizes(path: Path) -> Iterator[int]:
    """Bytes of each member of an archive; none of what is no whole one, which whoever unpacks it says."""
    if not path.is_file():
        return
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:  # which reads no more than it says here
                yield from (member.file_size for member in packed.infolist())
        else:
            with tarfile.open(path, "r|*") as packed:
                yield from (member.size for member in packed)
    except UNREADABLE:
        return
