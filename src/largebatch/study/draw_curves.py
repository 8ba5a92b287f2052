"""A metric along training, one line an arm; many arms get a panel each, with the others in grey."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.metrics import METRICS
from largebatch.question import Curves
from largebatch.study import style
from largebatch.study.claims import number
from largebatch.study.drawn import extremes, summary, summary_along
from largebatch.study.reading import carried, final, within_runs

MOST_IN_ONE_PANEL = 6
LOSS = "train_loss_nats"
AXIS_LABELS = {"epoch": "epoch", "update": "update", LOSS: METRICS[LOSS]}
# Longest run / shortest run from which the update axis is logarithmic.
LOG_UPDATES_FROM = 4.0
LEVEL_DASHES = (0, (6, 4))


def table(observations: pd.DataFrame, figure: Curves) -> pd.DataFrame:
    """Columns metric, line, arm, <figure.x>, n, mean, low, high; a stopped seed keeps its last value.

    The rows of the level have no place on x.
    """
    parts = []
    for metric in figure.y:
        for label, arm in figure.lines.items():
            part = summary_along(carried(observations, arm, metric))
            x = PLACES[figure.x](observations, arm, part.index)
            parts.append(part.assign(metric=metric, line=label, arm=arm, **{figure.x: x}))
    if figure.level:
        parts.append(levels(observations, figure))
    columns = ["metric", "line", "arm", figure.x, "n", "mean", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns]


def levels(observations: pd.DataFrame, figure: Curves) -> pd.DataFrame:
    """The rows of the level: its mean over seeds, one row a line."""
    found = [
        {"metric": figure.level, "line": label, "arm": arm, **summary(final(observations, arm, figure.level))}
        for label, arm in figure.lines.items()
    ]
    return pd.DataFrame(found).assign(**{figure.x: np.nan})


def updates_at(observations: pd.DataFrame, arm: str, epochs: pd.Index) -> pd.Series:
    """Updates made by each epoch, mean over the seeds that got there; index epoch."""
    return at_epochs(within_runs(observations, arm, "updates"), epochs).mean(axis=1)


def loss_at(observations: pd.DataFrame, arm: str, epochs: pd.Index) -> pd.Series:
    """Training loss at each epoch, mean over all seeds: one that stopped keeps its last; index epoch."""
    return at_epochs(carried(observations, arm, LOSS), epochs).mean(axis=1)


def at_epochs(history: pd.DataFrame, epochs: pd.Index) -> pd.DataFrame:
    """A history (epochs, seeds) at other epochs, linear between its own."""
    between = history.reindex(history.index.union(epochs)).interpolate("index", limit_area="inside")
    return between.loc[epochs]


# The place on x of each epoch.
PLACES = {"epoch": lambda _observations, _arm, epochs: epochs, "update": updates_at, LOSS: loss_at}


def picture(drawn: pd.DataFrame, figure: Curves) -> Canvas:
    """One panel a metric, or small multiples where there are many lines."""
    level = drawn[drawn["metric"] == figure.level].set_index("line")["mean"]
    drawn = shown(drawn[drawn[figure.x].notna()], figure)
    if len(figure.lines) > MOST_IN_ONE_PANEL:
        return multiples(drawn, figure, level)
    panels = len(figure.y)
    canvas = style.canvas(style.COLUMN_WIDTH_IN if panels == 1 else style.PAGE_WIDTH_IN, 2.5)
    all_axes = canvas.subplots(1, panels, squeeze=False)[0]
    for axes, metric in zip(all_axes, figure.y, strict=True):
        of_metric = drawn[drawn["metric"] == metric]
        for label, look in style.looks(list(figure.lines)).items():
            line(axes, of_metric[of_metric["line"] == label], figure.x, look, label)
            if axes is all_axes[0]:
                draw_level(axes, level, label, look.color)
        finish(axes, of_metric, figure, level if axes is all_axes[0] else level[:0])
        axes.set_xlabel(AXIS_LABELS[figure.x])
        axes.set_ylabel(style.wrapped(METRICS[metric]))
    style.legend_below(canvas, all_axes[0])
    return canvas


def line(
    axes: Axes, rows: pd.DataFrame, x: str, look: style.Look, label: str | None, marker: str = ""
) -> None:
    """A mean with its band."""
    axes.fill_between(rows[x], rows["low"], rows["high"], color=look.color, alpha=0.2, linewidth=0)
    axes.plot(rows[x], rows["mean"], color=look.color, linestyle=look.linestyle, label=label, marker=marker)


def draw_level(axes: Axes, level: pd.Series, label: str, color: str) -> None:
    """The level of a line in the line's colour, if the figure has any; level: index line."""
    for height in level[level.index == label]:
        axes.axhline(height, color=color, linestyle=LEVEL_DASHES, linewidth=0.9, zorder=1.5)


