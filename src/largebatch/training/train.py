"""Train one arm: all its seeds, to the end of the run, with its history. Resumes where it was stopped."""

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from largebatch.config.images import GOAL_PARTS, PARTS
from largebatch.config.spec import Arm
from largebatch.config.stages import code_digest
from largebatch.data.splits import Dataset, Splits, sum_of_some
from largebatch.files import Observation
from largebatch.nets import models
from largebatch.nets.stack import obstacle
from largebatch.training import checkpoints, device
from largebatch.training.engine import SeedGroup, seeds_at_once
from largebatch.training.optimise import Optimiser
from largebatch.training.stopping import ceased, falls_to, goal_rows
from largebatch.training.team import ALONE, Team

# Points of the learning-rate trace in the history.
RATE_POINTS = 200
CHECKPOINT_SECONDS = 60.0

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
    """What is kept of a seed: its observations, and its epoch and weights at the last finite evaluation.

    lacks: the parts that were not evaluated there.
    Snapshots are kept in ordinary memory, a run may want many; losses are (epoch, what it trains on), errors
    those of the parts that have a goal, (updates, what the goal is of).
    """

    rows: list[Observation] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    snapshots: dict[int, dict[str, torch.Tensor]] = field(default_factory=dict)
    losses: list[tuple[int, float]] = field(default_factory=list)
    errors: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    epoch: int = 0
    lacks: list[str] = field(default_factory=list)
    went_infinite: bool = False
    closed: bool = False


def train(
    arm: Arm,
    seeds: list[int],
    dataset: Dataset,
    checkpoint: Path | None = None,
    report: Report = lambda text: None,
    *,
    followed: Collection[str],
    team: Team = ALONE,
) -> Trained:
    """Train every seed of an arm; `report` hears of progress, `checkpoint` survives a killed job.

    team: each of its workers calls this and gets the same; the first one reads and writes checkpoints, from
    which another number of workers can go on.

    followed: the parts that are evaluated along the run, beside those by which the arm itself ends; all parts
    are evaluated where it starts and where it ends.
    """
    followed = [part for part in PARTS if part in {*followed, *arm.ends_by}]
    state = read_checkpoint(checkpoint, identity(arm, seeds, dataset, followed), team)
    records = state["records"] if state else {seed: Record() for seed in seeds}
    built = {seeds[0]: models.initial(arm, seeds[0], dataset)}
    for of_group in seed_groups(arm, seeds, dataset, built[seeds[0]]):
        if not all(records[seed].closed for seed in of_group):
            saved = state if state and state["group"] == of_group else None
            group = group_of(arm, of_group, dataset, built, team)
            run_group(group, records, followed, saved, checkpoint, report)
            complete(arm, of_group, dataset, records, team)
            for seed in of_group:
                close(group, seed, records[seed])
    if checkpoint is not None and team.is_first:
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


def group_of(
    arm: Arm, seeds: list[int], dataset: Dataset, built: dict[int, nn.Module], team: Team = ALONE
) -> SeedGroup:
    """These seeds at their start; nets that are built already are taken out of `built`."""
    splits = Splits(dataset, seeds, arm.data.train, arm.data.validation, arm.data.test)
    nets = [built.pop(s) if s in built else models.initial(arm, s, dataset) for s in seeds]
    return SeedGroup(arm, seeds, splits, nets, team=team)


def run_group(
    group: SeedGroup,
    records: dict[int, Record],
    followed: list[str],
    saved: dict | None,
    checkpoint: Path | None,
    report: Report,
) -> None:
    """Train one group of seeds to the end, into their records."""
    arm, seeds = group.arm, group.seeds
    if saved:
        restore(group, saved)
        report(f"continues at epoch {group.epoch}")
    else:
        observe(group, records, followed)
    last_save = time.monotonic()
    while group.seeds and group.epoch < arm.epochs:
        group.train_epoch()
        if group.epoch % arm.evaluate_every_epochs == 0 or group.epoch == arm.epochs:
            observe(group, records, followed)
        report(f"epoch {group.epoch}/{arm.epochs} of seeds {seeds[0]} to {seeds[-1]}")
        if (
            checkpoint is not None
            and group.team.is_first
            and time.monotonic() - last_save >= CHECKPOINT_SECONDS
        ):
            save(checkpoint, group, records, seeds, followed)
            last_save = time.monotonic()
    group.replay.forget()


