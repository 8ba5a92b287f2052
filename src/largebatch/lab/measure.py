"""Measure trained weights: each measure gives observations for every seed of an arm."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from largebatch.files import Observation
from largebatch.lab import models
from largebatch.lab.curvature import top_eigenvalue, trace
from largebatch.lab.data import Dataset, Splits
from largebatch.lab.randomness import stream_seed
from largebatch.spec import Arm


def curvature(
    seed: int,
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    examples: int,
    eigenvalue_iterations: int,
    eigenvalue_tolerance: float,
    trace_probes: int,
) -> Iterator[Observation]:
    """Top eigenvalue and trace of the Hessian of the mean loss on the first training `examples`."""
    images, labels = images[:examples], labels[:examples]
    stream = stream_seed(seed, "curvature")
    top = top_eigenvalue(model, images, labels, eigenvalue_iterations, eigenvalue_tolerance, stream)
    yield Observation(seed, "hessian_top_eigenvalue", None, top)
    yield Observation(seed, "hessian_trace", None, trace(model, images, labels, trace_probes, stream))


MEASURES: dict[str, Callable[..., Iterator[Observation]]] = {"curvature": curvature}


def measure(
    name: str, settings: dict, arm: Arm, seeds: list[int], weights: dict[str, np.ndarray], dataset: Dataset
) -> list[Observation]:
    """One measure of all seeds of an arm; weights: plain name -> (s, ...) in the order of `seeds`."""
    splits = Splits(dataset, seeds, arm.data.train, arm.data.validation, arm.data.test)
    images, labels = splits.examples(splits.rows["train"])
    observations = []
    for lane, seed in enumerate(seeds):
        model = restored(arm, seed, {name: array[lane] for name, array in weights.items()}, dataset)
        observations += MEASURES[name](seed, model, images[lane], labels[lane], **settings)
    return observations


def restored(arm: Arm, seed: int, weights: dict[str, np.ndarray], dataset: Dataset) -> nn.Module:
    """The plain model of one seed with its trained weights, in evaluation mode."""
    options = arm.model.model_dump(exclude={"name"})
    model = models.build(seed, arm.model.name, dataset.shape, dataset.classes, **options)
    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    counters = {n: b for n, b in model.named_buffers() if n.endswith("num_batches_tracked")}
    model.load_state_dict(state | counters)
    return model.to(dataset.images.device, dataset.images.dtype).eval()
