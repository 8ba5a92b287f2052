"""From the observations of single runs to one tidy table per experiment, with its summary."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from largebatch import files
from largebatch.metrics import SETTINGS, TRAIN_SECONDS
from largebatch.observations import reading
from largebatch.observations.statistics import half_width
from largebatch.provenance import provenance, record_of_run, require_code
from largebatch.seals import noted, verified

SUMMARY_KEYS = ["group", "arm", "metric", "at"]
ORDER = ["metric", "run", "arm", "group", "seed", "at"]
SUMMARY_COLUMNS = ["group", "arm", *SETTINGS, "metric", "at", "n", "mean", "std", "low", "high"]


def aggregate(ask: dict, runs: Path, observations: Path, summary: Path) -> None:
    """Write the observations of all arms of an experiment, and their summary over seeds.

    ask: {"experiment", "timed": whether with training times, "groups": {group: {"tuned_on": metric or
    null, "members": [{"arm", "run", "tuned": the arm that it is a try for or null, "measures"}]}}, "paths":
    {path: stem of its file}, "exhibits": {exhibit: stem of its file}, "last_seeds": {group, path or exhibit:
    the last of its seeds}, of those whose files have more}; see commands.to_aggregate(). runs: the folder of
    the runs' folders; those of the paths' and exhibits' files, paths/ and exhibits/, lie beside it.
    """
    last = ask.get("last_seeds", {})
    cache: dict[tuple, pd.DataFrame] = {}  # groups share runs; every run is read once
    parts = []
    with noted() as read:
        for group, asked in ask["groups"].items():
            parts += group_rows(group, asked, ask["timed"], runs, cache, last.get(group))
        for name, stem in ask["paths"].items():
            rows = path_rows(name, runs.parent / "paths" / f"{stem}.parquet")
            parts.append(up_to(last.get(name), rows))
        for name, stem in ask["exhibits"].items():
            rows = exhibit_rows(name, runs.parent / "exhibits" / f"{stem}.parquet")
            parts.append(up_to(last.get(name), rows))
    table = pd.concat(parts, ignore_index=True)[list(reading.COLUMNS)]
    inputs = {path.relative_to(runs.parent).as_posix(): digest for path, digest in read.items()}
    write_all(table, observations, summary, provenance("aggregate", ask, inputs))


def up_to(last: int | None, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the seeds up to the last one that is asked for; all of them without."""
    return rows if last is None else rows[rows["seed"] <= last]


def write_all(table: pd.DataFrame, observations: Path, summary: Path, record: dict) -> None:
    """Write the observations of an experiment, their summary and their provenance, which lies beside them."""
    write_observations(table, observations)
    write_summary(table, summary)
    files.write_json(observations.with_suffix(".json"), record)


def write_observations(table: pd.DataFrame, path: Path) -> None:
    """Write the observations of an experiment, with similar rows adjacent: nothing depends on their order."""
    ordered = table.sort_values(ORDER, kind="stable", ignore_index=True)
    files.write_small(path, pa.Table.from_pandas(ordered, preserve_index=False))


def take(published: Path, observations: Path, summary: Path) -> None:
    """Write the published observations of an experiment, and their summary, in place of its own."""
    inputs = {published.as_posix(): verified(published)}
    table = pd.read_parquet(published)
    if list(table.columns) != list(reading.COLUMNS):
        raise ValueError(f"{published}: wanted columns {list(reading.COLUMNS)}; got {list(table.columns)}")
    write_all(table, observations, summary, provenance("aggregate", {}, inputs))


def write_summary(table: pd.DataFrame, summary: Path) -> None:
    """Write the summary of observations, a table that people read."""
    with files.atomic(summary) as temporary:
        # seven digits, since people read this file; judging and drawing use the parquet file
        summarise(table).to_csv(temporary, index=False, float_format="%.7g")


def group_rows(
    group: str, asked: dict, timed: bool, runs: Path, cache: dict, last: int | None
) -> list[pd.DataFrame]:
    """The observations of a group's arms; those that a tuned arm tried are in the group `<group>.tried`."""

    def rows_of(member: dict, group: str) -> pd.DataFrame:
        rows = member_rows(group, member, runs, cache)
        return up_to(last, timed_rows(rows, runs) if timed else rows)

    members = asked["members"]
    if asked["tuned_on"] is None:
        return [rows_of(member, group) for member in members]
    parts = []
    for arm in dict.fromkeys(member["tuned"] for member in members):
        tries = [m for m in members if m["tuned"] == arm]
        tried = pd.concat(rows_of(member, f"{group}.tried") for member in tries)
        parts += [tried, tuned_rows(tried, arm, asked["tuned_on"]).assign(group=group)]
    return parts