def shown(drawn: pd.DataFrame, figure: Curves) -> pd.DataFrame:
    """The rows that have a place on the x axis: a logarithmic one has none for update 0."""
    return drawn[drawn[figure.x] > 0] if log_x(drawn, figure) else drawn


def log_x(drawn: pd.DataFrame, figure: Curves) -> bool:
    """Whether x is logarithmic: if asked, for losses, where some runs have many more updates than others."""
    ends = drawn.groupby("line")[figure.x].max()
    spread = figure.x == "update" and ends.max() > LOG_UPDATES_FROM * ends.min()
    return figure.log_x or figure.x == LOSS or spread


def finish(axes: Axes, rows: pd.DataFrame, figure: Curves, level: pd.Series) -> None:
    """Scales and limits that fit the drawn means and levels."""
    places = rows[figure.x].to_numpy()
    if figure.log_y:
        means = np.concatenate([rows["mean"], level])
        style.log_axis(axes, "y", means)
        axes.set_ylim(*log_limits(means))
    else:
        axes.yaxis.set_major_formatter(style.PLAIN)
    if log_x(rows, figure):
        style.log_axis(axes, "x", places)
    else:
        style.whole_numbers(axes)
    # training goes from left to right: to later epochs, to lower losses
    axes.set_xlim(*sorted((places.min(), places.max()), reverse=figure.x == LOSS))


def log_limits(means: np.ndarray) -> tuple[float, float]:
    """Limits around the means, a quarter wider: a band that ends near 0 must not stretch the axis."""
    positive = means[means > 0]
    if len(positive) == 0:
        return 0.0, 1.0
    return (0.0 if means.min() <= 0 else positive.min() / 1.25), positive.max() * 1.25


def multiples(drawn: pd.DataFrame, figure: Curves, level: pd.Series, columns: int = 4) -> Canvas:
    """One panel a line and metric, the other lines in grey behind it; shared axes for each metric."""
    labels, x = list(figure.lines), figure.x
    rows_each = -(-len(labels) // columns)
    canvas = style.canvas(style.PAGE_WIDTH_IN, 0.4 + 1.35 * rows_each * len(figure.y))
    grid = canvas.subplots(rows_each * len(figure.y), columns, sharex=True, sharey="row", squeeze=False)
    for block, metric in enumerate(figure.y):
        of_metric, of_block = drawn[drawn["metric"] == metric], level if block == 0 else level[:0]
        panels = grid[block * rows_each : (block + 1) * rows_each]
        for axes, label in zip(panels.flat, labels, strict=False):
            panel(axes, of_metric, x, label)
            draw_level(axes, of_block, label, style.COLOURS[0])
        for axes in panels.flat[len(labels) :]:
            axes.set_axis_off()
        for first in panels[:, 0]:
            finish(first, of_metric, figure, of_block)
    canvas.supxlabel(AXIS_LABELS[x], fontsize=8)
    canvas.supylabel(" / ".join(METRICS[m] for m in figure.y), fontsize=8)
    return canvas


def panel(axes: Axes, rows: pd.DataFrame, x: str, label: str) -> None:
    """One line with its band before the others in grey."""
    for _, other in rows[rows["line"] != label].groupby("line", sort=False):
        axes.plot(other[x], other["mean"], color=style.FAINT, linewidth=0.6)
    line(axes, rows[rows["line"] == label], x, style.Look(style.COLOURS[0], "-", "o"), None)
    axes.set_title(label, loc="left", pad=2)


def message(drawn: pd.DataFrame, figure: Curves) -> str:
    """Where the lines end, and what the axes do not say."""
    along = drawn[drawn[figure.x].notna()]
    ends = along.groupby(["metric", "line"], sort=False).tail(1)
    said = [
        f"{METRICS[metric]} at the end: {extremes(rows, 'lowest')}"
        for metric, rows in ends.groupby("metric", sort=False)
    ]
    if figure.x == "update" and log_x(along, figure):
        said.append("the logarithmic axis leaves out the value before training.")
    if figure.level:
        heights = drawn[drawn["metric"] == figure.level].set_index("line")["mean"]
        said.append(f"dashed horizontal lines: {METRICS[figure.level]}, {told_of(heights)}.")
    return " ".join(s[0].upper() + s[1:] for s in said)


def told_of(level: pd.Series) -> str:
    """'20 of small batch, 40 of large batch'; of many lines the range; level: index line."""
    if len(level) > MOST_IN_ONE_PANEL:
        return f"{number(level.min())} to {number(level.max())}"
    return ", ".join(f"{number(height)} of {line}" for line, height in level.items())
