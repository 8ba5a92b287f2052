"""Arms trained by several workers, for tests: what the first one gets, in a file."""

import itertools
import pickle
from pathlib import Path

import torch

from largebatch.training import train as module
from largebatch.training.team import Team
from largebatch.training.workers import start
from tests.shared.trained import train

Jobs = list[tuple]  # (arm, seeds, dataset, checkpoint or None) each


class Killed(Exception):
    pass


def trained_by(workers: int, jobs: Jobs, folder: Path, after: int | None = None) -> list[module.Trained]:
    """What so many workers make of each job, one after another; the first is Killed after so many reports."""
    file = folder / "trained.pickle"
    start(workers, train_each, (jobs, file, after), on_gpu=False)
    return pickle.loads(file.read_bytes())


def train_each(team: Team, jobs: Jobs, file: Path, after: int | None) -> None:
    torch.set_num_threads(1)
    module.CHECKPOINT_SECONDS = 0.0
    reports = itertools.count(1)

    def report(_: str) -> None:
        if team.is_first and next(reports) == after:
            raise Killed

    found = [train(arm, seeds, data, checkpoint, report, team=team) for arm, seeds, data, checkpoint in jobs]
    assert len({pickle.dumps(each) for each in team.gathered(found)}) == 1  # all have the same bytes
    if team.is_first:
        file.write_bytes(pickle.dumps(found))
