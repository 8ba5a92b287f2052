"""What is kept of a run, and of what was measured of it, when other seeds are asked for.

A seed's numbers do not depend on which others train beside it, to rounding. So seeds that are there already
are kept if the same code trained them with the same settings on the same data, and the others join them. A
run's provenance says of its files which seeds they hold, and of each file that was kept from, too: what was
measured of that one holds for the seeds that were kept.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from largebatch.cli.by_seeds import joined, of_seeds, together
from largebatch.config.stages import code_digest
from largebatch.files import (
    Observation,
    read_arrays,
    read_json,
    read_observations,
    read_provenance,
    read_snapshots,
    read_spec,
)
from largebatch.seals import Damaged, verified
from largebatch.training.train import Trained

RECORD = "provenance.json"
# The files of a run; those that are read to measure it come first.
OF_A_RUN = ("spec.json", "weights.safetensors", "snapshots.safetensors")
FILES = (*OF_A_RUN, "history.parquet")
# What a group of seeds that were made together is recorded with.
OF_A_GROUP = ("seconds", "device", "commit", "code", "python", "packages", "machine")


class Kept(NamedTuple):
    """Seeds that need not be made again, where they lie, and the provenance of that."""

    seeds: list[int]
    path: Path
    record: dict


def kept_of_run(
    places: Iterable[Path], seeds: Sequence[int], asked: dict[str, Any], followed: Sequence[str]
) -> Kept | None:
    """What can be kept of the first of these run folders that holds some of the seeds, made as is asked now.

    asked: what the provenance must say, beside the code. followed: the parts that were at least evaluated.
    """
    for run in places:
        try:
            record = read_json(run / RECORD)
            whole = record["files"] == {name: verified(run / name) for name in FILES}
            there = read_spec(run)[1]
        except (OSError, ValueError, KeyError, TypeError, Damaged):
            continue  # not there, from before there were increments, or damaged: trained anew
        as_asked = all(record.get(key) == value for key, value in asked.items())
        as_asked = as_asked and {*followed} <= {*record["followed"]}
        if whole and as_asked and of_this_code(record, "train") and {*there} & {*seeds}:
            return Kept([seed for seed in seeds if seed in there], run, record)
    return None


def kept_of_measure(
    places: Iterable[Path],
    runs: Mapping[str, Path],
    seeds: Sequence[int],
    settings: dict[str, Any],
    data: dict[str, str],
) -> Kept | None:
    """The same of the first of these files that were measured, on these runs: prefix of inputs -> folder.

    data: the digests of the inputs that are no runs.
    """
    for path in places:
        try:
            record = read_provenance(path)
            there = [seeds_in(run, prefix, record["inputs"]) for prefix, run in runs.items()]
            there.append([seed for group in record["made"] for seed in group["seeds"]])
            right = record["settings"] == settings and data.items() <= record["inputs"].items()
        except (OSError, ValueError, KeyError, TypeError, Damaged):
            continue
        kept = [seed for seed in seeds if all(seed in some for some in there)]
        if right and of_this_code(record, "measure") and kept:
            return Kept(kept, path, record)
    return None


def of_this_code(record: dict, stage: str) -> bool:
    """Whether the code that made something is that of now."""
    return record["code"] == code_digest(stage, record.get("parts"))


def seeds_in(run: Path, prefix: str, inputs: dict[str, str]) -> list[int]:
    """The seeds of a run that are as they were in the files with the digests of these inputs."""
    digests = {name: inputs[f"{prefix}{name}"] for name in OF_A_RUN}
    now, *before = read_json(run / RECORD)["held"]
    if now["files"] != digests_of(run):  # another training's files
        return []
    return next((held["seeds"] for held in (now, *before) if held["files"] == digests), [])


def digests_of(run: Path) -> dict[str, str]:
    """The sha256 of the files of a run that are read to measure it; Damaged if one is not whole."""
    return {name: verified(run / name) for name in OF_A_RUN}


def is_whole(kept: Kept, seeds: list[int]) -> bool:
    """Whether what is kept is all that lies there, so that it can stay as it is."""
    return [seed for group in kept.record["made"] for seed in group["seeds"]] == seeds


def of_run(
    run: Path, record: dict, seeds: list[int], new: list[int], followed: list[str], kept: Kept | None
) -> dict:
    """What a run's provenance says beside its record: its files, and which seeds were trained when.

    Its seconds are those that all its seeds took.
    """
    made = groups(record, new, kept)
    return {
        "seeds": seeds,
        "followed": sorted(followed),
        "files": {name: verified(run / name) for name in FILES},
        "held": held_by(run, seeds, kept),
        "made": made,
        "seconds": sum(group["seconds"] for group in made),
    }


def held_by(run: Path, seeds: list[int], kept: Kept | None) -> list[dict]:
    """Which seeds of a run are those of which files: its own, and all those that something was kept from."""
    files = digests_of(run)
    found = [{"files": files, "seeds": seeds}]
    for held in kept.record["held"] if kept else ():
        still = [seed for seed in held["seeds"] if seed in kept.seeds]
        if held["files"] != files and still:
            found.append({"files": held["files"], "seeds": still})
    return found


def groups(record: dict, seeds: list[int], kept: Kept | None) -> list[dict]:
    """Which seeds were made together: when, by which code, on what; those kept as their record says."""
    found = []
    for group in kept.record["made"] if kept else ():
        if still := [seed for seed in group["seeds"] if seed in kept.seeds]:
            share = len(still) / len(group["seeds"])
            found.append(group | {"seeds": still, "seconds": group["seconds"] * share})
    if seeds:
        time = datetime.now(UTC).isoformat(timespec="seconds")
        found.append({"seeds": seeds, "time": time} | {key: record[key] for key in OF_A_GROUP})
    return found


def with_run(kept: Kept | None, new: Trained | None, seeds: list[int]) -> Trained:
    """The kept seeds of a run and those trained now, in this order of seeds."""
    parts = [*([run_of(kept)] if kept else []), *([new] if new else [])]
    whole = together(parts)
    rows: dict[int, list[Observation]] = {seed: [] for seed in seeds}
    for row in whole.history:
        rows[row.seed].append(row)
    snapshots = {}
    for epoch, (there, weights) in whole.snapshots.items():
        still = [seed for seed in seeds if seed in there]
        snapshots[epoch] = still, of_seeds(still, there, weights)
    weights = of_seeds(seeds, whole.seeds, whole.weights)
    return Trained(seeds, weights, joined(rows.values()), snapshots)


def run_of(kept: Kept) -> Trained:
    """What lies in a run's folder, of the seeds that are kept."""
    there, run = read_spec(kept.path)[1], kept.path
    snapshots = {}
    for epoch, (running, weights) in read_snapshots(run / "snapshots.safetensors").items():
        if still := [seed for seed in kept.seeds if seed in running]:
            snapshots[epoch] = still, of_seeds(still, running, weights)
    weights = of_seeds(kept.seeds, there, read_arrays(run / "weights.safetensors"))
    return Trained(kept.seeds, weights, rows_of(run / "history.parquet", kept.seeds), snapshots)


def rows_of(path: Path, seeds: Sequence[int]) -> list[Observation]:
    """The rows of some seeds in a file of observations."""
    rows = (Observation(**row) for row in read_observations(path).to_pylist())
    return [row for row in rows if row.seed in seeds]


def with_rows(kept: Kept | None, new: list[Observation], seeds: list[int]) -> list[Observation]:
    """What was measured of kept seeds and what is new, in the order of the seeds."""
    rows: dict[int, list[Observation]] = {seed: [] for seed in seeds}
    for row in [*(rows_of(kept.path, kept.seeds) if kept else []), *new]:
        rows[row.seed].append(row)
    return joined(rows.values())


def touch(files: Iterable[Path]) -> None:
    """Say of files that they are up to date: they are as they would be made now."""
    for file in files:
        os.utime(file)
