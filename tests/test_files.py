import numpy as np
import pytest

from largebatch.files import (
    Observation,
    atomic,
    read_arrays,
    read_observations,
    read_snapshots,
    write_arrays,
    write_json,
    write_observations,
    write_snapshots,
)


def test_observations_come_back_as_written(tmp_path):
    rows = [Observation(0, "test_error_percent", 2.5, 1.0), Observation(1, "diverged", None, 0.0)]
    write_observations(tmp_path / "a" / "history.parquet", rows)
    table = read_observations(tmp_path / "a" / "history.parquet").to_pylist()
    assert [tuple(row.values()) for row in table] == [tuple(row) for row in rows]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["history.parquet"]


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
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == '{\n  "old": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
