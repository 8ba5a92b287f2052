"""Jobs of the workflow that need torch: each reads, calls one function, writes.

A job imports what it needs itself, so that help does not wait for torch.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from largebatch.cli.leases import leased
from largebatch.cli.parsing import GIVEN, MADE, jobs, needed, out, processes, seeds, some_seeds, threads
from largebatch.config.images import PARTS

if TYPE_CHECKING:
    from largebatch.cli.by_seeds import Share
    from largebatch.training.team import Team

tensors = needed("--data", type=GIVEN, help="The tensor file of the data set.")


def seed_by_seed(job: Callable) -> Callable:
    """A job that writes `out`, of seeds that are not in one of `places`, with its share of the machine.

    It has a device of its own meanwhile, or one for each of its workers.
    """

    @out
    @click.option(
        "--beside",
        type=MADE,
        multiple=True,
        help="Where else it may lie, made by another study: kept from there.",
    )
    @click.option(
        "--anew",
        is_flag=True,
        envvar="LARGEBATCH_ANEW",
        help="Keep nothing that is there.",
        show_envvar=True,
    )
    @threads
    @processes
    @jobs
    @wraps(job)
    def shared_out(
        out: Path, beside: tuple[Path, ...], anew: bool, threads: int, processes: int, jobs: int, **more
    ) -> None:
        from largebatch.cli.by_seeds import Share

        places = () if anew else (out, *beside)
        with leased(out.name, more.get("workers", 1)):
            job(out=out, places=places, share=Share(threads, processes, jobs), **more)

    return shared_out


@click.command()
@needed("--name", help="The name of the data set.")
@needed("--sources", type=MADE, help="The folder in which sources lie or are downloaded to.")
@click.option("--folder", default="null", help="The settings of a folder of images or of arrays as JSON.")
@out
def data(name: str, sources: Path, folder: str, out: Path) -> None:
    """Prepare a data set as one tensor file."""
    from largebatch.cli.bounded import require_bounded
    from largebatch.config.arrays import SOURCE
    from largebatch.data.datasets import prepare

    source = SOURCE.validate_json(folder)
    require_bounded(source, sources, out.parent)
    prepare(name, sources, out, source)


@click.command()
@click.argument("ask", type=GIVEN)
def trial(ask: Path) -> int:
    """Build each net of the user's that the file ASK names, and run one batch through it."""
    from largebatch.files import read_json
    from largebatch.training.trial import mistakes

    found = mistakes(read_json(ask))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


@click.command()
@needed("--settings", help="The arm's chosen settings as JSON.")
@seeds
@tensors
@click.option(
    "--follow",
    type=click.Choice(PARTS),
    multiple=True,
    help="A part that is evaluated along the run; all are at its start and its end.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    help="Processes that train together, each on its share of every batch; torchrun's own number counts.",
)
@seed_by_seed
def train(
    settings: str,
    seeds: list[int],
    data: Path,
    out: Path,
    places: tuple[Path, ...],
    follow: tuple[str, ...],
    workers: int,
    share: "Share",
) -> None:
    """Train those seeds of one arm that are not there."""
    from largebatch.cli.by_seeds import arm_by
    from largebatch.training.workers import possible, run

    count = possible(workers)
    arm_by(count, settings)  # what is wrong with it is said before others start
    if min(count, share.processes) > 1:
        raise ValueError(f"--processes: wanted 1 with several workers; got {share.processes} and {count}")
    run(count, train_by, (settings, seeds, data, out, places, list(follow), share))


def train_by(
    team: "Team",
    settings: str,
    seeds: list[int],
    data: Path,
    out: Path,
    places: tuple[Path, ...],
    follow: list[str],
    share: "Share",
) -> None:
    """What each worker does to train an arm; the first one says and writes what all have."""
    from largebatch import progress
    from largebatch.cli import increments
    from largebatch.cli.by_seeds import arm_by, dataset_for, train_all
    from largebatch.data.splits import absent, absent_in_words
    from largebatch.files import (
        data_checksum,
        write_arrays,
        write_json,
        write_observations,
        write_snapshots,
        write_spec,
    )

    start, share = time.monotonic(), share.of_worker(team)
    arm = arm_by(team.size, settings)
    asked = {"settings": arm.chosen(), "inputs": {data.name: data_checksum(data)}}
    kept = team.from_first(lambda: increments.kept_of_run(places, seeds, asked, follow))
    new = [seed for seed in seeds if not kept or seed not in kept.seeds]
    followed = kept.record["followed"] if kept else follow
    if kept and not new and kept.path == out and increments.is_whole(kept, seeds):
        if team.is_first:
            increments.touch(out / name for name in (*increments.FILES, increments.RECORD))
            progress.say(f"{out.name}: kept, as all its seeds are there")
        return
    # A large file is read whole at first.
    dataset = team.in_turn(lambda: dataset_for(arm, data, share.threads))
    lacking = absent(dataset, seeds, arm.data.train, arm.data.validation, arm.data.test)
    if lacking and team.is_first:
        progress.say(f"{out.name}: {absent_in_words(lacking, seeds)}")
    trained = train_all(arm, new, data, out, share, followed, team) if new else None
    if not team.is_first:
        return
    if kept:
        progress.say(f"{out.name}: {len(kept.seeds)} seeds kept, {len(new)} trained")
        trained = increments.with_run(kept, trained, seeds)
    seconds = time.monotonic() - start
    write_spec(out, arm, seeds)
    write_arrays(out / "weights.safetensors", trained.weights)
    write_snapshots(out / "snapshots.safetensors", trained.snapshots)
    write_observations(out / "history.parquet", trained.history)
    several = {} if team.is_alone else {"workers": team.size}
    record = provenance_of(
        "train", arm.chosen(), data, seconds, parts=arm.parts, absent_labels=lacking, **several
    )
    record |= increments.of_run(out, record, seeds, new, followed, kept)
    write_json(out / "provenance.json", record)
    progress.say(progress.arm_line(out, seconds))


