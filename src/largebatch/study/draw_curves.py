"""A metric along training, one line an arm; many arms get a panel each, with the others in grey."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.question import METRICS, Curves
from largebatch.study import style
from largebatch.study.drawn import extremes, summary_along
from largebatch.study.reading import carried, within_runs

MOST_IN_ONE_PANEL = 6
AXIS_LABELS = {"epoch": "epoch", "update": "update"}
# Longest run / shortest run from which the update axis is logarithmic.
LOG_UPDATES_FROM = 4.0


def table(observations: pd.DataFrame, figure: Curves) -> pd.DataFrame:
    """Columns metric, line, arm, <figure.x>, n, mean, low, high; a stopped seed keeps its last value."""
    parts = []
    for metric in figure.y:
        for label, arm in figure.lines.items():
            part = summary_along(carried(observations, arm, metric))
            x = part.index.to_series() if figure.x == "epoch" else updates_at(observations, arm)
            parts.append(part.assign(metric=metric, line=label, arm=arm, **{figure.x: x}))
    columns = ["metric", "line", "arm", figure.x, "n", "mean", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns]


def updates_at(observations: pd.DataFrame, arm: str) -> pd.Series:
    """Updates made by each epoch, mean over the seeds that got there; index epoch."""
    return within_runs(observations, arm, "updates").mean(axis=1)


def picture(drawn: pd.DataFrame, figure: Curves) -> Canvas:
    """One panel a metric, or small multiples where there are many lines."""
    if len(figure.lines) > MOST_IN_ONE_PANEL:
        return multiples(drawn, figure.x, figure.y, figure.log_y)
    panels = len(figure.y)
    drawn = shown(drawn, figure.x)
    canvas = style.canvas(style.COLUMN_WIDTH_IN if panels == 1 else style.PAGE_WIDTH_IN, 2.5)
    all_axes = canvas.subplots(1, panels, squeeze=False)[0]
    for axes, metric in zip(all_axes, figure.y, strict=True):
        of_metric = drawn[drawn["metric"] == metric]
        for label, look in style.looks(list(figure.lines)).items():
            line(axes, of_metric[of_metric["line"] == label], figure.x, look, label)
        finish(axes, of_metric, figure.x, figure.log_y)
        axes.set_xlabel(AXIS_LABELS[figure.x])
        axes.set_ylabel(METRICS[metric])
    style.legend_below(canvas, all_axes[0])
    return canvas


def line(axes: Axes, rows: pd.DataFrame, x: str, look: style.Look, label: str | None) -> None:
    """A mean with its band."""
    axes.fill_between(rows[x], rows["low"], rows["high"], color=look.color, alpha=0.2, linewidth=0)
    axes.plot(rows[x], rows["mean"], color=look.color, linestyle=look.linestyle, label=label)


def shown(drawn: pd.DataFrame, x: str) -> pd.DataFrame:
    """The rows that have a place on the x axis: a logarithmic one has none for update 0."""
    return drawn[drawn[x] > 0] if log_x(drawn, x) else drawn


def log_x(drawn: pd.DataFrame, x: str) -> bool:
    """Whether some runs are so much longer than others, in updates, that x is logarithmic."""
    ends = drawn.groupby("line")[x].max()
    return x == "update" and ends.max() > LOG_UPDATES_FROM * ends.min()


def finish(axes: Axes, rows: pd.DataFrame, x: str, log_y: bool) -> None:
    """Scales and limits that fit the drawn means."""
    if log_y:
        means = rows["mean"].to_numpy()
        style.log_axis(axes, "y", means)
        axes.set_ylim(*log_limits(means))
    else:
        axes.yaxis.set_major_formatter(style.PLAIN)
    if log_x(rows, x):
        style.log_axis(axes, "x", rows[x].to_numpy())
    axes.set_xlim(rows[x].min(), rows[x].max())


def log_limits(means: np.ndarray) -> tuple[float, float]:
    """Limits around the means, a quarter wider: a band that ends near 0 must not stretch the axis."""
    positive = means[means > 0]
    if len(positive) == 0:
        return 0.0, 1.0
    return (0.0 if means.min() <= 0 else positive.min() / 1.25), positive.max() * 1.25


def multiples(drawn: pd.DataFrame, x: str, metrics: list[str], log_y: bool, columns: int = 4) -> Canvas:
    """One panel a line and metric, the other lines in grey behind it; shared axes for each metric."""
    labels, drawn = list(drawn["line"].unique()), shown(drawn, x)
    rows_each = -(-len(labels) // columns)
    canvas = style.canvas(style.PAGE_WIDTH_IN, 0.4 + 1.35 * rows_each * len(metrics))
    grid = canvas.subplots(rows_each * len(metrics), columns, sharex=True, sharey="row", squeeze=False)
    for block, metric in enumerate(metrics):
        of_metric = drawn[drawn["metric"] == metric]
        panels = grid[block * rows_each : (block + 1) * rows_each]
        for axes, label in zip(panels.flat, labels, strict=False):
            panel(axes, of_metric, x, label)
        for axes in panels.flat[len(labels) :]:
            axes.set_axis_off()
        for first in panels[:, 0]:
            finish(first, of_metric, x, log_y)
    canvas.supxlabel(AXIS_LABELS[x], fontsize=8)
    canvas.supylabel(" / ".join(METRICS[m] for m in metrics), fontsize=8)
    return canvas


def panel(axes: Axes, rows: pd.DataFrame, x: str, label: str) -> None:
    """One line with its band before the others in grey."""
    for _, other in rows[rows["line"] != label].groupby("line", sort=False):
        axes.plot(other[x], other["mean"], color=style.FAINT, linewidth=0.6)
    line(axes, rows[rows["line"] == label], x, style.Look(style.COLOURS[0], "-", "o"), None)
    axes.set_title(label, loc="left", pad=2)


def message(drawn: pd.DataFrame, figure: Curves) -> str:
    """Where the lines end."""
    ends = drawn.groupby(["metric", "line"], sort=False).tail(1)
    said = [
        f"{METRICS[metric]} at the end: {extremes(rows, 'lowest')}"
        for metric, rows in ends.groupby("metric", sort=False)
    ]
    left = "The logarithmic axis leaves out the value before training." if figure.x == "update" else ""
    return " ".join(s[0].upper() + s[1:] for s in [*said, left] if s)
