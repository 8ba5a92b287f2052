"""Train one arm: all its seeds, to the end of the run, with its history. Resumes where it was stopped."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from torch import nn

from largebatch import progress
from largebatch.config.spec import Arm
from largebatch.data.splits import PARTS, Dataset, Splits
from largebatch.files import Observation, read_sealed, write_sealed
from largebatch.nets import models
from largebatch.nets.stack import obstacle
from largebatch.provenance import code_digest
from largebatch.training import device
from largebatch.training.engine import Lanes, lanes_at_once
from largebatch.training.optimise import Optimiser

GOAL_PARTS = ("validation", "test")
# Points of the learning-rate trace in the history.
RATE_POINTS = 200
CHECKPOINT_SECONDS = 60.0
# Images by which a checkpoint knows its data set again.
COMPARED_IMAGES = 10_000

Report = Callable[[str], None]


@dataclass
class Trained:
    """weights: plain name -> (s, ...) in the order of `seeds`; history: observations in that order.

    snapshots: epoch -> (the seeds still running then, their weights as above); none of an epoch at which
    no seed was.
    """

    seeds: list[int]
    weights: dict[str, np.ndarray]
    history: list[Observation]
    snapshots: dict[int, tuple[list[int], dict[str, np.ndarray]]]


@dataclass
class Record:
    """What is kept of a seed: its observations, and its weights at the last finite evaluation.

    Snapshots are kept in ordinary memory, a run may want many; losses are (epoch, what it trains on), errors
    those of the parts that have a goal, (updates, percent).
    """

    rows: list[Observation] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    snapshots: dict[int, dict[str, torch.Tensor]] = field(default_factory=dict)
    losses: list[tuple[int, float]] = field(default_factory=list)
    errors: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    went_infinite: bool = False
    closed: bool = False


def train(
    arm: Arm,
    seeds: list[int],
    dataset: Dataset,
    checkpoint: Path | None = None,
    report: Report = lambda text: None,
) -> Trained:
    """Train every seed of an arm; `report` hears of progress, `checkpoint` survives a killed job."""
    state = read_checkpoint(checkpoint, identity(arm, seeds, dataset))
    records = state["records"] if state else {seed: Record() for seed in seeds}
    for group in seed_groups(arm, seeds, dataset):
        if not all(records[seed].closed for seed in group):
            saved = state if state and state["group"] == group else None
            run_group(arm, group, dataset, records, saved, checkpoint, report)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return Trained(
        seeds,
        stacked([records[s].weights for s in seeds]),
        [row for s in seeds for row in records[s].rows],
        gathered_snapshots(seeds, records),
    )


def stacked(weights: list[dict[str, torch.Tensor]]) -> dict[str, np.ndarray]:
    """name -> (s, ...) of the weights of s seeds."""
    return {name: torch.stack([w[name] for w in weights]).cpu().numpy() for name in weights[0]}


def gathered_snapshots(
    seeds: list[int], records: dict[int, Record]
) -> dict[int, tuple[list[int], dict[str, np.ndarray]]]:
    """What Trained calls snapshots."""
    present = {
        epoch: [s for s in seeds if epoch in records[s].snapshots]
        for epoch in sorted({epoch for s in seeds for epoch in records[s].snapshots})
    }
    return {
        epoch: (there, stacked([records[s].snapshots[epoch] for s in there]))
        for epoch, there in present.items()
    }


def seed_groups(arm: Arm, seeds: list[int], dataset: Dataset) -> list[list[int]]:
    """The seeds that train together, in groups as even as can be."""
    options = arm.model.model_dump(exclude={"name"})
    plain = models.build(0, arm.model.name, dataset.shape, dataset.classes, **options)
    most = lanes_at_once(
        models.widest_activation(plain, dataset.shape),
        any(isinstance(m, nn.Conv2d) for m in plain.modules()) or obstacle([plain]) is not None,
        arm.micro_batch_size or arm.batch_size,
        dataset.dtype.itemsize,
        dataset.device,
    )
    count = -(-len(seeds) // most)
    return [part.tolist() for part in np.array_split(np.array(seeds), count)]


def run_group(
    arm: Arm,
    group: list[int],
    dataset: Dataset,
    records: dict[int, Record],
    saved: dict | None,
    checkpoint: Path | None,
    report: Report,
) -> None:
    """Train one group of seeds to the end, into their records."""
    data = arm.data
    lanes = Lanes(arm, group, Splits(dataset, group, data.train, data.validation, data.test))
    if saved:
        restore(lanes, saved)
        report(f"continues at epoch {lanes.epoch}")
    else:
        observe(lanes, records)
    last_save = time.monotonic()
    while lanes.seeds and lanes.epoch < arm.epochs:
        lanes.train_epoch()
        if lanes.epoch % arm.evaluate_every_epochs == 0 or lanes.epoch == arm.epochs:
            observe(lanes, records)
        report(f"epoch {lanes.epoch}/{arm.epochs} of seeds {group[0]} to {group[-1]}")
        if checkpoint is not None and time.monotonic() - last_save >= CHECKPOINT_SECONDS:
            save(checkpoint, lanes, records, group)
            last_save = time.monotonic()
    for seed in group:
        close(arm, lanes, seed, records[seed])
    lanes.replayed = {}  # they hold the lanes that hold them, and memory of a GPU


def observe(lanes: Lanes, records: dict[int, Record]) -> None:
    """Evaluate all seeds, write it down, and let go of the seeds that diverged or have ceased to improve."""
    lanes.estimate_population_statistics()
    measured = {part: lanes.evaluate(part) for part in PARTS if lanes.splits.rows[part].shape[1]}
    finite = lanes.finite()
    for values in measured["train"].values():
        finite &= values.isfinite()
    finite = finite.tolist()
    distance = lanes.distance_from_start().tolist()
    table = {part: {m: values.tolist() for m, values in means.items()} for part, means in measured.items()}
    objective = lanes.loss.metric
    plain = lanes.model.plain()
    for lane, seed in enumerate(lanes.seeds):
        record = records[seed]
        if not finite[lane]:
            record.went_infinite = True
            continue
        for part, means in table.items():
            error = means["error_percent"][lane]
            record.rows += [
                Observation(seed, f"{part}_loss_nats", lanes.epoch, means["loss_nats"][lane]),
                Observation(seed, f"{part}_error_percent", lanes.epoch, error),
                Observation(seed, f"{part}_accuracy_percent", lanes.epoch, 100.0 - error),
            ]
        if lanes.arm.goal:
            for part in GOAL_PARTS:
                error = table[part]["error_percent"][lane]
                record.errors.setdefault(part, []).append((lanes.updates, error))
        trained_on = table["train"][objective][lane]
        if objective != "loss_nats":
            record.rows.append(Observation(seed, f"train_{objective}", lanes.epoch, trained_on))
        record.rows.append(Observation(seed, "distance_from_start", lanes.epoch, distance[lane]))
        record.rows.append(Observation(seed, "updates", lanes.epoch, lanes.updates))
        before = record.weights
        record.weights = {name: tensor[lane].clone() for name, tensor in plain.items()}
        if falls_to(lanes.arm.snapshots_at_loss, record.losses, trained_on):
            if before:
                record.snapshots[record.losses[-1][0]] = {name: w.cpu() for name, w in before.items()}
            record.snapshots[lanes.epoch] = {name: w.cpu() for name, w in record.weights.items()}
        if lanes.epoch in lanes.arm.snapshots_at_epochs:
            record.snapshots[lanes.epoch] = {name: w.cpu() for name, w in record.weights.items()}
        record.losses.append((lanes.epoch, trained_on))
    stays = [
        lane for lane, seed in enumerate(lanes.seeds) if finite[lane] and not ceased(lanes.arm, records[seed])
    ]
    if len(stays) < len(lanes.seeds):
        lanes.keep(stays)


def falls_to(level: float | None, losses: list[tuple[int, float]], loss: float) -> bool:
    """Whether the loss is the first at or below the level."""
    return level is not None and loss <= level and all(before > level for _, before in losses)


def ceased(arm: Arm, record: Record) -> bool:
    """Whether a seed has got to its goal, or its loss ceased to improve by the arm's stopping rule."""
    if arm.goal and all(updates_to(arm.goal.error_percent, record.errors[part]) for part in GOAL_PARTS):
        return True
    if arm.stop is None:
        return False
    epoch, _ = record.losses[-1]
    if len(record.losses) > 1 and all(loss <= arm.stop.floor_nats for _, loss in record.losses[-2:]):
        return True
    before = [value for at, value in record.losses if at <= epoch - arm.stop.patience_epochs]
    return bool(before) and min(v for _, v in record.losses) > (1 - arm.stop.tolerance) * min(before)


