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
from torch import nn

from largebatch import progress
from largebatch.config.spec import Arm
from largebatch.data.splits import Dataset
from largebatch.nets.models import widest_activation

T = TypeVar("T")  # PEP 695 needs Python 3.12
# What is left to the system, to other jobs' code, and to our estimates.
USED = 0.8
# Of a seed's weights: their gradients, their start, the optimiser's, the best and the last ones.
COPIES_TRAINED = 8
# Lanczos keeps its vectors.
COPIES_MEASURED = 64
# What is put out by a layer, and its gradient.
COPIES_ACTIVATIONS = 2
CGROUP = Path("/sys/fs/cgroup")


def limit(device: torch.device) -> int:
    """Bytes of the device, or of the machine, its cgroups and this process: whatever is least."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    own = [address_space] if address_space != resource.RLIM_INFINITY else []
    return min([psutil.virtual_memory().total, *own, *of_cgroups(Path("/proc/self/cgroup"), CGROUP)])


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


def trained_at_once(arm: Arm, net: nn.Module, dataset: Dataset, here: int = 1) -> int:
    """How many seeds fit; net: one of theirs; here: workers on this machine."""
    weights = sum(tensor.numel() for tensor in net.parameters())
    layers = sum(not list(module.children()) for module in net.modules())
    share = -(-max(arm.batch_sizes()) // arm.workers)
    batch = min(arm.micro_batch_size or share, share)
    put_out = batch * layers * widest_activation(net, dataset.shape)
    values = COPIES_TRAINED * weights + COPIES_ACTIVATIONS * put_out
    among = here if dataset.device.type == "cpu" else 1  # else each has a GPU of its own
    return fitting(values * dataset.dtype.itemsize * among, dataset.device)


def measured_at_once(weights: Path, seeds: int, device: torch.device) -> int:
    """How many seeds fit, by the file of their weights."""
    return fitting(COPIES_MEASURED * weights.stat().st_size // seeds, device)


def fitting(bytes_each: int, device: torch.device) -> int:
    return max(1, int(USED * limit(device)) // bytes_each)


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
