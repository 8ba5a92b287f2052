"""Train one arm: all its seeds, to the end of the run, with its history. Resumes where it was stopped."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from largebatch.config.spec import Arm
from largebatch.data.splits import PARTS, Dataset, Splits
from largebatch.files import Observation
from largebatch.nets import models
from largebatch.nets.stack import obstacle
from largebatch.provenance import code_digest
from largebatch.training import checkpoints, device
from largebatch.training.engine import SeedGroup, seeds_at_once
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
    built = {seeds[0]: models.initial(arm, seeds[0], dataset)}
    for of_group in seed_groups(arm, seeds, dataset, built[seeds[0]]):
        if not all(records[seed].closed for seed in of_group):
            saved = state if state and state["group"] == of_group else None
            group = group_of(arm, of_group, dataset, built)
            run_group(group, records, saved, checkpoint, report)
    if checkpoint is not None:
        checkpoints.remove(checkpoint)
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


def seed_groups(arm: Arm, seeds: list[int], dataset: Dataset, net: nn.Module) -> list[list[int]]:
    """The seeds that train together, in groups as even as can be; net: one of theirs."""
    most = seeds_at_once(
        models.widest_activation(net, dataset.shape),
        any(isinstance(m, nn.Conv2d) for m in net.modules()) or obstacle([net]) is not None,
        arm.micro_batch_size or arm.batch_size,
        dataset.dtype.itemsize,
        dataset.device,
    )
    count = -(-len(seeds) // most)
    return [part.tolist() for part in np.array_split(np.array(seeds), count)]


def group_of(arm: Arm, seeds: list[int], dataset: Dataset, built: dict[int, nn.Module]) -> SeedGroup:
    """These seeds at their start; nets that are built already are taken out of `built`."""
    splits = Splits(dataset, seeds, arm.data.train, arm.data.validation, arm.data.test)
    nets = [built.pop(s) if s in built else models.initial(arm, s, dataset) for s in seeds]
    return SeedGroup(arm, seeds, splits, nets)


def run_group(
    group: SeedGroup, records: dict[int, Record], saved: dict | None, checkpoint: Path | None, report: Report
) -> None:
    """Train one group of seeds to the end, into their records."""
    arm, seeds = group.arm, group.seeds
    if saved:
        restore(group, saved)
        report(f"continues at epoch {group.epoch}")
    else:
        observe(group, records)
    last_save = time.monotonic()
    while group.seeds and group.epoch < arm.epochs:
        group.train_epoch()
        if group.epoch % arm.evaluate_every_epochs == 0 or group.epoch == arm.epochs:
            observe(group, records)
        report(f"epoch {group.epoch}/{arm.epochs} of seeds {seeds[0]} to {seeds[-1]}")
        if checkpoint is not None and time.monotonic() - last_save >= CHECKPOINT_SECONDS:
            save(checkpoint, group, records, seeds)
            last_save = time.monotonic()
    for seed in seeds:
        close(group, seed, records[seed])
    group.replay.forget()


def observe(group: SeedGroup, records: dict[int, Record]) -> None:
    """Evaluate all seeds, write it down, and let go of the seeds that diverged or have ceased to improve."""
    group.estimate_population_statistics()
    measured = {part: group.evaluate(part) for part in PARTS if group.splits.rows[part].shape[1]}
    finite = group.finite()
    for values in measured["train"].values():
        finite &= values.isfinite()
    finite = finite.tolist()
    distance = group.distance_from_start().tolist()
    table = {part: {m: values.tolist() for m, values in means.items()} for part, means in measured.items()}
    objective = group.gradients.loss.metric
    plain = group.model.plain()
    for index, seed in enumerate(group.seeds):
        record = records[seed]
        if not finite[index]:
            record.went_infinite = True
            continue
        for part, means in table.items():
            error = means["error_percent"][index]
            record.rows += [
                Observation(seed, f"{part}_loss_nats", group.epoch, means["loss_nats"][index]),
                Observation(seed, f"{part}_error_percent", group.epoch, error),
                Observation(seed, f"{part}_accuracy_percent", group.epoch, 100.0 - error),
            ]
        if group.arm.goal:
            for part in GOAL_PARTS:
                error = table[part]["error_percent"][index]
                record.errors.setdefault(part, []).append((group.updates, error))
        trained_on = table["train"][objective][index]
        if objective != "loss_nats":
            record.rows.append(Observation(seed, f"train_{objective}", group.epoch, trained_on))
        record.rows.append(Observation(seed, "distance_from_start", group.epoch, distance[index]))
        record.rows.append(Observation(seed, "updates", group.epoch, group.updates))
        before = record.weights
        record.weights = {name: tensor[index].clone() for name, tensor in plain.items()}
        if falls_to(group.arm.snapshots_at_loss, record.losses, trained_on):
            if before:
                record.snapshots[record.losses[-1][0]] = {name: w.cpu() for name, w in before.items()}
            record.snapshots[group.epoch] = {name: w.cpu() for name, w in record.weights.items()}
        if group.epoch in group.arm.snapshots_at_epochs:
            record.snapshots[group.epoch] = {name: w.cpu() for name, w in record.weights.items()}
        record.losses.append((group.epoch, trained_on))
    stays = [
        index
        for index, seed in enumerate(group.seeds)
        if finite[index] and not ceased(group.arm, records[seed])
    ]
    if len(stays) < len(group.seeds):
        group.keep(stays)


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


def close(group: SeedGroup, seed: int, record: Record) -> None:
    """Add what is known at the end: divergence, and the trace of the rate up to the last epoch."""
    arm = group.arm
    # Some nets get to where they learn nothing more and stay finite.
    diverged = record.went_infinite or record.losses[-1][1] > record.losses[0][1]
    record.rows.append(Observation(seed, "diverged", None, float(diverged)))
    record.rows += goal_rows(arm, seed, record)
    end = record.losses[-1][0]
    for epoch in np.linspace(0, arm.epochs, RATE_POINTS, endpoint=False):
        if epoch <= end:
            record.rows.append(
                Observation(seed, "learning_rate", float(epoch), group.rates.rate(float(epoch)))
            )
    record.closed = True


def save(checkpoint: Path, group: SeedGroup, records: dict[int, Record], seeds: list[int]) -> None:
    """Everything needed to go on as if nothing had happened."""
    state = {
        "identity": identity(group.arm, list(records), group.splits.dataset),
        "group": seeds,
        "seeds": group.seeds,
        "epoch": group.epoch,
        "updates": group.updates,
        "model": group.model.state_dict(),
        "optimiser": changing(group.optimiser),
        "streams": [stream.get_state() for stream in group.streams()],
        "records": [(seed, to_save(record)) for seed, record in records.items()],
    }
    checkpoints.write(checkpoint, state)


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
    """The last whole state with the wanted identity, if there is one; see checkpoints.py."""
    state = checkpoints.read(checkpoint, wanted) if checkpoint is not None else None
    if state is not None:
        state["records"] = {seed: record_of(saved) for seed, saved in state["records"]}
    return state


def to_save(record: Record) -> dict:
    """A record in JSON's types and tensors."""
    return vars(record) | {"snapshots": list(record.snapshots.items())}


def record_of(saved: dict) -> Record:
    """What to_save() was given."""
    rows = [Observation(*row) for row in saved["rows"]]
    return Record(**saved | {"rows": rows, "snapshots": dict(saved["snapshots"])})


def restore(group: SeedGroup, state: dict) -> None:
    """Put a fresh group where the saved one was."""
    group.keep([group.seeds.index(seed) for seed in state["seeds"]])
    group.model.load_state_dict(state["model"])
    vars(group.optimiser).update(state["optimiser"])
    for stream, saved in zip(group.streams(), state["streams"], strict=True):
        stream.set_state(saved)
    group.epoch, group.updates = state["epoch"], state["updates"]
