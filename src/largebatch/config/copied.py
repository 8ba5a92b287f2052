"""Runs that Snakemake did not make in this folder: copied from another machine, with times that say nothing.

Of such files it only compares times, so that runs with other seeds, or of other code, would be taken for what
is asked. What a run's provenance says is compared instead, before the first job.
"""

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

from largebatch.config.checking import ConfigError
from largebatch.config.spec import Arm
from largebatch.config.stages import code_digest
from largebatch.config.study import Study

RECORD, LAST = "provenance.json", "history.parquet"
METADATA = Path(".snakemake/metadata")
OLD = (1, 1)  # older than any input


def prepare(study: Study, unfinished: bool = False) -> list[str]:
    """What to say of copied runs; those that are not as asked get a time at which they are made again.

    A ConfigError if one has no provenance, unless a killed run may have left it so. Jobs keep what they can.
    """
    if study.observations == "published" or os.environ.get("LARGEBATCH_OTHER_CODE") == "1":
        return []
    runs, arms = Path("results", study.scale, "runs"), study.arms
    there = [runs / arm for arm in arms if (runs / arm / LAST).is_file()]
    lacking = [run for run in there if not (run / RECORD).is_file()]
    if lacking and not unfinished:
        raise ConfigError(
            "\n".join(
                f"{run}: wanted {RECORD}, which says how it was trained, with which seeds; got none. "
                "Copy it too, or remove the folder to train the run here"
                for run in lacking
            )
        )
    found = []
    for run in (run for run in there if run not in lacking and not known(run / RECORD)):
        last = study.last_seed(study.seeds_of_files[run.name])
        if differs := [*differences(run, arms[run.name], list(range(study.first_seed, last + 1)))]:
            found.append(f"{run}: {'; '.join(differs)}: it trains again, less the seeds that can be kept")
            for file in run.glob("*.*"):
                os.utime(file, OLD)
    return found


def known(path: Path) -> bool:
    """Whether Snakemake knows of a file with which command it was made; then it compares that itself."""
    return (METADATA / urlsafe_b64encode(path.as_posix().encode()).decode()).is_file()


def differences(run: Path, arm: Arm, seeds: list[int]) -> Iterator[str]:
    """What a run's provenance says that is not as asked."""
    try:
        record = json.loads((run / RECORD).read_text(encoding="utf-8"))
        code, there = record["code"], record.get("seeds")
        there = (
            json.loads((run / "spec.json").read_text(encoding="utf-8"))["seeds"] if there is None else there
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"wanted its provenance and seeds; got {error!r}"
        return
    if code != (ours := code_digest("train", arm.parts)):
        yield f"wanted a run by this code, {ours}; got one by {code}"
    if there != seeds:
        yield f"wanted seeds {seeds[0]}-{seeds[-1]}; got {shown(there)}"


def shown(seeds: list[int]) -> str:
    """'0-13', or all of them where they are not in a row."""
    in_a_row = seeds and seeds == [*range(seeds[0], seeds[-1] + 1)]
    return f"{seeds[0]}-{seeds[-1]}" if in_a_row else ", ".join(map(str, seeds))
