"""How the cost of training grows: CPU seconds per epoch against seeds, batch, width and training images.

One of these grows at a time, from five seeds of the net 64-128-128-10 at batch 32 on 1,024 images of 8 x 8
random pixels, with plain SGD in one thread. The plain loop of throughput.py runs in turn with the engine,
with one seed, and counts as often as there are seeds. Medians over the rounds, with their ranges; an
exponent is the slope in logarithms from the row before.

python benchmarks/growth.py [--series seeds width] [--seconds 0.2] [--rounds 5] [--out FILE]
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from throughput import SGD, Problem, arm_of, our_epoch, pixels, plain_epoch, significant, write

from largebatch.training import device

BASE = {"seeds": 5, "batch_size": 32, "width": 128, "images": 1024}
SERIES = {
    "seeds": (1, 2, 5, 10, 20, 50, 100, 200),
    "batch_size": (1, 4, 16, 64, 256, 1024),
    "width": (16, 64, 256, 1024, 4096),
    "images": (128, 512, 2048, 8192, 32768, 131072),
}


def cpu_seconds(epoch: Callable[[], int], seconds: float) -> float:
    """CPU seconds of one epoch: the mean over as many as take so long."""
    done, start = 0, time.process_time()
    while done == 0 or time.process_time() - start < seconds:
        epoch()
        done += 1
    return (time.process_time() - start) / done


def cost(seeds: int, batch_size: int, width: int, images: int, seconds: float, rounds: int) -> dict:
    """Medians and ranges of one epoch of all seeds, in CPU seconds, and of the ratio."""
    model = {"name": "mlp", "hidden": [width, width]}
    problem = Problem(model, SGD, (1, 8, 8), (batch_size,), (seeds,), epoch=images)
    arm, dataset = arm_of(problem, batch_size), pixels(problem, batch_size, torch.device("cpu"))
    work = (our_epoch(arm, seeds, dataset), plain_epoch(arm, dataset))
    found: tuple[list[float], list[float]] = ([], [])
    for epoch in work:
        epoch()  # what only the first one does
    for _ in range(rounds):
        for epoch, of_side, times in zip(work, found, (1, seeds), strict=True):
            of_side.append(times * cpu_seconds(epoch, seconds))
    ratios = [plain / ours for ours, plain in zip(*found, strict=True)]
    spread = {"ours_cpu_seconds": found[0], "plain_cpu_seconds": found[1], "ratio": ratios}
    row = {"updates": -(-images // batch_size)}
    for name, values in spread.items():
        row[name] = significant(statistics.median(values))
        row |= {f"{name}_low": significant(min(values)), f"{name}_high": significant(max(values))}
    return row


def grown(name: str, sizes: tuple[int, ...], seconds: float, rounds: int) -> list[dict]:
    """A row for each size, with the exponents since the row before."""
    rows: list[dict] = []
    for size in sizes:
        settings = BASE | {name: size}
        row = {"series": name, **settings, **cost(**settings, seconds=seconds, rounds=rounds)}
        for side in ("ours", "plain"):
            row[f"{side}_exponent"] = slope(rows[-1], row, f"{side}_cpu_seconds") if rows else None
        rows.append(row)
        print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    return rows


def slope(before: dict, behind: dict, what: str) -> float:
    """d log(what) / d log(size) between two rows of a series."""
    size = before["series"]
    return round(math.log(behind[what] / before[what]) / math.log(behind[size] / before[size]), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES))
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement, at least")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/growth-cpu.csv"))
    a = parser.parse_args()
    device.prepare(threads=1)
    write(a.out, [row for name in a.series for row in grown(name, SERIES[name], a.seconds, a.rounds)])


if __name__ == "__main__":
    main()
