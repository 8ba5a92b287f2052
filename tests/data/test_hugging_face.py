"""Hugging Face datasets on disk; what needs the optional package is skipped without it."""

import sys

import numpy as np
import pytest
from PIL import Image

from largebatch.data.arrays import read
from tests.data.test_arrays import NAMES, PICTURES, VECTORS, N, settings


def test_hugging_face_datasets_on_disk(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "series": datasets.Sequence(datasets.Value("float32")),
            "label": datasets.ClassLabel(names=["ant", "bee"]),
        }
    )
    rows = {"series": VECTORS.astype(np.float32).tolist(), "label": [0, 1] * (N // 2)}
    whole = datasets.Dataset.from_dict(rows, features)
    whole.save_to_disk(tmp_path / "hf")
    found = read(settings(path="hf", x="series"), tmp_path)
    assert np.array_equal(found.x, VECTORS.astype(np.float32)) and found.classes == ["ant", "bee"]
    datasets.DatasetDict({"train": whole, "test": whole.select(range(4))}).save_to_disk(tmp_path / "two")
    assert read(settings(path="two", x="series"), tmp_path).held_out == 4
    with pytest.raises(
        ValueError, match=r"hf: wanted columns x and y; got 'image' and 'label' of \['series', 'label'\]"
    ):
        read(settings(path="hf"), tmp_path)


def test_hugging_face_pictures(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {"image": [Image.fromarray(p.transpose(1, 2, 0)) for p in PICTURES], "label": NAMES.tolist()}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "hf")
    found = read(settings(path="hf"), tmp_path)
    assert np.array_equal(found.x, PICTURES) and found.x.dtype == np.uint8


@pytest.mark.parametrize("missing", [-1, None])
def test_an_example_without_a_label_is_refused(missing, tmp_path):
    datasets = pytest.importorskip("datasets")
    kinds = {"x": datasets.Value("float32"), "label": datasets.ClassLabel(names=["ant", "bee"])}
    rows = {"x": [0.0, 1.0, 2.0], "label": [0, 1, missing]}
    datasets.Dataset.from_dict(rows, datasets.Features(kinds)).save_to_disk(tmp_path / "hf")
    with pytest.raises(ValueError, match=rf"hf: label: wanted labels from 0 to 1; got {missing} in row 2"):
        read(settings(path="hf", x="x"), tmp_path)


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "I;16", "1"])
def test_pictures_that_are_not_8_bits_of_grey_or_rgb_are_refused(mode, tmp_path):
    datasets = pytest.importorskip("datasets")
    pictures = [Image.new(kind, (4, 4)) for kind in ("RGB" if mode in ("P", "RGBA") else "L", mode)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict({"image": pictures, "label": [0, 1]}, features).save_to_disk(tmp_path / "hf")
    with pytest.raises(ValueError, match=rf"hf: image: wanted pictures in grey .*; got '{mode}' in row 1"):
        read(settings(path="hf"), tmp_path)


def test_another_folder_is_refused(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(
        ValueError, match=r"pictures: wanted a folder that datasets\.save_to_disk wrote; got another"
    ):
        read(settings(path="pictures"), tmp_path)


def test_the_package_that_is_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "dataset_info.json").write_text("{}", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        ValueError, match=r"wanted the package datasets \(pip install 'largebatch\[huggingface\]'\)"
    ):
        read(settings(path="."), tmp_path)
