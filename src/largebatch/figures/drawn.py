"""The data behind figures and tables: means over seeds with their intervals, one row each."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from largebatch.config.uses import At
from largebatch.metrics import TRAIN_SECONDS
from largebatch.observations.reading import NeverReached, reading
from largebatch.observations.statistics import half_width, mean_interval

MEASURED = ("n", "mean", "low", "high")
LINEAR, LOG = "linear", "log"  # the kinds of axes
# Read of every arm: one which is trained is there, whatever it lacks, and seeds that diverged are marked.
BESIDE = ("updates", "diverged")
# What marks are, for captions.
INTERVALS = "95 % intervals (Student t)"
BARS, BANDS = f"Markers are means and bars {INTERVALS}", f"Lines are means and bands {INTERVALS}"
COST = "cost"  # the metric of rows of a figure's data with ratios of training times


def always(marks: str) -> Callable[[object], str]:
    """What the marks are, for captions, of a kind whose figures all have the same."""
    return lambda _figure: marks


def summary(values: pd.Series) -> dict[str, float]:
    """n, mean, low, high of one value per seed; NaN if there are too few seeds."""
    if values.empty:
        return {"n": 0, "mean": np.nan, "low": np.nan, "high": np.nan}
    found = mean_interval(values)
    return {name: getattr(found, name) for name in MEASURED}


def summary_of(metric: str, values: pd.Series) -> dict[str, float]:
    """summary() of a metric; without interval for a training time, which is divided among the seeds."""
    return summary(values) | ({"low": np.nan, "high": np.nan} if metric == TRAIN_SECONDS else {})


def summary_at(observations: pd.DataFrame, arm: str, metric: str, at: At | None) -> dict[str, float]:
    """summary() of a metric read at `at`; no seeds if none reaches its training loss."""
    try:
        return summary_of(metric, reading(observations, arm, metric, at))
    except NeverReached:
        return summary(pd.Series(dtype=float))


def on_axes(rows: pd.DataFrame, logarithmic: Callable[[pd.DataFrame], bool]) -> pd.DataFrame:
    """Rows with a column `axis`, linear or log for each metric, and intervals for that axis."""
    parts = [
        on_log_axis(of_metric).assign(axis=LOG) if logarithmic(of_metric) else of_metric.assign(axis=LINEAR)
        for _, of_metric in rows.groupby("metric", sort=False)
    ]
    return pd.concat(parts).loc[rows.index]


def on_log_axis(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose interval is of the mean's logarithm: mean exp(± half width / mean), the delta method.

    One that is symmetric around the mean can end below 0, which cannot be drawn there. A mean of 0 keeps its
    interval.
    """
    factor = np.exp((rows["high"] - rows["mean"]) / rows["mean"].where(rows["mean"] > 0))
    low, high = rows["mean"] / factor, rows["mean"] * factor
    return rows.assign(low=low.fillna(rows["low"]), high=high.fillna(rows["high"]))


def is_log(rows: pd.DataFrame) -> bool:
    """Whether rows of one metric were made for a logarithmic axis."""
    return bool((rows["axis"] == LOG).any())


def lower_is_better(metric: str) -> bool:
    """Accuracy and R² are the only metrics that are better if they are higher."""
    return "accuracy" not in metric and not metric.endswith("r_squared")


def seeds(rows: pd.DataFrame) -> str:
    """'1 seed', '20 seeds' or '18 to 20 seeds', over the rows that have any."""
    n = rows.loc[rows["n"] > 0, "n"]
    if n.empty:
        return "no seeds"
    if n.min() < n.max():
        return f"{n.min():.0f} to {n.max():.0f} seeds"
    return "1 seed" if n.max() == 1 else f"{n.max():.0f} seeds"


def summary_along(values: pd.DataFrame) -> pd.DataFrame:
    """n, mean, low, high along a run; values: (positions, seeds), NaN where a seed has none."""
    n, mean, std = values.count(axis=1), values.mean(axis=1), values.std(axis=1)
    least, most = values.min(axis=1), values.max(axis=1)
    constant = least == most  # the mean of a constant row has rounding errors: a tiny interval would show
    mean, std = mean.mask(constant, least), std.mask(constant & (n > 1), 0.0)
    half = half_width(std, n)
    return pd.DataFrame({"n": n, "mean": mean, "low": mean - half, "high": mean + half})


def spans(rows: pd.DataFrame) -> np.ndarray:
    """Distances (2, m) from the means down and up to the ends of the intervals; 0 where there is none."""
    return np.nan_to_num(np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]))
