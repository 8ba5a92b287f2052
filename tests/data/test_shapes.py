"""What is known of data sets before they are prepared is what they are."""

import pytest
from PIL import Image

from largebatch.config.images import IMAGES, Folder
from largebatch.data import datasets
from largebatch.data.shapes import SHAPES, shape_and_classes


def test_all_data_sets_have_a_shape():
    assert SHAPES.keys() == IMAGES.keys()


def test_digits_are_as_they_are_said_to_be(tmp_path):
    with datasets.opened("digits", tmp_path, None, tmp_path) as found:
        assert shape_and_classes("digits", tmp_path) == (found.images[0].shape, len(found.classes))


@pytest.mark.parametrize(("size", "shape"), [(None, (3, 5, 7)), (4, (3, 4, 4))])
def test_a_folder_is_looked_into(tmp_path, size, shape):
    for name in ("ant", "bee", "cat"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        Image.new("RGB", (7, 5)).save(tmp_path / "mine" / name / "1.png")
    assert shape_and_classes("mine", tmp_path, Folder(path="mine", size=size)) == (shape, 3)


def test_an_archive_is_not_unpacked(tmp_path):
    (tmp_path / "mine.zip").touch()
    assert shape_and_classes("mine", tmp_path, Folder(path="mine.zip")) is None
