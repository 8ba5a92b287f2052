"""From the observations of single runs to one tidy table an experiment, with its summary."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from largebatch import files
from largebatch.metrics import TRAIN_SECONDS
from largebatch.question import SETTINGS
from largebatch.study import reading
from largebatch.study.statistics import half_width

SUMMARY_KEYS = ["group", "arm", "metric", "at"]
SUMMARY_COLUMNS = ["group", "arm", *SETTINGS, "metric", "at", "n", "mean", "std", "low", "high"]


def aggregate(ask: dict, runs: Path, observations: Path, summary: Path) -> None:
    """Write the observations of all arms of an experiment, and their summary over seeds.

    ask: {"experiment", "timed": whether with training times, "groups": {group: {"tuned_on": metric or
    null, "members": [{"arm", "run", "measures", "peak_learning_rate", and each of SETTINGS or null}]}},
    "paths": {path: stem of its file}}. runs: the folder of the runs' folders; that of the paths' files,
    paths/, lies beside it.
    """
    cache: dict[tuple, pd.DataFrame] = {}  # groups share runs, and every run is read once
    parts = []
    for group, asked in ask["groups"].items():
        members = (member_rows(group, m, runs, cache) for m in asked["members"])
        of_group = pd.concat(timed_rows(rows, runs) if ask["timed"] else rows for rows in members)
        parts.append(of_group)
        if asked["tuned_on"] is not None:
            parts.append(tuned_rows(of_group, group, asked["tuned_on"]))
    for name, stem in ask["paths"].items():
        parts.append(path_rows(name, runs.parent / "paths" / f"{stem}.parquet"))
    table = pd.concat(parts, ignore_index=True)[list(reading.COLUMNS)]
    with files.atomic(observations) as temporary:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary, compression="zstd")
    with files.atomic(summary) as temporary:
        # seven digits: the file is read by people and committed; judging and drawing use the parquet
        summarise(table).to_csv(temporary, index=False, float_format="%.7g")


def member_rows(group: str, member: dict, runs: Path, cache: dict) -> pd.DataFrame:
    """The observations of one arm, under its group and with its settings."""
    key = (member["run"], *sorted(member["measures"]))
    if key not in cache:
        names = ["history", *member["measures"]]
        cache[key] = pd.concat(run_rows(runs / member["run"] / f"{name}.parquet") for name in names)
    rows = cache[key]
    peak = pd.DataFrame({"seed": np.sort(rows["seed"].unique())}).assign(
        metric="peak_learning_rate", at=np.nan, value=float(member["peak_learning_rate"])
    )
    settings = {name: np.nan if member[name] is None else float(member[name]) for name in SETTINGS}
    return pd.concat([rows, peak]).assign(group=group, arm=member["arm"], run=member["run"], **settings)


def timed_rows(rows: pd.DataFrame, runs: Path) -> pd.DataFrame:
    """The observations of one arm, and behind them its training time, shared out evenly among its seeds."""
    each = rows.drop_duplicates("seed").sort_values("seed")
    seconds = seconds_of(runs / rows["run"].iloc[0] / "provenance.json") / len(each)
    return pd.concat([rows, each.assign(metric=TRAIN_SECONDS, at=np.nan, value=seconds)])


def seconds_of(path: Path) -> float:
    """How long a run took to train, all its seeds together."""
    try:
        return float(files.read_json(path)["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: wanted a run's provenance with its seconds; got {error!r}") from error


def path_rows(name: str, path: Path) -> pd.DataFrame:
    """The observations of one path between minima, as an arm without settings."""
    return run_rows(path).assign(group=name, arm=name, run=path.stem, **dict.fromkeys(SETTINGS, np.nan))


def run_rows(path: Path) -> pd.DataFrame:
    """The observations in one file of a run; ValueError if it cannot be read or holds none."""
    try:
        rows = files.read_observations(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: wanted a parquet file of observations; got {error}") from error
    if rows.empty:
        raise ValueError(f"{path}: wanted observations; got none")
    return rows.astype({"at": float})


def tuned_rows(of_group: pd.DataFrame, group: str, tuned_on: str) -> pd.DataFrame:
    """For each seed the rows of the member whose final `tuned_on` is lowest, as an arm of the group's name.

    Each seed chooses on its own validation part, so no test image enters its choice.
    """
    finite = of_group[np.isfinite(of_group["value"])]
    arms = of_group["arm"].unique()
    try:
        best = reading.best_members(finite, arms, tuned_on)
    except reading.Missing as missing:
        raise ValueError(
            f"group {group}: wanted {tuned_on} of every member to tune on; got no {missing}"
        ) from None
    return of_group[of_group["arm"] == of_group["seed"].map(best)].assign(arm=group)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Per arm, metric and position: n, mean, std and the 95 % interval over the seeds with a finite value.

    A setting that a tuned arm's seeds do not share is left empty. The trace of the learning rate, which is
    the same for every seed, is left to the observations.
    """
    table = table[np.isfinite(table["value"]) & (table["metric"] != "learning_rate")]
    grouped = table.groupby(SUMMARY_KEYS, dropna=False, sort=True)
    # a constant column's mean and std carry rounding; its minimum and maximum do not
    rows = grouped["value"].agg(n="size", mean="mean", std="std", least="min", most="max")
    constant = (rows["least"] == rows["most"]) & (rows["n"] > 1)
    rows.loc[constant, "mean"], rows.loc[constant, "std"] = rows["least"][constant], 0.0
    half = half_width(rows["std"], rows["n"])
    rows = rows.assign(low=rows["mean"] - half, high=rows["mean"] + half).reset_index()
    for setting, values in table.groupby(["group", "arm"])[list(SETTINGS)].agg(shared).items():
        rows[setting] = values.reindex(pd.MultiIndex.from_frame(rows[["group", "arm"]])).to_numpy()
    return rows[SUMMARY_COLUMNS]


def shared(values: pd.Series) -> float:
    """The value that all have, or NaN."""
    return float(values.iloc[0]) if values.nunique() == 1 else np.nan
