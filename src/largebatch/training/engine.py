"""One arm's updates: all its seeds, stacked into lanes, forward, backward and step together."""

import math
from collections.abc import Iterator

import torch
from torch import nn

from largebatch.config.parts import Sgd
from largebatch.config.spec import Arm
from largebatch.data.randomness import generator
from largebatch.data.splits import Splits
from largebatch.nets import models
from largebatch.nets.layers import Stacked, StackedBatchNorm, StackedConv2d, StackedLinear
from largebatch.nets.one_by_one import OneByOne
from largebatch.nets.stack import (
    POPULATION_BATCH,
    drawing,
    estimate_population_statistics,
    keep_lanes,
    obstacle,
    stack,
)
from largebatch.training import device, mitigations, schedules
from largebatch.training.augment import AUGMENTATIONS
from largebatch.training.losses import LOSSES
from largebatch.training.optimise import OPTIMISERS, Collected, PlainSgd, clip_by_norm
from largebatch.training.replay import Replayed

# What one processor core's cache takes of the widest activation; measured, see docs/engine.md.
CACHE_BYTES = 1 << 20
# Images gathered at a time: few gathers, little memory.
GATHER_BYTES = 32 << 20
# Examples evaluated at a time, of all seeds together: their activations should stay in the cache. Of large
# images fewer, so that the widest layer's take no more than this.
EVALUATED_AT_ONCE = 5120
EVALUATED_BYTES = 256 << 20


# Pixels of an image from which on it pays to lay the channels of each side by side; see docs/engine.md.
BY_CHANNELS_PIXELS = 256
# What products and convolutions are rounded to in training, where it is not the precision of the weights.
PRODUCTS = {"bfloat16": torch.bfloat16}


