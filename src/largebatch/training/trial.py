"""A net built once and one batch put through it, before anything is trained for good.

Of arms with a net, a loss or data of the user's. No file is written.
"""

from pathlib import Path
from typing import Any

import torch

from largebatch.config.arrays import SOURCE, Source
from largebatch.config.images import Data, require_parts
from largebatch.config.imports import ImportedModel
from largebatch.config.losses import ImportedLoss, called
from largebatch.config.settings import located
from largebatch.config.spec import Arm
from largebatch.data.code import line_of
from largebatch.data.shapes import Known, known
from largebatch.data.splits import Dataset, Splits
from largebatch.nets import models
from largebatch.training.engine import SeedGroup
from largebatch.training.losses import loss_of

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
    dataset = sample(arm, found, getattr(SOURCE.validate_python(trial["own"]), "standardise", True))
    return in_loss(trial["where"], arm, dataset) or in_model(trial, arm, dataset)


def in_loss(where: str, arm: Arm, dataset: Dataset) -> str | None:
    """What keeps a loss from being one of this data set's targets, in one line; None if nothing does."""
    try:
        outputs = models.outputs_of(arm, dataset)
        if isinstance(arm.loss, ImportedLoss):
            require_own_losses(arm, dataset, outputs)
    except Exception as error:  # whatever the user's code raises
        shape = f"(b, {dataset.outputs})"
        targets = "labels (b,)" if dataset.has_classes else f"targets {shape}"
        wanted = f"wanted a function of outputs {shape} and {targets}, that gives the loss of each, (b,)"
        return one_line(f"{where}: {explained(error, f'loss.{called(arm.loss)}: {wanted}')}")
    return None


def in_model(trial: dict[str, Any], arm: Arm, dataset: Dataset) -> str | None:
    """What keeps a net from being trained on such data, in one line; None if nothing does."""
    what = f"model.import {arm.model.file}" if isinstance(arm.model, ImportedModel) else "model"
    try:
        run_one_batch(arm, min(MOST, trial["examples"]), dataset)
    except Exception as error:  # whatever the user's code raises
        examples, outputs = ", ".join(map(str, dataset.shape)), models.outputs_of(arm, dataset)
        wanted = f"wanted a net from examples (b, {examples}) to outputs (b, {outputs})"
        return one_line(f"{trial['where']}: {what}: {explained(error, wanted)}")
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


def explained(error: Exception, wanted: str) -> str:
    """'wanted ...; got ... (my_net.py, line 3)' of an error of ours or of the user's code."""
    text, place = str(error), line_of(error)
    if not ("wanted" in text and "got" in text):
        text = f"{wanted}; got {type(error).__name__}: {text}"
    return f"{text} ({place})" if place else text


def one_line(text: str) -> str:
    return " ".join(text.split())


def sample(arm: Arm, known: Known, standardise: bool) -> Dataset:
    """Random examples of a data set's shape, with labels of all its classes, or some of its targets."""
    stream = torch.Generator().manual_seed(0)
    dtype = getattr(torch, arm.dtype)
    images = torch.randn(2 * MOST, *known.shape, generator=stream, dtype=dtype)
    if known.targets is not None:
        return Dataset(images, torch.as_tensor(known.targets), dtype, standardise=standardise)
    labels = torch.arange(2 * MOST) % known.classes
    labels[-1] = known.classes - 1  # of many classes most are absent; the largest says how many there are
    return Dataset(images, labels, dtype)


def require_own_losses(arm: Arm, dataset: Dataset, outputs: int) -> None:
    """Refuse a function that is no loss of each example by itself, or that cannot be differentiated."""
    rows = torch.arange(2 * MOST)[None]
    targets = Splits(dataset, [0], MOST, 0, MOST).targets(rows)
    stream = torch.Generator().manual_seed(1)
    guesses = torch.randn(*rows.shape, outputs, generator=stream, dtype=dataset.dtype)
    loss = loss_of(arm.loss)
    together = loss.each(guesses, targets)
    alone = [loss.each(guesses[:, [i]], targets[:, [i]]) for i in rows[0]]
    if not torch.allclose(together, torch.cat(alone, 1), rtol=1e-4, atol=1e-5, equal_nan=True):
        raise ValueError(
            f"loss.import {arm.loss.file}: wanted the loss of each example by itself; "
            "got one that depends on the others of its batch"
        )
    loss.gradient(guesses, targets)


def run_one_batch(arm: Arm, examples: int, dataset: Dataset) -> None:
    """One update, population statistics and one evaluation of two seeds, on random examples."""
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
