"""One GPU for each job: a lock on one of the visible devices, before CUDA starts.

Snakemake counts GPUs and does not choose one. The kernel frees the lock of a job that dies, however it does.
Imports little, since the profile asks it how many there are.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from largebatch import forkserver, progress

VISIBLE = "CUDA_VISIBLE_DEVICES"
WAIT_SECONDS = 0.2
DEVICE_FILES = Path("/dev")


def devices() -> list[str]:
    """The devices that jobs may use, as CUDA_VISIBLE_DEVICES names them; none on a machine without."""
    there = [path.name for path in DEVICE_FILES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    if VISIBLE not in os.environ or not there:
        return [str(number) for number in range(len(there))]
    found = []
    for name in os.environ[VISIBLE].split(","):
        if not re.fullmatch(r"\d+|(GPU|MIG)-.+", name.strip()):
            break  # CUDA too leaves out what stands behind a wrong name
        found.append(name.strip())
    return found


def jobs_per_gpu() -> int:
    """How many jobs share a device."""
    told = os.environ.get("LARGEBATCH_JOBS_PER_GPU", "1")
    if not re.fullmatch(r"[1-9]\d*", told):
        raise ValueError(f"LARGEBATCH_JOBS_PER_GPU: wanted a number of jobs from 1 on; got {told!r}")
    return int(told)


def jobs_at_once() -> int:
    """How many jobs have a device at a time; 0, which is no limit for Snakemake, where there is none."""
    return len(devices()) * jobs_per_gpu()


@contextmanager
def leased(job: str, count: int = 1) -> Iterator[None]:
    """Let this process see so many devices that no other job has, as soon as there are; or all, if fewer.

    What torchrun has started counts the devices of its machine by itself, and takes no lease.
    """
    names = devices()
    if not names or forkserver.by_torchrun():
        yield
        return
    before = os.environ.get(VISIBLE)
    with ExitStack() as held:
        os.environ[VISIBLE] = ",".join(wait_for(names, min(count, len(names)), job, held))
        try:
            yield
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def wait_for(names: list[str], count: int, job: str, held: ExitStack) -> list[str]:
    """So many devices, ours until `held` is closed; all at once, lest two jobs wait for each other."""
    told = False
    while True:
        with ExitStack() as tried:
            got: list[str] = []
            for turn in range(jobs_per_gpu()):  # every device once before one of them twice
                for name in names:
                    if len(got) < count and name not in got and is_locked(name, turn, tried):
                        got.append(name)
            if len(got) == count:
                held.push(tried.pop_all())
                return got
        if not told:
            progress.say(f"{job}: waits for {count} of the GPUs {', '.join(names)}")
            told = True
        time.sleep(WAIT_SECONDS)


def is_locked(name: str, turn: int, held: ExitStack) -> bool:
    """Whether this turn of a device is ours now, until `held` is closed."""
    with suppress(BlockingIOError), ExitStack() as tried:
        lock = tried.enter_context(lock_file(name, turn).open("w", encoding="utf-8"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.push(tried.pop_all())
        return True
    return False


def lock_file(name: str, turn: int) -> Path:
    """What is locked. SLURM may call the devices of two jobs the same, and shares none of them."""
    whose, device = os.environ.get("SLURM_JOB_ID", "all"), re.sub(r"[^-\w]", "_", name)
    return forkserver.own_folder() / f"gpu-{whose}-{device}-{turn}.lock"
