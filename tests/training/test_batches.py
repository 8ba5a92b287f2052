"""The images of every batch: augmented, gathered."""

import pytest

from largebatch.training import batches
from tests.conftest import small_arm
from tests.shared.settings import CROPS
from tests.shared.trained import train


def test_shifts_of_a_whole_image_are_told(dataset):
    with pytest.raises(ValueError, match=r"augment\.pixels below both sides of images \(4, 4\); got 4"):
        train(small_arm(augment={"name": "shifts", "pixels": 4}), [0], dataset)


@pytest.mark.parametrize("augment", [{"name": "shifts", "pixels": 1, "flip": True}, CROPS], ids=str)
def test_augmentation_does_not_depend_on_how_many_images_are_gathered(augment, dataset, monkeypatch):
    arm = small_arm(augment=augment)
    expected = train(arm, [0, 1], dataset)
    monkeypatch.setattr(batches, "GATHER_BYTES", 1)
    one_at_a_time = train(arm, [0, 1], dataset)
    assert one_at_a_time.history == expected.history
