"""Archives of pictures, unpacked such that nothing is written outside the intended folder."""

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

# What the readers raise for damaged, encrypted or unknown archives.
UNREADABLE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
)

WANTED = "wanted a folder, or a whole archive (.tar, .tar.gz, .tar.xz, .zip)"

# Files of arrays: an .npz is a zip archive.
ARRAYS = (".npz", ".npy", ".parquet")

# Folders that systems and programs add beside a user's files, with names that do not begin with a dot.
ADDED = (
    "__MACOSX",
    "@eaDir",
    "@__thumb",
    "@Recycle",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
)


@contextmanager
def unpacked(path: Path, scratch: Path) -> Iterator[Path]:
    """A folder itself, or an archive's contents, in a folder below `scratch` that is removed afterwards."""
    if path.is_dir():
        yield path
        return
    require_archive(path)
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unpacked-", dir=scratch) as folder:
        unpack(path, Path(folder))
        yield Path(folder)


def require_archive(path: Path) -> None:
    """Refuse what is not there, and arrays, which have their own place in a scale file."""
    if not path.exists():
        raise ValueError(f"{path}: {WANTED}; got nothing there")
    if path.suffix in ARRAYS:
        raise ValueError(f"{path}: {WANTED}; got a file of arrays: name it under arrays, not under folders")


def lone_folder(folder: Path) -> Path:
    """The one folder that holds everything unpacked (hidden files aside), or `folder` itself."""
    within = [entry for entry in folder.iterdir() if not is_hidden(entry.name)]
    return within[0] if len(within) == 1 and within[0].is_dir() else folder


def is_hidden(name: str) -> bool:
    """Whether it is hidden or added by a system: .DS_Store, .git, ..."""
    return name.startswith(".") or name in ADDED


def unpack(path: Path, folder: Path) -> None:
    """Unpack an archive into a folder; a member that would be written elsewhere is an error."""
    try:
        if tarfile.is_tarfile(path):
            unpack_tar(path, folder)
        elif zipfile.is_zipfile(path):
            unpack_zip(path, folder)
        else:
            raise ValueError(f"{path}: {WANTED}; got a file that is neither")
    except tarfile.FilterError as error:
        raise outside(path, error.tarinfo.name) from error
    except UNREADABLE as error:
        raise ValueError(f"{path}: {WANTED}; got: {' '.join(str(error).split())}") from error


def unpack_tar(path: Path, folder: Path) -> None:
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter=Refusing(path))
        require_end(tar)


class Refusing:
    """A filter of tar members: refuses what would be written outside, drops owner, mode and time of the rest.

    Data sets have many small files: without their attributes, and without looking for links on the way to
    each where there can be none, unpacking takes about half as long.
    """

    def __init__(self, path: Path):
        self.path = path
        self.plain = True  # only files and folders so far: no link can lead outside

    def __call__(self, member: tarfile.TarInfo, to: str) -> tarfile.TarInfo:
        if not stays_inside(member.name):  # Python's own filter would make /x an x
            raise outside(self.path, member.name)
        self.plain = self.plain and (member.isfile() or member.isdir())
        kept = member if self.plain else tarfile.data_filter(member, to)
        return kept.replace(mode=None, mtime=None, uid=None, gid=None, uname=None, gname=None, deep=False)


def require_end(tar: tarfile.TarFile) -> None:
    """Refuse an archive that Python stopped reading before its end: it takes any bad header for the end."""
    if isinstance(tar.fileobj, io.BufferedReader):  # not compressed
        tar.fileobj.seek(tar.offset)
        if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"no end after {tar.offset} bytes")
    while tar.fileobj.read(1 << 20):  # up to the checksum of a compressed archive
        pass


def unpack_zip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as packed:
        for name in packed.namelist():
            if not stays_inside(name):  # Python would drop the .. and unpack it
                raise outside(path, name)
        packed.extractall(folder)


def stays_inside(name: str) -> bool:
    way = PurePosixPath(name.replace("\\", "/"))
    return not way.is_absolute() and ".." not in way.parts


def outside(path: Path, name: str) -> ValueError:
    return ValueError(f"{path}: wanted only files and folders that stay inside it; got {name!r}")
