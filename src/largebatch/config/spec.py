"""The settings of one arm: what they may be, and the readable name of the run they make."""

import hashlib
import json
import math
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from largebatch.config.images import GOAL_PARTS, IMAGES, PARTS, Data
from largebatch.config.imports import PLACE
from largebatch.config.losses import SCORES, Loss, called, facts_of
from largebatch.config.milestones import nearest_update
from largebatch.config.parts import (
    Adversarial,
    Augment,
    Goal,
    GradientPenalty,
    Model,
    Optimiser,
    Proximal,
    SharpnessAware,
    Shuffle,
    Stop,
)
from largebatch.config.schedules import Constant, Schedule, Warmup
from largebatch.config.settings import Count, Epoch, NonNegative, Positive, Settings


class Arm(Settings):
    """One complete training setting; trained once, for all its seeds, whoever asks for it.

    precision: weights are float32 with all but float64. tf32: a GPU that trains rounds factors of products to
    ten bits. bfloat16: in updates they are rounded to that, on any device. Measures take neither.

    workers: processes that train it together, each on its share of every batch; no result depends on them, to
    rounding, so they are no part of what is chosen. Each has whole ghost batches, or whole micro-batches, or
    one BatchNorm with the others.

    snapshots_at_loss: keep each seed's weights at the two evaluations between which what it trains on first
    falls to this level, for what is read at an equal loss.
    """

    data: Data
    model: Model
    optimiser: Optimiser
    batch_size: Count
    lr: Positive
    lr_rule: Literal["none", "sqrt", "linear"] = "none"
    base_batch_size: Count | None = None
    micro_batch_size: Count | None = None
    last_batch: Literal["drop", "weigh"] = "drop"
    epochs: Count
    stop: Stop | None = None
    goal: Goal | None = None
    schedule: Schedule = Constant(name="constant")
    warmup: Warmup | None = None
    weight_decay: NonNegative = 0.0
    decay_norm_and_bias: bool = True
    clip_norm: Positive | None = None
    loss: Loss = "cross_entropy"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ghost_batch_size: Count | None = None
    augment: Augment | None = None
    shuffle: Shuffle | None = None
    sharpness_aware: SharpnessAware | None = None
    gradient_penalty: GradientPenalty | None = None
    proximal: Proximal | None = None
    adversarial: Adversarial | None = None
    evaluate_every_epochs: Count = 1
    snapshots_at_epochs: list[Epoch] = []
    snapshots_at_loss: Positive | None = None
    precision: Literal["float32", "float64", "tf32", "bfloat16"] = "float32"
    workers: Annotated[Count, Field(exclude=True)] = 1

    @model_validator(mode="after")
    def sizes_fit(self):
        for size in ("batch_size", "base_batch_size"):
            value = getattr(self, size)
            if value is not None and value > self.data.train:
                raise ValueError(f"{size} of at most data.train = {self.data.train}; got {value}")
        for part in ("micro_batch_size", "ghost_batch_size"):
            value = getattr(self, part)
            if value is not None and self.batch_size % value:
                raise ValueError(f"{part} that divides batch_size = {self.batch_size}; got {value}")
        if self.lr_rule != "none" and self.base_batch_size is None:
            raise ValueError(f"base_batch_size with lr_rule: {self.lr_rule}; got none")
        if self.warmup and self.warmup.start is None and self.peak_lr == self.lr:
            raise ValueError("warmup.start where the rule leaves the base rate as it is; got none")
        if self.warmup and self.warmup.epochs > self.epochs:
            raise ValueError(f"warmup.epochs of at most epochs = {self.epochs}; got {self.warmup.epochs}")
        late = [e for e in getattr(self.schedule, "at_epochs", None) or [] if e > self.epochs]
        if late:
            raise ValueError(f"schedule.at_epochs of at most epochs = {self.epochs}; got {late}")
        return self

    @model_validator(mode="after")
    def batch_norm_sees_several_examples(self):
        """One example is its own mean: BatchNorm of a dense layer leaves nothing of it in training."""
        if not getattr(self.model, "batch_norm", False):
            return self
        if 1 in self.batch_sizes():
            raise ValueError("batch_size of at least 2 with BatchNorm; got 1")
        sizes = self.every_size()
        if 1 in sizes:
            train = self.data.train
            raise ValueError(f"last_batch: drop with BatchNorm where 1 of {train} images is left; got weigh")
        for key in ("micro_batch_size", "ghost_batch_size"):
            if part := getattr(self, key):
                sizes = {piece for n in sizes for piece in (min(n, part), n % part)} - {0}
            if 1 in sizes:
                raise ValueError(f"{key} that gives BatchNorm 2 examples or more; got {part}, which gives 1")
        return self

    @model_validator(mode="after")
    def every_worker_has_a_share(self):
        least, unit = min(self.every_size()), self.indivisible
        if self.workers > (most := math.ceil(least / unit)):
            pieces = f" in pieces of {unit}" * (unit > 1)
            raise ValueError(f"workers of at most {most}, for {least} examples{pieces}; got {self.workers}")
        if self.workers > 1 and self.micro_batch_size and getattr(self.model, "dropout", 0.0):
            raise ValueError("workers of 1 with micro_batch_size and model.dropout; got more")
        return self

    @model_validator(mode="after")
    def settings_of_cross_entropy_come_with_it(self):
        """Smoothed labels and a floor in nats mean nothing to another loss."""
        floor_nats = self.stop.floor_nats if self.stop else 0.0
        for name, value in (("label_smoothing", self.label_smoothing), ("stop.floor_nats", floor_nats)):
            if self.objective != "loss_nats" and value:
                raise ValueError(f"{name} of 0 with loss: {called(self.loss)}; got {value}")
        return self

    @model_validator(mode="after")
    def loss_and_goal_fit_the_targets(self):
        name, targets = self.data.name, self.data.targets
        if targets not in facts_of(self.loss).targets:
            raise ValueError(
                f"loss: squared_error, or one of your own, with arrays.{name}.targets: {targets}; "
                f"got {called(self.loss)}"
            )
        if facts_of(self.loss).one_output and name in IMAGES:
            raise ValueError(f"loss: cross_entropy with more than two classes, as of {name}; got {self.loss}")
        if self.goal and self.goal.metric not in SCORES[targets]:
            known = [metric for metric in Goal.model_fields if metric in SCORES[targets]]
            raise ValueError(f"goal of {known} with targets that are {targets}; got {self.goal.chosen()}")
        return self

    @model_validator(mode="after")
    def penalty_is_of_one_gradient(self):
        """Its difference quotient compares two gradients of one batch, by one and the same function."""
        others = {
            "sharpness_aware": self.sharpness_aware,
            "adversarial": self.adversarial,
            "micro_batch_size": self.micro_batch_size,
            "model.dropout": getattr(self.model, "dropout", 0.0),
        }
        if self.gradient_penalty and (given := [name for name, value in others.items() if value]):
            raise ValueError(f"gradient_penalty without {', '.join(given)}; got both")
        return self

    @model_validator(mode="after")
    def goal_counts_batches_of_one_size(self):
        if self.goal and self.schedule.grows_batch:
            raise ValueError(f"goal with batches of one size; got schedule {self.schedule.name}")
        if self.goal and self.proximal:
            raise ValueError("goal with one update a batch; got proximal")
        if self.goal and not self.data.validation:
            raise ValueError("goal with data.validation above 0; got 0")
        return self

    @model_validator(mode="after")
    def snapshots_are_evaluated(self):
        """Weights are looked at, and kept, where they are evaluated."""
        every, at = self.evaluate_every_epochs, self.snapshots_at_epochs
        if at != sorted(set(at)):
            raise ValueError(f"snapshots_at_epochs ascending and distinct; got {at}")
        unevaluated = [e for e in at if e > self.epochs or (e % every and e != self.epochs)]
        if unevaluated:
            raise ValueError(
                f"snapshots_at_epochs of multiples of evaluate_every_epochs = {every} up to "
                f"epochs = {self.epochs}, or {self.epochs} itself; got {unevaluated}"
            )
        return self

    @property
    def dtype(self) -> str:
        """The precision of its weights, by PyTorch's name."""
        return "float64" if self.precision == "float64" else "float32"

    @property
    def k(self) -> float:
        """Goyal's k: how many times the base batch."""
        return self.batch_size / (self.base_batch_size or self.batch_size)

    @property
    def peak_lr(self) -> float:
        """The rate after the scaling rule, before schedule and warm-up."""
        return self.lr * {"none": 1.0, "sqrt": self.k**0.5, "linear": self.k}[self.lr_rule]

    @property
    def lr_over_batch(self) -> float:
        """Peak rate by batch size, before the schedule changes either (Jastrzebski et al. 2017)."""
        return self.peak_lr / self.batch_size

    @property
    def stability_threshold(self) -> float | None:
        """The curvature above which gradient descent on a quadratic diverges; None where it is not known.

        (2 + 2β) / η, with Nesterov's momentum (2 + 2β) / ((1 + 2β) η). Cohen et al. 2021, equation 1. Of the
        full batch at a constant rate, and nothing else.
        """
        others = (self.warmup, self.sharpness_aware, self.gradient_penalty, self.proximal)
        plain = self.schedule.name == "constant" and not any(others)
        if self.optimiser.name != "sgd" or self.batch_size < self.data.train or not plain:
            return None
        beta = self.optimiser.momentum
        return (2 + 2 * beta) / ((1 + 2 * beta * self.optimiser.nesterov) * self.peak_lr)

    @property
    def train_images(self) -> int:
        """How many images it is trained on."""
        return self.data.train

    def batches_of(self, size: int) -> int:
        """Batches of this size per epoch; a short last one is dropped or weighed."""
        whole = self.data.train / size
        return math.floor(whole) if self.last_batch == "drop" else math.ceil(whole)

    def batch_sizes(self) -> list[int]:
        """Examples per update, of every stage of a growing batch, ascending."""
        stages = range(len(self.steps_at_epochs()) + 1)
        return sorted({self.schedule.batch_size_after(n, self.batch_size, self.data.train) for n in stages})

    def every_size(self) -> set[int]:
        """Examples per update, with those of short last batches."""
        sizes = set(self.batch_sizes())
        if self.last_batch == "weigh":
            sizes |= {self.data.train % size for size in sizes} - {0}
        return sizes

    @property
    def indivisible(self) -> int:
        """Examples of a batch that go through the net together, whoever trains it: 1 if all of them do."""
        ghost, micro = self.ghost_batch_size, self.micro_batch_size
        return ghost if ghost and (micro is None or micro % ghost == 0) else micro or 1

    def steps_at_epochs(self) -> list[float]:
        """The epochs at which the schedule steps; none of one without milestones."""
        return self.schedule.epochs_of_steps(self.epochs, self.batches_of(self.batch_size))

    def warmup_ends_at_epoch(self) -> float:
        """The epoch, in updates, from which on the schedule's own rate holds."""
        return nearest_update(self.warmup.epochs, self.batches_of(self.batch_size)) if self.warmup else 0.0

    def schedule_options(self) -> dict:
        """What the schedule's function takes beside the share of the run that is done."""
        options = self.schedule.model_dump(exclude={"name", "at_epochs"})
        if "at" in options:
            options["at"] = [epoch / self.epochs for epoch in self.steps_at_epochs()]
        return options | {name: getattr(self, name) for name in self.schedule.needs}

    @property
    def parts(self) -> set[str]:
        """The names of the parts that there is code for in registries: it is trained by those alone."""
        named = [part.name for part in (self.model, self.optimiser, self.schedule, self.augment) if part]
        return {*named, self.loss if isinstance(self.loss, str) else self.loss.name}

    @property
    def objective(self) -> str:
        """What its loss is called in a history, behind the part."""
        return facts_of(self.loss).metric

    @property
    def part_metrics(self) -> list[str]:
        """The metrics of parts that its history has: the loss of all, where nothing else tells of it."""
        parts = PARTS if self.data.targets == "numbers" else PARTS[:1]
        found = [f"{part}_{score}" for part in PARTS for score in SCORES[self.data.targets]]
        return list(dict.fromkeys([*found, *(f"{part}_{self.objective}" for part in parts)]))

    @property
    def ends_by(self) -> tuple[str, ...]:
        """The parts by whose means it ends a seed's run or keeps its weights."""
        train = ("train",) if self.stop or self.snapshots_at_loss else ()
        return train + (GOAL_PARTS if self.goal else ())

    @property
    def width(self) -> float:
        """Width of its widest hidden dense layer; NaN of a net without any."""
        return max(getattr(self.model, "hidden", []), default=math.nan)

    @property
    def growth_epoch(self) -> float:
        """The epoch at which the batch first grows; NaN where it never does."""
        return min(self.steps_at_epochs(), default=math.nan) if self.schedule.grows_batch else math.nan

    def __copy__(self) -> "Arm":
        copied = super().__copy__()
        vars(copied).pop("id", None)  # a copy may be given other settings, which have another name
        return copied

    @cached_property
    def id(self) -> str:
        """Readable name of the run, ending in a digest of the chosen settings."""
        # Of code of the user's, what it is and not where it lies.
        chosen = self.model_dump(mode="json", exclude_defaults=True, exclude={"model": PLACE, "loss": PLACE})
        digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8]
        parts = [
            getattr(self.model, "label", self.model.name),
            self.data.name,
            f"b{self.batch_size}",
            f"lr{self.peak_lr:.4g}",
        ]
        if self.optimiser.name != "sgd":
            parts.append(self.optimiser.name)
        # an underscore stands between the two ends in the name of a path
        return "-".join([*parts, self.schedule.name, digest]).replace("_", "-")
