"""What the long jobs do for some seeds of an arm, side by side in processes of their own where asked.

One seed of a convolution net leaves a GPU idle between its kernels; several processes fill it.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from largebatch import progress
from largebatch.cli import memory
from largebatch.cli.estimate import Estimate
from largebatch.config.checking import checked
from largebatch.config.spec import Arm
from largebatch.data import splits
from largebatch.data.splits import Dataset
from largebatch.files import Observation, read_arrays, read_snapshots, read_spec
from largebatch.measures.measure import measure, measure_by_epoch, measure_path
from largebatch.measures.nets import Weights
from largebatch.nets import models
from largebatch.provenance import record_of_run, require_code
from largebatch.training import device, train
from largebatch.training.team import ALONE, Team
from largebatch.training.train import Trained


class Share(NamedTuple):
    """What a job may use: threads, processes for its seeds, and the memory, one part in `jobs`."""

    threads: int = 1
    processes: int = 1
    jobs: int = 1

    def of_each(self, parts: list) -> "Share":
        """What each of its processes may, that work on these parts."""
        return self._replace(jobs=self.jobs * min(self.processes, len(parts)))

    def of_worker(self, team: Team) -> "Share":
        """What each of a job's workers may; on GPUs each has the memory of its own."""
        jobs = self.jobs if torch.cuda.is_available() else self.jobs * team.here
        return self._replace(threads=max(1, self.threads // team.here), jobs=jobs)


def arm_by(workers: int, settings: str) -> Arm:
    """The arm of these settings as JSON; a ConfigError if so many workers cannot share it."""
    return checked(Arm, json.loads(settings) | {"workers": workers}, Path("--settings"))


def dataset_for(arm: Arm, path: Path, threads: int, training: bool = False) -> Dataset:
    """The data set in the precision of the arm's weights on this job's device."""
    tf32 = training and arm.precision == "tf32"
    return splits.load(path, getattr(torch, arm.dtype), device.prepare(threads, tf32))


def side_by_side(work: Callable, parts: list, processes: int) -> list:
    """work(part) of every part, in order; in up to so many processes, or with one in this one."""
    if processes == 1 or len(parts) == 1:
        return [work(part) for part in parts]
    # A process that uses a GPU cannot be forked.
    with ProcessPoolExecutor(min(processes, len(parts)), get_context("spawn")) as pool:
        try:
            return list(pool.map(work, parts))
        except KeyboardInterrupt:  # the pool would wait for all of them
            for process in active_children():
                process.terminate()
            raise


def shared(seeds: list[int], processes: int) -> list[list[int]]:
    """The seeds in as many parts as processes can work on."""
    return [part.tolist() for part in np.array_split(seeds, min(processes, len(seeds)))]


def train_all(
    arm: Arm,
    seeds: list[int],
    data: Path,
    out: Path,
    share: Share,
    followed: list[str],
    team: Team = ALONE,
) -> Trained:
    """Train every seed; those that train together stay together, so that no number depends on processes."""
    parts = [seeds]
    if share.processes > 1:
        dataset = dataset_for(arm, data, share.threads)
        parts = train.seed_groups(arm, seeds, dataset, models.initial(arm, seeds[0], dataset))
    work = partial(train_some, arm, data, out, share.of_each(parts), followed, team)
    return together(side_by_side(work, parts, share.processes))


def train_some(
    arm: Arm, data: Path, out: Path, share: Share, followed: list[str], team: Team, seeds: list[int]
) -> Trained:
    dataset = dataset_for(arm, data, share.threads, training=True)

    def part(some: list[int]) -> Trained:
        report = progress.EpochLines(out.name) if team.is_first else lambda text: None
        checkpoint = out / f"checkpoint-{some[0]}.bin"
        return train.train(arm, some, dataset, checkpoint, report, followed=followed, team=team)

    taken = Estimate(arm, models.initial(arm, seeds[0], dataset), dataset).trained
    most = memory.at_once(taken, len(seeds), memory.room(dataset, share.jobs))
    most = min(team.gathered(most))
    # A worker that lacks memory cannot go on with fewer seeds by itself.
    return together(memory.in_parts(part, seeds, most, halves=team.is_alone))


def together(parts: list[Trained]) -> Trained:
    """Several groups of seeds as one."""
    if len(parts) == 1:
        return parts[0]  # and not a copy of it
    snapshots = {}
    for epoch in sorted({epoch for part in parts for epoch in part.snapshots}):
        seeds, weights = zip(*(p.snapshots[epoch] for p in parts if epoch in p.snapshots), strict=True)
        snapshots[epoch] = joined(seeds), concatenated(weights)
    return Trained(
        joined(part.seeds for part in parts),
        concatenated([part.weights for part in parts]),
        joined(part.history for part in parts),
        snapshots,
    )


def concatenated(parts: Sequence[Weights]) -> Weights:
    return {name: np.concatenate([weights[name] for weights in parts]) for name in parts[0]}


def measure_all(
    name: str, settings: dict, run: Path, data: Path, share: Share, seeds: list[int]
) -> list[Observation]:
    """A measure of some seeds of a run."""
    parts = shared(seeds, share.processes)
    work = partial(measure_some, name, settings, run, data, share.of_each(parts))
    return joined(side_by_side(work, parts, share.processes))


def measure_some(
    name: str, settings: dict, run: Path, data: Path, share: Share, seeds: list[int]
) -> list[Observation]:
    arm, there = made_by_this_code(run)
    dataset, base = dataset_for(arm, data, share.threads), name.removesuffix("_by_epoch")
    file = run / ("weights.safetensors" if base == name else "snapshots.safetensors")
    whole = read_arrays(file) if base == name else read_snapshots(file)

    def part(some: list[int]) -> list[Observation]:
        if base == name:
            return measure(name, settings, arm, some, of_seeds(some, there, whole), dataset)
        snapshots = {}
        for epoch, (running, weights) in whole.items():
            kept = [seed for seed in some if seed in running]
            snapshots[epoch] = kept, of_seeds(kept, running, weights)
        return measure_by_epoch(base, settings, arm, snapshots, dataset)

    snapshots = 1 if base == name else len(whole)
    most = measured_at_once(arm, dataset, seeds, settings, snapshots, share)
    return joined(memory.in_parts(part, seeds, most))


def measured_at_once(
    arm: Arm, dataset: Dataset, seeds: list[int], settings: dict, snapshots: int, share: Share
) -> int:
    """How many of these seeds fit the memory, with so many snapshots of each read."""
    estimate = Estimate(arm, models.initial(arm, seeds[0], dataset), dataset)
    taken = partial(estimate.measured, settings=settings, snapshots=snapshots)
    return memory.at_once(taken, len(seeds), memory.room(dataset, share.jobs))


def path_all(
    settings: dict, runs: tuple[Path, Path], data: Path, share: Share, seeds: list[int]
) -> list[Observation]:
    """What lies between the minima of two runs, of some seeds that both have."""
    parts = shared(seeds, share.processes)
    work = partial(path_some, settings, runs, data, share.of_each(parts))
    return joined(side_by_side(work, parts, share.processes))


def path_some(
    settings: dict, runs: tuple[Path, Path], data: Path, share: Share, seeds: list[int]
) -> list[Observation]:
    arms, theirs = zip(*(made_by_this_code(run) for run in runs), strict=True)
    files = [run / "weights.safetensors" for run in runs]
    whole = [read_arrays(file) for file in files]
    snapshots = tuple(read_snapshots(run / "snapshots.safetensors") for run in runs)
    dataset = dataset_for(arms[0], data, share.threads)

    def part(some: list[int]) -> list[Observation]:
        weights = tuple(of_seeds(some, *ends) for ends in zip(theirs, whole, strict=True))
        return measure_path(arms, some, weights, dataset, snapshots, **settings)

    most = measured_at_once(arms[0], dataset, seeds, settings, 2 + sum(map(len, snapshots)), share)
    return joined(memory.in_parts(part, seeds, most))


def made_by_this_code(run: Path) -> tuple[Arm, list[int]]:
    """The arm and the seeds of a run; Damaged if another version of the code trained it."""
    require_code(run / "weights.safetensors", record_of_run(run), "train")
    return read_spec(run)


def of_seeds(seeds: list[int], there: list[int], weights: Weights) -> Weights:
    """The weights of some of the seeds that are there."""
    places = [there.index(seed) for seed in seeds]
    return {name: array[places] for name, array in weights.items()}


def joined(parts: Iterable[list]) -> list:
    return [each for part in parts for each in part]
