"""Peak memory against batch size: an epoch of five seeds, each batch size in its own process.

On a CPU it is the resident memory beyond imports and data; on a GPU what PyTorch allocated.

python benchmarks/memory.py [--device cuda] [--nets F1 C1] [--out FILE]
"""

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from throughput import PROBLEMS, arm_of, pixels, write

from largebatch.cli.torch_jobs import peak_mib
from largebatch.training import device
from largebatch.training.train import train

BATCHES = {
    "F1": (1, 16, 64, 256, 1024, 4096, 6000, 16384),
    "C1": (1, 16, 64, 256, 1024),
    "ResNet-20": (1, 16, 64, 256, 1024),
}
SEEDS = 5


def peak(net: str, batch: int, where: torch.device) -> float:
    """MiB that an epoch of two batches takes, in this process."""
    device.prepare(threads=1)
    problem = replace(PROBLEMS[net], epoch=None)
    arm, dataset = arm_of(problem, batch).model_copy(update={"epochs": 1}), pixels(problem, batch, where)
    before = peak_mib()
    train(arm, list(range(SEEDS)), dataset, followed=())
    if where.type == "cuda":
        return torch.cuda.max_memory_allocated() / (1 << 20)
    return peak_mib() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, help="default: results/benchmarks/memory-by-batch-<device>.csv")
    parser.add_argument("--one", nargs=2, metavar=("NET", "BATCH"), help="print the peak of one, and end")
    a = parser.parse_args()
    if a.one:
        print(peak(a.one[0], int(a.one[1]), torch.device(a.device)))
        return
    rows = []
    for net in a.nets:
        for batch in BATCHES[net]:
            command = [sys.executable, __file__, "--device", a.device, "--one", net, str(batch)]
            call = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
            mib = round(float(call.stdout.split()[-1]), 1)
            rows.append(
                {"device": a.device, "net": net, "batch_size": batch, "seeds": SEEDS, "peak_mib": mib}
            )
            print(rows[-1], flush=True)
    write(a.out or Path(f"results/benchmarks/memory-by-batch-{a.device}.csv"), rows)


if __name__ == "__main__":
    main()
