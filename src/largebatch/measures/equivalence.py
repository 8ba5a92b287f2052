"""Two ways to one update, or not: workers, micro-batches, scaled losses, shuffles (Goyal et al. 2017)."""

import io
import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parameters_to_vector

from largebatch.training import device
from largebatch.training.losses import Kind, loss_of
from largebatch.training.team import Team
from largebatch.training.workers import start

if TYPE_CHECKING:  # workers import this module, too, and need none of these
    from largebatch.config.measures import Equivalence
    from largebatch.files import Observation
    from largebatch.measures.nets import Nets

# A worker waits so long for the others, and all are waited for so long, before it is an error.
WAIT_SECONDS, ALL_SECONDS = 60.0, 600.0
# Imported once for all workers; DistributedDataParallel would import the second at its first use.
PRELOADED = ["torch.nn.parallel", "torch._dynamo"]


@dataclass(frozen=True)
class Problem:
    """Where one seed starts and how it descends; a batch is rows of images (m, c, h, w) and labels (m,)."""

    net: nn.Module
    images: torch.Tensor
    labels: torch.Tensor
    loss: Kind
    sgd: dict[str, float]  # what torch.optim.SGD is told

    def mean_loss(self, net: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
        logits = net(self.images[rows])
        return loss_of(self.loss).each(logits[None], self.labels[rows][None]).mean()

    @property
    def start(self) -> torch.Tensor:
        """The weights at the start; (p,)."""
        return flat(self.net)


Task = tuple[Problem, torch.Tensor]  # and the rows of its batches, (updates, batch size)


def flat(net: nn.Module) -> torch.Tensor:
    """A copy of all weights; (p,)."""
    return parameters_to_vector(net.parameters()).detach().clone()


def weights_after(
    problem: Problem,
    batches: torch.Tensor,
    parts: int = 1,
    factor: float = 1.0,
    wrap: Callable[[nn.Module], nn.Module] = lambda net: net,
    **sgd: float,
) -> torch.Tensor:
    """The weights after an update on each batch, in training mode; batches: (updates, m) rows -> (p,).

    parts: micro-batches whose gradients are accumulated; factor: of the loss; sgd: in place of the problem's.
    """
    net = deepcopy(problem.net).train()
    wrapped = wrap(net)
    optimiser = torch.optim.SGD(net.parameters(), **problem.sgd | sgd)
    for batch in batches:
        optimiser.zero_grad()
        for rows in batch.chunk(parts):
            # Goyal 2017, remark 3: by the size of the whole batch, not of the part.
            (problem.mean_loss(wrapped, rows) * (factor / parts)).backward()
        optimiser.step()
    return flat(net)


def relative_difference(a: torch.Tensor, b: torch.Tensor, start: torch.Tensor) -> float:
    """Largest difference of a weight over the largest change of one on the way to b; all (p,)."""
    return ((a - b).abs().max() / (b - start).abs().max()).item()


@dataclass(frozen=True)
class Shuffles:
    """Rows of each epoch's batches, (epochs, batches, batch size); worker j has the j-th share of a batch.

    shared: one shuffle, split over the workers; own: each worker's own shuffle, of which it has its share.
    """

    shared: torch.Tensor
    own: torch.Tensor

    @classmethod
    def draw(cls, examples: int, batch_size: int, workers: int, epochs: int, stream: torch.Generator):
        """What does not fill a batch is dropped."""
        batches, share = examples // batch_size, batch_size // workers
        shared, own = [], []
        for _ in range(epochs):
            order = torch.randperm(examples, generator=stream)
            shared.append(order[: batches * batch_size].unflatten(0, (batches, batch_size)))
            orders = (torch.randperm(examples, generator=stream) for _ in range(workers))
            own.append(torch.cat([o[: batches * share].unflatten(0, (batches, share)) for o in orders], 1))
        return cls(torch.stack(shared), torch.stack(own))


def seen_percent(epochs: torch.Tensor, examples: int) -> float:
    """Distinct examples of an epoch, mean over epochs; epochs: (epochs, batches, batch size) rows."""
    seen = [len(rows.unique()) for rows in epochs]
    return 100 * sum(seen) / (len(seen) * examples)


def has_batch_norm(net: nn.Module) -> bool:
    return any(isinstance(module, _BatchNorm) for module in net.modules())


def measure_equivalence(nets: "Nets", settings: "Equivalence") -> "Iterator[Observation]":
    """Differences between ways to make the same updates from the initial weights."""
    arm = nets.arm
    if arm.optimiser.name != "sgd":
        raise ValueError(f"equivalence: wanted optimiser: sgd; got {arm.optimiser.name}")
    sgd = {"lr": arm.peak_lr, "weight_decay": arm.weight_decay, **arm.optimiser.model_dump(exclude={"name"})}
    images, labels = (part.cpu() for part in nets.examples(arm.data.train))
    problems = [
        Problem(nets.untrained(seed).double(), images[index].double(), labels[index], arm.loss, sgd)
        for index, seed in enumerate(nets.seeds)
    ]
    for metric, values in differences(problems, nets.streams("order"), arm.batch_size, settings):
        yield from nets.rows(metric, None, torch.tensor(values, dtype=torch.float64))


def differences(
    problems: list[Problem], streams: list[torch.Generator], batch_size: int, settings: "Equivalence"
) -> Iterator[tuple[str, list[float]]]:
    """Metric, one value per seed, for each two ways; all seeds have the same net at weights of their own.

    With BatchNorm only its statistics are compared: they make a split batch another computation.
    """
    workers, updates = settings.workers, settings.updates
    require_alike(problems[0], batch_size, workers)
    examples = len(problems[0].labels)
    epochs = math.ceil(updates / (examples // batch_size))
    shuffles = [Shuffles.draw(examples, batch_size, workers, epochs, stream) for stream in streams]
    shared, own = ([getattr(s, kind).flatten(0, 1)[:updates] for s in shuffles] for kind in ("shared", "own"))
    tasks = list(zip(problems, shared, strict=True))

    whole = [weights_after(*task) for task in tasks]
    accumulated = [weights_after(*task, parts=workers) for task in tasks]

    def apart(a: list[torch.Tensor], b: list[torch.Tensor]) -> list[float]:
        ends = zip(a, b, problems, strict=True)
        return [relative_difference(one, other, problem.start) for one, other, problem in ends]

    if has_batch_norm(problems[0].net):
        # A micro-batch goes through the net alone: it is a ghost batch.
        spread = weights_by_workers(tasks, workers)
        yield "worker_statistics_difference", apart(spread, accumulated)
        yield "whole_statistics_difference", apart(spread, whole)
        return
    yield "workers_difference", apart(weights_by_workers(tasks, workers), whole)
    yield "accumulation_difference", apart(accumulated, whole)
    for metric, decay in (("scaled_loss", 0.0), ("scaled_loss_decay", settings.weight_decay)):
        yield f"{metric}_difference", apart(*scaled(tasks, settings.loss_factor, decay))
    # In one process: that workers are the same is what the first difference says.
    alone = [weights_after(*task) for task in zip(problems, own, strict=True)]
    yield "own_shuffles_difference", apart(alone, whole)
    yield "shuffled_images_percent", [seen_percent(s.shared, examples) for s in shuffles]
    yield "own_shuffles_images_percent", [seen_percent(s.own, examples) for s in shuffles]


def scaled(tasks: list[Task], factor: float, decay: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The weights with the loss times `factor`, and with the rate times `factor`."""
    loss = [weights_after(*task, factor=factor, weight_decay=decay) for task in tasks]
    rate = [weights_after(*t, lr=factor * t[0].sgd["lr"], weight_decay=decay) for t in tasks]
    return loss, rate


def require_alike(problem: Problem, batch_size: int, workers: int) -> None:
    """An error for what would differ for reasons of its own."""
    if batch_size % workers:
        raise ValueError(f"equivalence: wanted a batch_size that {workers} workers divide; got {batch_size}")
    if any(isinstance(module, nn.modules.dropout._DropoutNd) for module in problem.net.modules()):
        raise ValueError("equivalence: wanted a net without dropout, whose masks differ; got one with it")


def weights_by_workers(tasks: list[Task], workers: int) -> list[torch.Tensor]:
    """The weights after each task, made by that many processes which average their gradients."""
    with TemporaryDirectory(prefix="largebatch-") as name:
        file = Path(name) / "weights.npy"
        memory = io.BytesIO()
        torch.save(tasks, memory)  # handed over in memory: no file can put code in its place
        how = {"on_gpu": False, "wait_seconds": WAIT_SECONDS, "all_seconds": ALL_SECONDS}
        start(workers, work_together, (file, memory.getvalue()), **how, preloaded=PRELOADED)
        return list(torch.from_numpy(np.load(file)))


def work_together(team: Team, file: Path, tasks: bytes) -> None:
    """Each task on this worker's share of every batch, the gradient averaged with the others'."""
    device.prepare(threads=1)
    found = [
        weights_after(problem, rows.chunk(team.size, 1)[team.rank], wrap=DistributedDataParallel)
        for problem, rows in torch.load(io.BytesIO(tasks), weights_only=False)  # our own: Problems
    ]
    if team.is_first:
        np.save(file, torch.stack(found).numpy())
