"""Throughput against workers: images per second of one arm, and the processor time that each image takes.

Each number of workers trains the same net on the same random pixels, in turn, one thread each; the best of
the rounds is reported. What workers cost is the difference in processor time per image.
BatchNorm is that of ghost batches, as many as there are most workers, or one of all workers.

python benchmarks/workers.py [--nets F1] [--workers 1 2] [--seconds 5] [--rounds 3] [--out FILE]
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from throughput import PROBLEMS, arm_of, pixels, write

from largebatch.training import device, train
from largebatch.training.team import Team
from largebatch.training.workers import start

BATCHES = {"mlp 64-128-128-10": (128, 1024), "F1": (1024, 6000), "ResNet-20": (32, 128, 512)}
KINDS = {"mlp 64-128-128-10": ("none",)} | dict.fromkeys(("F1", "ResNet-20"), ("ghost batches", "one"))


def measure(team: Team, net: str, batch: int, ghost: int | None, seconds: float, file: Path) -> None:
    """Images per second, and processor seconds of all workers per image, into the file."""
    device.prepare(threads=1)
    problem = replace(PROBLEMS[net], epoch=None)
    arm = arm_of(problem, batch).model_copy(update={"workers": team.size, "ghost_batch_size": ghost})
    group = train.group_of(arm, [0], pixels(problem, batch, torch.device("cpu")), {}, team)
    group.train_epoch()
    epochs, began, used = 0, time.perf_counter(), time.process_time()
    while any(team.gathered(time.perf_counter() - began < seconds)):
        group.train_epoch()
        epochs += 1
    images = epochs * arm.data.train
    spent = sum(team.gathered(time.process_time() - used))
    if team.is_first:
        file.write_text(f"{images / (time.perf_counter() - began)} {spent / images}", encoding="utf-8")


def measured(workers: int, net: str, batch: int, ghost: int | None, seconds: float) -> tuple[float, float]:
    """Images per second, processor seconds per image."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "measured"
        start(workers, measure, (net, batch, ghost, seconds, file), on_gpu=False)
        rate, spent = file.read_text(encoding="utf-8").split()
        return float(rate), float(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/workers-cpu.csv"))
    a = parser.parse_args()
    rows = []
    for net, kind in [(name, kind) for name in a.nets for kind in KINDS[name]]:
        for batch in BATCHES[net]:
            found = {workers: [] for workers in a.workers}
            ghost = batch // max(a.workers) if kind == "ghost batches" else None
            for _ in range(a.rounds):
                for workers, values in found.items():
                    values.append(measured(workers, net, batch, ghost, a.seconds))
            for workers, values in found.items():
                rates, spent = zip(*values, strict=True)
                row = {"net": net, "batch_norm": kind, "batch_size": batch, "workers": workers}
                row |= {"images_per_second": round(max(rates), 1)}
                row |= {"processor_ms_per_image": round(1000 * min(spent), 4)}
                rows.append(row)
                print(row, flush=True)
    write(a.out, rows)


if __name__ == "__main__":
    main()
