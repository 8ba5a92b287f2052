"""The only place that knows file formats. Every write is atomic: a killed job leaves no half file.

Whatever is read is compared with its seal first; see seals.py.
"""

import itertools
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from largebatch.interrupts import PARTIAL
from largebatch.seals import Damaged, anew, seal, verified

if TYPE_CHECKING:
    from largebatch.config.spec import Arm


class Observation(NamedTuple):
    """One measured number; `at` is an epoch, an update, an epsilon, ... or None; see METRICS."""

    seed: int
    metric: str
    at: float | None
    value: float


OBSERVATIONS = pa.schema(
    [
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("at", pa.float64()),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

# The rows of an exhibit: observations with an arm, named without the exhibit.
EXHIBITED = pa.schema([pa.field("arm", pa.string(), nullable=False), *OBSERVATIONS])

PROVENANCE = b"largebatch"


@contextmanager
def atomic(path: Path, sealed: bool = True) -> Iterator[Path]:
    """A temporary path in the same folder with the same ending; on success synced, sealed and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # From Python 3.12 on the name is an absolute path, whose letters Arrow may not be able to encode.
    folder = path.parent / Path(mkdtemp(prefix=PARTIAL, dir=path.parent)).name
    temporary = folder / path.name
    try:
        yield temporary
        sync(temporary)
        if sealed:
            seal(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        folder.rmdir()


def sync(path: Path) -> None:
    """Wait until a file is on the disk: a loss of power leaves no empty file under a final name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def read_text(path: Path) -> str:
    verified(path)
    return path.read_text(encoding="utf-8")


def read_json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: wanted JSON; got {error}") from error


def write_spec(run: Path, arm: "Arm", seeds: list[int]) -> None:
    """Write what was trained beside what it gave."""
    spec = {"arm": arm.model_dump(mode="json"), "chosen": arm.chosen(), "seeds": seeds}
    write_json(run / "spec.json", spec)


def read_spec(run: Path) -> tuple["Arm", list[int]]:
    """The arm and the seeds of a finished run."""
    from largebatch.config.checking import checked
    from largebatch.config.spec import Arm  # 20 ms, which most jobs need not spend

    path = run / "spec.json"
    try:
        spec = read_json(path)
        return checked(Arm, spec["arm"], path), spec["seeds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: wanted the arm and the seeds of a run; got {error!r}") from error


def write_observations(path: Path, rows: Iterable[Observation], provenance: dict | None = None) -> None:
    """Parquet of seed, metric, at, value; the provenance is in the file's metadata."""
    write_rows(path, OBSERVATIONS, rows, provenance)


def write_exhibit(
    path: Path, rows: Iterable[tuple[str, Observation]], provenance: dict | None = None
) -> None:
    """Parquet of arm, seed, metric, at, value; rows: (arm, observation)."""
    write_rows(path, EXHIBITED, ((arm, *row) for arm, row in rows), provenance)


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[tuple], provenance: dict | None) -> None:
    """Parquet of these columns; the provenance is in the file's metadata."""
    columns = list(zip(*rows, strict=True)) or [[] for _ in schema]
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)
    if provenance is not None:
        table = table.replace_schema_metadata({PROVENANCE: json.dumps(provenance, sort_keys=True)})
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


# Doubles that are hardly ever equal: a dictionary of them would be larger than they are.
UNLIKE = frozenset({"value", "at"})
WHOLE = 1 << 28  # more bytes and rows than any table has, so that all repetitions are found


def write_small(path: Path, table: pa.Table) -> None:
    """Parquet in as few bytes as possible; slow to write, fast to read."""
    with atomic(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=19,
            use_dictionary=[name for name in table.schema.names if name not in UNLIKE],
            dictionary_pagesize_limit=WHOLE,
            data_page_size=WHOLE,
            row_group_size=WHOLE,
            write_statistics=False,  # there is only one row group to skip
        )


def read_provenance(path: Path) -> dict:
    """The provenance of the observations at `path`; empty if the file has none."""
    verified(path)
    return json.loads((pq.read_schema(path).metadata or {}).get(PROVENANCE, b"{}"))


def read_observations(path: Path) -> pa.Table:
    """The table at `path`; an error if its columns are not those of an observation."""
    return read_rows(path, OBSERVATIONS)


def read_columns(path: Path, names: Iterable[str]) -> list[list]:
    """Some columns of a table."""
    verified(path)
    return [column.to_pylist() for column in pq.read_table(path, columns=list(names)).columns]


def read_exhibit(path: Path) -> pa.Table:
    """The table at `path`; an error if its columns are not those of an exhibit."""
    return read_rows(path, EXHIBITED)


def read_rows(path: Path, schema: pa.Schema) -> pa.Table:
    """The table at `path`; an error if its columns are others."""
    verified(path)
    table = pq.read_table(path)
    if table.schema.names != schema.names:
        raise ValueError(f"{path}: wanted columns {schema.names}; got {table.schema.names}")
    return table


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """safetensors: named arrays, the same bytes for the same values."""
    with atomic(path) as temporary:
        temporary.write_bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    verified(path)
    return load_file(path)


