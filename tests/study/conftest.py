"""Small made-up runs, with numbers that are known in closed form."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from largebatch import files
from largebatch.files import Observation
from largebatch.question import SETTINGS

COLUMNS = ["seed", "metric", "at", "value", "group", "arm", "run", *SETTINGS]


def arm_rows(arm, metrics, *, group=None, run=None, **settings):
    """Observations of one arm. metrics: {metric: (seeds,) final values, or {at: (seeds,) values}}."""
    settings = dict.fromkeys(SETTINGS, np.nan) | {"batch_size": 8, "lr": 0.1, "k": 1.0} | settings
    rows = []
    for metric, found in metrics.items():
        along = found if isinstance(found, dict) else {np.nan: found}
        for at, values in along.items():
            rows += [
                (seed, metric, at, float(value)) for seed, value in enumerate(values) if value is not None
            ]
    frame = pd.DataFrame(rows, columns=COLUMNS[:4])
    return frame.assign(group=group or arm, arm=arm, run=run or f"run-{arm}", **settings)


def line_rows(train, test=None, name="between"):
    """The line between two minima, of two seeds. train, test: {position: (seeds,) losses}."""
    test = test or {at: [1.0, 1.0] for at in train}
    metrics = {"path_loss_nats": train, "path_test_loss_nats": test, "distance_between_minima": [3.0, 5.0]}
    return arm_rows(name, metrics)


def group_rows(group, setting, metrics_at):
    """One arm for each value of a setting. metrics_at: {value: metrics as in arm_rows}."""
    return pd.concat(
        arm_rows(f"{group}[{setting}={value}]", metrics, group=group, **{setting: value})
        for value, metrics in metrics_at.items()
    )


def write_rows(path, *frames) -> Path:
    """Write rows as aggregate() does."""
    table = pa.Table.from_pandas(pd.concat(frames, ignore_index=True)[COLUMNS], preserve_index=False)
    pq.write_table(table, path)
    return path


@pytest.fixture
def write_table(tmp_path):
    """Writes rows as aggregate() does, and returns the path."""
    return lambda *frames: write_rows(tmp_path / "observations.parquet", *frames)


@pytest.fixture
def write_run(tmp_path):
    """Writes runs/<run>/history.parquet (or another measure) from {metric: {at: (seeds,) values}}."""

    def write(run, metrics, measure="history") -> Path:
        rows = [
            Observation(seed, metric, at, float(value))
            for metric, along in metrics.items()
            for at, values in along.items()
            for seed, value in enumerate(values)
        ]
        files.write_observations(tmp_path / "runs" / run / f"{measure}.parquet", rows)
        return tmp_path / "runs"

    return write


@pytest.fixture
def helpers():
    """arm_rows and group_rows, for tests that cannot import this file."""

    class Helpers:
        arm = staticmethod(arm_rows)
        group = staticmethod(group_rows)

    return Helpers
