"""Jobs of the workflow that need torch: each reads, calls one function, writes.

A job imports what it needs itself, so that help does not wait for torch.
"""

import json
import resource
import sys
import time
from pathlib import Path

import click

from largebatch.cli.parsing import GIVEN, MADE, needed, out, seeds, threads

tensors = needed("--data", type=GIVEN, help="The tensor file of the data set.")


@click.command()
@needed("--name", help="The name of the data set.")
@needed("--sources", type=MADE, help="The folder in which sources lie or are downloaded to.")
@click.option("--folder", default="null", help="The settings of a folder of images as JSON.")
@out
def data(name: str, sources: Path, folder: str, out: Path) -> None:
    """Prepare a data set as one tensor file."""
    from largebatch.config.images import Folder
    from largebatch.data.datasets import prepare

    prepare(name, sources, out, None if folder == "null" else Folder.model_validate_json(folder))


@click.command()
@needed("--settings", help="The arm's chosen settings as JSON.")
@seeds
@tensors
@needed("--out", type=MADE, help="The folder of the run.")
@threads
def train(settings: str, seeds: int, data: Path, out: Path, threads: int) -> None:
    """Train all seeds of one arm."""
    from largebatch import progress
    from largebatch.config.spec import Arm
    from largebatch.data.splits import absent, absent_in_words
    from largebatch.files import write_arrays, write_json, write_observations, write_snapshots, write_spec
    from largebatch.training import train

    start = time.monotonic()
    arm, all_seeds = Arm.model_validate_json(settings), list(range(seeds))
    dataset = dataset_for(arm, data, threads, tf32=arm.precision == "tf32")
    lacking = absent(dataset, all_seeds, arm.data.train, arm.data.validation, arm.data.test)
    if lacking:
        progress.say(f"{out.name}: {absent_in_words(lacking, all_seeds)}")
    lines = progress.EpochLines(out.name)
    trained = train.train(arm, all_seeds, dataset, out / "checkpoint.pt", lines)
    seconds = time.monotonic() - start
    write_spec(out, arm, all_seeds)
    write_arrays(out / "weights.safetensors", trained.weights)
    write_snapshots(out / "snapshots.safetensors", trained.snapshots)
    write_observations(out / "history.parquet", trained.history)
    record = provenance_of("train", arm.chosen(), data, seconds, absent_labels=lacking)
    write_json(out / "provenance.json", record)
    progress.say(progress.arm_line(out, seconds))


@click.command()
@needed("--measure", "name", help="Which measure.")
@needed("--options", help="Its settings as JSON.")
@needed("--run", type=GIVEN, help="The folder of the run.")
@tensors
@out
@threads
def measure(name: str, options: str, run: Path, data: Path, out: Path, threads: int) -> None:
    """Measure the weights of one run."""
    from largebatch.files import read_arrays, read_snapshots, read_spec, write_observations
    from largebatch.measures.measure import measure, measure_by_epoch

    start, settings = time.monotonic(), json.loads(options)
    arm, seeds = read_spec(run)
    dataset, base = dataset_for(arm, data, threads), name.removesuffix("_by_epoch")
    if base != name:
        rows = measure_by_epoch(base, settings, arm, read_snapshots(run / "snapshots.safetensors"), dataset)
    else:
        rows = measure(name, settings, arm, seeds, read_arrays(run / "weights.safetensors"), dataset)
    write_observations(
        out, rows, provenance_of("measure", {"measure": name, **settings}, data, time.monotonic() - start)
    )


@click.command()
@needed("--options", help="The settings of paths as JSON.")
@needed("--start", type=GIVEN, help="The folder of the run where it starts.")
@needed("--end", type=GIVEN, help="The folder of the run where it ends.")
@tensors
@out
@threads
def path(options: str, start: Path, end: Path, data: Path, out: Path, threads: int) -> None:
    """Measure between the minima of two runs."""
    from largebatch.files import read_arrays, read_snapshots, read_spec, write_observations
    from largebatch.measures.measure import measure_path

    began, settings, runs = time.monotonic(), json.loads(options), (start, end)
    arms, (seeds, others) = zip(*(read_spec(run) for run in runs), strict=True)
    if seeds != others:
        raise ValueError(f"path: wanted both runs with the same seeds; got {seeds} and {others}")
    weights = tuple(read_arrays(run / "weights.safetensors") for run in runs)
    snapshots = tuple(read_snapshots(run / "snapshots.safetensors") for run in runs)
    rows = measure_path(arms, seeds, weights, dataset_for(arms[0], data, threads), snapshots, **settings)
    asked, seconds = {"path": [arm.id for arm in arms], **settings}, time.monotonic() - began
    write_observations(out, rows, provenance_of("measure", asked, data, seconds))


@click.command()
@needed("--name", help="Which exhibit.")
@needed("--options", help="Its chosen settings as JSON.")
@seeds
@out
@threads
def exhibit(name: str, options: str, seeds: int, out: Path, threads: int) -> None:
    """Make one exhibit, which trains no arm."""
    from threadpoolctl import threadpool_limits

    from largebatch.config.exhibits import options_of
    from largebatch.files import write_exhibit
    from largebatch.primer.exhibits import rows_of
    from largebatch.training import device

    start, settings = time.monotonic(), options_of(name, options).model_dump()
    device.prepare(threads)
    with threadpool_limits(threads):  # NumPy's own
        rows = rows_of(name, list(range(seeds)), settings)
    write_exhibit(
        out, rows, provenance_of("exhibit", {"exhibit": name, **settings}, None, time.monotonic() - start)
    )


def dataset_for(arm, path: Path, threads: int, tf32: bool = False):
    """The data set in the precision of the arm's weights on this job's device."""
    import torch

    from largebatch.data import splits
    from largebatch.training import device

    return splits.load(path, getattr(torch, arm.dtype), device.prepare(threads, tf32))


def provenance_of(stage: str, settings: dict, data: Path | None, seconds: float, **more) -> dict:
    """Where the numbers of a job come from that had these data and took so long."""
    from largebatch.files import recorded_checksum
    from largebatch.provenance import provenance
    from largebatch.training import device

    measured = {"seconds": seconds, "peak_memory_mib": peak_mib(), **more}
    inputs = {data.name: recorded_checksum(data)} if data else {}
    return provenance(stage, settings, inputs, device=device.current(), **measured)


def peak_mib() -> float:
    """Largest resident memory of this process so far; the system counts in bytes on macOS, else in KiB."""
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20)