def updates_to(goal: float, errors: list[tuple[int, float]]) -> float | None:
    """Updates until the error first is at or below the goal, linear between evaluations; None if it never is.

    errors: (updates, percent). At least 1: what is counted in updates is looked at on a logarithmic scale.
    """
    first = next((i for i, (_, error) in enumerate(errors) if error <= goal), None)
    if first is None:
        return None
    if first == 0:
        return 1.0
    (before, above), (after, below) = errors[first - 1 : first + 1]
    return max(1.0, before + (after - before) * (above - goal) / (above - below))


def goal_rows(arm: Arm, seed: int, record: Record) -> list[Observation]:
    """Updates, and of the test part examples, until each goal that the seed has reached."""
    rows = []
    for part in GOAL_PARTS if arm.goal else ():
        updates = updates_to(arm.goal.error_percent, record.errors.get(part, []))
        if updates is not None:
            rows.append(Observation(seed, f"updates_to_{part}_goal", None, updates))
            if part == "test":
                rows.append(Observation(seed, "examples_to_test_goal", None, updates * arm.batch_size))
    return rows


def close(arm: Arm, lanes: Lanes, seed: int, record: Record) -> None:
    """Add what is known at the end: divergence, and the trace of the rate up to the last epoch."""
    # A net can be thrown to where nothing is learned any more without ever becoming infinite.
    diverged = record.went_infinite or record.losses[-1][1] > record.losses[0][1]
    record.rows.append(Observation(seed, "diverged", None, float(diverged)))
    record.rows += goal_rows(arm, seed, record)
    end = record.losses[-1][0]
    for epoch in np.linspace(0, arm.epochs, RATE_POINTS, endpoint=False):
        if epoch <= end:
            record.rows.append(Observation(seed, "learning_rate", float(epoch), lanes.rate(float(epoch))))
    record.closed = True


