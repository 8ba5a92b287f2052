"""Anyone's own arrays: what of each kind of file becomes an example, and what is refused."""

import json
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from largebatch.config.arrays import SOURCE, with_name
from largebatch.data.arrays import read
from largebatch.data.datasets import prepare
from largebatch.data.splits import Splits, load
from largebatch.files import read_arrays, read_json
from tests.shared.own import imported, write

N = 12
STREAM = np.random.default_rng(0)
VECTORS, SERIES = STREAM.normal(size=(N, 5)), STREAM.normal(size=(N, 2, 7)).astype(np.float32)
PICTURES = STREAM.integers(256, size=(N, 3, 4, 4), dtype=np.uint8)
NUMBERS, NAMES = np.arange(N) % 3 + 5, np.array(["ant", "bee"] * (N // 2))


def settings(**given):
    return SOURCE.validate_json(json.dumps(with_name(given)))


@pytest.mark.parametrize(
    "x", [VECTORS, SERIES, PICTURES, VECTORS[:, 0], NUMBERS, VECTORS > 0], ids=lambda x: str(x.shape)
)
def test_examples_of_any_shape_are_kept(x, tmp_path):
    np.savez(tmp_path / "a.npz", x=x, y=NAMES)
    found = read(settings(path="a.npz"), tmp_path)
    shape = x.shape[1:] or (1,)
    assert np.array_equal(found.x, x.astype(np.float32).reshape(N, *shape))
    assert found.x.dtype == (np.uint8 if x.dtype == np.uint8 else np.float32)
    assert (
        found.classes == ["ant", "bee"] and found.labels.tolist() == [0, 1] * (N // 2) and found.held_out == 0
    )


def test_labels_may_be_any_whole_numbers(tmp_path):
    np.savez(tmp_path / "a.npz", pixels=SERIES, species=NUMBERS[:, None])
    found = read(settings(path="a.npz", x="pixels", y="species"), tmp_path)
    assert found.classes == ["5", "6", "7"] and np.array_equal(found.labels + 5, NUMBERS)


def test_a_test_file_is_held_out(tmp_path):
    np.savez(tmp_path / "a.npz", x=SERIES, y=NAMES)
    np.savez(tmp_path / "b.npz", x=SERIES[:4] + 1, y=NAMES[:4])
    found = read(settings(path="a.npz", test="b.npz"), tmp_path)
    assert found.held_out == 4 and np.array_equal(found.x[-4:], SERIES[:4] + 1) and len(found.labels) == N + 4


def test_npy_files_are_a_pair(tmp_path):
    np.save(tmp_path / "x.npy", SERIES)
    np.save(tmp_path / "y.npy", NUMBERS)
    found = read(settings(path="x.npy", y="y.npy"), tmp_path)
    assert np.array_equal(found.x, SERIES) and found.classes == ["5", "6", "7"]


def test_the_source_names_every_file_with_its_checksum(tmp_path):
    """Labels and a test file decide on what is learnt, too."""
    for name, numbers in {"x": SERIES, "y": NUMBERS}.items():
        np.save(tmp_path / f"{name}.npy", numbers)
    np.savez(tmp_path / "a.npz", x=SERIES, y=NUMBERS)
    np.savez(tmp_path / "b.npz", x=SERIES[:4], y=NUMBERS[:4])
    for given, names in (
        ({"path": "x.npy", "y": "y.npy"}, ["x.npy", "y.npy"]),
        ({"path": "a.npz", "test": str(tmp_path / "b.npz")}, ["a.npz", "b.npz"]),
    ):
        sums = {name: sha256((tmp_path / name).read_bytes()).hexdigest() for name in names}
        assert read(settings(**given), tmp_path).source["sha256"] == sums


def test_parquet_is_columns_of_numbers_or_one_of_lists(tmp_path):
    columns = {"a": VECTORS[:, 0], "b": NUMBERS, "kind": NAMES, "series": SERIES.tolist()}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = read(settings(path="t.parquet", x=["b", "a"], y="kind"), tmp_path)
    assert np.array_equal(found.x, np.stack([NUMBERS, VECTORS[:, 0]], 1).astype(np.float32))
    assert found.classes == ["ant", "bee"]
    found = read(settings(path="t.parquet", x="series", y="kind"), tmp_path)
    assert np.array_equal(found.x, SERIES)
    pq.write_table(pa.table({"a": VECTORS[:, 0], "b": NUMBERS, "kind": NAMES}), tmp_path / "u.parquet")
    assert read(settings(path="u.parquet", y="kind"), tmp_path).x.shape == (N, 2)


@pytest.mark.parametrize("y", [VECTORS[:, 0], VECTORS[:, :1], VECTORS[:, 1:3], NUMBERS, VECTORS > 0])
def test_targets_are_one_or_several_numbers(y, tmp_path):
    np.savez(tmp_path / "a.npz", x=SERIES, y=y)
    np.save(tmp_path / "x.npy", SERIES)
    np.save(tmp_path / "y.npy", y)
    for given in ({"path": "a.npz"}, {"path": "x.npy", "y": "y.npy"}):
        found = read(settings(**given, targets="numbers"), tmp_path)
        assert np.array_equal(found.labels, y.reshape(N, -1)) and found.labels.dtype == np.float64
        assert found.classes == []


def test_targets_are_columns_of_a_table(tmp_path):
    columns = {"a": VECTORS[:, 0], "b": NUMBERS, "c": VECTORS[:, 2], "d": SERIES[:, 0].tolist()}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    two = read(settings(path="t.parquet", x=["a"], y=["c", "b"], targets="numbers"), tmp_path)
    assert np.array_equal(two.labels, np.stack([VECTORS[:, 2], NUMBERS], 1)) and two.x.shape == (N, 1)
    one = read(settings(path="t.parquet", x="a", y="c", targets="numbers"), tmp_path)
    assert np.array_equal(one.labels, VECTORS[:, [2]])
    lists = read(settings(path="t.parquet", x="a", y="d", targets="numbers"), tmp_path)
    assert np.array_equal(lists.labels, SERIES[:, 0])


def test_a_function_returns_targets(tmp_path):
    text = LOAD.replace("np.arange(count) % 2", "x[:, 0] / 4").replace("np.arange(4) % 2", "x[:4, 0]")
    write(tmp_path, text, "my_data.py")
    found = read(settings(**imported(tmp_path, "my_data.py:load"), targets="numbers"), tmp_path)
    assert found.labels[:3].tolist() == [[0.0], [0.5], [1.0]] and found.held_out == 4


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (SERIES, r"y: wanted one or several numbers for .*, \(n,\) or \(n, k\); got float32 \(12, 2, 7\)"),
        (NAMES, r"y: wanted one or several numbers for each example, .*; got <U3 \(12,\)"),
        (np.where(NUMBERS == 6, np.nan, 1.0), r"y: wanted numbers up to 1e\+15; .* 4 rows, first in row 1"),
        (NUMBERS * 1e20, r"y: wanted numbers up to 1e\+15; got others in 12 rows, first in row 0"),
        (VECTORS[:4], r"wanted as many labels as examples; got 4 and 12"),
        (VECTORS * [1, 0, 1, 0, 1], r"y: wanted numbers that vary; got one and the .* columns \[1, 3\]"),
    ],
    ids=["a series", "texts", "nan", "large", "counts", "constant"],
)
def test_what_are_no_targets_is_refused(y, said, tmp_path):
    np.savez(tmp_path / "a.npz", x=SERIES, y=y)
    with pytest.raises(ValueError, match=said):
        read(settings(path="a.npz", targets="numbers"), tmp_path)


def test_targets_of_both_parts_have_one_shape(tmp_path):
    np.savez(tmp_path / "a.npz", x=SERIES, y=VECTORS)
    np.savez(tmp_path / "b.npz", x=SERIES, y=VECTORS[:, :2])
    with pytest.raises(ValueError, match=r"wanted y of one shape in both parts; got \(5,\) and \(2,\)"):
        read(settings(path="a.npz", test="b.npz", targets="numbers"), tmp_path)


def test_labels_with_a_fraction_are_answered_with_the_word_for_targets(tmp_path):
    np.savez(tmp_path / "a.npz", x=SERIES, y=VECTORS[:, 0])
    with pytest.raises(ValueError, match=r"got float64 \(12,\) \(to learn numbers, say targets: numbers\)$"):
        read(settings(path="a.npz"), tmp_path)


@pytest.mark.parametrize("standardise", [True, False])
def test_targets_reach_a_net_as_the_settings_say(standardise, tmp_path):
    """From a file, through a prepared data set, to each seed's parts."""
    y = 1e6 + 1e3 * VECTORS[:, :2]
    np.savez(tmp_path / "a.npz", x=np.concatenate([SERIES[:6], SERIES[:6]]), y=y)
    given = settings(path="a.npz", targets="numbers", standardise=standardise)
    prepare("mine", tmp_path, path := tmp_path / "mine.safetensors", given)
    record = read_json(tmp_path / "mine.json")
    assert record["targets"] == 2 and record["classes"] == [] and record["copies"]["other_label"] == 12
    splits = Splits(dataset := load(path, torch.float32, torch.device("cpu")), [0, 1], 6, 2, 4)
    assert dataset.outputs == 2 and not dataset.has_classes
    _, targets = splits.examples(splits.rows["test"])
    assert targets.dtype == torch.float32
    for index in range(2):
        of_training, of_test = (y[splits.rows[part][index]] for part in ("train", "test"))
        if standardise:
            of_test = (of_test - of_training.mean(0)) / of_training.std(0)
        np.testing.assert_allclose(targets[index], of_test, rtol=1e-5)


LOAD = """
import numpy as np


def load(count=12):
    x = np.arange(2 * count, dtype=float).reshape(count, 2)
    return x, np.arange(count) % 2, x[:4], np.arange(4) % 2
"""


def test_a_function_returns_arrays(tmp_path):
    write(tmp_path, LOAD, "my_data.py")
    found = read(settings(**imported(tmp_path, "my_data.py:load", count=8)), tmp_path)
    assert found.x.shape == (12, 2) and found.held_out == 4
    assert found.source["options"] == {"count": 8} and len(found.source["digest"]) == 12


def saved(folder, **arrays):
    np.savez(folder / "a.npz", **{"x": VECTORS, "y": NAMES} | arrays)


NAN = VECTORS.copy()
NAN[7, 2] = np.nan
# what is in the file, settings, what is said
MISTAKES = {
    "nothing there": (None, {}, r"a\.npz: wanted \.npz, \.npy, \.parquet, or a folder .*; got nothing there"),
    "another name": (
        {},
        {"x": "pixels"},
        r"a\.npz: wanted arrays \['pixels', 'y'\]; got \['x', 'y'\], no \['pixels'\]",
    ),
    "counts": ({"y": NAMES[:4]}, {}, r"a\.npz: wanted as many labels as examples; got 4 and 12"),
    "not finite": ({"x": NAN}, {}, r"a\.npz: x: wanted finite numbers; got others in 1 rows, first in row 7"),
    "texts": (
        {"x": NAMES},
        {},
        r"a\.npz: x: wanted an array of numbers, one row per example; got <U3 \(12,\)",
    ),
    "one number": (
        {"x": np.array(3.0)},
        {},
        r"x: wanted an array of numbers, one row per example; got float64 \(\)",
    ),
    "none": ({"x": VECTORS[:0], "y": NAMES[:0]}, {}, r"x: wanted examples; got an array of shape \(0, 5\)"),
    "large": ({"x": NUMBERS + 2**30}, {}, r"x: wanted whole numbers up to 16777216, .*; got larger"),
    "labels of several": (
        {"y": VECTORS},
        {},
        r"y: wanted a label for each example, .*; got float64 \(12, 5\)",
    ),
    "labels with a fraction": (
        {"y": VECTORS[:, 0]},
        {},
        r"y: wanted a label for each example, .*; got float64 \(12,\)",
    ),
    "one class": ({"y": NUMBERS * 0}, {}, r"wanted labels of two classes or more; got \[0\]"),
    "objects": (
        {"x": np.array([None] * N)},
        {},
        r"a\.npz: wanted arrays of numbers or texts in NumPy's format \.npz; got",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_wrong_is_said(name, tmp_path):
    arrays, options, said = MISTAKES[name]
    if arrays is not None:
        saved(tmp_path, **arrays)
    with pytest.raises(ValueError, match=said) as caught:
        read(settings(path="a.npz", **options), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.parquet", "a.csv"])
def test_files_that_are_something_else_are_refused(name, tmp_path):
    write(tmp_path, "a,b\n1,2\n", name)
    with pytest.raises(ValueError, match=rf"{name}: wanted .*; got"):
        read(settings(path=name, y=name if name == "a.npy" else None), tmp_path)


def test_parts_of_different_shapes_are_refused(tmp_path):
    saved(tmp_path)
    np.savez(tmp_path / "b.npz", x=SERIES, y=NAMES)
    with pytest.raises(
        ValueError, match=r"wanted examples of one shape in both parts; got \(5,\) and \(2, 7\)"
    ):
        read(settings(path="a.npz", test="b.npz"), tmp_path)


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"a": NAMES, "y": NUMBERS}, {}, r"wanted numbers, .* in column 'a'; got object"),
        ({"a": NUMBERS}, {}, r"wanted columns \['y'\]; got \['a'\]"),
        (
            {"a": [[1], [2, 3]], "y": [0, 1]},
            {},
            r"wanted numbers, or lists of them of one length, in column 'a'",
        ),
    ],
)
def test_columns_that_are_no_numbers_are_refused(columns, options, said, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=said):
        read(settings(path="t.parquet", **options), tmp_path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 3", r"my_data\.py:load: wanted \(x, y\) or \(x, y, x_test, y_test\); got int"),
        ("return 1, 2, 3", "got 3 values"),
    ],
)
def test_a_function_that_returns_something_else_is_refused(body, said, tmp_path):
    write(tmp_path, f"def load():\n    {body}\n", "my_data.py")
    with pytest.raises(ValueError, match=said):
        read(settings(**imported(tmp_path, "my_data.py:load")), tmp_path)


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("x", [VECTORS, SERIES, PICTURES], ids=lambda x: str(x.shape))
def test_each_channel_is_standardised_by_the_training_part_or_left_alone(x, standardise, tmp_path):
    np.savez(tmp_path / "a.npz", x=x, y=NAMES)
    file = tmp_path / "mine.safetensors"
    prepare("mine", tmp_path, file, settings(path="a.npz", standardise=standardise))
    assert read_json(tmp_path / "mine.json")["shape"] == list(x.shape)
    assert ("as_they_are" in read_arrays(file)) == (not standardise)
    splits = Splits(load(file, torch.float64, torch.device("cpu")), [0, 1], 6, 2, 4)
    for seed in (0, 1):
        rows = splits.rows["train"][seed].numpy()
        train = x[rows].astype(np.float32).astype(np.float64)
        over = (0, *range(2, x.ndim))
        if standardise:
            train = (train - train.mean(over, keepdims=True)) / train.std(over, keepdims=True)
        found, labels = (part[seed].numpy() for part in splits.examples(splits.rows["train"]))
        assert np.allclose(found, train, atol=1e-9) and labels.tolist() == [
            int(NAMES[r] == "bee") for r in rows
        ]