@click.command()
@needed("--measure", "name", help="Which measure.")
@needed("--options", help="Its settings as JSON.")
@needed("--run", type=GIVEN, help="The folder of the run.")
@some_seeds
@tensors
@seed_by_seed
def measure(
    name: str,
    options: str,
    run: Path,
    seeds: list[int] | None,
    data: Path,
    out: Path,
    places: tuple[Path, ...],
    share: "Share",
) -> None:
    """Measure the weights of those seeds of one run that are asked for and were not measured."""
    from largebatch.cli.by_seeds import measure_all
    from largebatch.config.measures import class_of

    settings = json.loads(options)
    asked = {"measure": name, **settings}

    def rows(seeds: list[int]) -> list:
        return measure_all(name, settings, run, data, share, seeds)

    measure_new(rows, asked, {"": run}, seeds, data, out, places, {class_of(name).module})


@click.command()
@needed("--options", help="The settings of paths as JSON.")
@needed("--start", type=GIVEN, help="The folder of the run where it starts.")
@needed("--end", type=GIVEN, help="The folder of the run where it ends.")
@some_seeds
@tensors
@seed_by_seed
def path(
    options: str,
    start: Path,
    end: Path,
    seeds: list[int] | None,
    data: Path,
    out: Path,
    places: tuple[Path, ...],
    share: "Share",
) -> None:
    """Measure between the minima of two runs, of those seeds that are asked for and were not measured."""
    from largebatch.cli.by_seeds import path_all
    from largebatch.files import read_spec

    settings = json.loads(options)
    asked = {"path": [read_spec(run)[0].id for run in (start, end)], **settings}

    def rows(seeds: list[int]) -> list:
        return path_all(settings, (start, end), data, share, seeds)

    runs = {"start/": start, "end/": end}
    measure_new(rows, asked, runs, seeds, data, out, places, set())


def measure_new(
    measured: Callable[[list[int]], list],
    settings: dict,
    runs: Mapping[str, Path],
    some: list[int] | None,
    data: Path,
    out: Path,
    places: tuple[Path, ...],
    parts: set[str],
) -> None:
    """Write what was measured of runs, by a prefix; seeds that one of these places holds are kept.

    some: the seeds to be measured, if not all; each run must have them. parts: those whose code measures,
    beside the parts of the runs' arms.
    """
    from largebatch.cli import increments
    from largebatch.cli.by_seeds import made_by_this_code
    from largebatch.files import data_checksum, write_observations

    start = time.monotonic()
    there = []
    for run in runs.values():  # they are whole, even if all that was measured of them is kept
        arm, has = made_by_this_code(run)
        there.append(has)
        parts |= arm.parts
        increments.digests_of(run)
    seeds = some or there[0]
    for run, has in zip(runs.values(), there, strict=True):
        if not {*seeds} <= {*has} or (some is None and has != seeds):
            raise ValueError(f"{run}: wanted a run with the seeds {seeds}; got {has}")
    inputs = {data.name: data_checksum(data)}
    kept = increments.kept_of_measure(places, runs, seeds, settings, inputs)
    new = [seed for seed in seeds if not kept or seed not in kept.seeds]
    if kept and not new and kept.path == out and increments.is_whole(kept, seeds):
        increments.touch([out])
        return
    rows = measured(new) if new else []
    rows = increments.with_rows(kept, rows, seeds) if kept else rows
    record = provenance_of("measure", settings, data, time.monotonic() - start, runs, parts=parts)
    write_observations(out, rows, record | {"made": increments.groups(record, new, kept)})


@click.command()
@needed("--name", help="Which exhibit.")
@needed("--options", help="Its chosen settings as JSON.")
@seeds
@out
@threads
def exhibit(name: str, options: str, seeds: list[int], out: Path, threads: int) -> None:
    """Make one exhibit, which trains no arm."""
    from largebatch.config.exhibits import ENGINE_PARTS, options_of
    from largebatch.files import write_exhibit
    from largebatch.primer.exhibits import rows_of
    from largebatch.training import device

    start, settings = time.monotonic(), options_of(name, options).model_dump()
    device.prepare(threads)
    rows = rows_of(name, seeds, settings)
    asked, seconds = {"exhibit": name, **settings}, time.monotonic() - start
    write_exhibit(out, rows, provenance_of("exhibit", asked, None, seconds, parts=ENGINE_PARTS))


def provenance_of(
    stage: str, settings: dict, data: Path | None, seconds: float, runs: Mapping[str, Path] = {}, **more
) -> dict:
    """Where the numbers of a job come from that had these data, and runs by a prefix, and took so long."""
    from largebatch.cli.increments import OF_A_RUN
    from largebatch.files import data_checksum
    from largebatch.provenance import provenance
    from largebatch.seals import verified
    from largebatch.training import device

    measured = {"seconds": seconds, "peak_memory_mib": peak_mib(), **more}
    inputs = {data.name: data_checksum(data)} if data else {}
    inputs |= {f"{prefix}{name}": verified(run / name) for prefix, run in runs.items() for name in OF_A_RUN}
    return provenance(stage, settings, inputs, device=device.current(), **measured)


def peak_mib() -> float:
    """Largest resident memory of this process so far; the system counts in bytes on macOS, else in KiB."""
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20)
