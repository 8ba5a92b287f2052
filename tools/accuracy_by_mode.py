"""Why test accuracies of Keskar's nets differ from the paper's: BatchNorm's statistics, and when a run ends.

For the small and the large batch of a finished scale, print three test accuracies: with BatchNorm's
statistics of the training set, as we report it; with those of each test batch, as in the authors' code; and
when the training accuracy first reached the paper's.

python tools/accuracy_by_mode.py config/mnist.yaml results/mnist [--paper 99.66 99.92]
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from largebatch.config.spec import Arm
from largebatch.config.study import load_study
from largebatch.data import splits
from largebatch.files import read_arrays
from largebatch.measures.nets import Nets
from largebatch.training import device

TEST_BATCH = 256


def by_mode(arm: Arm, run: Path, dataset: splits.Dataset) -> dict[str, list[float]]:
    """Test accuracy in percent of every seed, with either statistics for BatchNorm."""
    weights = read_arrays(run / "weights.safetensors")
    seeds = range(len(next(iter(weights.values()))))
    found: dict[str, list[float]] = {"training set's statistics": [], "statistics of each test batch": []}
    for seed in seeds:
        nets = Nets(arm, [seed], {name: w[seed : seed + 1] for name, w in weights.items()}, dataset)
        net, (images, labels) = nets.plain(0), (part[0] for part in nets.tested())
        for training, accuracies in zip((False, True), found.values(), strict=True):
            net.train(training)
            with torch.no_grad():
                logits = torch.cat([net(batch) for batch in images.split(TEST_BATCH)])
            accuracies.append(100 * (logits.argmax(1) == labels).double().mean().item())
    return found


def when_first(run: Path, train_accuracy: float) -> list[float]:
    """Test accuracy of every seed at the first evaluation with this training accuracy."""
    history = pd.read_parquet(run / "history.parquet").dropna(subset="at")
    table = history.pivot_table(index=["seed", "at"], columns="metric", values="value")
    reached = table[table["train_accuracy_percent"] >= train_accuracy]
    return reached.groupby("seed")["test_accuracy_percent"].first().tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scale", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--paper", type=float, nargs=2, default=[99.66, 99.92], help="training accuracies")
    a = parser.parse_args()
    groups, where = load_study(a.scale).experiment("keskar").groups, device.prepare(threads=1)
    for name, reached in zip(("adam.small", "adam.large"), a.paper, strict=True):
        arm = groups[name].members[0].arm
        run = a.results / "runs" / arm.id
        dataset = splits.load(
            a.results / "data" / f"{arm.data.name}.safetensors", getattr(torch, arm.dtype), where
        )
        rows = by_mode(arm, run, dataset) | {
            f"when training accuracy first was {reached}": when_first(run, reached)
        }
        for label, values in rows.items():
            found = pd.Series(values)
            print(f"{name}  {label}: {found.mean():.2f} +- {found.std():.2f} over {len(found)} seeds")


if __name__ == "__main__":
    main()
