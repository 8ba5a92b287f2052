"""Seeds in parts, where all at once would not fit the memory; and in halves, where they turn out not to.

By seeds and not by batch: a seed's numbers do not depend on its company, to rounding.
"""

import contextlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import torch

from largebatch import progress
from largebatch.data.splits import Dataset

T = TypeVar("T")  # PEP 695 needs Python 3.12
# What is left to the system, to other jobs' code, and to our estimates.
USED = 0.8
# What a job takes before it begins.
IMPORTS = 600 << 20
CGROUP = Path("/sys/fs/cgroup")


def limit(device: torch.device) -> int:
    """Bytes of the device, or of the machine and its cgroups: whatever is least."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return min([psutil.virtual_memory().total, *of_cgroups(Path("/proc/self/cgroup"), CGROUP)])


def of_cgroups(named: Path, mounted: Path) -> Iterator[int]:
    """The limits of the groups that a process is in, and of those around them; version 1 and 2."""
    lines = named.read_text(encoding="utf-8").splitlines() if named.is_file() else []
    for line in lines:
        _, kind, place = line.split(":", 2)
        root, name = (mounted / "memory", "memory.limit_in_bytes") if kind else (mounted, "memory.max")
        if kind and "memory" not in kind.split(","):
            continue
        folder = root / place.lstrip("/")
        for each in (folder, *folder.parents):
            with contextlib.suppress(OSError, ValueError):  # no such group here, or "max"
                yield int((each / name).read_text(encoding="utf-8"))
            if each == root:
                break


def room(dataset: Dataset, jobs: int) -> int:
    """Bytes that a job may take beyond imports and data, where so many jobs share the device's memory."""
    shared = USED * limit(dataset.device) / jobs - IMPORTS
    if dataset.images.is_cuda:
        return int(shared - dataset.images.nbytes / jobs)
    return int(min([shared, *(USED * (most - used) for most, used in of_process())]))


def of_process() -> Iterator[tuple[int, int]]:
    """The limits of this process alone, and what of each is used."""
    used = psutil.Process().memory_info()
    for name, what in (("RLIMIT_AS", "vms"), ("RLIMIT_DATA", "data")):
        most, _ = resource.getrlimit(getattr(resource, name))
        if most != resource.RLIM_INFINITY:
            yield most, getattr(used, what, 0)


def at_once(taken: Callable[[int], int], seeds: int, room: int) -> int:
    """How many of the seeds fit, in parts as even as can be; taken: bytes that so many take."""
    for parts in range(1, seeds + 1):
        if taken(most := -(-seeds // parts)) <= room:
            return most
    one = f"one seed takes some {taken(1) >> 20} MiB beyond imports and data"
    progress.say(f"wanted memory for one seed at a time; got {room >> 20} MiB for this job, and {one}")
    return 1


def in_parts(work: Callable[[list[int]], T], seeds: list[int], most: int, halves: bool = True) -> list[T]:
    """work(some seeds), for at most so many at a time; in halves where the memory is full nevertheless."""
    parts = [part.tolist() for part in np.array_split(seeds, -(-len(seeds) // most))]
    return [done for part in parts for done in attempted(work, part, halves)]


def attempted(work: Callable[[list[int]], T], seeds: list[int], halves: bool) -> list[T]:
    try:
        return [work(seeds)]
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not (halves and is_full(error)):
            raise
        said = str(error).splitlines()[0]
    if len(seeds) == 1:
        raise ValueError(
            f"wanted memory for one seed at a time; got: {said}. A smaller micro_batch_size needs less"
        )
    # Not above, where the error still holds all that was there.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    progress.say(f"wanted memory for {len(seeds)} seeds at once; got: {said}: goes on with half of them")
    return in_parts(work, seeds, -(-len(seeds) // 2))


def is_full(error: Exception) -> bool:
    """Whether an error says that there is no memory left; PyTorch's on a CPU is any RuntimeError."""
    return not isinstance(error, RuntimeError) or any(
        text in str(error) for text in ("out of memory", "can't allocate memory", "not enough memory")
    )
