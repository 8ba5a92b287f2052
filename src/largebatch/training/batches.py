"""The batches of an epoch: each seed's training part in its own order, augmented by its own stream."""

import itertools
from collections.abc import Iterator

import torch

from largebatch.config.parts import Shuffle
from largebatch.config.spec import Arm
from largebatch.data.randomness import generator
from largebatch.data.splits import Splits
from largebatch.training.augment import AUGMENTATIONS
from largebatch.training.team import ALONE, Team

# Images gathered at a time: few gathers, little memory.
GATHER_BYTES = 32 << 20


class Batches:
    """The training parts of several seeds, and the streams that shuffle and augment them.

    Each worker of a team draws for whole batches and gathers its own share.
    """

    def __init__(self, arm: Arm, seeds: list[int], splits: Splits, team: Team = ALONE):
        self.arm, self.splits, self.team = arm, splits, team
        self.sides = sides = splits.dataset.shape[1:]
        if arm.augment and len(sides) != 2:
            raise ValueError(f"augment: wanted images (c, h, w); got examples {splits.dataset.shape}")
        if arm.augment and arm.augment.name == "shifts" and arm.augment.pixels >= min(sides):
            raise ValueError(f"augment.pixels below both sides of images {sides}; got {arm.augment.pixels}")
        self.augmentation = AUGMENTATIONS[arm.augment.name] if arm.augment else None
        self.order = [generator(s, "order") for s in seeds]
        self.augment = [generator(s, "augment") for s in seeds]

    def of_epoch(self, size: int, count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(images (s, b, c, h, w), labels (s, b)) of `count` batches of `size` examples, or their shares."""
        train = self.splits.rows["train"]
        order = self._shuffled(train)[:, : size * count]
        drawn = self._drawn(order.shape[1])
        sizes = [min(size, order.shape[1] - first) for first in range(0, order.shape[1], size)]
        if not self.team.is_alone:
            places, sizes = self._shares(sizes)
            order, drawn = order[:, places], None if drawn is None else drawn[:, places]
        at_once = max(1, GATHER_BYTES // (len(order) * max(sizes) * self.splits.dataset.bytes_each))
        end = 0
        for first in range(0, len(sizes), at_once):
            of_block = sizes[first : first + at_once]
            block = slice(end, end := end + sum(of_block))
            images, labels = self.splits.shuffled(order[:, block])
            # The system reads the next ones meanwhile.
            self.splits.read_ahead(order[:, end : end + sum(sizes[first + at_once : first + 2 * at_once])])
            if drawn is not None:
                # splits.shift: what a raw pixel of 0 is once standardised.
                images = self.augmentation.apply(images, drawn[:, block], self.splits.shift)
            yield from zip(images.split(of_block, dim=1), labels.split(of_block, dim=1), strict=True)

    def _shuffled(self, train: torch.Tensor) -> torch.Tensor:
        """Places of an epoch's images in each seed's training part; train: rows (s, m) -> (s, m)."""
        shuffle, examples = self.arm.shuffle, train.shape[1]
        if shuffle is None:
            orders = [torch.randperm(examples, generator=g) for g in self.order]
            return torch.stack(orders).to(train.device)
        orders = [by_blocks(examples, shuffle, g) for g in self.order]
        return train.argsort(dim=1).gather(1, torch.stack(orders).to(train.device))  # neighbours in the file

    def share_of(self, examples: int) -> slice:
        """Which examples of a batch are this worker's."""
        return self.team.share(examples, self.arm.indivisible)

    def _shares(self, sizes: list[int]) -> tuple[torch.Tensor, list[int]]:
        """Places in an epoch of this worker's examples, and how many of each batch they are."""
        shares = [self.share_of(size) for size in sizes]
        begins = itertools.accumulate(sizes, initial=0)
        places = [torch.arange(at + s.start, at + s.stop) for at, s in zip(begins, shares, strict=False)]
        return torch.cat(places).to(self.splits.dataset.device), [s.stop - s.start for s in shares]

    def _drawn(self, count: int) -> torch.Tensor | None:
        """What augmentation draws for the images of an epoch, if the arm has one; (s, count, n).

        Drawn all at once, so that it does not depend on how many images are gathered at a time.
        """
        if self.augmentation is None:
            return None
        options = self.arm.augment.model_dump(exclude={"name"})
        return self.augmentation.draw(self.sides, count, self.augment, **options).to(
            self.splits.dataset.device
        )

    def keep(self, kept: list[int]) -> None:
        """Go on with the seeds of these indices only."""
        self.order, self.augment = ([streams[i] for i in kept] for streams in (self.order, self.augment))


def by_blocks(examples: int, shuffle: Shuffle, stream: torch.Generator) -> torch.Tensor:
    """A random order of so many examples; see config.parts.Shuffle for what is random in it. (examples,)"""
    blocks = torch.arange(examples).split(shuffle.block_images)
    drawn = torch.randperm(len(blocks), generator=stream).tolist()
    mixed = []
    for first in range(0, len(drawn), shuffle.blocks):
        together = torch.cat([blocks[number] for number in drawn[first : first + shuffle.blocks]])
        mixed.append(together[torch.randperm(len(together), generator=stream)])
    return torch.cat(mixed)