def lanes_at_once(widest: int, alone: bool, batch_size: int, bytes_each: int, device: torch.device) -> int:
    """How many seeds to train together: what fits the cache of a processor; on a GPU, all.

    widest: values the widest layer puts out for one example. alone: of nets that gain nothing from company:
    convolutions do not on a processor, and on a GPU one seed's fill it; nor do nets that are not stacked. The
    answer depends on settings alone, never on timing: runs stay bit-identical.
    """
    if alone:
        return 1
    return max(1, CACHE_BYTES // (batch_size * widest * bytes_each)) if device.type == "cpu" else 1 << 30


class Lanes:
    """The live state of some seeds of an arm: weights, optimiser, streams, epoch, updates."""

    def __init__(self, arm: Arm, seeds: list[int], splits: Splits, replay: bool | None = None):
        """replay: whether updates are recorded and replayed, see replay.py; null: as the device says."""
        self.arm, self.seeds, self.splits = arm, list(seeds), splits
        sides = splits.dataset.shape[1:]
        if arm.augment and arm.augment.name == "shifts" and arm.augment.pixels >= min(sides):
            raise ValueError(f"augment.pixels below both sides of images {sides}; got {arm.augment.pixels}")
        options = arm.model.model_dump(exclude={"name"})
        plain = [
            models.build(s, arm.model.name, splits.dataset.shape, splits.dataset.classes, **options)
            for s in seeds
        ]
        widest = models.widest_activation(plain[0], splits.dataset.shape) * splits.dataset.dtype.itemsize
        self.evaluated_at_once = max(1, min(EVALUATED_AT_ONCE, EVALUATED_BYTES // widest))
        require_stackable(arm, plain)
        self.model: Stacked = stack(plain).to(splits.dataset.device, splits.dataset.dtype)
        # A module of the user's draws from the processor's generator first (see one_by_one.py).
        device_drawn_on = "cpu" if isinstance(self.model, OneByOne) else splits.dataset.device
        # One stream for all layers: from streams of their own, begun alike, they would draw the same masks.
        self.masks = [generator(s, "dropout", device_drawn_on) for s in seeds]
        for layer in drawing(self.model):
            layer.generators = list(self.masks)
        for layer in self.model.modules():
            if isinstance(layer, StackedBatchNorm):
                layer.ghost = arm.ghost_batch_size
            if isinstance(layer, StackedLinear | StackedConv2d):
                layer.products = PRODUCTS.get(arm.precision)
            if isinstance(layer, StackedConv2d):
                layer.by_channels = len(seeds) == 1 and math.prod(sides) >= BY_CHANNELS_PIXELS
        self.weights = list(self.model.parameters())
        if not self.weights:
            raise ValueError(f"model {arm.model.name}: wanted weights to train; got none, or all frozen")
        self.decayed, self.undecayed = decay_groups(self.model, arm.decay_norm_and_bias)
        options = arm.optimiser.model_dump(exclude={"name"})
        if arm.optimiser.name == "lars":
            options["spared"] = decay_groups(self.model, everything=False)[1]
        self.optimiser = OPTIMISERS[arm.optimiser.name](self.weights, **options)
        self.updates_a_batch = arm.proximal.steps if arm.proximal else 1
        self.classes = splits.dataset.classes
        self.loss = LOSSES[arm.loss]
        self.loss_options = {"smoothing": arm.label_smoothing} if arm.label_smoothing else {}
        self.order = [generator(s, "order") for s in seeds]
        self.augment = [generator(s, "augment") for s in seeds]
        self.augmentation = AUGMENTATIONS[arm.augment.name] if arm.augment else None
        self.start = [w.detach().clone() for w in self.weights]
        # Numbers of the weights that the last gradient was not by: torch.optim leaves them as they are, too.
        self.untouched: set[int] = set()
        # What a module of the user's does cannot be recorded in general.
        self.replays = device.replays() if replay is None else replay
        self.replays &= not isinstance(self.model, OneByOne)
        self.replayed: dict[tuple, Replayed] = {}
        if self.replays and arm.optimiser.name == "lars":
            raise ValueError("replayed updates with optimiser sgd or adam; got lars")
        # Nothing stands between a gradient and its weight, nor has to be recorded.
        self.is_plain = arm.optimiser == Sgd(name="sgd") and not any(
            (
                self.replays,
                *(arm.clip_norm, arm.micro_batch_size, arm.sharpness_aware, arm.gradient_penalty),
                *(arm.proximal, arm.adversarial),
            )
        )
        self.schedule_options = arm.schedule_options()
        self.epoch = 0
        self.updates = 0

    def rate(self, epoch: float) -> float:
        """Learning rate at a point of the run, in epochs."""
        arm, options = self.arm, self.schedule_options
        if arm.schedule.name == "batch_growth":
            options = options | {"batch_size": arm.batch_size, "most": arm.data.train}
        rate = arm.peak_lr * schedules.SCHEDULES[arm.schedule.name](epoch / arm.epochs, **options)
        if arm.warmup:
            start = arm.warmup.start if arm.warmup.start is not None else min(1.0, arm.lr / arm.peak_lr)
            rate *= schedules.warmup(epoch, arm.warmup.kind, arm.warmup_ends_at_epoch(), start)
        return rate

    def batch_size(self, epoch: int) -> int:
        """Examples an update in this epoch."""
        arm = self.arm
        if arm.schedule.name != "batch_growth":
            return arm.batch_size
        return schedules.grown_batch(
            epoch / arm.epochs, arm.batch_size, arm.data.train, **self.schedule_options
        )

    def batches_in(self, epoch: int) -> int:
        """Batches in this epoch."""
        return self.arm.batches_of(self.batch_size(epoch))

    @torch.no_grad()
    def train_epoch(self) -> None:
        """One pass over every seed's training part, each in its own order."""
        self.model.train()
        size, count = self.batch_size(self.epoch), self.batches_in(self.epoch)
        for number, (images, labels) in enumerate(self._batches(size, count)):
            self._update_on(images, labels, size, self.rate(self.epoch + number / count))
        self.epoch += 1
        self.updates += count * self.updates_a_batch

    def _batches(self, size: int, count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(images (s, b, c, h, w), labels (s, b)) of each batch of an epoch."""
        train = self.splits.rows["train"]
        shuffled = torch.stack([torch.randperm(train.shape[1], generator=g) for g in self.order])
        order = shuffled.to(train.device)[:, : size * count]
        bytes_each = len(self.seeds) * size * self.splits.dataset.bytes_each
        at_once = max(1, GATHER_BYTES // bytes_each) * size
        drawn = self._drawn(order.shape[1])
        for first in range(0, order.shape[1], at_once):
            block = slice(first, first + at_once)
            images, labels = self.splits.shuffled(order[:, block])
            if drawn is not None:
                # splits.shift: what a raw pixel of 0 is once standardised.
                images = self.augmentation.apply(images, drawn[:, block], self.splits.shift)
            yield from zip(images.split(size, dim=1), labels.split(size, dim=1), strict=True)

    def _drawn(self, count: int) -> torch.Tensor | None:
        """What augmentation draws for the images of an epoch, if the arm has one; (s, count, n).

        Drawn all at once, so that it does not depend on how many images are gathered at a time.
        """
        if self.augmentation is None:
            return None
        options = self.arm.augment.model_dump(exclude={"name"})
        sides = self.splits.dataset.shape[1:]
        return self.augmentation.draw(sides, count, self.augment, **options).to(self.weights[0].device)

    def _update_on(self, images: torch.Tensor, labels: torch.Tensor, size: int, rate: float) -> None:
        """The updates of one batch, replayed where that is wanted."""
        if not self.replays:
            self._learn(images, labels, size, rate)
            return
        shape = (*images.shape, size)
        if shape not in self.replayed:
            self.replayed[shape] = Replayed(
                lambda images, labels, rate: self._learn(images, labels, size, rate),
                *(images, labels, self.masks),
            )
        self.replayed[shape](images, labels, rate)

    def _learn(
        self, images: torch.Tensor, labels: torch.Tensor, size: int, rate: float | torch.Tensor
    ) -> None:
        """The updates of one batch, on each seed's loss summed over it / `size`.

        A short last batch so counts by its share.
        """
        if self.is_plain:
            undecayed = {id(self.weights[i]) for i in self.undecayed}
            self._backward(images, labels, size, PlainSgd(rate, self.arm.weight_decay, undecayed))
            return
        proximal = self.arm.proximal
        centre = [w.clone() for w in self.weights] if proximal else []
        for _ in range(self.updates_a_batch):
            gradients = self._gradients(images, labels, size)
            if proximal:
                mitigations.add_pull(gradients, self.weights, centre, proximal.strength)
            self._update(gradients, rate)

    def _update(self, gradients: list[torch.Tensor], rate: float | torch.Tensor) -> None:
        """One step of the optimiser."""
        if self.arm.clip_norm is not None:
            clip_by_norm(gradients, self.arm.clip_norm)
        for group, decay in ((self.decayed, self.arm.weight_decay), (self.undecayed, 0.0)):
            which = [i for i in group if i not in self.untouched] if self.untouched else group
            if which:
                self.optimiser.update(self.weights, gradients, which, rate, decay)

    def _gradients(self, images: torch.Tensor, labels: torch.Tensor, size: int) -> list[torch.Tensor]:
        """What the arm takes for a batch's gradient, by each weight; some want a second one, from uphill."""
        gradients = self._gradients_here(images, labels, size)
        sam, penalty = self.arm.sharpness_aware, self.arm.gradient_penalty
        if sam is None and penalty is None:
            return gradients
        way = mitigations.ascent(gradients, sam.rho if sam else penalty.step)
        with mitigations.moved(self.weights, way):
            uphill = self._gradients_here(images, labels, size)
        if sam:
            return uphill
        # Gradients of a short batch are by its share already, and the penalty multiplies two of them.
        strength = penalty.strength * size / images.shape[1]
        mitigations.add_penalty(gradients, uphill, strength, penalty.step)
        return gradients

    def _gradients_here(self, images: torch.Tensor, labels: torch.Tensor, size: int) -> list[torch.Tensor]:
        """The gradient of a batch at the weights as they stand, summed over its micro-batches."""
        micro = self.arm.micro_batch_size or images.shape[1]
        for part, part_labels in zip(images.split(micro, 1), labels.split(micro, 1), strict=True):
            self._collect(part, part_labels, size)
        gradients = [w.grad for w in self.weights]
        self.untouched = {i for i, g in enumerate(gradients) if g is None}
        for i in self.untouched:
            gradients[i] = torch.zeros_like(self.weights[i])
        for w in self.weights:
            w.grad = None
        return gradients

    def _collect(self, images: torch.Tensor, labels: torch.Tensor, size: int) -> None:
        """Add a micro-batch's gradient to .grad, its adversarial examples' included."""
        adversarial = self.arm.adversarial
        if adversarial is None:
            self._backward(images, labels, size, Collected())
            return
        by_image = self._backward(images, labels, size, Collected(1 - adversarial.share), to_input=True)
        moved = mitigations.fast_gradient_sign(images, by_image, adversarial.size)
        self._backward(moved, labels, size, Collected(adversarial.share))

    def _backward(
        self, images: torch.Tensor, labels: torch.Tensor, size: int, sink, to_input: bool = False
    ) -> torch.Tensor | None:
        """Hand the sink the gradients of the summed loss / `size`; give back that by the images, if asked."""
        logits = self._classes(self.model.push(images.detach().requires_grad_() if to_input else images))
        gradient = self.loss.gradient(logits, labels, **self.loss_options).div_(size)
        return self.model.pull(gradient, sink, to_input)

    def _classes(self, logits: torch.Tensor) -> torch.Tensor:
        """The same (s, b, classes), if they are."""
        if logits.ndim != 3 or logits.shape[2] != self.classes:
            raise ValueError(
                f"model {self.arm.model.name}: wanted outputs (b, {self.classes}), one per class; "
                f"got {('b', *logits.shape[2:])}"
            )
        return logits

    @torch.no_grad()
    def evaluate(self, part: str) -> dict[str, torch.Tensor]:
        """Means over a split in evaluation mode: loss_nats, error_percent, the arm's own loss; (s,) each."""
        self.model.eval()
        losses = {loss.metric: loss.each for loss in (LOSSES["cross_entropy"], self.loss)}
        sums = dict.fromkeys(losses, 0.0)
        errors = 0.0
        rows = self.splits.rows[part]
        for block in rows.split(-(-self.evaluated_at_once // len(self.seeds)), dim=1):
            images, labels = self.splits.examples(block)
            logits = self._classes(self.model(images))
            for metric, each in losses.items():
                sums[metric] += each(logits, labels).sum(1, dtype=torch.float64)
            errors += (logits.argmax(2) != labels).sum(1)
        means = {metric: total / rows.shape[1] for metric, total in sums.items()}
        return means | {"error_percent": 100.0 * errors.double() / rows.shape[1]}

    def estimate_population_statistics(self) -> None:
        """BatchNorm's, anew on each seed's training part; the model is in evaluation mode afterwards."""
        blocks = self.splits.rows["train"].split(POPULATION_BATCH, dim=1)
        estimate_population_statistics(self.model, (self.splits.examples(block)[0] for block in blocks))

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
        return self.order + self.augment + self.masks

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes only."""
        index = torch.tensor(lanes, dtype=torch.int64, device=self.weights[0].device)
        self.replayed = {}  # their tensors are no longer those of the model
        keep_lanes(self.model, index)
        for tensor in self.optimiser.state():
            tensor.data = tensor.data[index]
        self.start = [s[index] for s in self.start]
        self.splits.keep(index)
        self.seeds = [self.seeds[lane] for lane in lanes]
        self.order, self.augment, self.masks = (
            [streams[lane] for lane in lanes] for streams in (self.order, self.augment, self.masks)
        )


def require_stackable(arm: Arm, plain: list[nn.Module]) -> None:
    """Refuse settings that only stacked layers know of with a net that is not stacked."""
    settings = {"ghost_batch_size": arm.ghost_batch_size, "precision": PRODUCTS.get(arm.precision)}
    given = [name for name, value in settings.items() if value]
    if given and (reason := obstacle(plain)):
        raise ValueError(
            f"{given[0]}: wanted a net of layers that are stacked; got model {arm.model.name} ({reason})"
        )


def decay_groups(model: Stacked, everything: bool) -> tuple[list[int], list[int]]:
    """Numbers of the weights that decay and of those that do not.

    Spared are BatchNorm's parameters (Goyal 2017, 5.1) and, as is common, biases; of a net that is not
    stacked, what OneByOne.spared says.
    """
    spared = {id(p) for m in model.modules() if isinstance(m, Stacked) for p in m.spared()}
    weights = list(model.parameters())
    decayed = [i for i, w in enumerate(weights) if everything or id(w) not in spared]
    return decayed, [i for i in range(len(weights)) if i not in decayed]
