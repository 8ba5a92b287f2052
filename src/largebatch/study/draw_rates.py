"""Learning rate along training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.metrics import METRICS
from largebatch.question import Rates
from largebatch.study import style
from largebatch.study.draw_curves import line
from largebatch.study.drawn import summary_along
from largebatch.study.reading import within_runs

MOST_IN_ONE_PANEL = 4
METRIC = "learning_rate"


def table(observations: pd.DataFrame, figure: Rates) -> pd.DataFrame:
    """Columns metric, line, arm, epoch, n, mean, low, high, over the seeds that were still training."""
    parts = []
    for label, arm in figure.lines.items():
        part = summary_along(within_runs(observations, arm, METRIC)).reset_index(names="epoch")
        parts.append(part.assign(metric=METRIC, line=label, arm=arm))
    columns = ["metric", "line", "arm", "epoch", "n", "mean", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns]


def picture(drawn: pd.DataFrame, figure: Rates) -> Canvas:
    """All lines in one panel, or one panel each where there are many."""
    return multiples(drawn) if len(figure.lines) > MOST_IN_ONE_PANEL else together(drawn, list(figure.lines))


def together(drawn: pd.DataFrame, labels: list[str]) -> Canvas:
    """One panel."""
    canvas = style.canvas(style.COLUMN_WIDTH_IN, 2.3)
    axes = canvas.subplots()
    for label, look in style.looks(labels).items():
        line(axes, drawn[drawn["line"] == label], "epoch", look, label)
    scale(axes, drawn)
    axes.set_xlabel("epoch")
    axes.set_ylabel(METRICS[METRIC])
    style.legend_below(canvas, axes)
    return canvas


def scale(axes: Axes, drawn: pd.DataFrame) -> None:
    """Logarithmic where every rate is positive and they are far apart, else from 0."""
    axes.set_xlim(0, drawn["epoch"].max())
    if style.wide(drawn["mean"].to_numpy()):
        style.log_axis(axes, "y", drawn["mean"].to_numpy())
    else:
        axes.set_ylim(0, 1.05 * drawn["mean"].max())
        axes.yaxis.set_major_formatter(style.PLAIN)


def multiples(drawn: pd.DataFrame, columns: int = 4) -> Canvas:
    """One panel a line, all on the same axes."""
    labels = list(drawn["line"].unique())
    rows = -(-len(labels) // columns)
    canvas = style.canvas(style.PAGE_WIDTH_IN, 0.4 + 1.15 * rows)
    grid = canvas.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, label in zip(grid.flat, labels, strict=False):
        line(axes, drawn[drawn["line"] == label], "epoch", style.Look(style.COLOURS[0], "-", "o"), None)
        axes.set_title(label, loc="left", pad=2)
    for axes in grid.flat[len(labels) :]:
        axes.set_axis_off()
    scale(grid[0, 0], drawn)
    canvas.supxlabel("epoch", fontsize=8)
    canvas.supylabel(METRICS[METRIC], fontsize=8)
    return canvas


def message(drawn: pd.DataFrame, figure: Rates) -> str:
    """The highest rates."""
    peaks = drawn.groupby("line", sort=False)["mean"].max()
    if peaks.nunique() == 1:
        return f"Every line peaks at a rate of {peaks.iloc[0]:.3g}."
    return "Peak rates: " + ", ".join(f"{label} {peak:.3g}" for label, peak in peaks.items()) + "."
