import os
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from largebatch.files import (
    Observation,
    atomic,
    data_checksum,
    header,
    map_tensors,
    read_arrays,
    read_exhibit,
    read_observations,
    read_provenance,
    read_snapshots,
    record_of,
    write_arrays,
    write_exhibit,
    write_json,
    write_observations,
    write_small,
    write_snapshots,
    write_stream,
)
from largebatch.seals import SEALS, Damaged


def test_observations_come_back_as_written(tmp_path):
    rows = [Observation(0, "test_error_percent", 2.5, 1.0), Observation(1, "diverged", None, 0.0)]
    write_observations(tmp_path / "a" / "history.parquet", rows)
    table = read_observations(tmp_path / "a" / "history.parquet").to_pylist()
    assert [tuple(row.values()) for row in table] == [tuple(row) for row in rows]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [SEALS, "history.parquet"]


def test_an_exhibit_comes_back_as_written(tmp_path):
    rows = [("a", Observation(0, "worked_value", 2, 1.0)), ("b", Observation(1, "worked_error", None, 0.0))]
    write_exhibit(tmp_path / "e.parquet", rows, {"stage": "exhibit"})
    table = read_exhibit(tmp_path / "e.parquet").to_pylist()
    assert [tuple(row.values()) for row in table] == [(arm, *row) for arm, row in rows]
    assert read_provenance(tmp_path / "e.parquet") == {"stage": "exhibit"}
    with pytest.raises(ValueError, match=r"e\.parquet: wanted columns .*; got \['arm', 'seed', "):
        read_observations(tmp_path / "e.parquet")


def test_a_small_file_holds_the_same_numbers_in_fewer_bytes(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    run = rng.normal(size=5000)
    values = np.concatenate([run, run, [np.nan, np.inf, -0.0, 5e-324]])
    at = pa.array([None, *range(len(values) - 1)], pa.float64())
    table = pa.table({"metric": ["loss"] * len(values), "at": at, "value": values})
    for name, write in (
        ("small", lambda path: write_small(path, table)),
        ("plain", lambda p: pq.write_table(table, p)),
    ):
        write(tmp_path / name)
    found = pq.read_table(tmp_path / "small")
    assert found.schema == table.schema and found["metric"] == table["metric"] and found["at"] == table["at"]
    assert found["value"].to_numpy().tobytes() == values.tobytes()
    assert (tmp_path / "small").stat().st_size < 0.6 * (tmp_path / "plain").stat().st_size


def test_no_observations_are_a_table_too(tmp_path):
    write_observations(tmp_path / "none.parquet", [])
    assert read_observations(tmp_path / "none.parquet").num_rows == 0


def test_a_table_of_something_else_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"seed": [1]}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x\.parquet: wanted columns .*; got \['seed'\]"):
        read_observations(tmp_path / "x.parquet")


def test_arrays_come_back_and_have_the_same_bytes_for_the_same_values(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array([1, 2])}
    write_arrays(tmp_path / "one", arrays)
    write_arrays(tmp_path / "two", arrays)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    for name, array in read_arrays(tmp_path / "one").items():
        np.testing.assert_array_equal(array, arrays[name])


def test_snapshots_come_back_by_epoch(tmp_path):
    snapshots = {
        0: ([0, 3], {"1.weight": np.arange(4.0).reshape(2, 2)}),
        2: ([0, 3], {"1.weight": np.zeros((2, 2))}),
        10: ([3], {"1.weight": np.ones((1, 2))}),
    }
    write_snapshots(tmp_path / "x.safetensors", snapshots)
    arrays = read_arrays(tmp_path / "x.safetensors")
    assert arrays.keys() == {f"{epoch}/{name}" for epoch in snapshots for name in ("seeds", "1.weight")}
    assert arrays["10/seeds"].dtype == np.int64
    back = read_snapshots(tmp_path / "x.safetensors")
    assert list(back) == [0, 2, 10]
    for epoch, (seeds, weights) in snapshots.items():
        assert back[epoch][0] == seeds and back[epoch][1].keys() == weights.keys()
        np.testing.assert_array_equal(back[epoch][1]["1.weight"], weights["1.weight"])


