"""Small made-up runs, with numbers that are known in closed form."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from largebatch import files
from largebatch.files import Observation
from largebatch.judging import claims, robustness
from largebatch.metrics import SETTINGS
from tests.conftest import small_arm
from tests.shared.figures import made_up

# What five seeds add to a value: nothing on average.
NOISE = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
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


def plane_rows(train, test, ways, name="plane"):
    """The plane through two minima and their start. train, test: {(x, y): (seeds,) losses}.

    ways: {"start" | "end": [(x, y) by epoch]}, the same of every seed.
    """
    seeds = len(next(iter(train.values())))
    at_points = {
        "descent_x": [[x] * seeds for x, _ in train],
        "descent_y": [[y] * seeds for _, y in train],
        "descent_loss_nats": train.values(),
        "descent_test_loss_nats": test.values(),
    }
    along = {
        f"descent_{run}_{axis}": [[place[k]] * seeds for place in way]
        for run, way in ways.items()
        for k, axis in enumerate("xy")
    }
    metrics = (at_points | along).items()
    return arm_rows(name, {metric: dict(enumerate(values)) for metric, values in metrics})


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
    """Writes runs/<run>/history.parquet (or another measure) from {metric: {at: (seeds,) values}}.

    Beside it, as training does, the settings of the run: SMALL with the base batch half as large.
    """

    def write(run, metrics, measure="history", **settings) -> Path:
        rows = [
            Observation(seed, metric, at, float(value))
            for metric, along in metrics.items()
            for at, values in along.items()
            for seed, value in enumerate(values)
        ]
        folder = tmp_path / "runs" / run
        files.write_observations(folder / f"{measure}.parquet", rows)
        if measure == "history":
            settings = {"lr_rule": "linear", "base_batch_size": 4} | settings
            files.write_spec(folder, small_arm(**settings), [0, 1, 2])
            (folder / "provenance.json").write_text("{}", encoding="utf-8")
        return tmp_path / "runs"

    return write


def claim_row(id, **columns):
    """A judged claim, supported unless said otherwise; a claim that was not run has no numbers."""
    row = {
        "id": id,
        "experiment": "e",
        "tier": "empirical",
        "statement": id,
        "source": "Paper 2017, table 1",
        "says": "A statement.",
        "kind": "difference",
        "metric": "updates",
        "unit": "updates",
        "n": 5.0,
        "estimate": 1.25,
        "low": 1.0,
        "high": 1.5,
        "p_value": 0.01,
        "p_adjusted": 0.02,
        "detectable": 1.12,
        "detectable_as": "factor",
        "expect": "above 0",
        "paper_value": 0.3,
        "replication": "larger",
        "control": "",
        "fit": "",
        "verdict": "supported",
        "robust": "robust",
        "registered": "as registered",
        "note": "",
    } | columns
    if row["verdict"] == "not_run":
        row |= dict.fromkeys(("n", "estimate", "low", "high", "p_value", "p_adjusted", "detectable")) | {
            "robust": ""
        }
    return row


@pytest.fixture
def judged():
    """Claims from rows, columns as in claims.csv."""

    def judged(*rows) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=list(claims.COLUMNS))

    return judged


def with_statements(table) -> pd.DataFrame:
    """Claims as read_ledger() gives them: a statement is fragile if one of its conditions is."""
    weak = table.loc[table["robust"] == "fragile", "statement"]
    robust = table["statement"].isin(weak).map({True: "fragile", False: "robust"})
    return table.assign(statement_robust=robust.where(table["tier"] == "empirical", ""))


def write_ledger(path, table) -> None:
    """Write claims, their statements and robustness beside them."""
    table.to_csv(path, index=False)
    said = with_statements(table)[table["tier"] == "empirical"].drop_duplicates("statement")
    said = said.assign(robust=said["statement_robust"])
    said.reindex(columns=list(claims.STATEMENT_COLUMNS)).to_csv(
        path.with_name(claims.STATEMENTS), index=False
    )
    by_p = table[table["robust"] != ""].assign(of="claim", variants=449, agree=0.5, changed_by="mixed: t")
    by_p.reindex(columns=list(robustness.COLUMNS)).to_csv(path.with_name(robustness.ROBUSTNESS), index=False)


@pytest.fixture
def joined(judged):
    """Claims with what is said of their statements, from rows."""
    return lambda *rows: with_statements(judged(*rows))


class Results:
    """Makes results folders with everything that is published, and files that are not."""

    rows = {
        "T1": ("supported", 1.0, 0.5, 1.5),
        "T2": ("inconclusive", 0.1, -0.5, 0.7),
        "T3": ("not_run", None, None, None),
    }

    def __call__(self, folder: Path, rows=rows, figure="ink") -> Path:
        for name in ("e", "figures", "tables", "runs/r"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        says = "A long statement. " * 6
        table = [
            claim_row(name, says=says, verdict=verdict, estimate=estimate, low=low, high=high)
            for name, (verdict, estimate, low, high) in rows.items()
        ]
        for path in (folder / "claims.csv", folder / "e" / "claims.csv"):
            write_ledger(path, pd.DataFrame(table, columns=list(claims.COLUMNS)))
        (folder / "e" / "summary.csv").write_text("group\n", encoding="utf-8")
        (folder / "e" / "observations.parquet").write_text("large", encoding="utf-8")
        (folder / "figures" / "e_f.svg").write_text(figure, encoding="utf-8")
        (folder / "figures" / "e_f.json").write_text(str(folder), encoding="utf-8")
        (folder / "tables" / "e_t.md").write_text("t", encoding="utf-8")
        (folder / "report.html").write_text("page", encoding="utf-8")
        (folder / "runs" / "r" / "history.parquet").write_text("large", encoding="utf-8")
        record = {"device": "cpu", "commit": "c", "code": "d", "seconds": 1.5}
        (folder / "runs" / "r" / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
        return folder


@pytest.fixture
def results():
    return Results()


@pytest.fixture
def rows(helpers):
    """Observations for each kind of figure."""
    return made_up(helpers)


@pytest.fixture
def helpers():
    """arm_rows, group_rows and claim_row, for tests that cannot import this file."""

    class Helpers:
        claim = staticmethod(claim_row)
        arm = staticmethod(arm_rows)
        group = staticmethod(group_rows)

    return Helpers
