import pytest
from pydantic import ValidationError

from largebatch.config.images import Data, Folder, Images, require_parts


@pytest.mark.parametrize(
    ("images", "parts"),
    [(Images(80), (48, 16, 16)), (Images(60, 20), (48, 12, 20)), (Images(60, 20), (60, 0, 1))],
)
def test_parts_may_use_up_all_images(images, parts):
    require_parts("mine", images, *parts)


@pytest.mark.parametrize(
    ("images", "parts", "message"),
    [
        (Images(80), (48, 16, 17), r"train \+ validation \+ test of at most the 80 images of mine; got 81"),
        (Images(60, 20), (48, 13, 20), r"train \+ validation of at most the 60 images of mine; got 61"),
        (Images(60, 20), (48, 12, 21), "test of at most the 20 images held out by mine; got 21"),
    ],
)
def test_more_than_there_are_is_refused(images, parts, message):
    with pytest.raises(ValueError, match=message):
        require_parts("mine", images, *parts)


def test_a_known_data_set_is_checked_at_once_and_a_folder_when_it_is_read():
    with pytest.raises(ValidationError, match="at most the 60000 images of mnist; got 60001"):
        Data(name="mnist", train=60_000, validation=1, test=10_000)
    assert Data(name="mine", train=10**9, test=1).validation == 0


def test_a_square_is_no_larger_than_what_it_is_cut_from():
    with pytest.raises(ValidationError, match="resize"):
        Folder(path="mine", size=224, resize=200)
