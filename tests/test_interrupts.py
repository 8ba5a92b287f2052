"""Kills and signals at random moments, of all that runs: whoever goes on gets the same bytes.

A case is known by its seed: LARGEBATCH_FAULTS=<seed> begins there, and tries more of them than a plain run of
the tests; see faults.py.
"""

import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from largebatch.files import write_json
from largebatch.interrupts import clear_partial
from largebatch.training import train as train_module
from tests.conftest import SMALL, small_arm
from tests.shared.faults import TOLD, seeds
from tests.shared.processes import ending
from tests.shared.same import differing
from tests.shared.settings import ADAM, CROPS, EVERYTHING, LARS, SGD
from tests.shared.trained import train
from tests.shared.workspace import Workspace

STUDY = "extends: smoke\nscale: killed\nexperiments: [convex, edge]\n"
CONFIG = "config/killed.yaml"
KILLS = 2  # of each study
LATEST_SECONDS = 0.4  # after a job has begun
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


class Study(Workspace):
    """A study of two experiments, of which runs are killed while they make results/killed."""

    def __init__(self, root: Path):
        super().__init__(root)
        (self.root / CONFIG).write_text(STUDY, encoding="utf-8")
        # a checkpoint each epoch: such arms are trained in a second
        train = self.root / "src/largebatch/training/train.py"
        text = train.read_text(encoding="utf-8")
        assert "CHECKPOINT_SECONDS = 60.0" in text
        train.write_text(
            text.replace("CHECKPOINT_SECONDS = 60.0", "CHECKPOINT_SECONDS = 0.0"), encoding="utf-8"
        )
        self.results, self.logs = self.root / "results/killed", self.root / "logs/killed"
        self.whole = root / "whole"
        code, output = self.snakemake(configfile=CONFIG)
        assert code == 0, output
        self.results.rename(self.whole)
        self.jobs = self.begun()

    def begun(self) -> list[str]:
        """The logs of jobs that have begun."""
        logs = (path for path in self.logs.rglob("*.log"))
        return sorted(path.relative_to(self.logs).as_posix() for path in logs)

    def clear(self) -> None:
        for folder in (self.results, self.logs):
            shutil.rmtree(folder, ignore_errors=True)

    def go_on(self, *words: str) -> None:
        """Finish what was stopped, as its message says: where a lock was left, remove it first."""
        code, output = self.snakemake(*words, configfile=CONFIG)
        if told := re.search(r"If none runs, remove it: snakemake (--unlock .*)", output):
            assert code == 1 and "LockException" not in output, output
            code, output = self.snakemake(*told[1].split(), configfile=None)
            assert code == 0, output
            code, output = self.snakemake(*words, configfile=CONFIG)
        assert code == 0, output

    def stop(self, chosen: random.Random, turn: int | None) -> str:
        """Start a run, send one signal at a random moment to one of its parts; what was done."""
        number, whom = chosen.choice(SIGNALS), chosen.choice(["snakemake", "all", "jobs", "servers"])
        left = [job for job in self.jobs if job not in self.begun()]
        stages = sorted({job.split("/")[0] for job in left})
        stages += ["start"] * (whom in ("snakemake", "all"))
        # the first of each case in turn, so that every stage has its kill
        stage = stages[turn % len(stages)] if turn is not None else chosen.choice(stages)
        job = chosen.choice([job for job in left if job.split("/")[0] == stage] or [""])
        waits = chosen.uniform(0.0, LATEST_SECONDS) if job else chosen.uniform(0.5, 4.0)
        if self.locked():
            self.snakemake("--unlock", configfile=CONFIG)
        process = self.start(configfile=CONFIG)
        with ending(process):
            while job and not (self.logs / job).exists() and process.poll() is None:
                time.sleep(0.005)
            time.sleep(waits)
            hit = process.poll() is None and send(number, whom, process.pid, self.environment["TMPDIR"])
            output = process.communicate()[0]
        what = f"{number.name} to {whom}, {waits:.2f} s into {job or 'the start'}: code {process.returncode}"
        if hit and whom in ("snakemake", "all") and number != signal.SIGKILL:
            told_in_one_line(process.returncode, output, what)
        return what if hit else f"ended before {what}"

    def is_done(self) -> bool:
        return self.begun() == self.jobs

    def locked(self) -> bool:
        return any((self.root / ".snakemake/locks").glob("*"))


def send(number: int, whom: str, pid: int, temporary: str) -> bool:
    """Send a signal to a run's Snakemake, to all its session, to its jobs, or to the servers of forks."""
    if whom == "all":
        os.killpg(pid, number)
        return True
    if whom == "snakemake":
        os.kill(pid, number)
        return True
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") != temporary:
                continue
            words = process.cmdline()
        except psutil.Error:
            continue
        server = "largebatch.forkserver" in words
        if server if whom == "servers" else any(word.endswith("/largebatch") for word in words):
            found.append(process)
    for process in found:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue
    return bool(found)


