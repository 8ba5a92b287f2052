"""Anyone's own arrays, read from a file or made by a function, and checked."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from largebatch.config.arrays import ArrayFile, ImportedData
from largebatch.config.settings import LARGEST, located
from largebatch.data.code import call
from largebatch.files import read_npy, read_npz, read_parquet
from largebatch.seals import checksum

KINDS = ".npz, .npy, .parquet, or a folder that datasets.save_to_disk wrote"
HINT = " (to learn numbers, say targets: numbers)"
# Whole numbers up to this one are themselves in single precision.
EXACT = 1 << 24


class Part(NamedTuple):
    """x: (n, ...), y: (n,) or (n, k)."""

    x: np.ndarray
    y: np.ndarray


class Read(NamedTuple):
    """Arrays as they are kept: x (n, ...), labels (n,), the last `held_out` for tests.

    Where targets are numbers, labels are these, (n, k), and there are no classes.
    """

    x: np.ndarray
    labels: np.ndarray
    classes: list[str]
    held_out: int
    source: dict


def read(settings: ArrayFile | ImportedData, sources: Path) -> Read:
    """The examples of a data set of arrays; a ValueError that says what is wrong with them."""
    if isinstance(settings, ImportedData):
        where = settings.file
        parts = made(settings)
        source = {"import": settings.file, "digest": settings.digest, "options": settings.options}
    else:
        path = sources / located(settings.path)
        where = str(path)
        parts = of_file(settings, path, sources)
        sums = {os.path.relpath(file, sources): checksum(file) for file in settings.files(sources)}
        source = settings.model_dump() | {"sha256": sums}
    kept = {"classes": labels, "numbers": targets}[settings.targets]
    checked = [Part(numbers(part.x, f"{where}: x"), kept(part, where)) for part in parts]
    require_one_shape("examples", [part.x for part in checked], where)
    require_one_shape("y", [part.y for part in checked], where)
    kinds = {part.x.dtype for part in checked}
    x = np.concatenate([part.x if len(kinds) == 1 else part.x.astype(np.float32) for part in checked])
    y = np.concatenate([part.y for part in checked])
    held_out = len(checked[1].y) if len(checked) == 2 else 0
    if settings.targets == "numbers":
        require_varying(y, where)
        return Read(x, y, [], held_out, source)
    known, every = np.unique(y, return_inverse=True)
    if len(known) < 2:
        raise ValueError(f"{where}: wanted labels of two classes or more; got {known.tolist()}")
    return Read(x, every.astype(np.int64), [str(label) for label in known], held_out, source)


def require_one_shape(what: str, arrays: list[np.ndarray], where: str) -> None:
    if len({array.shape[1:] for array in arrays}) > 1:
        got = " and ".join(str(array.shape[1:]) for array in arrays)
        raise ValueError(f"{where}: wanted {what} of one shape in both parts; got {got}")


def require_varying(y: np.ndarray, where: str) -> None:
    """Refuse targets (n, k) of which nothing can be learnt."""
    if constant := np.flatnonzero(np.ptp(y, axis=0) == 0).tolist():
        raise ValueError(
            f"{where}: y: wanted numbers that vary; got one and the same in every row of columns {constant}"
        )


def made(settings: ImportedData) -> list[Part]:
    """What the user's function returns."""
    found = call(settings)
    if not (isinstance(found, tuple | list) and len(found) in (2, 4)):
        got = f"{len(found)} values" if isinstance(found, tuple | list) else type(found).__name__
        raise ValueError(f"{settings.file}: wanted (x, y) or (x, y, x_test, y_test); got {got}")
    arrays = [np.asarray(array) for array in found]
    return [Part(*arrays[at : at + 2]) for at in range(0, len(arrays), 2)]


def of_file(settings: ArrayFile, path: Path, sources: Path) -> list[Part]:
    """The parts of a file, or of a file and its test file."""
    if not path.exists():
        raise ValueError(f"{path}: wanted {KINDS}; got nothing there")
    if path.is_dir():
        from largebatch.data.hugging_face import parts_of

        return [Part(*part) for part in parts_of(path, settings.x, settings.y)]
    if path.suffix == ".npy":
        return [Part(read_npy(path), read_npy(sources / located(str(settings.y))))]
    readers: dict[str, Callable[..., Part]] = {".npz": of_npz, ".parquet": of_parquet}
    if path.suffix not in readers:
        raise ValueError(f"{path}: wanted {KINDS}; got another kind of file")
    files = [path] if settings.test is None else [path, sources / located(settings.test)]
    return [readers[path.suffix](file, settings.x, settings.y) for file in files]