# The names of the types of images in safetensors.
DTYPES = {"uint8": "U8", "float32": "F32", "float64": "F64", "int64": "I64"}


def write_stream(
    path: Path, arrays: dict[str, np.ndarray], name: str, items: Iterable[np.ndarray], count: int
) -> tuple[int, ...]:
    """The file of write_arrays with `name`, `count` items of one shape, written as they come; its shape.

    arrays: the other arrays, int64. They come first, because the format needs wide numbers before narrow
    ones.
    """
    items = iter(items)
    first = next(items)
    plain = {key: np.ascontiguousarray(arrays[key]) for key in sorted(arrays)}
    kinds = {key: (a.dtype, a.shape, a.nbytes) for key, a in plain.items()}
    kinds[name] = (first.dtype, (count, *first.shape), count * first.nbytes)
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(header(kinds))
        for array in plain.values():
            file.write(array.tobytes())
        written = 0
        for item in itertools.chain([first], items):
            if (item.dtype, item.shape) != (first.dtype, first.shape):
                got = f"{item.dtype} {item.shape} after {written} of {first.dtype} {first.shape}"
                raise ValueError(f"{path}: wanted {name} of one kind; got {got}")
            file.write(item.tobytes())
            written += 1
        if written != count:
            raise ValueError(f"{path}: wanted {count} {name}; got {written}")
    return kinds[name][1]


def header(kinds: dict[str, tuple[np.dtype, tuple[int, ...], int]]) -> bytes:
    """The beginning of a safetensors file: 8 bytes of length, then (type, shape, bytes) by name as JSON."""
    entries, end = {}, 0
    for name, (dtype, shape, size) in kinds.items():
        entries[name] = {
            "dtype": DTYPES[dtype.name],
            "shape": shape,
            "data_offsets": [end, end := end + size],
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that numbers start at a multiple of their width
    return len(text).to_bytes(8, "little") + text


def map_tensors(path: Path) -> dict:
    """The tensors of a safetensors file on the CPU; their bytes are read when they are first used."""
    from safetensors.torch import load_file  # imports torch, which is slow and which not every stage needs

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: wanted a whole tensor file; got: {error}") from error


def bytes_of(tensors: dict) -> bytes:
    """safetensors of named tensors, in the order of their dimensions."""
    from safetensors.torch import save  # imports torch

    # a copy of each: the format takes none that share memory
    return save({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()})


def tensors_in(content: bytes) -> dict:
    """What bytes_of() was given, on the CPU; ValueError if it is something else."""
    from safetensors.torch import load  # imports torch

    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(f"wanted tensors as safetensors; got: {error}") from error


def read_npy(path: Path) -> np.ndarray:
    """The array of an .npy file; no code in it is run."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"{path}: wanted an array of numbers in NumPy's format .npy; got: {error}"
        ) from error


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, BadZipFile) as error:
        raise ValueError(
            f"{path}: wanted arrays of numbers or texts in NumPy's format .npz; got: {error}"
        ) from error


def read_parquet(path: Path) -> dict[str, np.ndarray]:
    """Columns of any table by name: numbers (n,), lists of one shape (n, ...), all else objects."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: wanted a parquet file; got: {error}") from error
    return {name: as_numbers(table[name]) for name in table.column_names}


def as_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column as an array: of numbers where it has numbers only, or lists of them that are equally long."""
    if pa.types.is_nested(column.type):
        with suppress(ValueError):
            return np.array(column.to_pylist())
    return column.to_numpy()


def write_snapshots(path: Path, snapshots: dict[int, tuple[list[int], dict[str, np.ndarray]]]) -> None:
    """epoch -> (seeds, plain name -> (s, ...) in their order); keys "<epoch>/seeds" and "<epoch>/<name>"."""
    arrays = {}
    for epoch, (seeds, weights) in snapshots.items():
        arrays[f"{epoch}/seeds"] = np.array(seeds, dtype=np.int64)
        arrays |= {f"{epoch}/{name}": array for name, array in weights.items()}
    write_arrays(path, arrays)


def read_snapshots(path: Path) -> dict[int, tuple[list[int], dict[str, np.ndarray]]]:
    """What write_snapshots wrote, by ascending epoch."""
    by_epoch: dict[int, dict[str, np.ndarray]] = {}
    for key, array in read_arrays(path).items():
        epoch, name = key.split("/", 1)
        by_epoch.setdefault(int(epoch), {})[name] = array
    return {epoch: (arrays.pop("seeds").tolist(), arrays) for epoch, arrays in sorted(by_epoch.items())}


def record_of(path: Path) -> Path:
    """The file that describes a data set's tensor file."""
    return path.with_suffix(".json")


def data_checksum(path: Path) -> str:
    """The sha256 of a data set's tensor file that is as it was written, by its seal and by its record."""
    found, record = verified(path), record_of(path)
    if record.exists() and (wanted := read_json(record)["sha256"]) != found:
        raise Damaged(
            f"{path}: wanted the file that {record.name} describes, sha256 {wanted[:12]}; got {found[:12]}. "
            f"{anew(path)}"
        )
    return found