def told_in_one_line(code: int, output: str, what: str) -> None:
    """A stopped run says what is kept and how to go on, and nothing of exceptions."""
    if code == 0:
        return  # it was done
    assert code in (130, -number_of(what)), (what, output)
    for noise in ("Traceback", "Exception", "Error", "A job failed"):
        assert noise not in output, (what, output)
    assert output.count("Stopped. Kept: the finished files in results/killed, with ") <= 1, output
    if "the start" not in what:
        assert output.rstrip().endswith("The same command goes on from there"), (what, output)


def number_of(what: str) -> int:
    return signal.Signals[what.split()[0]]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = Study(tmp_path_factory.mktemp("k"))
    yield made
    made.end()


@pytest.mark.parametrize("seed", seeds(quick=2, full=14))
def test_a_study_that_was_killed_goes_on_to_the_same_bytes(study, seed):
    study.clear()
    chosen = random.Random(seed)
    kills = 0
    while kills < KILLS:
        what = study.stop(chosen, None if kills else seed)
        kills += not what.startswith("ended")
        TOLD.append(f"seed {seed}: {what}")
        if study.is_done():
            break
    study.go_on()
    assert differing(study.results, study.whole) == []


# Every optimiser and every mitigation, with what else changes an update.
ARMS = [
    {"optimiser": SGD, "clip_norm": 0.5, "weight_decay": 1e-3, "schedule": {"name": "cosine"}},
    {"optimiser": ADAM, "augment": CROPS, "snapshots_at_epochs": [0, 4, 20]},
    {
        "optimiser": LARS,
        "warmup": {"kind": "gradual", "epochs": 2.0, "start": 0.5},
        "goal": {"error_percent": 1.0},
    },
    EVERYTHING | {"optimiser": SGD, "model": SMALL["model"] | {"dropout": 0.3}},
    EVERYTHING | {"optimiser": ADAM, "micro_batch_size": 4},
    {"optimiser": LARS, "gradient_penalty": {"strength": 0.5}},
    {
        **{"model": SMALL["model"] | {"batch_norm": True}, "batch_size": 16, "ghost_batch_size": 4},
        "schedule": {"name": "batch_growth", "at": [0.5], "factor": 2.0},
    },
    {"stop": {"patience_epochs": 6, "floor_nats": 0.1}, "lr": 0.3},
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork of a process with threads, which sleep
@pytest.mark.parametrize("settings", ARMS, ids=str)
@pytest.mark.parametrize("seed", seeds(quick=1, full=5))
def test_an_arm_that_was_killed_goes_on_to_the_same_bytes(seed, settings, dataset, tmp_path, monkeypatch):
    arm, own, chosen = small_arm(**{"epochs": 20} | settings), [0, 1, 2], random.Random(seed)
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    began = time.monotonic()
    expected = train(arm, own, dataset, tmp_path / "other")
    lasts, checkpoint = time.monotonic() - began, tmp_path / "checkpoint-0.bin"
    for _ in range(3):
        child = os.fork()
        if child == 0:
            train(arm, own, dataset, checkpoint)
            os._exit(0)
        time.sleep(chosen.uniform(0.0, lasts))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    trained = train(arm, own, dataset, checkpoint)
    assert trained.history == expected.history
    assert_same(trained.weights, expected.weights)
    assert trained.snapshots.keys() == expected.snapshots.keys()
    for epoch, (there, weights) in expected.snapshots.items():
        assert trained.snapshots[epoch][0] == there
        assert_same(trained.snapshots[epoch][1], weights)


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    made = Study(tmp_path_factory.mktemp("e"))
    yield made
    made.end()


def test_neither_cores_nor_order_nor_folder_change_a_byte(study, elsewhere):
    """On one core, the second experiment first, in another folder."""
    elsewhere.clear()
    code, output = elsewhere.snakemake("--cores", "1", "edge", configfile=CONFIG)
    assert code == 0, output
    elsewhere.go_on("--cores", "1")
    of_one = {"edge/claims.csv", "edge/claims.json", "edge/statements.csv", "edge/robustness.csv"}
    of_one |= {"edge/single_changes.csv"}
    assert {*differing(elsewhere.results, study.whole)} == of_one


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    write_json(tmp_path / "runs/x.json", {})
    left = tmp_path / "runs/.partial-abc"
    left.mkdir()
    (left / "y.json").write_text("half", encoding="utf-8")
    clear_partial(tmp_path)
    assert not left.exists() and (tmp_path / "runs/x.json").read_text(encoding="utf-8") == "{}\n"
    clear_partial(tmp_path / "absent")
