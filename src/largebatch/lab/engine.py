"""One arm's updates: all its seeds, stacked into lanes, forward, backward and step together."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F

from largebatch.lab import models, schedules
from largebatch.lab.data import Splits
from largebatch.lab.optimise import OPTIMISERS, Collected, PlainSgd, clip_by_norm
from largebatch.lab.randomness import generator
from largebatch.lab.stack import Stacked, StackedBatchNorm, StackedDropout, keep_lanes, stack
from largebatch.spec import Arm, Sgd

# What one processor core's cache takes of the widest activation; measured, see docs/engine.md.
CACHE_BYTES = 1 << 20
# Images gathered at a time: few gathers, little memory.
GATHER_BYTES = 32 << 20
# Examples evaluated at a time, of all seeds together: their activations should stay in the cache.
EVALUATED_AT_ONCE = 5120
# Examples of each seed in one batch of population statistics: fixed, for deeper layers see its size.
POPULATION_BATCH = 512


def lanes_at_once(
    widest: int, convolutional: bool, batch_size: int, bytes_each: int, device: torch.device
) -> int:
    """How many seeds to train together: what fits the cache of a processor; on a GPU, all.

    widest: values the widest layer puts out for one example. Convolutions on a processor gain nothing
    from company. The answer depends on settings alone, never on timing: runs stay bit-identical.
    """
    if device.type != "cpu":
        return 1 << 30
    return 1 if convolutional else max(1, CACHE_BYTES // (batch_size * widest * bytes_each))


class Lanes:
    """The live state of some seeds of an arm: weights, optimiser, streams, epoch, updates."""

    def __init__(self, arm: Arm, seeds: list[int], splits: Splits):
        images = splits.dataset.images
        self.arm, self.seeds, self.splits = arm, list(seeds), splits
        options = arm.model.model_dump(exclude={"name"})
        plain = [
            models.build(s, arm.model.name, splits.dataset.shape, splits.dataset.classes, **options)
            for s in seeds
        ]
        self.model: Stacked = stack(plain).to(images.device, images.dtype)
        for layer in self.model.modules():
            if isinstance(layer, StackedBatchNorm):
                layer.ghost = arm.ghost_batch_size
            if isinstance(layer, StackedDropout):
                layer.generators = [generator(s, "dropout", images.device) for s in seeds]
        self.has_batch_norm = any(isinstance(m, StackedBatchNorm) for m in self.model.modules())
        self.weights = list(self.model.parameters())
        self.decayed, self.undecayed = decay_groups(self.model, arm.decay_norm_and_bias)
        self.optimiser = OPTIMISERS[arm.optimiser.name](
            self.weights, **arm.optimiser.model_dump(exclude={"name"})
        )
        self.order = [generator(s, "order") for s in seeds]
        self.start = [w.detach().clone() for w in self.weights]
        # Nothing stands between a gradient and its weight.
        self.is_plain = (
            arm.optimiser == Sgd(name="sgd") and arm.clip_norm is None and arm.micro_batch_size is None
        )
        self.schedule_options = arm.schedule.model_dump(exclude={"name"})
        self.epoch = 0
        self.updates = 0

    def rate(self, epoch: float) -> float:
        """Learning rate at a point of the run, in epochs."""
        arm, options = self.arm, self.schedule_options
        at = epoch
        if arm.schedule.name == "batch_growth":
            options = options | {"batch_size": arm.batch_size, "most": arm.data.train}
            at = math.floor(epoch)  # the batch changes between epochs, and the rate with it
        t = at / arm.epochs
        rate = arm.peak_lr * schedules.SCHEDULES[arm.schedule.name](t, **options)
        if arm.warmup:
            start = arm.warmup.start if arm.warmup.start is not None else min(1.0, arm.lr / arm.peak_lr)
            rate *= schedules.warmup(epoch, arm.warmup.kind, arm.warmup.epochs, start)
        return rate

    def batch_size(self, epoch: int) -> int:
        """Examples an update in this epoch."""
        arm = self.arm
        if arm.schedule.name != "batch_growth":
            return arm.batch_size
        return schedules.grown_batch(
            epoch / arm.epochs, arm.batch_size, arm.data.train, **self.schedule_options
        )

    def updates_in(self, epoch: int) -> int:
        """Updates in this epoch; a short last batch is dropped or weighed as the arm says."""
        whole = self.arm.data.train / self.batch_size(epoch)
        return math.floor(whole) if self.arm.last_batch == "drop" else math.ceil(whole)

    @torch.no_grad()
    def train_epoch(self) -> None:
        """One pass over every seed's training part, each in its own order."""
        self.model.train()
        size, count = self.batch_size(self.epoch), self.updates_in(self.epoch)
        for number, (images, labels) in enumerate(self._batches(size, count)):
            self._update(images, labels, size, self.rate(self.epoch + number / count))
        self.epoch += 1
        self.updates += count

    def _batches(self, size: int, count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(images (s, b, c, h, w), labels (s, b)) of each update of an epoch."""
        train = self.splits.rows["train"]
        shuffled = torch.stack([torch.randperm(train.shape[1], generator=g) for g in self.order])
        order = shuffled.to(train.device)[:, : size * count]
        image = self.splits.dataset.images[0]
        bytes_each = len(self.seeds) * size * image.numel() * image.element_size()
        at_once = max(1, GATHER_BYTES // bytes_each) * size
        for block in order.split(at_once, dim=1):
            images, labels = self.splits.shuffled(block)
            yield from zip(images.split(size, dim=1), labels.split(size, dim=1), strict=True)

    def _update(self, images: torch.Tensor, labels: torch.Tensor, size: int, rate: float) -> None:
        """One step on each seed's mean loss over `size` examples; a short batch counts by its share."""
        if self.is_plain:
            undecayed = {id(self.weights[i]) for i in self.undecayed}
            self._backward(images, labels, size, PlainSgd(rate, self.arm.weight_decay, undecayed))
            return
        micro = self.arm.micro_batch_size or images.shape[1]
        for part, part_labels in zip(images.split(micro, 1), labels.split(micro, 1), strict=True):
            self._backward(part, part_labels, size, Collected())
        gradients = [w.grad for w in self.weights]
        if self.arm.clip_norm is not None:
            clip_by_norm(gradients, self.arm.clip_norm)
        for which, decay in ((self.decayed, self.arm.weight_decay), (self.undecayed, 0.0)):
            if which:
                self.optimiser.update(self.weights, gradients, which, rate, decay)
        for w in self.weights:
            w.grad = None

    def _backward(self, images: torch.Tensor, labels: torch.Tensor, size: int, sink) -> None:
        logits = self.model.push(images)
        gradient = cross_entropy_gradient(logits, labels, self.arm.label_smoothing).div_(size)
        self.model.pull(gradient, sink, to_input=False)

    @torch.no_grad()
    def evaluate(self, part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Each seed's mean loss in nats and error in percent on a split, in evaluation mode; both (s,)."""
        self.model.eval()
        losses = errors = 0.0
        rows = self.splits.rows[part]
        for block in rows.split(-(-EVALUATED_AT_ONCE // len(self.seeds)), dim=1):
            images, labels = self.splits.examples(block)
            logits = self.model(images)
            each = F.cross_entropy(classes_first(logits), labels, reduction="none")
            losses += each.sum(1, dtype=torch.float64)
            errors += (logits.argmax(2) != labels).sum(1)
        return losses / rows.shape[1], 100.0 * errors.double() / rows.shape[1]

    @torch.no_grad()
    def estimate_population_statistics(self) -> None:
        """BatchNorm's population statistics, anew on each seed's training part ("precise BN")."""
        if not self.has_batch_norm:
            return
        layers = [m for m in self.model.modules() if isinstance(m, StackedBatchNorm)]
        self.model.eval()
        for layer in layers:
            layer.train()
            layer.moments = []
        for block in self.splits.rows["train"].split(POPULATION_BATCH, dim=1):
            self.model(self.splits.examples(block)[0])
        for layer in layers:
            layer.settle()

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
        dropout = (m for m in self.model.modules() if isinstance(m, StackedDropout))
        return self.order + [stream for layer in dropout for stream in layer.generators]

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes only."""
        index = torch.tensor(lanes, dtype=torch.int64, device=self.weights[0].device)
        keep_lanes(self.model, index)
        for tensor in self.optimiser.state():
            tensor.data = tensor.data[index]
        self.start = [s[index] for s in self.start]
        self.splits.keep(index)
        self.seeds = [self.seeds[lane] for lane in lanes]
        self.order = [self.order[lane] for lane in lanes]


def cross_entropy_gradient(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Of the summed cross-entropy by the logits: softmax minus target; (s, b, classes), labels (s, b)."""
    gradient = torch.softmax(classes_first(logits), 1)
    hit = gradient.new_full((1, 1, 1), smoothing - 1.0).expand(labels.shape[0], 1, labels.shape[1])
    gradient.scatter_add_(1, labels[:, None], hit)
    if smoothing:
        gradient.sub_(smoothing / logits.shape[2])
    return gradient.transpose(1, 2).contiguous()


def classes_first(logits: torch.Tensor) -> torch.Tensor:
    """(s, b, classes) -> (s, classes, b): a softmax over ten values side by side is ten times slower."""
    return logits.transpose(1, 2).contiguous()


def decay_groups(model: Stacked, everything: bool) -> tuple[list[int], list[int]]:
    """Numbers of the weights that decay and of those that do not.

    Spared are BatchNorm's parameters (Goyal 2017, 5.1) and, as is common, biases.
    """
    spared = {id(p) for m in model.modules() if isinstance(m, Stacked) for p in m.spared()}
    weights = list(model.parameters())
    decayed = [i for i, w in enumerate(weights) if everything or id(w) not in spared]
    return decayed, [i for i in range(len(weights)) if i not in decayed]
