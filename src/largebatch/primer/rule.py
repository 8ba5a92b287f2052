"""Is the rule of a dozen lines the engine's? Softmax regression on digits, in both."""

from collections.abc import Iterator

import numpy as np
import torch

from largebatch.config.spec import Arm
from largebatch.data.randomness import generator
from largebatch.data.splits import Dataset, Splits
from largebatch.files import Observation
from largebatch.primer.descent import descend
from largebatch.primer.problems import SOFTMAX, Linear, all_digits, with_ones
from largebatch.training.engine import SeedGroup

PART = 10  # images for validation and test, which the engine needs and nothing reads


def rule(seeds: list[int], examples: int, updates: int, rate: float) -> Iterator[tuple[str, Observation]]:
    """rule_difference: largest absolute difference of a weight after the updates, NumPy against the engine.

    Both see the same digits in the same batches and the same order, in double precision. Arms: full (all
    `examples`), mini (a tenth of them), online (one).
    """
    if examples % 10:
        raise ValueError(f"rule: wanted examples that ten batches share evenly; got {examples}")
    for name, size in {"full": examples, "mini": examples // 10, "online": 1}.items():
        by_rule, by_engine = both(seeds, examples, size, updates, rate)
        for seed, difference in zip(seeds, np.abs(by_rule - by_engine).max((1, 2)), strict=True):
            yield name, Observation(seed, "rule_difference", None, float(difference))


def both(
    seeds: list[int], examples: int, size: int, updates: int, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """The weights after the updates by the rule and by the engine; (s, p, c) each, the bias last in p."""
    epochs, left = divmod(updates, examples // size)
    if left or not epochs:
        raise ValueError(f"rule: wanted updates that fill epochs of {examples // size}; got {updates}")
    arm = engine_arm(examples, size, epochs, rate)
    group = SeedGroup(arm, seeds, Splits(digits_dataset(), seeds, examples, PART, PART), replay=False)
    by_rule = np.stack([rule_weights(group, index) for index in range(len(seeds))])
    for _ in range(epochs):
        group.train_epoch()
    return by_rule, weights_of(group)


def engine_arm(examples: int, size: int, epochs: int, rate: float) -> Arm:
    """Plain SGD on a net without hidden layers."""
    return Arm.model_validate(
        {
            "data": {"name": "digits", "train": examples, "validation": PART, "test": PART},
            "model": {"name": "mlp", "hidden": []},
            "optimiser": {"name": "sgd"},
            "batch_size": size,
            "lr": rate,
            "epochs": epochs,
            "precision": "float64",
        }
    )


def digits_dataset() -> Dataset:
    """All digits as the engine reads them: (1797, 1, 8, 8)."""
    pixels, targets = all_digits()
    images = torch.from_numpy(pixels.reshape(-1, 1, 8, 8))
    return Dataset(images, torch.from_numpy(targets.argmax(1)), images.dtype)


def weights_of(group: SeedGroup) -> np.ndarray:
    """The engine's weights with the bias as their last row; (s, p, c)."""
    weight, bias = (w.detach().numpy() for w in group.weights)  # (s, p - 1, c), (s, 1, c)
    return np.concatenate([weight, bias], 1)


def rule_weights(group: SeedGroup, index: int) -> np.ndarray:
    """The rule's weights, from the examples, initial weights and order of an untrained seed; (p, c)."""
    arm, seed = group.arm, group.seeds[index]
    images, labels = (part[index].numpy() for part in group.splits.examples(group.splits.rows["train"]))
    problem = Linear(with_ones(images.reshape(len(images), -1)), np.eye(10)[labels], SOFTMAX)
    order = generator(seed, "order")  # the engine's stream, from its beginning
    shuffles = (torch.randperm(len(images), generator=order) for _ in range(arm.epochs))
    batches = (rows.numpy() for shuffle in shuffles for rows in shuffle.split(arm.batch_size))
    *_, last = descend(problem.gradient, weights_of(group)[index], batches, lambda _: arm.lr)
    return last