def member_rows(group: str, member: dict, runs: Path, cache: dict) -> pd.DataFrame:
    """The observations of one arm, under its group and with its run's settings."""
    key = (member["run"], *sorted(member["measures"]))
    if key not in cache:
        folder = runs / member["run"]
        history = run_rows(folder / "history.parquet")
        require_code(folder / "history.parquet", record_of_run(folder), "train")
        # perhaps no seed reached the loss at which snapshots are kept and measured
        measured = [
            measured_rows(folder / f"{name}.parquet", may_be_empty=True) for name in member["measures"]
        ]
        rows = pd.concat([history, *(m for m in measured if len(m))])
        arm, _ = files.read_spec(folder)
        peak = pd.DataFrame({"seed": np.sort(rows["seed"].unique())}).assign(
            metric="peak_learning_rate", at=np.nan, value=float(arm.peak_lr)
        )
        settings = {name: float(getattr(arm, name)) for name in SETTINGS}
        cache[key] = pd.concat([rows, peak]).assign(run=member["run"], **settings)
    return cache[key].assign(group=group, arm=member["arm"])


def timed_rows(rows: pd.DataFrame, runs: Path) -> pd.DataFrame:
    """The observations of one arm, then its training time, divided equally among its seeds."""
    each = rows.drop_duplicates("seed").sort_values("seed")
    seconds = seconds_of(runs / rows["run"].iloc[0] / "provenance.json") / len(each)
    return pd.concat([rows, each.assign(metric=TRAIN_SECONDS, at=np.nan, value=seconds)])


def seconds_of(path: Path) -> float:
    """Seconds that a run took to train all its seeds together."""
    try:
        return float(files.read_json(path)["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: wanted a run's provenance with its seconds; got {error!r}") from error


def path_rows(name: str, path: Path) -> pd.DataFrame:
    """The observations of one path between minima, as an arm without settings."""
    return measured_rows(path).assign(group=name, arm=name, run=path.stem, **dict.fromkeys(SETTINGS, np.nan))


def exhibit_rows(name: str, path: Path) -> pd.DataFrame:
    """The observations of an exhibit; each arm is `<name>.<arm>`, a group without settings."""
    rows = measured_rows(path, "exhibit", read=files.read_exhibit)
    arm = f"{name}." + rows["arm"]
    return rows.assign(group=arm, arm=arm, run=name, **dict.fromkeys(SETTINGS, np.nan))


def measured_rows(path: Path, stage: str = "measure", **how) -> pd.DataFrame:
    """run_rows() of a file that holds its own provenance, and that this code made."""
    rows = run_rows(path, **how)
    require_code(path, files.read_provenance(path), stage)
    return rows


def run_rows(
    path: Path, may_be_empty: bool = False, read: Callable[[Path], pa.Table] = files.read_observations
) -> pd.DataFrame:
    """The observations in one file of a run; ValueError if it cannot be read, or is empty and must not be."""
    try:
        rows = read(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: wanted a parquet file of observations; got {error}") from error
    if rows.empty and not may_be_empty:
        raise ValueError(f"{path}: wanted observations; got none")
    return rows.astype({"at": float})


def tuned_rows(tried: pd.DataFrame, arm: str, tuned_on: str) -> pd.DataFrame:
    """For each seed the rows of the tried arm with the lowest final `tuned_on`, as one arm.

    Each seed chooses on its own validation part, so no test image influences its choice.
    """
    finite = tried[np.isfinite(tried["value"])]
    names = finite.loc[finite["metric"] == tuned_on, "arm"].unique()
    if len(names) == 0:
        raise ValueError(f"arm {arm}: wanted {tuned_on} of a try to tune on; got none")
    best = reading.best_members(finite, names, tuned_on)
    return tried[tried["arm"] == tried["seed"].map(best)].assign(arm=arm)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per arm, metric and position: n, mean, std and the 95 % interval over the seeds with a finite value.

    A setting that differs between a tuned arm's seeds is left empty. The learning rate along training, which
    is the same for every seed, is only in the observations.
    """
    table = table[np.isfinite(table["value"]) & (table["metric"] != "learning_rate")]
    grouped = table.groupby(SUMMARY_KEYS, dropna=False, sort=True)
    # the mean and std of a constant column have rounding errors; its minimum and maximum do not
    rows = grouped["value"].agg(n="size", mean="mean", std="std", least="min", most="max")
    constant = (rows["least"] == rows["most"]) & (rows["n"] > 1)
    rows.loc[constant, "mean"], rows.loc[constant, "std"] = rows["least"][constant], 0.0
    half = half_width(rows["std"], rows["n"])
    rows = rows.assign(low=rows["mean"] - half, high=rows["mean"] + half).reset_index()
    for setting, values in table.groupby(["group", "arm"])[list(SETTINGS)].agg(shared).items():
        rows[setting] = values.reindex(pd.MultiIndex.from_frame(rows[["group", "arm"]])).to_numpy()
    return rows[SUMMARY_COLUMNS]


def shared(values: pd.Series) -> float:
    """The value that all share, or NaN."""
    return float(values.iloc[0]) if values.nunique() == 1 else np.nan