def test_no_snapshots_are_a_file_too(tmp_path):
    write_snapshots(tmp_path / "none.safetensors", {})
    assert read_snapshots(tmp_path / "none.safetensors") == {}


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    with pytest.raises(KeyboardInterrupt), atomic(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == '{\n  "old": 1\n}\n'
    assert sorted(p.name for p in tmp_path.iterdir()) == [SEALS, "x.json"]


def test_a_file_is_on_the_disk_and_sealed_before_it_has_its_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "x.json", []
    sync = os.fsync

    def watched(descriptor):
        seen.append((path.exists(), os.fstat(descriptor).st_size))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_json(path, {"a": 1})
    assert seen == [(False, path.stat().st_size)]
    assert path.stat().st_mtime_ns <= (tmp_path / SEALS / "x.json.sha256").stat().st_mtime_ns


def images(n):
    return np.random.default_rng(0).integers(0, 256, (n, 3, 4, 4), dtype=np.uint8)


def test_a_stream_is_the_file_that_safetensors_writes(tmp_path):
    for dtype in (np.uint8, np.float32):
        items, labels = images(5).astype(dtype), np.arange(5)
        others = {"labels": labels, "held_out": np.array(2)}
        write_arrays(tmp_path / "whole", {"images": items, **others})
        write_stream(tmp_path / "stream", others, "images", (item for item in items), 5)
        assert (tmp_path / "whole").read_bytes() == (tmp_path / "stream").read_bytes()


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (images(4), "wanted 5 images; got 4"),
        (images(6), "wanted 5 images; got 6"),
        ([*images(2), np.zeros((3, 4, 5), np.uint8)], r"one kind; got uint8 \(3, 4, 5\) after 2 of uint8 \("),
        ([*images(2), np.zeros((3, 4, 4))], "one kind; got float64"),
    ],
    ids=["few", "many", "shape", "type"],
)
def test_a_stream_that_is_not_as_promised_leaves_nothing(items, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_stream(tmp_path / "x", {"labels": np.arange(5)}, "images", items, 5)
    assert list(tmp_path.iterdir()) == []


def test_data_are_compared_with_what_their_record_says(tmp_path):
    path, digest = tmp_path / "x.safetensors", sha256(b"abc").hexdigest()
    path.write_bytes(b"abc")
    assert data_checksum(path) == digest
    write_json(record_of(path), {"sha256": digest})
    assert data_checksum(path) == digest
    write_json(record_of(path), {"sha256": "0" * 64})
    with pytest.raises(
        Damaged, match=r"x\.safetensors: wanted the file that x\.json describes, .* 0{12}; got "
    ):
        data_checksum(path)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_tensors_are_paged_in_when_they_are_used(tmp_path):
    path, count = tmp_path / "x.safetensors", 64 << 20
    with path.open("wb") as file:  # a hole: takes no room on the disk
        file.write(header({"images": (np.dtype(np.uint8), (count,), count)}))
        file.truncate(file.tell() + count)
    map_tensors(path)  # whatever is imported
    before = resident_mib()
    tensors = map_tensors(path)
    assert resident_mib() - before < 16
    assert int(tensors["images"].sum()) == 0
    assert resident_mib() - before > 48


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:4], lambda b: b""])
def test_a_tensor_file_of_another_size_is_refused(spoil, tmp_path):
    path = tmp_path / "x.safetensors"
    write_arrays(path, {"a": np.arange(4)})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r"x\.safetensors: wanted a whole tensor file; got: "):
        map_tensors(path)


def test_what_is_written_below_this_folder_is_not_named_from_the_root(tmp_path, monkeypatch):
    """The letters of the folders above may be none that the locale has."""
    monkeypatch.chdir(tmp_path)
    with atomic(Path("results/x.txt")) as temporary:
        assert not temporary.is_absolute()
        temporary.write_text("x", encoding="utf-8")
    assert (tmp_path / "results/x.txt").read_text(encoding="utf-8") == "x"
