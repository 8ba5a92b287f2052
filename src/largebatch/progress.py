"""Progress lines: arms done and to do, time left, epochs within a long arm."""

import json
import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path

NOTE = ".progress.json"
# Arms that take longer than this print lines while they train.
LONG_SECONDS = 10.0


def begin(scale_folder: Path, costs: dict[str, float]) -> None:
    """Record at the start of a workflow which files it will make, and the expected cost of each.

    costs: file below the scale's folder -> cost, as costs() gives them.
    """
    scale_folder.mkdir(parents=True, exist_ok=True)
    (scale_folder / NOTE).write_text(json.dumps({"costs": costs, "since": time.time()}), encoding="utf-8")


def finished(scale_folder: Path, files: Iterable[str], since: float) -> list[str]:
    """Those of the files that have been made since this time."""
    paths = {file: scale_folder / file for file in files}
    return [file for file, path in paths.items() if path.exists() and path.stat().st_mtime >= since]


def arm_line(run_folder: Path, seconds: float) -> str:
    """The line for a finished run."""
    text = f"trained {run_folder.name} in {seconds:.1f} s"
    note_path = run_folder.parent.parent / NOTE
    if not note_path.exists():
        return text
    try:
        note = json.loads(note_path.read_text(encoding="utf-8"))
        costs, since = note["costs"], note["since"]
    except (ValueError, LookupError, TypeError):  # damaged: only the count of arms is lost
        return text
    done = finished(note_path.parent, costs, since)
    arms, all_arms = (sum(file.endswith(".json") for file in files) for files in (done, costs))
    if not 0 < len(done) < len(costs):
        return f"[{arms}/{all_arms} arms] {text}"
    left = seconds_left(costs, done, time.time() - since)
    return f"[{arms}/{all_arms} arms, about {duration(left)} left] {text}"


def seconds_left(costs: dict[str, float], done: Collection[str], elapsed: float) -> float:
    """Expected seconds for the other files, at the rate so far."""
    worked_off = sum(costs[file] for file in done)
    return elapsed / worked_off * (sum(costs.values()) - worked_off)


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class EpochLines:
    """Prints where an arm goes on, and the progress within a long one now and then."""

    def __init__(self, name: str):
        self.name = name
        self.last = time.monotonic()

    def __call__(self, text: str) -> None:
        if text.startswith("continues") or time.monotonic() - self.last > LONG_SECONDS:
            self.last = time.monotonic()
            say(f"{self.name}: {text}")


def say(text: str) -> None:
    """Print a whole line at once, so that lines of parallel jobs do not mix."""
    os.write(1, f"{text}\n".encode())
