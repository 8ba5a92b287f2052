"""The workers that train an arm together: which share each has, and what they tell each other.

Each holds the weights of all seeds and makes the same updates, on gradients summed over its share of the
batch and then over the workers (Goyal et al. 2017, section 4). They are processes in one group of
torch.distributed.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist

Tensors = list[torch.Tensor]
T = TypeVar("T")  # PEP 695 needs Python 3.12


class Team:
    """What worker `rank` of `size` knows of the others, of whom some are `here`; alone, nothing is sent."""

    def __init__(self, rank: int = 0, size: int = 1, here: int = 1):
        self.rank, self.size, self.here = rank, size, here

    @property
    def is_alone(self) -> bool:
        return self.size == 1

    @property
    def is_first(self) -> bool:
        """Whether this worker is the one that reports and writes."""
        return self.rank == 0

    def share(self, count: int, unit: int = 1) -> slice:
        """This worker's part of so many things in a row, in whole units; the first workers have more."""
        each, more = divmod(-(-count // unit), self.size)
        first = self.rank * each + min(self.rank, more)
        end = first + each + (self.rank < more)
        return slice(min(first * unit, count), min(end * unit, count))

    def summed(self, tensors: Tensors) -> Tensors:
        """Each summed over the workers, to the same bytes for all; of one type."""
        if self.is_alone:
            return tensors
        together = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(together)
        parts = together.split([tensor.numel() for tensor in tensors])
        return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]

    def gathered(self, value: Any) -> list:
        """What each worker has in place of this value, in their order; tensors in it are on the CPU."""
        if self.is_alone:
            return [value]
        found: list = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def totals(self, sums: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
        """Name -> sum over the workers, on this device; one without examples has no names."""
        if self.is_alone:
            return sums
        found: dict[str, torch.Tensor | float] = defaultdict(float)
        for of_worker in self.gathered({name: value.cpu() for name, value in sums.items()}):
            for name, value in of_worker.items():
                found[name] += value.to(device)
        return found

    def in_turn(self, work: Callable[[], T]) -> T:
        """What each gets of this work, which the first worker does before the others."""
        if self.is_first:
            found = work()
        self.from_first(lambda: None)
        return found if self.is_first else work()

    def from_first(self, made: Callable[[], T]) -> T:
        """What the first worker makes; the others wait for it."""
        found = [made() if self.is_first else None]
        if not self.is_alone:
            dist.broadcast_object_list(found, src=0)
        return found[0]


ALONE = Team()
