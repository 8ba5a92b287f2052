import numpy as np
import pytest

from largebatch.data.contents import Contents


def counted(images: list[bytes], labels: list[int], held_out: int) -> dict[str, int]:
    """The numbers of copies, by comparing every image with every other."""
    alike = [[i for i, other in enumerate(images) if other == image] for image in images]
    first_held_out = len(images) - held_out
    return {
        "images": sum(group[0] < i for i, group in enumerate(alike)),
        "held_out": sum(group[0] < first_held_out <= i for i, group in enumerate(alike)),
        "other_label": sum(len({labels[j] for j in group}) > 1 for group in alike),
    }


@pytest.mark.parametrize("held_out", [0, 1, 20])
@pytest.mark.parametrize("different", [2, 15, 10_000])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_copies_are_counted_by_what_they_spoil(held_out, different, dtype):
    rng = np.random.default_rng(different)
    images = rng.integers(0, 256, (different, 3, 2, 2)).astype(dtype)[rng.integers(0, different, 60)]
    labels = rng.integers(0, 3, 60)
    seen = Contents()
    np.testing.assert_array_equal(np.stack([*seen.watch("tiny", images)]), images)
    wanted = counted([image.tobytes() for image in images], labels.tolist(), held_out)
    assert seen.copies(labels, held_out) == wanted


def test_pixels_in_another_order_of_memory_are_a_copy():
    rows = np.random.default_rng(0).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    images = [rows.transpose(2, 0, 1), np.ascontiguousarray(rows.transpose(2, 0, 1)), rows.transpose(2, 1, 0)]
    seen = Contents()
    assert len([*seen.watch("tiny", images)]) == 3
    assert seen.copies(np.zeros(3, dtype=int), 0)["images"] == 1


@pytest.mark.parametrize("constant", [[], [0], [1, 2]])
def test_channels_that_never_vary_are_those_of_one_value(constant):
    images = np.full((6, 3, 2, 2), 7, dtype=np.uint8)
    for channel in {0, 1, 2} - set(constant):
        images[-1, channel, 1, 1] = 8
    seen = Contents()
    assert len([*seen.watch("tiny", images)]) == 6
    assert seen.constant == constant


def test_one_colour_is_refused():
    images = np.zeros((6, 3, 2, 2), dtype=np.uint8)
    images[:, 1] = 200
    with pytest.raises(
        ValueError, match=r"^tiny: wanted pixels that vary; got one colour in all of 6 images"
    ):
        list(Contents().watch("tiny", images))
