"""Runs the stages one after another, each by Snakemake on a scale file that follows from those before it.

A scale file that is there is taken as it is: so an interrupted study goes on where it was, and an edited one
does what it says.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from largebatch.advise import final, search
from largebatch.advise.files_of_study import SEARCH, Asked, Stage, require_same, write
from largebatch.advise.plan import (
    LEAST_LEFT,
    SHARES,
    START_SECONDS,
    Budget,
    Speed,
    seconds_for,
    speed_of,
    stages_from,
)

SNAKEFILE = Path(__file__).parents[3] / "Snakefile"
NOT_SHOWN = ("speed", "widened")  # whose figures are not on the page
STAGES: dict[str, Callable[[Asked, Budget], Stage | None]] = {
    "speed": search.speed,
    "range": search.range_,
    "noise": search.noise,
    "grid": search.grid,
    "widened": search.widened,
    "halved": search.halved,
    "advice": final.advice,
}


def run(asked: Asked) -> None:
    """All stages; those that are done cost a look at their files."""
    require_same(asked)
    if not SNAKEFILE.is_file():
        raise ValueError(f"{SNAKEFILE}: wanted the workflow of a checkout of largebatch; got none")
    asked.folder.mkdir(parents=True, exist_ok=True)
    to_do = sum(share for name, share in SHARES.items() if not asked.observations(name).exists())
    end, start = time.monotonic() + 60 * asked.minutes * to_do, START_SECONDS
    with alone_in(asked.folder) as lock:
        for number, name in enumerate(STAGES, 1):
            began, is_new = time.monotonic(), not asked.observations(name).exists()
            if not asked.file(name).exists() and not planned(asked, name, end - began, start):
                continue
            print(f"{number} of {len(STAGES)}, {name}: {asked.file(name)}", flush=True)
            snakemake(asked, name, lock)
            if name == "speed" and is_new:  # hardly any of it is training
                start = time.monotonic() - began


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """Refuse a folder that another call works in; the lock, which ends with the processes that hold it."""
    with (folder / ".lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder}: wanted a folder that no other call works in; got one") from None
        yield file.fileno()


def planned(asked: Asked, name: str, left: float, start: float) -> bool:
    """Write a stage's file, from what those before it found; whether the stage has anything to do."""
    runs = sorted((asked.results / SEARCH / "runs").glob("*/provenance.json"))
    speed = speed_of(path.parent for path in runs) if runs else Speed(0.0, 0.0, 0.0)
    planned_for = 60 * asked.minutes * sum(SHARES[behind] for behind in stages_from(name))
    seconds = seconds_for(name, max(left, LEAST_LEFT * planned_for), asked.cores, start)
    stage = STAGES[name](asked, Budget(seconds, speed))
    if stage is None:
        return False
    write(asked, name, stage, final.question(asked) if name == "advice" else None)
    return True


def snakemake(asked: Asked, name: str, lock: int) -> None:
    """One run of the graph, in the study's folder; the last stage makes all that people read."""
    target = f"results/{SEARCH}/{name}/observations.parquet" if name in NOT_SHOWN else name
    words = [sys.executable, "-m", "snakemake", *([] if name == "advice" else [target])]
    words += ["--snakefile", SNAKEFILE, "--workflow-profile", SNAKEFILE.parent / "profiles" / "default"]
    # Our lock is in the place of Snakemake's, which outlives a process that is killed.
    words += ["--nolock", "--cores", asked.cores, "--configfile", asked.file(name).name]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # jobs call largebatch
    log = asked.folder / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    how = {"cwd": asked.folder, "env": os.environ | {"PATH": path}, "pass_fds": [lock]}
    with (
        log.open("w", encoding="utf-8") as said,
        subprocess.Popen([*map(str, words)], stderr=said, **how) as job,
    ):
        try:
            code = job.wait()
        except KeyboardInterrupt:  # which Snakemake got, too: it ends its jobs first
            job.wait()
            raise
    if code:
        sys.stderr.write(log.read_text(encoding="utf-8"))
        raise ValueError(f"stage {name}: wanted Snakemake to finish; got exit code {code}. {log} says why")
