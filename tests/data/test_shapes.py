"""What is known of data sets before they are prepared is what they are."""

import numpy as np
import pytest
from PIL import Image

from largebatch.config.arrays import ArrayFile
from largebatch.config.images import IMAGES, Folder, Images
from largebatch.data import datasets
from largebatch.data.shapes import SHAPES, Known, known


def test_all_data_sets_have_a_shape():
    assert SHAPES.keys() == IMAGES.keys()


def test_digits_are_as_they_are_said_to_be(tmp_path):
    with datasets.opened("digits", tmp_path, None, tmp_path) as found:
        images = Images(len(found.labels))
        assert known("digits", tmp_path) == Known(found.images[0].shape, len(found.classes), images)


@pytest.mark.parametrize(("size", "shape"), [(None, (3, 5, 7)), (4, (3, 4, 4))])
def test_a_folder_is_looked_into(tmp_path, size, shape):
    for name in ("ant", "bee", "cat"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        Image.new("RGB", (7, 5)).save(tmp_path / "mine" / name / "1.png")
    assert known("mine", tmp_path, Folder(path="mine", size=size)) == Known(shape, 3, Images(3))


def test_an_archive_is_not_unpacked(tmp_path):
    (tmp_path / "mine.zip").touch()
    assert known("mine", tmp_path, Folder(path="mine.zip")) is None


def test_arrays_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 2, 5)), y=np.arange(6) % 3)
    assert known("mine", tmp_path, ArrayFile(name="file", path="a.npz")) == Known((2, 5), 3, Images(6))


def test_some_numbers_to_learn_are_known_from_all_over(tmp_path):
    y = np.arange(200.0).reshape(100, 2)
    np.savez(tmp_path / "a.npz", x=np.zeros((100, 5)), y=y)
    found = known("mine", tmp_path, ArrayFile(name="file", path="a.npz", targets="numbers"))
    assert found.shape == (5,) and found.images == Images(100) and found.targets.shape == (16, 2)
    assert np.array_equal(found.targets[[0, -1]], y[[0, -1]]) and np.isin(found.targets[:, 0], y[:, 0]).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.zip", "got nothing there"),
        ("a.npz", "got a file of arrays: name it under arrays, not under folders"),
    ],
)
def test_what_is_no_archive_of_pictures_is_said(name, said, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 2)))
    with pytest.raises(ValueError, match=rf"{name}: wanted a folder, or a whole archive .*; {said}"):
        known("mine", tmp_path, Folder(path=name))
