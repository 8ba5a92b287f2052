"""Augmented images against loops over single ones and torchvision; whole runs are in test_train.py."""

import pytest
import torch

from largebatch.data.randomness import generator
from largebatch.training import augment

SHAPES = [(2, 5, 1, 4, 4), (1, 3, 2, 3, 5)]  # (s, b, c, h, w)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def streams(seeds):
    return [generator(seed, "augment") for seed in range(seeds)]


def padded_and_cropped(image, down, right, border):
    """One image (c, h, w) in a wide frame of border (c, 1, 1), seen through a moved window."""
    _, height, width = image.shape
    frame = border.expand(-1, 3 * height, 3 * width).clone()
    frame[:, height : 2 * height, width : 2 * width] = image
    top, left = height - down, width - right
    return frame[:, top : top + height, left : left + width]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shifted_images_are_those_of_a_loop(shape, flip):
    images, border = random(*shape), random(shape[0], 1, shape[2], 1, 1, seed=1)
    drawn = augment.draw_shifts(shape[3:], shape[1], streams(shape[0]), pixels=2, flip=flip)
    moved = augment.shifted(images, drawn, border)
    for index in range(shape[0]):
        for number in range(shape[1]):
            down, right, mirror = drawn[index, number].tolist()
            expected = padded_and_cropped(images[index, number], down, right, border[index, 0])
            assert torch.equal(moved[index, number], expected.flip(-1) if mirror else expected)
    assert len(drawn.flatten(0, 1).unique(dim=0)) > 1


def test_a_shift_of_nothing_leaves_the_image_and_a_flip_mirrors_it():
    images = random(*SHAPES[0])
    drawn = torch.zeros(2, 5, 3, dtype=torch.int64)
    drawn[:, 2, 2] = 1
    moved = augment.shifted(images, drawn, images[:, :1, :, :1, :1])
    assert torch.equal(moved[:, 2], images[:, 2].flip(-1))
    others = [0, 1, 3, 4]
    assert torch.equal(moved[:, others], images[:, others])


def test_shifts_are_uniform_and_of_each_seeds_own_stream():
    seeds = (0, 1)
    shifts = augment.draw_shifts((8, 8), 50_000, streams(2), pixels=2)
    assert not shifts[..., 2].any()
    shifts = shifts[..., :2]
    for index, seed in enumerate(seeds):
        values, counts = shifts[index].unique(return_counts=True)
        assert values.tolist() == [-2, -1, 0, 1, 2]
        torch.testing.assert_close(counts / 1e5, torch.full((5,), 0.2), atol=0.01, rtol=0)
        alone = torch.randint(-2, 3, (50_000, 2), generator=generator(seed, "augment"))
        assert torch.equal(alone, shifts[index])
    assert not torch.equal(shifts[0], shifts[1])
    both = (shifts[0].double() - shifts[0].double().mean(0)).T
    assert abs(torch.corrcoef(both)[0, 1].item()) < 0.02  # height and width move apart


def test_flips_are_of_half_of_the_images_and_leave_the_shifts_as_they_are():
    plain = augment.draw_shifts((8, 8), 50_000, streams(2), pixels=2)
    flipped = augment.draw_shifts((8, 8), 50_000, streams(2), pixels=2, flip=True)
    assert torch.equal(plain[..., :2], flipped[..., :2])
    assert flipped[..., 2].unique().tolist() == [0, 1]
    torch.testing.assert_close(
        flipped[..., 2].double().mean(1), torch.full((2,), 0.5).double(), atol=0.01, rtol=0
    )


@pytest.mark.parametrize("sides", [(8, 8), (28, 28), (5, 40)], ids=str)
def test_crops_lie_inside_the_image(sides):
    top, left, tall, wide, mirror = augment.draw_crops(sides, 20_000, streams(1), low=0.01)[0].unbind(1)
    for start, length, side in ((top, tall, sides[0]), (left, wide, sides[1])):
        assert start.min() == 0
        assert length.min() >= 1
        assert (start + length).max() == side
    assert mirror.unique().tolist() == [0, 1]


def test_crops_are_of_uniform_area_log_uniform_aspect_and_uniform_place():
    """Of an image so large that rounding matters little; the crops so small that none is cut to it."""
    drawn = augment.draw_crops((1000, 1000), 50_000, streams(1), low=0.25)[0].double()
    drawn = drawn[drawn[:, 2] * drawn[:, 3] < 0.7e6]  # a share above 3/4 may be cut
    top, _, tall, wide, _ = drawn.unbind(1)
    share, aspect = tall * wide / 1e6, wide / tall
    assert share.min() == pytest.approx(0.25, abs=0.005)
    quantiles = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    expected = 0.25 + 0.45 * quantiles
    torch.testing.assert_close(share.quantile(quantiles), expected, atol=0.01, rtol=0)
    expected = torch.tensor(4 / 3, dtype=torch.float64) ** (2 * quantiles - 1)
    torch.testing.assert_close(aspect.quantile(quantiles), expected, atol=0.01, rtol=0)
    torch.testing.assert_close((top / (1001 - tall)).quantile(quantiles), quantiles, atol=0.01, rtol=0)


def test_crops_are_of_each_seeds_own_stream():
    together = augment.draw_crops((8, 8), 100, streams(2))
    alone = augment.draw_crops((8, 8), 100, streams(2)[1:])
    assert torch.equal(together[1:], alone)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_crop_of_the_whole_image_leaves_it_or_mirrors_it(shape):
    images = random(*shape)
    box = torch.tensor([0, 0, *shape[3:], 0])
    for mirror, expected in ((0, images), (1, images.flip(-1))):
        box[4] = mirror
        found = augment.cropped(images, box.expand(*shape[:2], 5), None)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("sides", [(8, 8), (9, 14)], ids=str)
def test_crops_are_torchvisions(sides, dtype):
    from torchvision.transforms.v2.functional import horizontal_flip, resized_crop  # late: it takes seconds

    images = random(2, 20, 3, *sides).to(dtype)
    drawn = augment.draw_crops(sides, 20, streams(2))
    found = augment.cropped(images, drawn, None)
    for index in range(2):
        for number in range(20):
            *box, mirror = drawn[index, number].tolist()
            expected = resized_crop(images[index, number], *box, size=list(sides), antialias=False)
            expected = horizontal_flip(expected) if mirror else expected
            tolerance = {torch.float64: 1e-10, torch.float32: 1e-4}[dtype]
            torch.testing.assert_close(found[index, number], expected, atol=tolerance, rtol=0)
