"""Model-updates a second: our engine against the plain PyTorch loop, in one run, one thread each.

The plain loop is what a user would otherwise write: DataLoader(shuffle=True), one seed after another,
torch.optim.SGD. Both train the same nets on the same 1,024 digits; ours and theirs alternate, and the
median over the rounds is reported with the range of the ratio. The last columns put our rate beside
the matrix-product rate of the same core: of the net's own products, in their shapes and nothing
around them, and of one large square product.

python benchmarks/throughput.py [--seconds 0.5] [--rounds 5] [--out results/benchmarks/cpu.csv]
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from largebatch.lab import data, datasets, device, models, train
from largebatch.lab.data import Dataset, Splits
from largebatch.lab.engine import Lanes
from largebatch.spec import Arm

NETS = {
    "mlp 64-128-128-10": {"name": "mlp", "hidden": [128, 128]},
    "mlp with BatchNorm": {"name": "mlp", "hidden": [128, 128], "batch_norm": True},
    "cnn 16-32": {"name": "cnn", "channels": [16, 32]},
}
BATCHES, SEEDS = (8, 32, 128, 512), (1, 5, 20)
IMAGES = 1024


def arm_of(net: dict, batch: int) -> Arm:
    return Arm.model_validate(
        {
            "data": {"name": "digits", "train": IMAGES, "validation": 273, "test": 500},
            "model": net,
            "optimiser": {"name": "sgd"},
            "batch_size": batch,
            "lr": 0.01,
            "epochs": 1_000_000,
        }
    )


def rate(work: Callable[[], int], seconds: float) -> float:
    """Units of work a second; work() does some and says how much."""
    work()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        done += work()
    return done / elapsed


def our_epoch(arm: Arm, seeds: int, dataset: Dataset) -> Callable[[], int]:
    """One epoch of every seed; the seeds grouped as the engine groups them."""
    sizes = (arm.data.train, arm.data.validation, arm.data.test)
    groups = [
        Lanes(arm, group, Splits(dataset, group, *sizes))
        for group in train.seed_groups(arm, list(range(seeds)), dataset)
    ]

    def epoch() -> int:
        for lanes in groups:
            lanes.train_epoch()
        return seeds * arm.data.train // arm.batch_size

    return epoch


def plain_epoch(arm: Arm, dataset: Dataset) -> Callable[[], int]:
    """One epoch of one seed, as a tutorial writes it."""
    options = arm.model.model_dump(exclude={"name"})
    model = models.build(0, arm.model.name, dataset.shape, dataset.classes, **options)
    optimiser = torch.optim.SGD(model.parameters(), lr=arm.lr)
    images, labels = dataset.images[:IMAGES], dataset.labels[:IMAGES]
    loader = DataLoader(TensorDataset(images, labels), batch_size=arm.batch_size, shuffle=True)

    def epoch() -> int:
        model.train()
        for x, y in loader:
            optimiser.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
        return len(loader)

    return epoch


def products(arm: Arm, seeds: int, dataset: Dataset) -> tuple[Callable[[], int], int]:
    """(all matrix products of one update of all seeds, their floating-point operations); linear layers.

    Seeds are taken in the engine's groups, so that operands lie in the cache as its own do.
    """
    options = arm.model.model_dump(exclude={"name"})
    model = models.build(0, arm.model.name, dataset.shape, dataset.classes, **options)
    shapes = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]
    b, operands, operations = arm.batch_size, [], 0
    lanes = [len(group) for group in train.seed_groups(arm, list(range(seeds)), dataset)]
    for s in lanes:
        for number, (i, o) in enumerate(shapes):
            x, w, g = torch.randn(s, b, i), torch.randn(s, i, o), torch.randn(s, b, o)
            pairs = [(x, w), (x.transpose(1, 2), g)] + [(g, w.transpose(1, 2))] * (number > 0)
            operands += pairs
            operations += len(pairs) * 2 * s * b * i * o

    def update() -> int:
        for one, other in operands:
            torch.bmm(one, other)
        return 1

    return update, operations


def square(size: int = 1024) -> tuple[Callable[[], int], int]:
    """(one large product, its floating-point operations)."""
    a = torch.randn(size, size)

    def product() -> int:
        torch.mm(a, a)
        return 1

    return product, 2 * size**3


def compare(net: str, batch: int, seeds: int, dataset: Dataset, seconds: float, rounds: int) -> dict:
    """One row of the table."""
    arm = arm_of(NETS[net], batch)
    work = [our_epoch(arm, seeds, dataset), plain_epoch(arm, dataset)]
    found: list[list[float]] = [[], []]
    ceilings: list[list[float]] = [[], []]
    linear_only = arm.model.name == "mlp"
    bounds = [products(arm, seeds, dataset) if linear_only else None, square()]
    for _ in range(rounds):
        for side, epoch in enumerate(work):
            found[side].append(rate(epoch, seconds))
        for side, bound in enumerate(bounds):
            if bound:
                ceilings[side].append(rate(bound[0], seconds / 4) * bound[1] / 1e9)
    ours, plain = (statistics.median(f) for f in found)
    ratios = [a / b for a, b in zip(*found, strict=True)]
    row = {
        "device": device.current(),
        "net": net,
        "batch_size": batch,
        "seeds": seeds,
        "ours_model_updates_per_second": round(ours),
        "plain_model_updates_per_second": round(plain),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_low": round(min(ratios), 2),
        "ratio_high": round(max(ratios), 2),
    }
    if linear_only:
        gigaflops = ours * bounds[0][1] / seeds / 1e9
        own, large = (statistics.median(c) for c in ceilings)
        row |= {
            "ours_gflop_per_second": round(gigaflops, 1),
            "own_products_gflop_per_second": round(own, 1),
            "square_product_gflop_per_second": round(large, 1),
            "share_of_own_products": round(gigaflops / own, 2),
            "share_of_square_product": round(gigaflops / large, 2),
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/cpu.csv"))
    a = parser.parse_args()
    device.prepare(threads=1)
    with tempfile.TemporaryDirectory() as folder:
        datasets.prepare("digits", Path(folder), Path(folder) / "digits.safetensors")
        dataset = data.load(Path(folder) / "digits.safetensors", torch.float32, torch.device("cpu"))
    rows = []
    for net in NETS:
        for batch in BATCHES:
            for seeds in SEEDS:
                rows.append(compare(net, batch, seeds, dataset, a.seconds, a.rounds))
                print("  ".join(f"{k} {v}" for k, v in rows[-1].items() if k != "device"), flush=True)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    with a.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
