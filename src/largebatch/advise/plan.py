"""How the minutes are spent: what an update costs, and how many epochs, seeds and examples that leaves."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from largebatch.config.images import Images
from largebatch.files import read_json, read_observations, read_spec

# Stage -> its share of the minutes. What a stage leaves goes to those behind it.
SHARES = {
    "speed": 0.03,
    "range": 0.14,
    "noise": 0.03,
    "grid": 0.2,
    "widened": 0.08,
    "halved": 0.24,
    "advice": 0.28,
}
FIRST_BATCH = 32  # with which rates are tried first; that of the default, too
SEARCH_SEEDS, FINAL_SEEDS = 3, (4, 10)
MOST_EPOCHS = 60
MOST_OF_GRID = 15  # epochs: the grid is about the speed of learning, before nets overfit
LEAST_EXAMPLES, MOST_TESTED = 64, 5000
START_SECONDS = 6.0  # of a stage outside its training, until that has been timed
LEAST_LEFT = 0.25  # of its share, for a stage when others took too long: rather late than of a few examples
USED = 0.8  # share of the cores' time that jobs can use


class Parts(NamedTuple):
    """Examples of each part of the data."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Speed:
    """What a job costs: seconds to start; per update and per example, of one seed."""

    start: float
    update: float
    example: float

    def seconds(self, batch: int, examples: float, seeds: int) -> float:
        """Of so many examples in batches of this size, and each of so many seeds."""
        return self.start + seeds * examples * self.of_one(batch)

    def of_one(self, batch: int) -> float:
        """Of one example of one seed, in a batch of this size."""
        return self.update / batch + self.example


def parts_of(images: Images) -> Parts:
    """Parts of the examples: a fifth to test on, unless the data hold some out, and 15 % to choose by."""
    if images.open < LEAST_EXAMPLES:
        raise ValueError(f"wanted at least {LEAST_EXAMPLES} examples to train on; got {images.open}")
    test = min(images.held_out or images.open // 5, MOST_TESTED)
    left = images.open - (0 if images.held_out else test)
    validation = min(round(0.15 * images.open), MOST_TESTED)
    return Parts(whole_batches(left - validation), validation, test)


def whole_batches(examples: int) -> int:
    """At most so many examples, a whole number of batches at powers of two up to a sixteenth of them."""
    size = 2 ** int(math.log2(max(examples / 16, 1)))
    return examples // size * size


def speed_of(runs: Iterable[Path]) -> Speed:
    """The costs that fit the times of these runs, none of them negative; by relative error."""
    rows, seconds = [], []
    for run in runs:
        arm, seeds = read_spec(run)
        history = read_observations(run / "history.parquet").to_pandas()
        updates = history.loc[history["metric"] == "updates", "value"].max() * len(seeds)
        rows.append([1.0, updates, updates * arm.batch_size])
        seconds.append(read_json(run / "provenance.json")["seconds"])
    found, _ = nnls(np.array(rows) / np.array(seconds)[:, None], np.ones(len(rows)))
    return Speed(*map(float, found))


@dataclass(frozen=True)
class Budget:
    """Seconds for the jobs of a stage, all cores together, and what they cost."""

    seconds: float
    speed: Speed

    def epochs(self, batches: Sequence[float], parts: Parts, seeds: int, least: int = 1) -> tuple[int, Parts]:
        """Epochs that one arm at each of these batches can have, at least `least`; then of fewer examples."""
        left = self.less_starts(len(batches))
        each = seeds * sum(self.speed.of_one(batch) for batch in batches)  # seconds per example
        affordable = left / max(each, 1e-12)
        if affordable >= least * parts.train:
            return int(min(affordable / parts.train, MOST_EPOCHS)), parts
        train = min(parts.train, max(whole_batches(int(affordable / least)), LEAST_EXAMPLES))
        share = train / parts.train
        fewer = (max(round(part * share), LEAST_EXAMPLES) for part in parts[1:])
        return least, Parts(train, *(min(part, few) for part, few in zip(parts[1:], fewer, strict=True)))

    def less_starts(self, jobs: int) -> float:
        """What is left for training; at least half, since fewer examples would not make jobs start faster."""
        return max(self.seconds - jobs * self.speed.start, 0.5 * self.seconds)

    def seeds(self, seconds_of_one: float, arms: int) -> int:
        """How many seeds can train so many arms, which take one seed so long without the start of jobs."""
        return int(np.clip(self.less_starts(arms) / max(seconds_of_one, 1e-9), *FINAL_SEEDS))


def seconds_for(stage: str, left: float, cores: int, start: float = START_SECONDS) -> float:
    """Of `left` seconds by the clock those that the jobs of a stage may use, all cores together.

    start: what each stage takes beside them.
    """
    behind = stages_from(stage)
    share = SHARES[stage] / sum(SHARES[name] for name in behind)
    return max(left - len(behind) * start, 0.1 * left) * share * cores * USED


def stages_from(stage: str) -> list[str]:
    """A stage and those behind it."""
    return [*SHARES][[*SHARES].index(stage) :]


def batches_around(noise: float, train: int) -> list[int]:
    """Powers of two from an eighth of the noise scale to eight times it, within what the examples allow.

    From 4 to a quarter of the examples; at least five of them, if there are so many, and at most seven.
    """
    most = max(int(math.log2(train / 4)), 3)
    middle = round(math.log2(min(max(noise, 4.0), train)))
    low, high = max(2, middle - 3), min(most, middle + 3)
    low, high = max(2, min(low, high - 4)), min(most, max(high, low + 4))
    return [2**power for power in range(low, high + 1)]
