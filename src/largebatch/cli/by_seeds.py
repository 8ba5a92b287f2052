"""What the long jobs do for some seeds of an arm, side by side in processes of their own where asked.

One seed of a convolution net leaves a GPU idle between its kernels; several processes fill it.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from largebatch import progress
from largebatch.config.spec import Arm
from largebatch.data import splits
from largebatch.data.splits import Dataset
from largebatch.files import Observation, read_arrays, read_json, read_snapshots, read_spec
from largebatch.measures.measure import measure, measure_by_epoch, measure_path
from largebatch.measures.nets import Weights
from largebatch.nets import models
from largebatch.provenance import require_code
from largebatch.training import device, train
from largebatch.training.train import Trained


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
        return list(pool.map(work, parts))


def shared(seeds: list[int], processes: int) -> list[list[int]]:
    """The seeds in as many parts as processes can work on."""
    return [part.tolist() for part in np.array_split(seeds, min(processes, len(seeds)))]


def train_all(
    arm: Arm, seeds: list[int], data: Path, out: Path, threads: int, processes: int, followed: list[str]
) -> Trained:
    """Train every seed; those that train together stay together, so that no number depends on `processes`."""
    parts = [seeds]
    if processes > 1:
        dataset = dataset_for(arm, data, threads)
        parts = train.seed_groups(arm, seeds, dataset, models.initial(arm, seeds[0], dataset))
    return together(side_by_side(partial(train_some, arm, data, out, threads, followed), parts, processes))


def train_some(
    arm: Arm, data: Path, out: Path, threads: int, followed: list[str], seeds: list[int]
) -> Trained:
    dataset = dataset_for(arm, data, threads, training=True)
    checkpoint, report = out / f"checkpoint-{seeds[0]}.bin", progress.EpochLines(out.name)
    return train.train(arm, seeds, dataset, checkpoint, report, followed=followed)


def together(parts: list[Trained]) -> Trained:
    """Several groups of seeds as one."""
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
    name: str, settings: dict, run: Path, data: Path, threads: int, processes: int
) -> list[Observation]:
    """A measure of all seeds of a run."""
    work = partial(measure_some, name, settings, run, data, threads)
    return joined(side_by_side(work, shared(read_spec(run)[1], processes), processes))


def measure_some(
    name: str, settings: dict, run: Path, data: Path, threads: int, seeds: list[int]
) -> list[Observation]:
    arm, there = made_by_this_code(run)
    dataset, base = dataset_for(arm, data, threads), name.removesuffix("_by_epoch")
    if base == name:
        weights = of_seeds(seeds, there, read_arrays(run / "weights.safetensors"))
        return measure(name, settings, arm, seeds, weights, dataset)
    snapshots = {}
    for epoch, (running, weights) in read_snapshots(run / "snapshots.safetensors").items():
        kept = [seed for seed in seeds if seed in running]
        snapshots[epoch] = kept, of_seeds(kept, running, weights)
    return measure_by_epoch(base, settings, arm, snapshots, dataset)


def path_all(
    settings: dict, runs: tuple[Path, Path], data: Path, threads: int, processes: int
) -> list[Observation]:
    """What lies between the minima of two runs, of all their seeds; a ValueError if these differ."""
    (_, seeds), (_, others) = (read_spec(run) for run in runs)
    if seeds != others:
        raise ValueError(f"path: wanted both runs with the same seeds; got {seeds} and {others}")
    work = partial(path_some, settings, runs, data, threads)
    return joined(side_by_side(work, shared(seeds, processes), processes))


def path_some(
    settings: dict, runs: tuple[Path, Path], data: Path, threads: int, seeds: list[int]
) -> list[Observation]:
    arms, theirs = zip(*(made_by_this_code(run) for run in runs), strict=True)
    weights = tuple(
        of_seeds(seeds, there, read_arrays(run / "weights.safetensors"))
        for run, there in zip(runs, theirs, strict=True)
    )
    snapshots = tuple(read_snapshots(run / "snapshots.safetensors") for run in runs)
    return measure_path(arms, seeds, weights, dataset_for(arms[0], data, threads), snapshots, **settings)


def made_by_this_code(run: Path) -> tuple[Arm, list[int]]:
    """The arm and the seeds of a run; Damaged if another version of the code trained it."""
    record = run / "provenance.json"
    require_code(run / "weights.safetensors", read_json(record) if record.is_file() else {}, "train")
    return read_spec(run)


def of_seeds(seeds: list[int], there: list[int], weights: Weights) -> Weights:
    """The weights of some of the seeds that are there."""
    places = [there.index(seed) for seed in seeds]
    return {name: array[places] for name, array in weights.items()}


def joined(parts: Iterable[list]) -> list:
    return [each for part in parts for each in part]
