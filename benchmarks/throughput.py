"""Model-updates per second: our engine against the plain PyTorch loop, in one run, one thread each.

The plain loop is what a user would otherwise write: DataLoader(shuffle=True), one seed after another, the
optimiser of torch.optim at its defaults. Both train the same nets on the same random pixels, in turn. The
median over the rounds is reported, with the range of the ratio. Our floating-point operations per second, of
linear layers and convolutions as PyTorch counts them, are compared with the rate of one large square product
on the same core or GPU, and for fully connected nets with that of the net's own products in their shapes.
`copied` is the rate of a plain copy. With --peers JAX runs
beside both, where peers.py has the net: of the fully connected nets for digits, with plain SGD and with Adam.

python benchmarks/throughput.py [--nets F1 C1] [--device cuda] [--seconds 0.5] [--rounds 5] [--out FILE]
taskset -c 0 python benchmarks/throughput.py --peers
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from largebatch.config.spec import Arm
from largebatch.data.splits import Dataset
from largebatch.nets import models
from largebatch.nets.products import product
from largebatch.training import device, train

PLAIN = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
SGD, ADAM = {"name": "sgd"}, {"name": "adam"}
MOMENTUM = {"name": "sgd", "momentum": 0.9, "nesterov": True}


@dataclass(frozen=True)
class Problem:
    """A net as it is trained. epoch: images of one; None for two batches."""

    model: dict
    optimiser: dict
    shape: tuple[int, int, int]
    batches: tuple[int, ...]
    seeds: tuple[int, ...]
    epoch: int | None = None


# As many images as the digits scale trains on.
SMALL = {
    "optimiser": SGD,
    "shape": (1, 8, 8),
    "batches": (8, 32, 128, 512),
    "seeds": (1, 5, 20),
    "epoch": 1024,
}
F1 = {"name": "mlp", "hidden": [512] * 5, "batch_norm": True}
IMAGES = (3, 32, 32)
DIGITS = {"name": "mlp", "hidden": [128, 128]}
# The nets of the digits scale, at its smallest and largest batches, with its number of seeds.
PEERS = SMALL | {"batches": (4, 8, 32, 128, 512), "seeds": (1, 14)}
WITH_PEERS = {
    "mlp 64-128-128-10, SGD": Problem(DIGITS, **PEERS),
    "mlp 64-128-128-10, Adam": Problem(DIGITS, **PEERS | {"optimiser": ADAM}),
}
PROBLEMS = {
    "mlp 64-128-128-10": Problem(DIGITS, **SMALL),
    "mlp with BatchNorm": Problem(DIGITS | {"batch_norm": True}, **SMALL),
    "cnn 16-32": Problem({"name": "cnn", "channels": [16, 32]}, **SMALL),
    "F1": Problem(F1, ADAM, (1, 28, 28), (32, 256, 1024, 6000), (1, 5)),
    "C1": Problem({"name": "keskar_cnn"}, ADAM, IMAGES, (32, 256, 1024), (1,)),
    "C2": Problem({"name": "vgg"}, ADAM, IMAGES, (32, 128), (1,)),
    "ResNet-20": Problem({"name": "resnet"}, MOMENTUM, IMAGES, (32, 128, 512), (1,)),
}


Peer = Callable[[Arm, int, Dataset], Callable[[], int]]


def arm_of(problem: Problem, batch: int) -> Arm:
    return Arm.model_validate(
        {
            "data": {"name": "pixels", "train": problem.epoch or 2 * batch, "test": 1},
            "model": problem.model,
            "optimiser": problem.optimiser,
            "batch_size": batch,
            "lr": 0.01 if problem.epoch else 1e-3,
            "epochs": 1_000_000,
        }
    )


def pixels(problem: Problem, batch: int, where: torch.device) -> Dataset:
    """Random bytes for images and labels of ten classes."""
    count, stream = (problem.epoch or 2 * batch) + 1, torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *problem.shape), dtype=torch.uint8, generator=stream)
    labels = torch.arange(count) % 10
    return Dataset(images.to(where), labels.to(where), torch.float32)


def rate(work: Callable[[], int], seconds: float) -> float:
    """Units of work per second; work() does some and returns how much."""
    work()
    settle()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        done += work()
        settle()
    return done / elapsed


def settle() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def our_epoch(arm: Arm, seeds: int, dataset: Dataset) -> Callable[[], int]:
    """One epoch of every seed; the seeds grouped as the engine groups them."""
    groups = [train.group_of(arm, some, dataset, {}) for some in grouped(arm, seeds, dataset)]

    def epoch() -> int:
        for group in groups:
            group.train_epoch()
        return seeds * arm.data.train // arm.batch_size

    return epoch


def grouped(arm: Arm, seeds: int, dataset: Dataset) -> list[list[int]]:
    """So many seeds in the engine's groups."""
    return train.seed_groups(arm, list(range(seeds)), dataset, models.initial(arm, 0, dataset))


def plain_epoch(arm: Arm, dataset: Dataset) -> Callable[[], int]:
    """One epoch of one seed, as a tutorial writes it."""
    model = models.initial(arm, 0, dataset).to(dataset.device)
    chosen = arm.optimiser.chosen()
    optimiser = PLAIN[chosen.pop("name")](model.parameters(), lr=arm.lr, **chosen)
    images, labels = (
        dataset.images[: arm.data.train].cpu().float() / 255,
        dataset.labels[: arm.data.train].cpu(),
    )
    loader = DataLoader(TensorDataset(images, labels), batch_size=arm.batch_size, shuffle=True)

    def epoch() -> int:
        model.train()
        for x, y in loader:
            optimiser.zero_grad()
            F.cross_entropy(model(x.to(dataset.device)), y.to(dataset.device)).backward()
            optimiser.step()
        return len(loader)

    return epoch


