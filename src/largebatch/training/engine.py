"""One arm's updates: all its seeds, stacked into one model, forward, backward and step together."""

import math
from collections import defaultdict

import torch
from torch import nn

from largebatch.config.imports import Imported
from largebatch.config.spec import Arm
from largebatch.data.randomness import generator
from largebatch.data.splits import Dataset, Splits
from largebatch.nets import models
from largebatch.nets.batch_norm import StackedBatchNorm
from largebatch.nets.layers import Stacked, StackedConv2d, StackedProduct
from largebatch.nets.one_by_one import OneByOne
from largebatch.nets.stack import (
    POPULATION_BATCH,
    decay_groups,
    drawing,
    estimate_population_statistics,
    keep_seeds,
    obstacle,
    stack,
)
from largebatch.training import device, mitigations
from largebatch.training.batches import Batches
from largebatch.training.gradients import Gradients
from largebatch.training.optimise import OPTIMISERS, Optimiser, PlainSgd, clip_by_norm
from largebatch.training.rates import Rates
from largebatch.training.replay import Replay
from largebatch.training.scores import OfClasses, OfNumbers
from largebatch.training.team import ALONE, Team

# What one CPU core's cache takes of the widest activation; measured, see docs/engine.md.
CACHE_BYTES = 1 << 20
# Examples evaluated at a time, of all seeds together: their activations should stay in the cache. Of large
# images fewer, so that the widest layer's take no more than this, of all workers on a machine together: a
# core is as fast with less, a GPU is not.
EVALUATED_AT_ONCE = 5120
EVALUATED_BYTES = {"cpu": 64 << 20, "cuda": 256 << 20}
# Pixels of an image from which on it pays to lay the channels of each side by side; see docs/engine.md.
BY_CHANNELS_PIXELS = 256
# What products and convolutions are rounded to in training, where it is not the precision of the weights.
PRODUCTS = {"bfloat16": torch.bfloat16}


