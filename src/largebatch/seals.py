"""Every written file has a seal, the sha256 of its bytes, with which it is compared when it is read.

The seal of folder/name is folder/.seals/name.sha256, in the format of sha256sum. A file without a seal is
compared with the digests that a snapshot's provenance holds; else, as a file of ours from before there were
seals, it is taken as it is.
"""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import file_digest
from pathlib import Path

SEALS, SNAPSHOT = ".seals", "provenance.json"
# Larger files are read whole by the first job after they changed, and not by every job.
READ_EACH_TIME = 1 << 30
READ: ContextVar[dict[Path, str] | None] = ContextVar("READ", default=None)
CALLED = "asks/called.json"  # below a results folder: how the study is called on Snakemake's command line


class Damaged(Exception):
    """A file that is not the one that was written; its text says in one line how to make it anew."""


def checksum(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def seal_of(path: Path) -> Path:
    """Where the seal of a file lies."""
    return path.parent / SEALS / f"{path.name}.sha256"


def seal(path: Path, whole: Path) -> None:
    """Write the seal of `path`, whose bytes are still in `whole`: before it, so that none is without."""
    lies = seal_of(path)
    lies.parent.mkdir(exist_ok=True)
    temporary = lies.with_name(f"{lies.name}.{os.getpid()}")
    temporary.write_text(f"{checksum(whole)}  {path.name}\n", encoding="utf-8")
    temporary.replace(lies)


@contextmanager
def noted() -> Iterator[dict[Path, str]]:
    """The digests of all files that are read meanwhile, for provenance."""
    read: dict[Path, str] = {}
    token = READ.set(read)
    try:
        yield read
    finally:
        READ.reset(token)


def verified(path: Path) -> str:
    """The sha256 of a file that is as it was written; Damaged if it is not."""
    digest = compared(path)
    if (read := READ.get()) is not None:
        read[path] = digest
    return digest


def compared(path: Path) -> str:
    """verified() without taking note."""
    wanted = sealed_as(path)
    if wanted is None:
        return checksum(path)
    if known(path, wanted):
        return wanted
    if (got := checksum(path)) != wanted:
        raise Damaged(
            f"{path}: wanted the file as it was written, sha256 {wanted[:12]}; got {got[:12]}. {anew(path)}"
        )
    remember(path, wanted)
    return wanted


def sealed_as(path: Path) -> str | None:
    """The digest with which a file was written, if that is known."""
    lies = seal_of(path)
    if not lies.is_file():
        return published_as(path)
    text = lies.read_text(encoding="utf-8", errors="replace")
    digest = text[:64]
    if text != f"{digest}  {path.name}\n":
        raise Damaged(f"{lies}: wanted a sha256 and {path.name!r}; got {text[:80]!r}. {anew(path)}")
    return digest


def published_as(path: Path) -> str | None:
    """The digest of a published file, by the provenance of its snapshot."""
    for folder in path.parents[:2]:
        record = folder / SNAPSHOT
        if record.is_file() and record != path:
            try:
                digests = json.loads(record.read_bytes()).get("files", {})
            except ValueError as error:
                raise Damaged(
                    f"{record}: wanted a provenance as JSON; got {error}. {anew(record)}"
                ) from error
            return digests.get(path.relative_to(folder).as_posix())
    return None


def stamp(path: Path, digest: str) -> str:
    """What changes when someone writes to a file."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino} {digest}"


def seen_of(path: Path) -> Path:
    return path.parent / SEALS / f"{path.name}.seen"


def known(path: Path, digest: str) -> bool:
    """Whether a large file was found whole and has not been written to since."""
    seen = seen_of(path)
    return (
        path.stat().st_size > READ_EACH_TIME
        and seen.is_file()
        and seen.read_text(encoding="utf-8") == stamp(path, digest)
    )


def remember(path: Path, digest: str) -> None:
    """Note that a large file is whole."""
    if path.stat().st_size > READ_EACH_TIME and os.access(seen_of(path).parent, os.W_OK):
        seen_of(path).write_text(stamp(path, digest), encoding="utf-8")


def anew(path: Path) -> str:
    """How to make a file anew, as a sentence."""
    for folder in path.parents:
        if (folder / CALLED).is_file():
            if path.parent.parts[len(folder.parts) :][:1] == (Path(CALLED).parent.name,):
                return f"Make it anew: snakemake --cores all {called(folder)}"
            return f"Make it anew: snakemake --cores all {called(folder)} --force {shlex.quote(str(path))}"
    return "Make it anew, or take it from where it was made"


def called(results: Path) -> str:
    """How the study of a results folder is called on Snakemake's command line."""
    try:
        return shlex.join(json.loads((results / CALLED).read_bytes()))
    except ValueError:  # damaged too
        return f"--config scale={shlex.quote(results.name)}"


def collected(folder: Path) -> dict[str, str]:
    """The digests of all files below a folder, by their place in it; their seals are removed."""
    found = {}
    for seals in sorted(folder.rglob(SEALS)):
        for lies in seals.iterdir():
            path = seals.parent / lies.name.removesuffix(".sha256")
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = verified(path)
        for lies in seals.iterdir():
            lies.unlink()
        seals.rmdir()
    return dict(sorted(found.items()))
