"""Peak memory of training a net of ten million weights, and of its top eigenvalue, trace and norm.

Each in a process of its own, beyond imports and data.

python benchmarks/curvature_memory.py [--out results/benchmarks/memory-cpu.csv]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch
from curvature import IMAGES, digits
from memory import resident_peak_mib
from throughput import write

from largebatch.config.spec import Arm
from largebatch.data.splits import Dataset
from largebatch.measures import curvature
from largebatch.measures.nets import Nets
from largebatch.training import device
from largebatch.training.train import train


def large_arm(optimiser: str) -> Arm:
    """A net of ten million weights."""
    return Arm.model_validate(
        {
            "data": {"name": "digits", "train": IMAGES, "validation": 297, "test": 500},
            "model": {"name": "mlp", "hidden": [2200, 2200, 2200]},
            "optimiser": {"name": optimiser},
            "batch_size": 100,
            "lr": 1e-3,
            "epochs": 1,
        }
    )


def memory_of(what: str) -> float:
    """Peak memory in MiB above what the imports and the data take, in this process."""
    device.prepare(threads=1)
    images, labels = digits()
    optimiser = "adam" if what == "train" else "sgd"
    arm, dataset = large_arm(optimiser), Dataset(images, labels, images.dtype)
    if what == "train":
        before = resident_peak_mib()
        train(arm, [0], dataset, followed=())
        return resident_peak_mib() - before
    base = Nets(arm, [0], {}, dataset)
    weights = {n: p.detach().numpy()[None] for n, p in base.untrained(0).named_parameters()}
    before = resident_peak_mib()
    nets = Nets(arm, [0], weights, dataset)
    landscape, streams = nets.landscape(IMAGES), nets.streams("curvature")
    curvature.top(landscape, streams)
    curvature.trace_and_norm(landscape, streams, probes=10)
    return resident_peak_mib() - before


def memory_rows() -> list[dict]:
    """Training and measuring, each in a process of its own."""
    found = {}
    for what in ("train", "measure"):
        call = subprocess.run(
            [sys.executable, __file__, "--one", what],
            capture_output=True,
            text=True,
            check=True,
            encoding="utf-8",
        )
        found[what] = float(call.stdout.split()[-1])
    net = Nets(large_arm("sgd"), [0], {}, Dataset(*digits(), torch.float32)).untrained(0)
    row = {
        "parameters": sum(p.numel() for p in net.parameters()),
        "training_with_adam_mib": round(found["train"]),
        "measuring_mib": round(found["measure"]),
        "ratio": round(found["measure"] / found["train"], 2),
    }
    print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    return [row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/memory-cpu.csv"))
    parser.add_argument("--one", choices=("train", "measure"), help="print the peak of one, and end")
    a = parser.parse_args()
    if a.one:
        print(memory_of(a.one))
    else:
        write(a.out, memory_rows())


if __name__ == "__main__":
    main()
