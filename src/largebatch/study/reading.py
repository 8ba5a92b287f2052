"""Reads one number a seed out of an experiment's observations: at the end of a run, or along it."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from largebatch.question import At

SETTINGS = ("batch_size", "lr", "k")
COLUMNS = ("seed", "metric", "at", "value", "group", "arm", "run", *SETTINGS)


class Missing(LookupError):
    """An arm or a metric that the observations do not hold."""


def read(path: Path, groups: Iterable[str], metrics: Iterable[str]) -> pd.DataFrame:
    """The observations of these groups and metrics, one row each; columns COLUMNS.

    Rows without a finite value are left out. ValueError where the file is not what aggregate() writes.
    """
    try:
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: wanted a parquet file of observations; got {error}") from error
    if sorted(names) != sorted(COLUMNS):
        raise ValueError(f"{path}: wanted columns {list(COLUMNS)}; got {names}")
    wanted = pc.field("group").isin(list(groups)) & pc.field("metric").isin(list(metrics))
    table = pq.read_table(path, columns=list(COLUMNS), filters=wanted)
    frame = table.to_pandas()
    return frame[np.isfinite(frame["value"])]


def rows_of(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """The rows of one metric of one arm, by seed and along the run."""
    of_arm = observations[observations["arm"] == arm]
    if of_arm.empty:
        raise Missing(f"arm {arm}")
    rows = of_arm[of_arm["metric"] == metric]
    if rows.empty:
        raise Missing(f"metric {metric} of arm {arm}")
    return rows.sort_values(["seed", "at"], kind="stable")


def members(observations: pd.DataFrame, group: str) -> pd.DataFrame:
    """The arms of a group, one row each: index arm; columns batch_size, lr, k."""
    rows = observations[observations["group"] == group]
    if rows.empty:
        raise Missing(f"arm {group}")
    arms = rows.drop_duplicates("arm").set_index("arm")[list(SETTINGS)]
    # of a tuned group, the arm under the group's own name is put together from the others
    return arms.drop(index=group) if len(arms) > 1 and group in arms.index else arms


def final(observations: pd.DataFrame, arm: str, metric: str) -> pd.Series:
    """Each seed's last value."""
    return rows_of(observations, arm, metric).groupby("seed")["value"].last()


def at_share(observations: pd.DataFrame, arm: str, metric: str, share: float) -> pd.Series:
    """Each seed's value at a share of the arm's epochs, linear between evaluations.

    The epochs are those of the arm's longest seed; a seed that stopped before keeps its last value.
    """
    rows = history_of(observations, arm, metric)
    epoch = share * rows["at"].max()
    return interpolated(rows, pd.Series(epoch, index=rows["seed"].unique()), along="at")


def at_same_updates(observations: pd.DataFrame, arm: str, metric: str, other: str) -> pd.Series:
    """Each seed's value where it had made as many updates as the other arm's seed made in all.

    Linear between evaluations; a seed that made fewer keeps its last value (see short_of).
    """
    rows = history_of(observations, arm, metric)
    updates = rows_of(observations, arm, "updates")[["seed", "at", "value"]]
    rows = rows.merge(updates.rename(columns={"value": "updates"}), on=["seed", "at"])
    return interpolated(rows, final(observations, other, "updates"), along="updates")


def short_of(observations: pd.DataFrame, arm: str, other: str) -> int:
    """How many seeds made fewer updates than the other arm's seed made in all."""
    made, wanted = final(observations, arm, "updates").align(final(observations, other, "updates"), "inner")
    return int((made < wanted).sum())


def median_of_last(observations: pd.DataFrame, arm: str, metric: str, count: int) -> pd.Series:
    """Each seed's median over its last `count` evaluations (Goyal 2017, section 5.1, takes 5)."""
    rows = rows_of(observations, arm, metric)
    return rows.groupby("seed").tail(count).groupby("seed")["value"].median()


READINGS: dict[str, Callable[..., pd.Series]] = {
    "share": at_share,
    "same_updates_as": at_same_updates,
    "median_of_last": median_of_last,
}


def reading(observations: pd.DataFrame, arm: str, metric: str, at: At | None = None) -> pd.Series:
    """One value a seed, index seed, read where `at` says; Missing if the observations lack it."""
    if at is None:
        return final(observations, arm, metric)
    ((key, value),) = at.model_dump(exclude_none=True).items()
    return READINGS[key](observations, arm, metric, value)


def history_of(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """The rows of a metric that is recorded along the run."""
    rows = rows_of(observations, arm, metric)
    if rows["at"].isna().any():
        raise Missing(f"history of {metric} of arm {arm}, which is measured at the end only")
    return rows


def interpolated(rows: pd.DataFrame, positions: pd.Series, along: str) -> pd.Series:
    """Each seed's value at its position on the axis `along`; positions: index seed."""
    values = {
        seed: np.interp(positions[seed], of_seed[along], of_seed["value"])
        for seed, of_seed in rows.groupby("seed")
        if seed in positions.index
    }
    return pd.Series(values, dtype=float).rename_axis("seed")


def carried(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """Values (epochs, seeds) on all epochs the arm was evaluated at.

    Linear between a seed's evaluations; a seed that stopped keeps its last value.
    """
    return within_runs(observations, arm, metric).ffill()


def within_runs(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """Values (epochs, seeds) as in carried(), NaN after a seed has stopped."""
    rows = history_of(observations, arm, metric)
    return rows.pivot(index="at", columns="seed", values="value").interpolate("index", limit_area="inside")


def lowest(values: pd.DataFrame, diverged: pd.DataFrame) -> pd.Series:
    """Each seed's arm with the lowest value; values, diverged: (seeds, arms), NaN where an arm lacks a seed.

    A diverged arm's last finite value says nothing of where it went: it is taken only where all
    diverged. Of equals the first.
    """
    lost = diverged.reindex_like(values).fillna(0) > 0
    kept = values.mask(lost).where((~lost & values.notna()).any(axis=1), values)
    return kept.dropna(how="all").idxmin(axis=1)


def finals_of(observations: pd.DataFrame, arms: Iterable[str], metric: str) -> pd.DataFrame:
    """Final values (seeds, arms); columns in the order given."""
    return pd.DataFrame({arm: final(observations, arm, metric) for arm in arms})


def best_members(observations: pd.DataFrame, arms: Iterable[str], metric: str) -> pd.Series:
    """Each seed's arm where the metric ends lowest, among those that did not diverge."""
    arms = list(arms)
    known = set(observations.loc[observations["metric"] == "diverged", "arm"])
    diverged = finals_of(observations, [arm for arm in arms if arm in known], "diverged")
    return lowest(finals_of(observations, arms, metric), diverged)
