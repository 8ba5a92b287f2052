"""Workers as processes: several that are started here, or those of torchrun, maybe on several machines.

On a CPU they talk by gloo, on GPUs by NCCL.
"""

import math
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from largebatch import forkserver, progress
from largebatch.training.team import Team

# A worker waits so long for the others before it is an error. That one has died is noticed at once; but the
# first may have to read all of a data set before the others do.
WAIT_SECONDS = 3600.0
# Imported once for all workers.
PRELOADED = ("largebatch.training.train",)


def possible(wanted: int) -> int:
    """How many workers there will be: as torchrun says; else as wanted, if there are GPUs for them."""
    if forkserver.by_torchrun():
        return int(os.environ["WORLD_SIZE"])
    devices = torch.cuda.device_count()
    if not 0 < devices < wanted:
        return wanted
    progress.say(f"wanted {wanted} GPUs, one per worker; got {devices}: goes on with {devices} workers")
    return devices


def run(count: int, work: Callable, arguments: tuple) -> None:
    """work(team, *arguments) by each of so many workers; a ChildProcessError once one has failed."""
    if forkserver.by_torchrun():
        work(member(torch.cuda.is_available(), WAIT_SECONDS, int(os.environ["LOCAL_RANK"])), *arguments)
        dist.destroy_process_group()
    elif count == 1:
        work(Team(), *arguments)
    else:
        start(count, work, arguments, on_gpu=torch.cuda.is_available())


def start(
    count: int,
    work: Callable,
    arguments: tuple,
    *,
    on_gpu: bool,
    wait_seconds: float = WAIT_SECONDS,
    all_seconds: float = math.inf,
    preloaded: Sequence[str] = PRELOADED,
) -> None:
    """Start so many workers here, and end them whatever happens.

    wait_seconds: that each waits for the others at most; all_seconds: until all are done; preloaded: modules.

    They are forks of a server that has imported torch: the job may be a fork itself, with threads, and
    must not be forked again; to start each afresh takes two seconds of CPU time per worker.
    """
    get_context("forkserver").set_forkserver_preload([*preloaded])
    with TemporaryDirectory(prefix="largebatch-") as name:
        folder = Path(name)
        told = (count, folder, on_gpu, wait_seconds, work, arguments)
        running = start_processes(be_one, told, count, join=False, start_method="forkserver").processes
        try:
            wait_for(running, folder / "error", all_seconds)
        finally:
            for process in running:
                process.kill()
                process.join()
                process.close()


def wait_for(processes: list[BaseProcess], error: Path, all_seconds: float) -> None:
    """Until all workers are done; an error once one has failed, or after so many seconds."""
    deadline = time.monotonic() + all_seconds
    while working := [process.sentinel for process in processes if process.exitcode is None]:
        connection.wait(working, timeout=1.0)
        if time.monotonic() > deadline:
            raise TimeoutError(f"wanted workers done in {all_seconds:g} s; got none so far")
        if failed := [(process.exitcode, rank) for rank, process in enumerate(processes) if process.exitcode]:
            code, rank = min(failed)  # one that a signal has ended is the reason why others failed
            reason = f"worker {rank} ended with code {code}"
            if code < 0:
                reason = f"worker {rank} ended by {signal.Signals(-code).name}"
                reason += ", as the system does where memory lacks" * (-code == signal.SIGKILL)
            elif error.exists():
                reason = error.read_text(encoding="utf-8")
            raise ChildProcessError(f"wanted {len(processes)} workers; got {reason}")


def be_one(
    rank: int, count: int, folder: Path, on_gpu: bool, wait_seconds: float, work: Callable, arguments: tuple
) -> None:
    """Be one worker, and say what went wrong if no other has: they fail as soon as one is gone."""
    try:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback())
        store = dist.FileStore(str(folder / "store"), count)
        work(member(on_gpu, wait_seconds, rank, store=store, rank=rank, world_size=count), *arguments)
        dist.destroy_process_group()
    except Exception as error:
        with suppress(FileExistsError), (folder / "error").open("x", encoding="utf-8") as file:
            traceback.print_exc()
            file.write(f"{type(error).__name__} of worker {rank}: {error}")
        raise


def member(on_gpu: bool, wait_seconds: float, place: int, **how: Any) -> Team:
    """Join the group, with the GPU of this place on the machine if any; how: unless torchrun has said."""
    if on_gpu:
        torch.cuda.set_device(place)
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    dist.init_process_group(backend, timeout=timedelta(seconds=wait_seconds), **how)
    size = dist.get_world_size()
    return Team(dist.get_rank(), size, size if how else int(os.environ["LOCAL_WORLD_SIZE"]))


def loopback() -> str:
    """The network interface that leads nowhere else."""
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