def seeds_at_once(widest: int, alone: bool, batch_size: int, bytes_each: int, device: torch.device) -> int:
    """How many seeds to train together: what fits the cache of a CPU; on a GPU, all.

    widest: values the widest layer puts out for one example. alone: of nets that gain nothing from company:
    convolutions do not on a CPU, and on a GPU one seed's fill it; nor do nets that are not stacked. The
    answer depends on settings alone, never on timing: runs stay bit-identical.
    """
    if alone:
        return 1
    return max(1, CACHE_BYTES // (batch_size * widest * bytes_each)) if device.type == "cpu" else 1 << 30


class SeedGroup:
    """The live state of some seeds of an arm: weights, optimiser, streams, epoch, updates."""

    def __init__(
        self,
        arm: Arm,
        seeds: list[int],
        splits: Splits,
        nets: list[nn.Module] | None = None,
        replay: bool | None = None,
        team: Team = ALONE,
    ):
        """nets: of each seed at its start, which become part of this; null: built here.

        replay: whether updates are recorded and replayed, see replay.py; null: where the device says so and
        the optimiser allows it.
        """
        self.arm, self.seeds, self.splits, self.team = arm, list(seeds), splits, team
        self.rates, self.batches = Rates(arm), Batches(arm, seeds, splits, team)
        self._take_nets(nets or [models.initial(arm, seed, splits.dataset) for seed in seeds])
        self.gradients = Gradients(arm, self.model, models.outputs_of(arm, splits.dataset), team)
        self.decayed, self.undecayed = decay_groups(self.model, arm.decay_norm_and_bias)
        self.optimiser = optimiser_of(arm, self.model)
        self.start = [w.detach().clone() for w in self.weights]
        if replay and not self.optimiser.takes_a_tensor:
            raise ValueError(f"replayed updates with optimiser sgd or adam; got {arm.optimiser.name}")
        wanted = device.replays() and self.optimiser.takes_a_tensor if replay is None else replay
        # What a module or a loss of the user's does cannot be recorded in general.
        # Nor can what workers send each other.
        imported = isinstance(self.model, OneByOne) or isinstance(arm.loss, Imported)
        recorded = wanted and team.is_alone and not imported
        self.replay = Replay(self.masks, recorded)
        # Nothing stands between a gradient and its weight, nor has to be recorded.
        others = (arm.clip_norm, arm.micro_batch_size, arm.sharpness_aware, arm.gradient_penalty)
        self.is_plain = (
            self.optimiser.is_plain
            and team.is_alone
            and not any((recorded, *others, arm.proximal, arm.adversarial))
        )
        self.epoch = self.updates = 0

    def _take_nets(self, nets: list[nn.Module]) -> None:
        """Make one model of them, with streams for what it draws."""
        dataset = self.splits.dataset
        widest = models.widest_activation(nets[0], dataset.shape) * dataset.dtype.itemsize
        sharing = self.team.here if dataset.device.type == "cpu" else 1  # else each has a GPU's memory
        most = EVALUATED_BYTES[dataset.device.type] // (widest * sharing)
        self.evaluated_at_once = max(1, min(EVALUATED_AT_ONCE, most))
        self.model = stacked_for(self.arm, nets, dataset, self.team)
        self.weights = list(self.model.parameters())
        if not self.weights:
            raise ValueError(f"model {self.arm.model.name}: wanted weights to train; got none, or all frozen")
        # A module of the user's draws from the CPU's generator first (see one_by_one.py).
        device_drawn_on = "cpu" if isinstance(self.model, OneByOne) else dataset.device
        # One stream for all layers: from streams of their own, begun alike, they would draw the same masks.
        self.masks = [generator(s, "dropout", device_drawn_on) for s in self.seeds]
        for layer in drawing(self.model):
            layer.generators = list(self.masks)

    @torch.no_grad()
    def train_epoch(self) -> None:
        """One pass over every seed's training part, each in its own order."""
        self.model.train()
        size, count = self.rates.batch_size(self.epoch), self.rates.batches_in(self.epoch)
        for number, (images, labels) in enumerate(self.batches.of_epoch(size, count)):
            if not self.team.is_alone:
                self._tell_share(min(size, self.arm.data.train - number * size))
            rate = self.rates.rate(self.epoch + number / count)
            self.replay.run(self.learn, images, labels, size, rate)
        self.epoch += 1
        self.updates += count * self.updates_per_batch

    def _tell_share(self, examples: int) -> None:
        """Tell layers that draw masks which of a batch's examples are this worker's."""
        for layer in drawing(self.model):
            layer.share = examples, self.batches.share_of(examples)

    @property
    def updates_per_batch(self) -> int:
        return self.arm.proximal.steps if self.arm.proximal else 1

    def learn(
        self, images: torch.Tensor, labels: torch.Tensor, size: int, rate: float | torch.Tensor
    ) -> None:
        """The updates of one batch, on each seed's loss summed over it / `size`."""
        if self.is_plain:
            undecayed = {id(self.weights[i]) for i in self.undecayed}
            self.gradients.give(images, labels, size, PlainSgd(rate, self.arm.weight_decay, undecayed))
            return
        proximal = self.arm.proximal
        centre = [w.clone() for w in self.weights] if proximal else []
        for _ in range(self.updates_per_batch):
            gradients = self.gradients.of_batch(images, labels, size)
            if proximal:
                mitigations.add_pull(gradients, self.weights, centre, proximal.strength)
            self._step(gradients, rate)

    def _step(self, gradients: list[torch.Tensor], rate: float | torch.Tensor) -> None:
        """One step of the optimiser."""
        if self.arm.clip_norm is not None:
            clip_by_norm(gradients, self.arm.clip_norm)
        untouched = self.gradients.untouched
        for group, decay in ((self.decayed, self.arm.weight_decay), (self.undecayed, 0.0)):
            which = [i for i in group if i not in untouched] if untouched else group
            if which:
                self.optimiser.update(self.weights, gradients, which, rate, decay)

    @torch.no_grad()
    def evaluate(self, part: str) -> dict[str, torch.Tensor]:
        """Scores of a part, and the mean of the arm's own loss, in evaluation mode; (s,) each."""
        self.model.eval()
        rows, own = self.splits.rows[part], self.gradients.loss.each
        if self.splits.dataset.has_classes:
            scores: OfClasses | OfNumbers = OfClasses()
        else:
            scores = OfNumbers(self.splits.targets(rows), self.splits.spread[:, 0])
        sums: dict[str, torch.Tensor | float] = defaultdict(float)
        mine = rows[:, self.team.share(rows.shape[1])]
        for block in mine.split(-(-self.evaluated_at_once // len(self.seeds)), dim=1) if mine.numel() else ():
            images, targets = self.splits.examples(block)
            outputs = self.gradients.require_outputs(self.model(images))
            each = scores.each(outputs, targets)
            if self.arm.objective not in each:
                each[self.arm.objective] = own(outputs, targets)
            for name, values in each.items():
                sums[name] += values.sum(1, dtype=torch.float64)
        return scores.of(self.team.totals(sums, self.splits.dataset.device), rows.shape[1])

    def estimate_population_statistics(self) -> None:
        """BatchNorm's, anew on each seed's training part; the model is in evaluation mode afterwards."""
        blocks = self.splits.rows["train"].split(POPULATION_BATCH, dim=1)
        images = (self.splits.examples(block)[0] for block in blocks[self.team.share(len(blocks))])
        gathered = None if self.team.is_alone else self.team.gathered
        estimate_population_statistics(self.model, images, gathered)

    def distance_from_start(self) -> torch.Tensor:
        """‖w - w₀‖ of each seed, in double precision; (s,)."""
        squares = (
            (w.detach() - s).double().flatten(1).square().sum(1)
            for w, s in zip(self.weights, self.start, strict=True)
        )
        return sum(squares).sqrt()

    def finite(self) -> torch.Tensor:
        """Which seeds have only finite weights; (s,) booleans."""
        return torch.stack([w.detach().flatten(1).isfinite().all(1) for w in self.weights]).all(0)

    def streams(self) -> list[torch.Generator]:
        """Every generator whose state the rest of the run depends on."""
        return self.batches.order + self.batches.augment + self.masks

    def keep(self, kept: list[int]) -> None:
        """Go on with the seeds of these indices only."""
        self.replay.forget()  # what was recorded is of tensors that will not be those of the model
        index = torch.tensor(kept, dtype=torch.int64, device=self.weights[0].device)
        keep_seeds(self.model, index)
        for tensor in self.optimiser.state():
            tensor.data = tensor.data[index]
        self.start = [s[index] for s in self.start]
        self.splits.keep(index)
        self.batches.keep(kept)
        self.seeds, self.masks = ([each[i] for i in kept] for each in (self.seeds, self.masks))
        self.replay = Replay(self.masks, self.replay.on)


def stacked_for(arm: Arm, nets: list[nn.Module], dataset: Dataset, team: Team = ALONE) -> Stacked:
    """One model of all seeds' nets, as the arm trains it on this data."""
    require_stackable(arm, nets)
    model = stack(nets).to(dataset.device, dataset.dtype)
    for layer in model.modules():
        if isinstance(layer, StackedBatchNorm):
            layer.ghost = arm.ghost_batch_size
            if not (team.is_alone or arm.ghost_batch_size or arm.micro_batch_size):
                layer.summed = team.summed
        if isinstance(layer, StackedProduct):
            layer.products = PRODUCTS.get(arm.precision)
        if isinstance(layer, StackedConv2d):
            layer.by_channels = len(nets) == 1 and math.prod(dataset.shape[1:]) >= BY_CHANNELS_PIXELS
    if arm.workers > 1 and arm.micro_batch_size and drawing(model):
        raise ValueError("workers: wanted 1 with micro_batch_size and a net with dropout; got more")
    return model


def require_stackable(arm: Arm, nets: list[nn.Module]) -> None:
    """Refuse settings that only stacked layers know of with a net that is not stacked."""
    settings = {
        "ghost_batch_size": arm.ghost_batch_size,
        "precision": PRODUCTS.get(arm.precision),
        "workers": arm.workers > 1,
    }
    given = [name for name, value in settings.items() if value]
    if given and (reason := obstacle(nets)):
        raise ValueError(
            f"{given[0]}: wanted a net of layers that are stacked; got model {arm.model.name} ({reason})"
        )


def optimiser_of(arm: Arm, model: Stacked) -> Optimiser:
    """The arm's optimiser of all seeds' weights."""
    options = arm.optimiser.model_dump(exclude={"name"})
    _, spared = decay_groups(model, everything=False)
    return OPTIMISERS[arm.optimiser.name](list(model.parameters()), spared=spared, **options)
