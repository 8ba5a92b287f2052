"""The runs of a study by any of their names, and their final numbers from a results folder."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from largebatch.config.spec import Arm
from largebatch.config.study import Study
from largebatch.metrics import METRICS, PROFILE
from largebatch.observations import reading
from largebatch.seals import verified

CLOSE = 0.4  # least similarity of the names that a message suggests


class Asked(NamedTuple):
    """A run under the name that one experiment gives it; also: the group or tuned arm it belongs to."""

    experiment: str
    label: str
    also: tuple[str, ...]
    arm: Arm

    @property
    def names(self) -> set[str]:
        """All its names; <experiment>/<name> if two experiments use the same name."""
        own = {self.label, *self.also}
        return {self.arm.id, *own, *(f"{self.experiment}/{name}" for name in own)}


def asked(study: Study) -> Iterator[Asked]:
    """Every run of every experiment."""
    for e in study.experiments:
        for group in e.groups.values():
            for m in group.members:
                yield Asked(e.name, m.name, (group.name, *([m.tuned] if m.tuned else [])), m.arm)


def called(study: Study, name: str) -> list[Asked]:
    """All runs of that name: an arm's in any experiment, <experiment>/<arm>, a run's id or its folder."""
    name = name.rstrip("/").rpartition("/runs/")[2] or name
    return [found for found in asked(study) if name in found.names]


def the_one(study: Study, name: str) -> list[Asked]:
    """All requests for the one run of that name; ValueError if there is none, or more than one."""
    found = called(study, name)
    runs = {each.arm.id: f"{each.experiment}/{each.label}" for each in found}
    if len(runs) == 1:
        return found
    got = f"{len(runs)} by the name of {name!r}" if runs else f"{name!r}"
    known = [*runs.values()] if runs else like(name, (n for each in asked(study) for n in each.names))
    raise ValueError(f"wanted the name of one run, such as {', '.join(known[:6]) or 'none here'}; got {got}")


def like(name: str, names: Iterator[str]) -> list[str]:
    """Names that are spelled similarly."""
    return get_close_matches(name, sorted(set(names)), n=4, cutoff=CLOSE)


def finals(found: list[Asked], results: Path) -> dict[str, pd.Series]:
    """Metric -> final value of each seed of one run; empty if the folder has no observations of it.

    Profiles, which have no final value, are left out.
    """
    for each in found:
        path = results / each.experiment / "observations.parquet"
        if path.is_file():
            verified(path)
            rows = pq.read_table(path, filters=[("run", "==", each.arm.id)]).to_pandas()
            rows = rows[np.isfinite(rows["value"]) & ~rows["metric"].isin(PROFILE)]
            if len(rows):
                rows = rows[rows["arm"] == rows["arm"].iloc[0]]
                return {
                    metric: reading.final(rows, rows["arm"].iloc[0], metric)
                    for metric in METRICS
                    if (rows["metric"] == metric).any()
                }
    return {}
