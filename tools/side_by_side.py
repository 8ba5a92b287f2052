"""Run the commands of `largebatch plan` without Snakemake, several at a time, the first named first.

For a GPU that is lent for minutes: at the end of the time everything that runs is stopped, and what is done
stays; the same call goes on from there. Seeds of an arm work side by side, since short kernels leave gaps.

python tools/side_by_side.py --minutes 8 config/cifar10-jpeg.yaml:keskar config/cifar10-small.yaml:goyal,edge
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from largebatch.config.commands import planned
from largebatch.config.registration import register, standings_of
from largebatch.config.study import load_study

CALL = "import sys; from largebatch.cli import main; sys.exit(main(sys.argv[1:]))"
INPUTS = ("--data", "--run", "--start", "--end")
# What is judged and drawn from, and where it comes from; weights and images stay.
KEPT = (
    "*.parquet",
    "spec.json",
    "provenance.json",
    "registered.json",
    "amended.json",
    "data/*.json",
    "*.sha256",
)


@dataclass
class Task:
    """A command. processes: how many it uses."""

    words: list[str]
    processes: int
    started: float = 0.0
    process: subprocess.Popen | None = field(default=None, repr=False)

    def option(self, name: str) -> str | None:
        return self.words[self.words.index(name) + 1] if name in self.words else None

    @property
    def out(self) -> Path:
        return Path(self.option("--out"))

    @property
    def name(self) -> str:
        measure = self.option("--measure") or ""
        place = self.option("--run") or self.option("--out")
        return f"{self.words[0]} {measure} {Path(place).name}"

    @property
    def done(self) -> bool:
        return made(self.out)

    @property
    def ready(self) -> bool:
        return all(made(Path(place)) for place in map(self.option, INPUTS) if place)


def made(place: Path) -> bool:
    """A run is made with its provenance, which is written last; all else is one file."""
    return (place / "provenance.json").is_file() if place.parent.name == "runs" else place.is_file()


def tasks_of(named: str, sources: str | None, processes: int) -> Iterator[Task]:
    """The tasks of config/<scale>.yaml:<experiments>."""
    path, _, experiments = named.partition(":")
    asked = {"experiments": experiments} if experiments else {}
    study = load_study(Path(path), asked | ({"sources": sources} if sources else {}))
    print(*register(standings_of(study)), sep="\n")
    for command in planned(study):
        words = shlex.split(command)[1:]
        # `data` and `exhibit` have nothing to share.
        most = max(study.seeds_of_files.values())
        shares = min(processes, most) if words[0] in ("train", "measure", "path") else 1
        yield Task([*words, "--processes", str(shares)] if shares > 1 else words, shares)


def start(task: Task, logs: Path) -> None:
    """Start its process, or copy the data set if another scale has made the same one."""
    task.started = time.monotonic()
    log = (logs / f"{task.name.replace(' ', '-')[:120]}-{len(list(logs.iterdir()))}.log").open(
        "w", encoding="utf-8"
    )
    task.process = subprocess.Popen(
        [sys.executable, "-c", CALL, *task.words], stdout=log, stderr=log, start_new_session=True
    )


def same_data(task: Task, before: list[Task]) -> Task | None:
    """A task that prepares the same images."""
    if task.words[0] != "data":
        return None
    asked = [word for word in task.words if word != str(task.out)]
    return next((t for t in before if [w for w in t.words if w != str(t.out)] == asked), None)


def run(tasks: list[Task], slots: int, until: float, logs: Path) -> None:
    """Start what is ready while there is room, the first first; stop everything at `until`."""
    waiting, running = [t for t in tasks if not t.done], []
    begin = time.monotonic()
    while (waiting or running) and time.monotonic() < until:
        for task in [t for t in running if t.process.poll() is not None]:
            running.remove(task)
            seconds = time.monotonic() - task.started
            outcome = "done" if task.process.returncode == 0 and task.done else "FAILED"
            now = time.monotonic() - begin
            print(f"{now:5.0f} s  {outcome:6} in {seconds:5.1f} s  {task.name}", flush=True)
        for task in list(waiting):
            twin = same_data(task, tasks[: tasks.index(task)])
            if twin is not None:
                if twin.done:
                    task.out.parent.mkdir(parents=True, exist_ok=True)
                    for ending in (".safetensors", ".json"):
                        shutil.copyfile(twin.out.with_suffix(ending), task.out.with_suffix(ending))
                    waiting.remove(task)
            elif task.ready and sum(t.processes for t in running) + task.processes <= slots:
                waiting.remove(task)
                running.append(task)
                start(task, logs)
        if not running:
            break  # what waits will never be ready
        time.sleep(0.1)
    for task in running:
        os.killpg(task.process.pid, signal.SIGKILL)
        print(f"stopped after {time.monotonic() - task.started:.0f} s: {task.name}")
    print(f"{sum(t.done for t in tasks)} of {len(tasks)} commands are done")


def pack(results: Path, archive: Path) -> None:
    """Everything small below a results folder, in one archive."""
    with tarfile.open(archive, "w:gz") as tar:
        for pattern in KEPT:
            for path in sorted(results.rglob(pattern)):
                tar.add(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scales", nargs="+", help="config/<scale>.yaml or config/<scale>.yaml:<experiments>")
    parser.add_argument("--minutes", type=float, default=8.0, help="When to stop.")
    parser.add_argument("--slots", type=int, default=max(1, (os.cpu_count() or 1) - 1), help="Processes.")
    parser.add_argument("--processes", type=int, default=5, help="Processes for the seeds of an arm.")
    parser.add_argument("--sources", help="The folder with the data sets, in place of the scales' own.")
    parser.add_argument("--pack", type=Path, help="An archive of everything small that was made.")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    os.environ.setdefault("LARGEBATCH_JOBS_PER_GPU", str(given.slots))
    logs = Path("logs/side_by_side")
    logs.mkdir(parents=True, exist_ok=True)
    tasks = [t for named in given.scales for t in tasks_of(named, given.sources, given.processes)]
    run(tasks, given.slots, until, logs)
    if given.pack:
        for scale in {task.out.parts[1] for task in tasks}:
            pack(Path("results", scale), given.pack.with_name(f"{scale}-{given.pack.name}"))


if __name__ == "__main__":
    main()