def of_npz(path: Path, x: Any, y: str | None) -> Part:
    names = (x or "x", y or "y")
    arrays = read_npz(path)
    if missing := [name for name in names if name not in arrays]:
        raise ValueError(f"{path}: wanted arrays {list(names)}; got {sorted(arrays)}, no {missing}")
    return Part(*(arrays[name] for name in names))


def of_parquet(path: Path, x: str | list[str] | None, y: str | list[str] | None) -> Part:
    """y: a column, or several of numbers; x: columns of numbers, or one of lists; by default all others."""
    columns = read_parquet(path)
    several = y if isinstance(y, list) else []
    ys = several or [y or "y"]
    names = [x] if isinstance(x, str) else x or [name for name in columns if name not in ys]
    if missing := [name for name in (*names, *ys) if name not in columns]:
        raise ValueError(f"{path}: wanted columns {missing}; got {list(columns)}")
    for name in (*names, *several):
        if columns[name].dtype.kind not in "buif":
            raise ValueError(
                f"{path}: wanted numbers, or lists of them of one length, in column {name!r}; "
                f"got {columns[name].dtype}"
            )
    target = side_by_side(columns, several) if several else columns[ys[0]]
    if len(names) == 1 and columns[names[0]].ndim > 1:
        return Part(columns[names[0]], target)
    return Part(side_by_side(columns, names), target)


def side_by_side(columns: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    """(n, columns)"""
    return np.stack([columns[name].astype(np.float64) for name in names], axis=1)


def numbers(x: np.ndarray, where: str) -> np.ndarray:
    """(n, ...) as it is kept: bytes, or finite numbers in single precision; single numbers become (n, 1)."""
    if x.dtype.kind not in "buif" or x.ndim == 0:
        raise ValueError(f"{where}: wanted an array of numbers, one row per example; got {x.dtype} {x.shape}")
    if x.ndim == 1:
        x = x[:, None]
    if x.size == 0:
        raise ValueError(f"{where}: wanted examples; got an array of shape {x.shape}")
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    if x.dtype.kind in "ui" and max(abs(int(x.min())), abs(int(x.max()))) > EXACT:
        raise ValueError(
            f"{where}: wanted whole numbers up to {EXACT}, which single precision knows; got larger"
        )
    with np.errstate(over="ignore"):
        kept = x.astype(np.float32)
    finite = np.isfinite(kept.reshape(len(kept), -1)).all(1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(
            f"{where}: wanted finite numbers; got others in {(~finite).sum()} rows, first in row {row}"
        )
    return np.ascontiguousarray(kept)


def labels(part: Part, where: str) -> np.ndarray:
    """(n,) whole numbers, booleans or texts, one for each example."""
    y = part.y[:, 0] if part.y.ndim == 2 and part.y.shape[1] == 1 else part.y
    if y.dtype.kind == "O" and all(isinstance(label, str) for label in y.flat):
        y = y.astype(str)
    if y.ndim != 1 or y.dtype.kind not in "buiU":
        raise ValueError(
            f"{where}: y: wanted a label for each example, a whole number or a text; "
            f"got {part.y.dtype} {part.y.shape}" + HINT * (y.dtype.kind == "f")
        )
    return as_many(part, y, where)


def targets(part: Part, where: str) -> np.ndarray:
    """(n, k) finite numbers in double precision, one row for each example."""
    y = part.y[:, None] if part.y.ndim == 1 else part.y
    if y.ndim != 2 or y.dtype.kind not in "buif" or y.size == 0:
        raise ValueError(
            f"{where}: y: wanted one or several numbers for each example, (n,) or (n, k); "
            f"got {part.y.dtype} {part.y.shape}"
        )
    kept = y.astype(np.float64)
    finite = (np.abs(kept) <= LARGEST).all(1)  # of NaN this is false, too
    if not finite.all():
        raise ValueError(
            f"{where}: y: wanted numbers up to {LARGEST:g}; got others in {(~finite).sum()} rows, "
            f"first in row {int(np.argmin(finite))}"
        )
    return as_many(part, kept, where)


def as_many(part: Part, y: np.ndarray, where: str) -> np.ndarray:
    """Labels or targets, if there are as many as examples."""
    if len(y) != len(part.x):
        raise ValueError(f"{where}: wanted as many labels as examples; got {len(y)} and {len(part.x)}")
    return y