def products(arm: Arm, seeds: int, dataset: Dataset) -> tuple[Callable[[], int], int]:
    """(all matrix products of one update of all seeds, their floating-point operations); linear layers.

    Seeds are taken in the engine's groups, so that operands lie in the cache as its own do.
    """
    net = models.initial(arm, 0, dataset)
    shapes = [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]
    b, operands, operations = arm.batch_size, [], 0
    for s in map(len, grouped(arm, seeds, dataset)):
        for number, (i, o) in enumerate(shapes):
            x, w, g = (torch.randn(s, *sides, device=dataset.device) for sides in ((b, i), (i, o), (b, o)))
            pairs = [(x, w), (x.transpose(1, 2), g)] + [(g, w.transpose(1, 2))] * (number > 0)
            operands += pairs
            operations += len(pairs) * 2 * s * b * i * o

    def update() -> int:
        for one, other in operands:
            product(one, other)
        return 1

    return update, operations


def operations(arm: Arm, dataset: Dataset) -> float:
    """Floating-point operations of linear layers and convolutions in one update of one seed."""
    net, few = models.initial(arm, 0, dataset), torch.arange(2)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(net(torch.zeros(len(few), *dataset.shape)), few).backward()
    return counter.get_total_flops() * arm.batch_size / len(few)


def square(where: torch.device, size: int = 1024) -> tuple[Callable[[], int], int]:
    """(one large product, its floating-point operations)."""
    a = torch.randn(1, size, size, device=where)

    def multiplied() -> int:
        product(a, a)
        return 1

    return multiplied, 2 * size**3


def copy(where: torch.device, size: int = 1 << 26) -> tuple[Callable[[], int], int]:
    """(one copy of so many bytes, the bytes read and written)."""
    a = torch.empty(size, dtype=torch.uint8, device=where)
    b = torch.empty_like(a)

    def copied() -> int:
        b.copy_(a)
        return 1

    return copied, 2 * size


def compare(
    net: str,
    problem: Problem,
    batch: int,
    seeds: int,
    where: torch.device,
    seconds: float,
    rounds: int,
    peer: Peer | None = None,
) -> dict:
    """One row of the table; peer: what gives an epoch of another engine, to be timed beside."""
    arm, dataset = arm_of(problem, batch), pixels(problem, batch, where)
    work = [our_epoch(arm, seeds, dataset), plain_epoch(arm, dataset)]
    work += [peer(arm, seeds, dataset)] if peer else []
    found: list[list[float]] = [[] for _ in work]
    linear_only = arm.model.name == "mlp"
    bounds = {"square_product": square(where), "copied": copy(where)}
    if linear_only:
        bounds["own_products"] = products(arm, seeds, dataset)
    ceilings: dict[str, list[float]] = {name: [] for name in bounds}
    for _ in range(rounds):
        for side, epoch in enumerate(work):
            found[side].append(rate(epoch, seconds))
        for name, (bound, amount) in bounds.items():
            ceilings[name].append(rate(bound, seconds / 4) * amount / 1e9)
    ours, plain = (statistics.median(f) for f in found[:2])
    ratios = [a / b for a, b in zip(*found[:2], strict=True)]
    limits = {name: statistics.median(values) for name, values in ceilings.items()}
    row = {
        "device": device.current(),
        "net": net,
        "batch_size": batch,
        "seeds": seeds,
        "ours_model_updates_per_second": significant(ours),
        "plain_model_updates_per_second": significant(plain),
        "ours_images_per_second": significant(ours * batch),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_low": round(min(ratios), 2),
        "ratio_high": round(max(ratios), 2),
        "square_product_gflop_per_second": round(limits["square_product"], 1),
        "copied_gb_per_second": round(limits["copied"], 1),
    }
    if peer:
        to_peer = [a / b for a, b in zip(found[0], found[2], strict=True)]
        row |= {
            "jax_model_updates_per_second": significant(statistics.median(found[2])),
            "ratio_to_jax": round(statistics.median(to_peer), 2),
            "ratio_to_jax_low": round(min(to_peer), 2),
            "ratio_to_jax_high": round(max(to_peer), 2),
        }
    gigaflops = ours * operations(arm, dataset) / 1e9
    row |= {
        "ours_gflop_per_second": round(gigaflops, 1),
        "share_of_square_product": round(gigaflops / limits["square_product"], 2),
    }
    if linear_only:
        row |= {
            "own_products_gflop_per_second": round(limits["own_products"], 1),
            "share_of_own_products": round(gigaflops / limits["own_products"], 2),
        }
    return row


def significant(value: float) -> float:
    """Four digits of it."""
    return float(f"{value:.4g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--peers", action="store_true", help="the nets of digits only, with JAX beside")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--tf32", action="store_true", help="products in TF32, ours and theirs")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="default: results/benchmarks/<device>.csv")
    a = parser.parse_args()
    device.prepare(threads=1, tf32=a.tf32)
    where, rows, peer = torch.device(a.device), [], None
    if a.peers:
        from peers import jax_epoch as peer  # JAX is none of the project's own dependencies
    for net, problem in WITH_PEERS.items() if a.peers else ((net, PROBLEMS[net]) for net in a.nets):
        for batch in problem.batches:
            for seeds in problem.seeds:
                rows.append(compare(net, problem, batch, seeds, where, a.seconds, a.rounds, peer))
                print("  ".join(f"{k} {v}" for k, v in rows[-1].items() if k != "device"), flush=True)
    write(a.out or Path(f"results/benchmarks/{'peers-' * a.peers}{a.device}.csv"), rows)


def write(path: Path, rows: list[dict]) -> None:
    """Rows of which some lack columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = max(rows, key=len)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
