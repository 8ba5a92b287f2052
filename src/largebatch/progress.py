"""Lines for the person who waits: arms done and to do, time left, epochs within a long arm."""

import json
import logging
import os
import time
from pathlib import Path

NOTE = ".progress.json"
# Arms that take longer than this speak while they train.
LONG_SECONDS = 10.0


def begin(scale_folder: Path, runs: list[str]) -> None:
    """Note at the start of a workflow which runs it will train."""
    scale_folder.mkdir(parents=True, exist_ok=True)
    (scale_folder / NOTE).write_text(json.dumps({"runs": runs, "since": time.time()}), encoding="utf-8")


def hush_scheduler() -> None:
    """Drop the two lines a job that no `quiet` setting of Snakemake drops but the one that drops errors."""
    noise = ("Select jobs to execute", "Execute ")
    logging.getLogger("snakemake.logging").addFilter(lambda record: not record.getMessage().startswith(noise))


def finished(scale_folder: Path, runs: list[str], since: float) -> int:
    """How many of the runs have been trained since then."""
    records = (scale_folder / "runs" / run / "provenance.json" for run in runs)
    return sum(record.exists() and record.stat().st_mtime >= since for record in records)


def arm_line(run_folder: Path, seconds: float) -> str:
    """What to say when a run is done."""
    text = f"trained {run_folder.name} in {seconds:.1f} s"
    note_path = run_folder.parent.parent / NOTE
    if not note_path.exists():
        return text
    note = json.loads(note_path.read_text(encoding="utf-8"))
    done, total = finished(note_path.parent, note["runs"], note["since"]), len(note["runs"])
    if not 0 < done < total:
        return f"[{done}/{total} arms] {text}"
    left = (time.time() - note["since"]) / done * (total - done)
    return f"[{done}/{total} arms, about {duration(left)} left] {text}"


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class EpochLines:
    """Says now and then, within a long arm, how far it is."""

    def __init__(self, name: str):
        self.name = name
        self.last = time.monotonic()

    def __call__(self, text: str) -> None:
        if time.monotonic() - self.last > LONG_SECONDS:
            self.last = time.monotonic()
            say(f"{self.name}: {text}")


def say(text: str) -> None:
    """One whole line on standard output at once, so that jobs side by side do not mix theirs."""
    os.write(1, f"{text}\n".encode())
