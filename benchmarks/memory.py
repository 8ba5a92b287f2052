"""Peak memory against batch size: an epoch of five seeds, each batch size in its own process.

On a CPU it is the resident memory beyond imports and data; on a GPU what PyTorch allocated. Beside it is
what a job expects by cli/estimate.py. With --fits: the largest batch that a job would try with so many MiB,
of which it leaves a share, and twice that batch; each measured without a limit and tried under one (Linux).

python benchmarks/memory.py [--device cuda] [--nets F1 C1] [--fits 256 1024] [--out FILE]
"""

import argparse
import re
import resource
import subprocess
import sys
from pathlib import Path

import psutil
import torch
from throughput import PROBLEMS, arm_of, pixels, write

from largebatch.cli.estimate import Estimate
from largebatch.cli.memory import USED, is_full
from largebatch.config.spec import Arm
from largebatch.nets import models
from largebatch.training import device
from largebatch.training.train import train

BATCHES = {
    "F1": (2, 16, 64, 256, 1024, 4096, 6000, 16384),
    "C1": (2, 16, 64, 256, 1024),
    "ResNet-20": (2, 16, 64, 256, 1024),
}
SEEDS = 5
MIB = 1 << 20


def epoch_of_two(net: str, batch: int) -> Arm:
    """An arm of one epoch of two batches."""
    return arm_of(PROBLEMS[net], batch).model_copy(update={"epochs": 1})


def expected(net: str, batch: int) -> float:
    """MiB that such an arm is expected to take."""
    arm, few = epoch_of_two(net, batch), pixels(PROBLEMS[net], 8, torch.device("cpu"))
    return Estimate(arm, models.initial(arm, 0, few), few).trained(SEEDS) / MIB


def peak(net: str, batch: int, where: torch.device, limit_mib: int | None) -> float | str:
    """MiB that such an arm takes in this process; "full" if it may not take so many more than before."""
    device.prepare(threads=1)
    arm, dataset = epoch_of_two(net, batch), pixels(PROBLEMS[net], batch, where)
    before = resident_peak_mib()
    if limit_mib:
        most = psutil.Process().memory_info().data + limit_mib * MIB
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        train(arm, list(range(SEEDS)), dataset, followed=())
    except (MemoryError, RuntimeError) as error:
        if not is_full(error):
            raise
        return "full"
    if where.type == "cuda":
        return torch.cuda.max_memory_allocated() / MIB
    return resident_peak_mib() - before


def resident_peak_mib() -> float:
    """Of this process so far (Linux); that of getrusage begins with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def in_own_process(net: str, batch: int, where: str, limit_mib: int | None = None) -> float | str:
    """What peak() returns, in a new process."""
    one = ["--one", net, str(batch), str(limit_mib or 0)]
    command = [sys.executable, __file__, "--device", where, *one]
    call = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, encoding="utf-8")
    found = call.stdout.split()[-1]
    return found if found == "full" else round(float(found), 1)


def largest(net: str, limit_mib: int) -> int:
    """The largest batch that is expected to fit what a job may use of so much."""
    room = USED * limit_mib
    # From where on it is too large, fewer seeds training together may make it fit again.
    fits = max(2**k for k in range(1, 21) if expected(net, 2**k) <= room)
    too_large = 2 * fits
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if expected(net, middle) <= room:
            fits = middle
        else:
            too_large = middle
    return fits


def by_batch(net: str, where: str) -> list[dict]:
    """A row per batch size."""
    rows = []
    for batch in BATCHES[net]:
        mib, ours = in_own_process(net, batch, where), expected(net, batch)
        row = {"device": where, "net": net, "batch_size": batch, "seeds": SEEDS, "peak_mib": mib}
        rows.append(row | {"expected_mib": round(ours, 1), "expected_over_peak": round(ours / mib, 2)})
        print(rows[-1], flush=True)
    return rows


def by_limit(net: str, limits: list[int]) -> list[dict]:
    """Two rows per limit: at the largest batch that would be tried, and at twice that."""
    rows = []
    for limit in limits:
        fitting = largest(net, limit)
        for batch in (fitting, 2 * fitting):
            mib, ours = in_own_process(net, batch, "cpu"), expected(net, batch)
            row = {"net": net, "seeds": SEEDS, "limit_mib": limit, "batch_size": batch, "peak_mib": mib}
            row |= {"expected_mib": round(ours, 1), "expected_over_peak": round(ours / mib, 2)}
            under_limit = in_own_process(net, batch, "cpu", limit)
            rows.append(row | {"under_limit": "full" if under_limit == "full" else "fits"})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--fits", nargs="+", type=int, metavar="MIB", help="the largest batches that fit")
    parser.add_argument("--out", type=Path, help="default: memory-{by-batch,fits}-<device>.csv")
    parser.add_argument("--one", nargs=3, metavar=("NET", "BATCH", "LIMIT"), help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.one:
        net, batch, limit = a.one
        print(peak(net, int(batch), torch.device(a.device), int(limit) or None))
        return
    rows = [r for net in a.nets for r in (by_limit(net, a.fits) if a.fits else by_batch(net, a.device))]
    name = "fits" if a.fits else "by-batch"
    write(a.out or Path(f"results/benchmarks/memory-{name}-{a.device}.csv"), rows)


if __name__ == "__main__":
    main()
