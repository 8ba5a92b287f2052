"""Whether two results folders are the same to the byte, but for when and how fast they were made."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from largebatch.files import PROVENANCE
from largebatch.interrupts import PARTIAL
from largebatch.seals import SEALS, verified

# Keys of records that hold a time, a size of memory, or a digest of such a record.
TIMES = {"seconds", "peak_memory_mib", "time", "digest"}
# What such a folder holds besides results: progress, and seals, which are checked.
ASIDE = (".progress.json", SEALS)


def without_times(record):
    """A record without its times; of inputs that hold times themselves, their names alone."""
    if isinstance(record, list):
        return [without_times(each) for each in record]
    if not isinstance(record, dict):
        return record
    kept = {key: without_times(value) for key, value in record.items() if key not in TIMES}
    if isinstance(inputs := kept.get("inputs"), dict):
        kept["inputs"] = {name: None if holds_times(name) else digest for name, digest in inputs.items()}
    return kept


def holds_times(name: str) -> bool:
    """Whether a file holds its provenance: all JSON does, and what measures write."""
    path = Path(name)
    return path.suffix == ".json" or (
        path.suffix == ".parquet" and path.stem not in ("history", "observations", "variants")
    )


def content(path: Path):
    """What is to be the same of a file; its seal is checked."""
    verified(path)
    if path.suffix == ".json":
        return without_times(json.loads(path.read_bytes()))
    if holds_times(path.name):
        table = pq.read_table(path)
        record = json.loads((table.schema.metadata or {}).get(PROVENANCE, b"{}"))
        return table.to_pydict(), without_times(record)
    return path.read_bytes()


def results(folder: Path) -> dict[str, Path]:
    """The files of a results folder by their place in it."""
    files = (path for path in folder.rglob("*") if path.is_file() and not {*path.parts} & {*ASIDE})
    kept = (path for path in files if not any(part.startswith(PARTIAL) for part in path.parts))
    return {path.relative_to(folder).as_posix(): path for path in kept}


def differing(ours: Path, theirs: Path) -> list[str]:
    """The files that only one of two results folders has, or that are not the same in both."""
    one, other = results(ours), results(theirs)
    both = one.keys() & other.keys()
    return sorted([*(one.keys() ^ other.keys()), *(n for n in both if content(one[n]) != content(other[n]))])
