"""A net built once and one batch put through it, before anything is trained for good.

Of arms with a net or data of the user's. No file is written.
"""

from pathlib import Path
from typing import Any

import torch

from largebatch.config.arrays import SOURCE, Source
from largebatch.config.images import Data, require_parts
from largebatch.config.imports import ImportedModel
from largebatch.config.settings import located
from largebatch.config.spec import Arm
from largebatch.data.code import line_of
from largebatch.data.shapes import Known, known
from largebatch.data.splits import Dataset, Splits
from largebatch.training.engine import SeedGroup

# More examples show no more mistakes, and take memory.
MOST = 8
SEEDS = [0, 1]


def mistakes(trials: list[dict[str, Any]]) -> list[str]:
    """One line for each net that cannot be trained; trials: as config.trials says them."""
    data: dict[str, Known | ValueError | None] = {}
    return [line for trial in trials if (line := mistake(trial, data))]


def mistake(trial: dict[str, Any], data: dict[str, Known | ValueError | None]) -> str | None:
    """What keeps a net from being trained, in one line; None if nothing does, or if that cannot be known.

    data: what is known of the data sets that were looked at, by name; grows.
    """
    arm = Arm.model_validate(trial["settings"])
    name = arm.data.name
    if name not in data:
        data[name] = looked_at(name, located(trial["sources"]), SOURCE.validate_python(trial["own"]))
    found = data[name]
    if found is None:
        return None
    try:
        if isinstance(found, ValueError):
            raise found
        require_parts(name, found.images, arm.data.train, arm.data.validation, arm.data.test)
    except ValueError as error:
        return one_line(f"{trial['where']}: data {name}: {error}")
    what = f"model.import {arm.model.file}" if isinstance(arm.model, ImportedModel) else "model"
    try:
        run_one_batch(arm, min(MOST, trial["examples"]), found.shape, found.classes)
    except Exception as error:  # whatever the user's code raises
        return one_line(f"{trial['where']}: {what}: {explained(error, found.shape, found.classes)}")
    return None


def looked_at(name: str, sources: Path, own: Source | None) -> Known | ValueError | None:
    """What is known of a data set, or what is wrong with it."""
    try:
        return known(name, sources, own)
    except Exception as error:  # whatever the user's code raises
        if isinstance(error, ValueError) and not line_of(error):
            return error
        place = f" ({line_of(error)})" if line_of(error) else ""
        return ValueError(f"wanted arrays (x, y); got {type(error).__name__}: {error}{place}")


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
    dtype = getattr(torch, arm.dtype)
    images = torch.randn(2 * MOST, *shape, generator=stream, dtype=dtype)
    labels = torch.arange(2 * MOST) % classes
    labels[-1] = classes - 1  # of many classes most are absent; the largest label says how many there are
    dataset = Dataset(images, labels, dtype)
    parts = Data(name="trial", train=MOST, test=MOST)
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
