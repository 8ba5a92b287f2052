"""A net of the user's built once, and one batch put through it, before anything is trained for good."""

from pathlib import Path
from typing import Any

import torch

from largebatch.config.images import Data, Folder
from largebatch.config.spec import Arm
from largebatch.data.code import line_of
from largebatch.data.shapes import shape_and_classes
from largebatch.data.splits import Dataset, Splits
from largebatch.training.engine import SeedGroup

# More examples show no more mistakes, and take memory.
MOST = 8
SEEDS = [0, 1]


def mistakes(trials: list[dict[str, Any]]) -> list[str]:
    """One line for each net that cannot be trained; trials: as config.trials says them."""
    return [line for trial in trials if (line := mistake(trial))]


def mistake(trial: dict[str, Any]) -> str | None:
    """What keeps a net from being trained, in one line; None if nothing does, or if that cannot be known."""
    arm = Arm.model_validate(trial["settings"])
    folder = None if trial["folder"] is None else Folder.model_validate(trial["folder"])
    where = f"{trial['where']} {arm.model.file}"
    try:
        found = shape_and_classes(arm.data.name, Path(trial["sources"]), folder)
    except (OSError, ValueError) as error:
        return one_line(f"{where}: wanted its data set {arm.data.name}; got: {error}")
    if found is None:
        return None
    shape, classes = found
    try:
        run_one_batch(arm, min(MOST, trial["examples"]), shape, classes)
    except Exception as error:  # whatever the user's code raises
        return one_line(f"{where}: {explained(error, shape, classes)}")
    return None


def explained(error: Exception, shape: tuple[int, ...], classes: int) -> str:
    """'wanted ...; got ... (my_net.py, line 3)' of an error of ours or of the user's code."""
    text, place = str(error), line_of(error)
    if not ("wanted" in text and "got" in text):
        outputs = f"wanted a net from examples (b, {', '.join(map(str, shape))}) to outputs (b, {classes})"
        text = f"{outputs}; got {type(error).__name__}: {text}"
    return f"{text} ({place})" if place else text


def one_line(text: str) -> str:
    return " ".join(text.split())


def run_one_batch(arm: Arm, examples: int, shape: tuple[int, ...], classes: int) -> None:
    """One update, population statistics and one evaluation of two seeds, on random examples."""
    stream = torch.Generator().manual_seed(0)
    count = max(examples, classes)
    dtype = getattr(torch, arm.dtype)
    images = torch.randn(2 * count, *shape, generator=stream, dtype=dtype)
    dataset = Dataset(images, torch.arange(2 * count) % classes, dtype)
    parts = Data(name="trial", train=count, test=count)
    splits = Splits(dataset, SEEDS, parts.train, parts.validation, parts.test)
    group = SeedGroup(arm, SEEDS, splits, replay=False)
    batch, labels = splits.examples(splits.rows["train"][:, :examples])
    with torch.no_grad():
        group.model.train()
        require_repeatable(arm, group, batch, labels)
        group.learn(batch, labels, examples, group.rates.rate(0.0))
    group.estimate_population_statistics()
    group.evaluate("test")


def require_repeatable(arm: Arm, group: SeedGroup, batch: torch.Tensor, labels: torch.Tensor) -> None:
    """Refuse a net with random numbers where two gradients of one batch are subtracted."""
    if arm.gradient_penalty is None:
        return
    first, second = (group.gradients.over_micro_batches(batch, labels, batch.shape[1]) for _ in range(2))
    if not all(map(torch.equal, first, second)):
        raise ValueError(
            "gradient_penalty: wanted a net whose gradient of a batch is the same twice; got another"
        )