def save(checkpoint: Path, lanes: Lanes, records: dict[int, Record], group: list[int]) -> None:
    """Everything needed to go on as if nothing had happened."""
    state = {
        "identity": identity(lanes.arm, list(records), lanes.splits.dataset),
        "group": group,
        "seeds": lanes.seeds,
        "epoch": lanes.epoch,
        "updates": lanes.updates,
        "model": lanes.model.state_dict(),
        "optimiser": changing(lanes.optimiser),
        "streams": [stream.get_state() for stream in lanes.streams()],
        "records": {seed: vars(r) | {"rows": [tuple(row) for row in r.rows]} for seed, r in records.items()},
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_sealed(checkpoint, buffer.getvalue())


def changing(optimiser: Optimiser) -> dict[str, list[torch.Tensor | None]]:
    """What an optimiser holds beside its options."""
    return {name: value for name, value in vars(optimiser).items() if isinstance(value, list)}


def identity(arm: Arm, seeds: list[int], dataset: Dataset) -> dict:
    """What a checkpoint must share with a run to be continued by it."""
    some = dataset.images[:: max(1, len(dataset.images) // COMPARED_IMAGES)]
    pixels = some.sum(dtype=torch.int64 if some.dtype == torch.uint8 else torch.float64)
    return {
        "settings": arm.chosen(),
        "seeds": seeds,
        "data": [*dataset.images.shape, pixels.item(), dataset.labels.sum().item()],
        "device": str(dataset.device),
        "replays": device.replays(),
        "code": code_digest("train"),
    }


def read_checkpoint(checkpoint: Path | None, wanted: dict) -> dict | None:
    """The saved state, if there is a whole one with the wanted identity; another is named, and left."""
    if checkpoint is None or not checkpoint.is_file():
        return None
    try:
        # Numbers, texts and tensors in plain containers: no code of the file's is run.
        state = torch.load(io.BytesIO(read_sealed(checkpoint)), weights_only=True)
        changed = [name for name in wanted if state["identity"].get(name) != wanted[name]]
    except (ValueError, OSError, RuntimeError, LookupError, TypeError, AttributeError, UnpicklingError):
        progress.say(f"{checkpoint}: wanted a whole checkpoint of this version; got another: starts anew")
        return None
    if changed:
        progress.say(f"{checkpoint}: wanted one of this run; got other {' and '.join(changed)}: starts anew")
        return None
    records = state["records"]
    for seed, saved in records.items():
        records[seed] = Record(**saved | {"rows": [Observation(*row) for row in saved["rows"]]})
    return state


def restore(lanes: Lanes, state: dict) -> None:
    """Put fresh lanes where the saved ones were."""
    lanes.keep([lanes.seeds.index(seed) for seed in state["seeds"]])
    lanes.model.load_state_dict(state["model"])
    vars(lanes.optimiser).update(state["optimiser"])
    for stream, saved in zip(lanes.streams(), state["streams"], strict=True):
        stream.set_state(saved)
    lanes.epoch, lanes.updates = state["epoch"], state["updates"]
