"""An arm by several workers, from the command line: here, on two machines in name, and stopped."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from largebatch.cli import main
from largebatch.files import read_arrays, read_json, read_observations
from tests.conftest import SMALL
from tests.shared.processes import ending, until

SETTINGS = SMALL | {"batch_size": 16}
LARGEBATCH = str(Path(sys.executable).with_name("largebatch"))
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    file = folder / "digits.safetensors"
    assert main(["data", "--name", "digits", "--sources", str(folder), "--out", str(file)]) == 0
    return file


def words(data: Path, out: Path, *more: str, **settings) -> list[str]:
    asked = ["train", "--settings", json.dumps(SETTINGS | settings), "--seeds", "2"]
    return [*asked, "--data", str(data), "--out", str(out), *more]


def assert_same_run(one: Path, other: Path) -> None:
    """To rounding."""
    weights, others = (read_arrays(run / "weights.safetensors") for run in (one, other))
    for name in weights:
        np.testing.assert_allclose(weights[name], others[name], rtol=1e-12, atol=1e-12)
    rows, theirs = (read_observations(run / "history.parquet").to_pydict() for run in (one, other))
    assert rows.pop("value") == pytest.approx(theirs.pop("value"), rel=1e-9)
    assert rows == theirs


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory) -> Path:
    """The run of one process."""
    out = tmp_path_factory.mktemp("alone")
    assert main(words(data, out)) == 0
    return out


def test_workers_change_no_number(data, alone, tmp_path):
    assert main(words(data, tmp_path, "--workers", "3")) == 0
    assert_same_run(tmp_path, alone)
    assert read_json(tmp_path / "provenance.json")["workers"] == 3
    assert read_json(tmp_path / "spec.json") == read_json(alone / "spec.json")
    assert not list(tmp_path.glob("checkpoint*"))


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (("--workers", "17"), "--settings: workers of at most 16, for 16 examples; got 17"),
        (("--workers", "2", "--processes", "2"), "--processes: wanted 1 with several workers; got 2 and 2"),
    ],
)
def test_what_cannot_be_shared_is_said_in_one_line(more, wanted, data, tmp_path, capfd):
    assert main(words(data, tmp_path, *more)) == 1
    (said,) = capfd.readouterr().out.splitlines()
    assert said.startswith("largebatch train: ") and all(word in said for word in wanted.split())


def test_a_failure_of_a_worker_is_one_line(data, tmp_path, capfd):
    """The first one cannot write its run."""
    (tmp_path / "file").touch()
    assert main(words(data, tmp_path / "file" / "run", "--workers", "2")) == 1
    said = capfd.readouterr().out.splitlines()
    assert said[-1].startswith("largebatch train: wanted 2 workers; got ") and "of worker 0" in said[-1]


def test_two_machines_in_name(data, alone, tmp_path):
    """Two agents of torchrun, with two workers each."""
    several = ("--nnodes", "2", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-id", "any")
    several += ("--rdzv-endpoint", f"localhost:{free_port()}", "--no-python", LARGEBATCH)
    command = [sys.executable, "-m", "torch.distributed.run", *several, *words(data, tmp_path / "run")]
    with contextlib.ExitStack() as stack:
        agents = [stack.enter_context(ending(subprocess.Popen(command, **PIPES))) for _ in range(2)]
        said = [agent.communicate()[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said
    assert_same_run(tmp_path / "run", alone)
    assert read_json(tmp_path / "run" / "provenance.json")["workers"] == 4
    assert "".join(said).count("trained run") == 1  # the first worker speaks for all


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_job_leaves_no_worker(number, data, tmp_path):
    command = [LARGEBATCH, *words(data, tmp_path, "--workers", "2", epochs=10_000_000)]
    how = PIPES | {"env": os.environ | {"LARGEBATCH_WARM": "0"}}
    # Who started the tests may ignore Ctrl-C, as shells do in the background.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with ending(subprocess.Popen(command, **how, **heeds)) as job:
        until(lambda: len(workers_of(job.pid)) == 2)
        workers = workers_of(job.pid)
        if number == signal.SIGINT:  # a terminal sends it to all of them
            os.killpg(job.pid, number)
        else:
            job.send_signal(number)
        _, log = job.communicate()
    assert job.returncode == 130, log
    assert "Traceback" not in log and "checkpoints are kept" in log
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)


def workers_of(job: int) -> list[psutil.Process]:
    """The forks of the server that a job has started for its workers."""
    return [worker for child in psutil.Process(job).children() for worker in child.children()]
