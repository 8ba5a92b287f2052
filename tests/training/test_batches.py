"""The images of every batch: augmented, gathered."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from largebatch.config.parts import Shuffle
from largebatch.data.splits import Splits
from largebatch.training import batches
from largebatch.training.batches import Batches, by_blocks
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


COUNTS = st.integers(1, 12)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_whole_blocks_are_mixed(number, block_images, blocks, left):
    stream, shuffle = torch.Generator().manual_seed(0), Shuffle(block_images=block_images, blocks=blocks)
    order = by_blocks(number * block_images, shuffle, stream)
    assert sorted(order.tolist()) == list(range(number * block_images))
    for mixed in order.split(blocks * block_images):
        assert set(Counter((mixed // block_images).tolist()).values()) == {block_images}
    assert sorted(by_blocks(left, shuffle, stream).tolist()) == list(range(left))


@pytest.mark.parametrize(
    ("block_images", "blocks", "orders"),
    [(2, 1, 8), (2, 2, 24), (1, 4, 24), (4, 1, 24), (1, 1, 24)],
)
def test_all_orders_of_blocks_and_within_are_equally_likely(block_images, blocks, orders):
    """Of four images; 8: two orders of two blocks, and two of the images of each."""
    stream, shuffle = torch.Generator().manual_seed(1), Shuffle(block_images=block_images, blocks=blocks)
    draws = 4000
    seen = Counter(tuple(by_blocks(4, shuffle, stream).tolist()) for _ in range(draws))
    assert len(seen) == orders
    expected = draws / orders
    chi_square = sum((count - expected) ** 2 / expected for count in seen.values())
    assert chi_square < orders + 5 * (2 * orders) ** 0.5


def test_blocks_are_of_neighbours_in_the_file(dataset):
    """In the order of the data set's rows, not in that in which the training part was drawn."""
    arm = small_arm(shuffle={"block_images": 6, "blocks": 1}, batch_size=6)
    splits = Splits(dataset, [0, 1], arm.data.train, arm.data.validation, arm.data.test)
    found = {}
    splits.shuffled = lambda order: (found.setdefault("rows", splits.rows["train"].gather(1, order)), order)
    list(Batches(arm, [0, 1], splits).of_epoch(6, 8))
    for seed, rows in enumerate(found["rows"]):
        ranked = {row: rank for rank, row in enumerate(splits.rows["train"][seed].sort().values.tolist())}
        for block in rows.split(6):
            first, *others = sorted(ranked[row] for row in block.tolist())
            assert first % 6 == 0 and others == list(range(first + 1, first + 6))


def test_one_pool_of_all_blocks_is_the_plain_shuffle_of_neighbours(dataset):
    """To the images of each epoch: the same number of updates on all of them, in another order."""
    plain, pooled = (
        train(small_arm(batch_size=48, **more), [0], dataset)
        for more in ({}, {"shuffle": {"block_images": 48, "blocks": 1}})
    )
    for name, weights in plain.weights.items():
        assert pooled.weights[name] == pytest.approx(weights, abs=1e-12)
