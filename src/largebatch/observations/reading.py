"""Reads one number per seed from observations: at the end of a run, along it, or from a profile."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from largebatch.config.uses import At, Use
from largebatch.files import read_json
from largebatch.metrics import BY_EPOCH, HISTORY, SETTINGS
from largebatch.provenance import require_code
from largebatch.seals import verified

COLUMNS = ("seed", "metric", "at", "value", "group", "arm", "run", *SETTINGS)


# Tolerances for a position; the absolute one is for position 0.
POSITION_RTOL, POSITION_ATOL = 1e-9, 1e-12
MOST_NAMED = 8  # positions listed in a message


class Missing(LookupError):
    """An arm or a metric that the observations do not hold."""


class NeverReached(Missing):
    """A training loss that no seed of an arm reaches."""


class Lost(NeverReached):
    """A metric that an arm lacks, all of whose seeds diverged."""

    def __init__(self, arm: str, metric: str, seeds: int):
        super().__init__(f"metric {metric} of arm {arm}, of which all {seeds} seeds diverged")
        self.arm = arm


def read(path: Path, groups: Iterable[str], metrics: Iterable[str]) -> pd.DataFrame:
    """The observations of these groups, or single arms of them, and metrics; columns COLUMNS.

    Rows without a finite value are left out. ValueError if the file is not one that aggregate() writes.
    """
    try:
        verified(path)
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: wanted a parquet file of observations; got {error}") from error
    if sorted(names) != sorted(COLUMNS):
        raise ValueError(f"{path}: wanted columns {list(COLUMNS)}; got {names}")
    if (record := path.with_suffix(".json")).is_file():
        require_code(path, read_json(record), "aggregate")
    wanted = of_names(groups) & pc.field("metric").isin(list(metrics))
    table = pq.read_table(path, columns=list(COLUMNS), filters=wanted)
    # as categories, a table's texts are compared as integers
    frame = table.to_pandas(categories=["metric", "group", "arm", "run"])
    return frame[np.isfinite(frame["value"])]


def of_names(names: Iterable[str]) -> pc.Expression:
    """The rows of groups, and of arms of a group, with these names."""
    names = list(names)
    found = pc.field("group").isin(names)
    single = [name for name in names if "[" in name]
    return found | pc.field("arm").isin(single) if single else found


def read_uses(path: Path, uses: Iterable[Use], beside: Iterable[str]) -> pd.DataFrame:
    """The observations of all that is used, and of these metrics beside it."""
    return read(path, *read_of(uses, beside))


def read_of(uses: Iterable[Use], beside: Iterable[str]) -> tuple[set[str], set[str]]:
    """The arms that are used, and the metrics that are read of each of them."""
    uses = list(uses)
    return {use.arm for use in uses}, {use.metric for use in uses if use.metric} | {*beside}


def rows_of(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """The rows of one metric of one arm, by seed and along the run; columns seed, at, value."""
    of_arm = observations["arm"] == arm
    if not of_arm.any():
        raise Missing(f"arm {arm}")
    # texts and settings are the same in all of these rows, and slow to copy
    rows = observations.loc[of_arm & (observations["metric"] == metric), ["seed", "at", "value"]]
    if rows.empty:
        ends = observations.loc[of_arm & (observations["metric"] == "diverged"), "value"]
        if len(ends) and (ends > 0).all():
            raise Lost(arm, metric, len(ends))
        raise Missing(f"metric {metric} of arm {arm}")
    return rows.iloc[np.lexsort((rows["at"], rows["seed"]))]


def members(observations: pd.DataFrame, group: str) -> pd.DataFrame:
    """The arms of a group, one row each: index arm; columns SETTINGS."""
    rows = observations[observations["group"] == group]
    if rows.empty:
        raise Missing(f"arm {group}")
    return rows.drop_duplicates("arm").set_index("arm")[list(SETTINGS)]


def final(observations: pd.DataFrame, arm: str, metric: str) -> pd.Series:
    """Each seed's last value."""
    return rows_of(observations, arm, metric).groupby("seed")["value"].last()


