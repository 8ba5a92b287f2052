"""Devices for jobs that run at once, on a machine whose folder of devices is made up."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from largebatch.cli import leases
from largebatch.cli.leases import VISIBLE, devices, jobs_at_once, leased
from tests.conftest import REPOSITORY
from tests.shared.processes import until


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Four GPUs, and a folder of our own for locks."""
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidia3", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(leases, "DEVICE_FILES", tmp_path)
    monkeypatch.setattr(leases, "WAIT_SECONDS", 0.005)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in (VISIBLE, "SLURM_JOB_ID", "LARGEBATCH_JOBS_PER_GPU"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def forked(work, *arguments):
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process


def hold(folder):
    """A job until `folder` has a file `end`: marks its device as taken, which fails if another one did."""
    with leased("job"):
        mark = folder / f"taken-{os.environ[VISIBLE]}"
        mark.touch(exist_ok=False)
        until((folder / "end").exists)
        with (folder / "used").open("a", encoding="utf-8") as used:
            print(os.environ[VISIBLE], file=used)
        mark.unlink()


@contextmanager
def held_by_another(folder):
    """A job that holds its device until it is killed."""
    process = forked(hold, folder)
    until(lambda: any(folder.glob("taken-*")))
    yield process
    process.kill()
    process.join()


def waiting(folder):
    """A job that ends as soon as it has had a device."""
    (folder / "t").mkdir()
    (folder / "t" / "end").touch()
    return forked(hold, folder / "t")


def test_sixteen_jobs_on_four_devices_are_never_two_on_one(machine):
    jobs = [forked(hold, machine) for _ in range(16)]
    until(lambda: len(list(machine.glob("taken-*"))) == 4)
    (machine / "end").touch()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 16
    used = (machine / "used").read_text(encoding="utf-8").split()
    assert len(used) == 16 and set(used) == {"0", "1", "2", "3"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_job_frees_its_device(machine, monkeypatch, number):
    monkeypatch.setenv(VISIBLE, "2")
    with held_by_another(machine) as job:
        next_one = waiting(machine)
        time.sleep(0.1)
        assert next_one.is_alive()
        os.kill(job.pid, number)
        next_one.join()
    assert next_one.exitcode == 0 and (machine / "t/used").read_text(encoding="utf-8") == "2\n"


def test_who_waits_says_so_once(machine, monkeypatch, capfd):
    monkeypatch.setenv(VISIBLE, "0")
    with held_by_another(machine) as job:
        next_one = waiting(machine)
        time.sleep(0.1)
        job.kill()
        next_one.join()
    assert capfd.readouterr().out == "job: waits for 1 of the GPUs 0\n"


@pytest.mark.parametrize(
    "told, seen",
    [
        (None, ["0", "1", "2", "3"]),
        ("2,3", ["2", "3"]),
        (" 1 , 0", ["1", "0"]),
        ("GPU-8a,MIG-GPU-8a/1/0", ["GPU-8a", "MIG-GPU-8a/1/0"]),
        ("", []),
        ("-1", []),
        ("1,-1,2", ["1"]),
        ("NoDevFiles", []),
    ],
)
def test_the_devices_are_those_that_cuda_would_see(monkeypatch, told, seen):
    if told is not None:
        monkeypatch.setenv(VISIBLE, told)
    assert devices() == seen and jobs_at_once() == len(seen)
    with leased("job"):
        assert os.environ.get(VISIBLE) == (seen[0] if seen else told)
    assert os.environ.get(VISIBLE) == told


def test_without_a_gpu_nothing_is_locked_whatever_is_told(machine, monkeypatch):
    for path in machine.glob("nvidia[0-9]"):
        path.unlink()
    monkeypatch.setenv(VISIBLE, "0")
    with leased("job"), leased("another"):
        assert os.environ[VISIBLE] == "0"
    assert jobs_at_once() == 0 and not list(machine.rglob("*.lock"))


def test_several_jobs_share_a_device_where_told_so_and_spread_first(monkeypatch):
    monkeypatch.setenv(VISIBLE, "1,3")
    monkeypatch.setenv("LARGEBATCH_JOBS_PER_GPU", "2")
    assert jobs_at_once() == 4
    with leases.ExitStack() as held:
        seen = [leases.wait_for(["1", "3"], 1, "job", held) for _ in range(4)]
    assert seen == [["1"], ["3"], ["1"], ["3"]]


def test_a_job_of_several_workers_has_a_device_for_each_or_waits(machine, monkeypatch):
    with held_by_another(machine) as one:
        with leased("job", 3):
            assert os.environ[VISIBLE] == "1,2,3"
        monkeypatch.setattr(leases.time, "sleep", lambda seconds: os.kill(one.pid, signal.SIGKILL))
        with leased("job", 8):  # as many as there are
            assert os.environ[VISIBLE] == "0,1,2,3"


def test_what_torchrun_has_started_takes_no_lease(machine, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with leased("job"), leased("another"):
        assert VISIBLE not in os.environ and not list(machine.rglob("*.lock"))


@pytest.mark.parametrize("told", ["0", "-1", "two", "", "1.5"])
def test_a_wrong_number_of_jobs_is_named(monkeypatch, told):
    monkeypatch.setenv("LARGEBATCH_JOBS_PER_GPU", told)
    with pytest.raises(ValueError, match=rf"LARGEBATCH_JOBS_PER_GPU: wanted .*; got '{told}'"):
        jobs_at_once()


def test_jobs_of_slurm_that_call_their_devices_the_same_do_not_wait_for_each_other(machine, monkeypatch):
    monkeypatch.setenv(VISIBLE, "0")
    with held_by_another(machine):
        monkeypatch.setenv("SLURM_JOB_ID", "17")
        with leased("job"):
            assert os.environ[VISIBLE] == "0"


def test_a_device_is_freed_after_an_error(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0")

    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"^0$"), leased("job"):
            raise RuntimeError(os.environ[VISIBLE])


SEEN = """
import torch
from largebatch.cli.leases import leased

with leased("first"):
    print(torch.cuda.device_count(), torch.ones(1, device="cuda").device)
"""


@pytest.mark.gpu
@pytest.mark.skipif(not any(Path("/dev").glob("nvidia[0-9]*")), reason="no CUDA device")
def test_pytorch_sees_the_device_of_a_job_alone():
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    words = [sys.executable, "-c", SEEN]
    assert subprocess.run(words, env=environment, capture_output=True, check=True).stdout == b"1 cuda:0\n"
