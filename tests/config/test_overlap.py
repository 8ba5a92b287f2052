"""Which claims are of seeds that share images, and by how many."""

import pytest

from largebatch.config.overlap import overlaps
from largebatch.config.study import load_study
from tests.conftest import REPOSITORY


def overlaps_of(scale, experiment):
    study = load_study(REPOSITORY / "config" / f"{scale}.yaml", {"experiments": experiment})
    return overlaps(study.experiment(experiment))


def test_every_seed_at_digits_draws_500_images_to_test_and_1024_to_train():
    found = overlaps_of("digits", "keskar")
    assert found["K1"] == 500 / 1024 and set(found.values()) == {500 / 1024}


def test_of_several_arms_the_largest_ratio_counts():
    """W.data compares nets trained on 128 to 1,024 images."""
    found = overlaps_of("digits", "width_and_data")
    assert found["W.data"] == 500 / 128 and found["W.width"] == 500 / 1024


def test_a_path_shares_what_its_ends_share():
    assert overlaps_of("digits", "sharpness")["L.plain"] == 500 / 1024


@pytest.mark.parametrize(
    ("scale", "experiment"), [("digits", "primer"), ("mnist", "keskar"), ("cifar10-small", "keskar")]
)
def test_exhibits_test_parts_of_the_data_set_and_folders_are_left_alone(scale, experiment):
    assert overlaps_of(scale, experiment) == {}