def at_share(observations: pd.DataFrame, arm: str, metric: str, share: float) -> pd.Series:
    """Each seed's value at a share of the arm's epochs, linear between evaluations.

    The epochs are those of the longest seed of the arm; a seed that stopped before keeps its last value.
    """
    rows = history_of(observations, arm, metric)
    # the last snapshot may be before the end of the run
    run = history_of(observations, arm, "updates") if metric in BY_EPOCH else rows
    epoch = share * run["at"].max()
    return interpolated(rows, pd.Series(epoch, index=rows["seed"].unique()), along="at")


def at_same_updates(observations: pd.DataFrame, arm: str, metric: str, other: str) -> pd.Series:
    """Each seed's value where it had made as many updates as the same seed of the other arm made in all.

    Linear between evaluations; a seed that made fewer keeps its last value (see short_of).
    """
    rows = beside(observations, arm, metric, "updates")
    return interpolated(rows, final(observations, other, "updates"), along="updates")


def short_of(observations: pd.DataFrame, arm: str, other: str) -> int:
    """How many seeds made fewer updates than the same seed of the other arm made in all."""
    made, wanted = final(observations, arm, "updates").align(final(observations, other, "updates"), "inner")
    return int((made < wanted).sum())


def at_train_loss(observations: pd.DataFrame, arm: str, metric: str, nats: float) -> pd.Series:
    """Each seed's value where its training loss first is at or below `nats`; other seeds are left out.

    Interpolated between the nearest epochs at which the metric is known, linearly in log(training
    loss). A seed that begins below is read at its first epoch.
    """
    rows = beside(observations, arm, metric, "train_loss_nats")
    values = {seed: where_first_below(of_seed, nats) for seed, of_seed in rows.groupby("seed")}
    found = pd.Series(values, dtype=float).dropna().rename_axis("seed")
    if found.empty:
        raise NeverReached(
            f"a seed of arm {arm} whose training loss reaches {nats:g} where {metric} is known"
        )
    return found


def where_first_below(rows: pd.DataFrame, nats: float) -> float:
    """The value of one seed where its training loss falls to `nats`; NaN if it never does."""
    below = rows["train_loss_nats"].to_numpy() <= nats
    if not below.any():
        return np.nan
    first = int(below.argmax())
    around = rows.iloc[max(first - 1, 0) : first + 1]
    # np.interp needs ascending positions; a loss of exactly 0 has no logarithm
    fallen = -np.log(around["train_loss_nats"].clip(lower=np.finfo(float).tiny))
    return float(np.interp(-np.log(nats), fallen, around["value"]))


def at_value(observations: pd.DataFrame, arm: str, metric: str, value: float) -> pd.Series:
    """Each seed's value at one position of a profile, which must be one of those measured."""
    rows = rows_of(observations, arm, metric)
    there = rows[np.isclose(rows["at"], value, rtol=POSITION_RTOL, atol=POSITION_ATOL)]
    if there.empty:
        known = ", ".join(f"{at:g}" for at in sorted(rows["at"].dropna().unique())[:MOST_NAMED])
        raise Missing(f"metric {metric} of arm {arm} at {value:g} (known at {known or 'its end'})")
    return there.groupby("seed")["value"].last()


def median_of_last(observations: pd.DataFrame, arm: str, metric: str, count: int) -> pd.Series:
    """Each seed's median over its last `count` evaluations (Goyal 2017, section 5.1, takes 5)."""
    rows = (history_of if metric in HISTORY | BY_EPOCH else rows_of)(observations, arm, metric)
    return rows.groupby("seed").tail(count).groupby("seed")["value"].median()


READINGS: dict[str, Callable[..., pd.Series]] = {
    "share": at_share,
    "same_updates_as": at_same_updates,
    "train_loss_nats": at_train_loss,
    "median_of_last": median_of_last,
    "value": at_value,
}


