"""The trained nets that a measure is given, and the observations that it gives back."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from largebatch.config.spec import Arm
from largebatch.data.randomness import generator
from largebatch.data.splits import Dataset, Splits
from largebatch.files import Observation
from largebatch.measures.lanczos import Eigenvalues
from largebatch.measures.landscape import Landscape
from largebatch.nets import models
from largebatch.nets.stack import Stacked, stack

Weights = dict[str, np.ndarray]  # plain name -> (s, ...)

# Weights of so many seeds are measured together: of small nets all, of large ones one after another.
TOGETHER_BYTES = 16 << 20


@dataclass
class Nets:
    """What a measure is given: an arm's nets of some seeds, at given weights, in evaluation mode."""

    arm: Arm
    seeds: list[int]
    weights: Weights
    dataset: Dataset

    def __post_init__(self):
        data = self.arm.data
        self.splits = Splits(self.dataset, self.seeds, data.train, data.validation, data.test)

    def plain(self, index: int) -> torch.nn.Module:
        """The plain net of one seed, in the mode it is built in."""
        net = self.untrained(self.seeds[index]).to(self.dataset.device, self.dataset.dtype)
        # Nothing depends on BatchNorm's counters, which stacked nets do not have, nor is other state kept.
        unkept = {
            name: value
            for name, value in net.state_dict().items()
            if name.endswith("num_batches_tracked") or not isinstance(value, torch.Tensor)
        }
        net.load_state_dict(unkept | {n: torch.as_tensor(w[index]) for n, w in self.weights.items()})
        return net

    def plain_problem(self, index: int, examples: int):
        """Net, images (n, c, h, w) and labels (n,) of one seed, as other libraries want them."""
        images, labels = (part[index] for part in self.examples(examples))
        return self.plain(index).eval(), images, labels

    def untrained(self, seed: int) -> torch.nn.Module:
        """The plain net of one seed with its initial weights, in the mode it is built in."""
        return models.initial(self.arm, seed, self.dataset)

    def stacked(self) -> Stacked:
        """All nets as one module."""
        return stack([self.plain(index) for index in range(len(self.seeds))]).eval()

    def examples(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The first training images (s, n, c, h, w) and labels (s, n): `count`, or all there are."""
        return self.splits.examples(self.splits.rows["train"][:, :count])

    def tested(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The test images (s, n, c, h, w) and labels (s, n)."""
        return self.splits.examples(self.splits.rows["test"])

    def landscape(self, examples: int, dtype: torch.dtype | None = None) -> Landscape:
        """The mean loss on the first training examples as a function of the weights."""
        images, labels = self.examples(examples)
        dtype = dtype or images.dtype
        return Landscape(self.stacked().to(dtype), images.to(dtype), labels, self.arm.loss)

    def streams(self, purpose: str) -> list[torch.Generator]:
        return [generator(seed, purpose) for seed in self.seeds]

    def each(self, value: float) -> torch.Tensor:
        """The same value for every seed; (s,)."""
        return torch.full((len(self.seeds),), float(value), dtype=torch.float64)

    def rows(self, metric: str, at: float | None, values: torch.Tensor) -> Iterator[Observation]:
        """One observation a seed; values: (s,)."""
        for seed, value in zip(self.seeds, values.tolist(), strict=True):
            yield Observation(seed, metric, at, value)

    def known(self, metric: str, found: Eigenvalues) -> torch.Tensor:
        """The eigenvalues (s, k), NaN where one is not known well enough; the job's log then says why."""
        for place, reason in found.reasons.items():
            print(f"{metric} of seed {self.seeds[place]} is left out: {reason}", file=sys.stderr)
        return found.values


def groups_of(seeds: list[int], weights: Weights, dataset: Dataset) -> list[np.ndarray]:
    """The places in `seeds` of those that are measured together."""
    if not seeds:
        return []
    size = sum(w[0].size for w in weights.values()) * dataset.dtype.itemsize
    return np.array_split(np.arange(len(seeds)), -(-len(seeds) // max(1, TOGETHER_BYTES // size)))