def observe(group: SeedGroup, records: dict[int, Record], followed: Collection[str]) -> None:
    """Evaluate all seeds, write it down, and let go of the seeds that diverged or have ceased to improve.

    followed: the parts that are evaluated along the run; all are at its start and at its end.
    """
    arm, epoch = group.arm, group.epoch
    ends = epoch in (0, arm.epochs)
    group.estimate_population_statistics()  # which are kept among the weights
    table = evaluated(group, PARTS if ends else followed)
    finite = group.finite().tolist()
    distance = group.distance_from_start().tolist()
    plain = group.model.plain()
    stays = []
    for index, seed in enumerate(group.seeds):
        record = records[seed]
        means = {part: {m: values[index] for m, values in of_part.items()} for part, of_part in table.items()}
        if not finite[index] or not all_finite(means):
            record.went_infinite = True
            continue
        record.lacks = [] if ends else [part for part in PARTS if part not in followed]
        record.epoch, before = epoch, record.weights
        record.weights = {name: tensor[index].clone() for name, tensor in plain.items()}
        add_means(arm, seed, record, means)
        for part in GOAL_PARTS if arm.goal else ():
            record.errors.setdefault(part, []).append((group.updates, means[part][arm.goal.metric]))
        record.rows.append(Observation(seed, "distance_from_start", epoch, distance[index]))
        record.rows.append(Observation(seed, "updates", epoch, group.updates))
        if "train" in means and falls_to(arm.snapshots_at_loss, record.losses[:-1], record.losses[-1][1]):
            if before:
                record.snapshots[record.losses[-2][0]] = {name: w.cpu() for name, w in before.items()}
            record.snapshots[epoch] = {name: w.cpu() for name, w in record.weights.items()}
        if epoch in arm.snapshots_at_epochs:
            record.snapshots[epoch] = {name: w.cpu() for name, w in record.weights.items()}
        if not ceased(arm, record.losses, record.errors):
            stays.append(index)
    if len(stays) < len(group.seeds):
        group.keep(stays)


def evaluated(group: SeedGroup, parts: Collection[str]) -> dict[str, dict[str, list[float]]]:
    """Part -> mean -> its value of each seed, of those parts that have images."""
    some = [part for part in parts if group.splits.rows[part].shape[1]]
    return {part: {m: v.tolist() for m, v in group.evaluate(part).items()} for part in some}


def all_finite(means: dict[str, dict[str, float]]) -> bool:
    """Whether all means on the training part are, if it was evaluated; else on the others."""
    some = [means["train"]] if "train" in means else means.values()
    return all(math.isfinite(value) for of_part in some for value in of_part.values())


def add_means(arm: Arm, seed: int, record: Record, means: dict[str, dict[str, float]]) -> None:
    """Write down what was evaluated at the epoch that the record is at; means: part -> mean -> value."""
    for part, of_part in means.items():
        named = {f"{part}_{m}": value for m, value in of_part.items()}
        kept = arm.part_metrics
        record.rows += [Observation(seed, m, record.epoch, v) for m, v in named.items() if m in kept]
    if "train" in means:
        record.losses.append((record.epoch, means["train"][arm.objective]))


def complete(arm: Arm, seeds: list[int], dataset: Dataset, records: dict[int, Record], team: Team) -> None:
    """Evaluate the parts that were not followed of those seeds that left before the arm's last epoch."""
    early = [seed for seed in seeds if records[seed].lacks]
    if not early:
        return
    group = group_of(arm, early, dataset, {}, team)
    group.model.eval()
    for name, tensor in group.model.plain().items():
        tensor.copy_(torch.stack([records[seed].weights[name] for seed in early]))
    table = evaluated(group, records[early[0]].lacks)
    for index, seed in enumerate(early):
        means = {part: {m: v[index] for m, v in of_part.items()} for part, of_part in table.items()}
        if all_finite(means):
            add_means(arm, seed, records[seed], means)
        else:
            records[seed].went_infinite = True
        records[seed].lacks = []


def close(group: SeedGroup, seed: int, record: Record) -> None:
    """Add what is known at the end: divergence, and the trace of the rate up to the last epoch."""
    arm = group.arm
    # Some nets get to where they learn nothing more and stay finite.
    diverged = record.went_infinite or record.losses[-1][1] > record.losses[0][1]
    record.rows.append(Observation(seed, "diverged", None, float(diverged)))
    record.rows += goal_rows(arm, seed, record.errors)
    for epoch in np.linspace(0, arm.epochs, RATE_POINTS, endpoint=False):
        if epoch <= record.epoch:
            record.rows.append(
                Observation(seed, "learning_rate", float(epoch), group.rates.rate(float(epoch)))
            )
    record.closed = True


def save(
    checkpoint: Path, group: SeedGroup, records: dict[int, Record], seeds: list[int], followed: list[str]
) -> None:
    """Everything needed to go on as if nothing had happened."""
    state = {
        "identity": identity(group.arm, list(records), group.splits.dataset, followed),
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


def identity(arm: Arm, seeds: list[int], dataset: Dataset, followed: list[str]) -> dict:
    """What a checkpoint must share with a run to be continued by it."""
    return {
        "settings": arm.chosen(),
        "seeds": seeds,
        "followed": followed,
        "data": [*dataset.images.shape, sum_of_some(dataset.images), dataset.labels.sum().item()],
        "device": dataset.device.type,
        "replays": device.replays(),
        "code": code_digest("train", arm.parts),
    }


def read_checkpoint(checkpoint: Path | None, wanted: dict, team: Team) -> dict | None:
    """The last whole state with the wanted identity, if there is one; see checkpoints.py."""
    state = checkpoints.read(checkpoint, wanted) if checkpoint is not None and team.is_first else None
    if not team.is_alone and (content := team.from_first(lambda: state and checkpoints.encoded(state))):
        state = checkpoints.decoded(content)
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