def reading(observations: pd.DataFrame, arm: str, metric: str, at: At | None = None) -> pd.Series:
    """One value per seed, index seed, read where `at` says; Missing if the observations lack it."""
    if at is None:
        return final(observations, arm, metric)
    ((key, value),) = at.model_dump(exclude_none=True).items()
    return READINGS[key](observations, arm, metric, value)


def history_of(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """The rows of a metric that is recorded along the run."""
    rows = rows_of(observations, arm, metric)
    if rows["at"].isna().any():
        raise Missing(f"history of {metric} of arm {arm}, of which only the end is known")
    return rows


def beside(observations: pd.DataFrame, arm: str, metric: str, other: str) -> pd.DataFrame:
    """The rows of a metric along the run with a column <other>: another's history at the same epochs.

    Linear between evaluations; seeds that lack the other are left out.
    """
    rows = history_of(observations, arm, metric)
    histories = {seed: h for seed, h in history_of(observations, arm, other).groupby("seed")}
    rows = rows[rows["seed"].isin(histories)]
    at_epochs = [
        np.interp(of_seed["at"], histories[seed]["at"], histories[seed]["value"])
        for seed, of_seed in rows.groupby("seed")  # rows are in the order of seeds
    ]
    return rows.assign(**{other: np.concatenate([np.empty(0), *at_epochs])})


def interpolated(rows: pd.DataFrame, positions: pd.Series, along: str) -> pd.Series:
    """Each seed's value at its position on the axis `along`; positions: index seed."""
    values = {
        seed: np.interp(positions[seed], of_seed[along], of_seed["value"])
        for seed, of_seed in rows.groupby("seed")
        if seed in positions.index
    }
    return pd.Series(values, dtype=float).rename_axis("seed")


def carried(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """Values (epochs, seeds) at all epochs at which the arm was evaluated.

    Linear between a seed's evaluations; a seed that stopped keeps its last value, NaN too.
    """
    values = within_runs(observations, arm, metric)
    last = history_of(observations, arm, metric).groupby("seed").tail(1)
    for seed, at, value in zip(last["seed"], last["at"], last["value"], strict=True):
        values.loc[at:, seed] = value
    return values


def within_runs(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """Values (epochs, seeds) as in carried(), NaN after a seed has stopped."""
    rows = history_of(observations, arm, metric)
    return rows.pivot(index="at", columns="seed", values="value").interpolate("index", limit_area="inside")


def lowest(values: pd.DataFrame, diverged: pd.DataFrame) -> pd.Series:
    """Each seed's arm with the lowest value; values, diverged: (seeds, arms), NaN where an arm lacks a seed.

    The last finite value of a diverged arm is not its result, so it is taken only if all arms
    diverged. Of equal values the first counts.
    """
    lost = diverged.reindex_like(values).fillna(0) > 0
    kept = values.mask(lost).where((~lost & values.notna()).any(axis=1), values)
    return kept.dropna(how="all").idxmin(axis=1)


def profile_of(observations: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """Values (positions, seeds) of a profile, positions ascending; NaN where a seed lacks one."""
    return history_of(observations, arm, metric).pivot(index="at", columns="seed", values="value")


def finals_of(observations: pd.DataFrame, arms: Iterable[str], metric: str) -> pd.DataFrame:
    """Final values (seeds, arms); columns in the order given."""
    return pd.DataFrame({arm: final(observations, arm, metric) for arm in arms})


def best_members(observations: pd.DataFrame, arms: Iterable[str], metric: str) -> pd.Series:
    """Each seed's arm where the metric ends lowest, among those that did not diverge."""
    arms = list(arms)
    known = set(observations.loc[observations["metric"] == "diverged", "arm"])
    diverged = finals_of(observations, [arm for arm in arms if arm in known], "diverged")
    return lowest(finals_of(observations, arms, metric), diverged)
