"""Metrics against a position of their own (an epsilon, a radius, an alpha, ...), one line an arm or path."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.metrics import METRICS
from largebatch.question import Profile
from largebatch.study import style
from largebatch.study.claims import number
from largebatch.study.draw_curves import line, log_limits
from largebatch.study.drawn import lower_is_better, summary_along, words
from largebatch.study.reading import profile_of

MOST_WITH_MARKERS = 12  # positions up to which each gets a marker
PANEL_HEIGHT_IN = 2.3


def table(observations: pd.DataFrame, figure: Profile) -> pd.DataFrame:
    """Columns metric, line, arm, at, n, mean, low, high."""
    parts = []
    for metric in figure.y:
        for label, arm in figure.lines.items():
            part = summary_along(profile_of(observations, arm, metric)).reset_index(names="at")
            parts.append(part.assign(metric=metric, line=label, arm=arm))
    columns = ["metric", "line", "arm", "at", "n", "mean", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns]


def picture(drawn: pd.DataFrame, figure: Profile) -> Canvas:
    """One panel a metric, two a row."""
    panels = len(figure.y)
    rows, columns = -(-panels // 2), min(panels, 2)
    canvas = style.canvas(
        style.COLUMN_WIDTH_IN if panels == 1 else style.PAGE_WIDTH_IN, 0.2 + PANEL_HEIGHT_IN * rows
    )
    all_axes = canvas.subplots(rows, columns, squeeze=False).flat
    labels = figure.x_label if isinstance(figure.x_label, list) else [figure.x_label] * panels
    for axes, metric, label in zip(all_axes, figure.y, labels, strict=False):
        paint(axes, drawn[drawn["metric"] == metric], figure)
        axes.set_xlabel(label)
        axes.set_ylabel(style.wrapped(METRICS[metric]))
    for axes in all_axes[panels:]:
        axes.set_axis_off()
    style.legend_below(canvas, canvas.axes[0])
    return canvas


def paint(axes: Axes, rows: pd.DataFrame, figure: Profile) -> None:
    """The lines of one metric, and the marked positions."""
    for label, look in style.looks(list(figure.lines)).items():
        of_line = rows[rows["line"] == label]
        marker = look.marker if len(of_line) <= MOST_WITH_MARKERS else ""
        line(axes, of_line, "at", look, label, marker)
    if figure.log_y:
        shown = rows.loc[rows["mean"] >= (figure.least or -np.inf), "mean"].to_numpy()
        style.log_axis(axes, "y", shown)
        axes.set_ylim(*log_limits(shown))
    else:
        axes.yaxis.set_major_formatter(style.PLAIN)
    if figure.log_x:
        positions = np.append(rows["at"], list(figure.marks.values()))
        style.log_axis(axes, "x", positions)
        if positions.min() == 0:  # an axis with a zero would go on below it
            axes.set_xlim(left=0)
    else:
        axes.xaxis.set_major_formatter(style.PLAIN)
        axes.margins(x=0.02)
    style.marks(axes, figure.marks)


def message(drawn: pd.DataFrame, figure: Profile) -> str:
    """What each line is at its ends, where it is best, and which have no band."""
    said = []
    for metric, of_metric in drawn.groupby("metric", sort=False):
        lines = [told(rows, lower_is_better(metric)) for _, rows in of_metric.groupby("line", sort=False)]
        label = METRICS[metric]
        said.append(f"{label[0].upper()}{label[1:]}: {'; '.join(lines)}.")
    single = drawn.groupby("line", sort=False)["n"].max() == 1
    if single.any():
        said.append(f"Of one seed, without a band: {', '.join(single.index[single])}.")
    return " ".join(said)


def told(rows: pd.DataFrame, lowest: bool) -> str:
    """'Adam from 3 [2.8, 3.2] at −1 to 2 [1.8, 2.2] at 2, lowest at 0.2: 1 [0.9, 1.1]'"""
    first, last = rows.iloc[0], rows.iloc[-1]
    if len(rows) == 1:
        return f"{first['line']} {words(first)} at {number(first['at'])}"
    best = rows.loc[rows["mean"].idxmin() if lowest else rows["mean"].idxmax()]
    ends = f"from {words(first)} at {number(first['at'])} to {words(last)} at {number(last['at'])}"
    where = f"{'lowest' if lowest else 'highest'} at {number(best['at'])}"
    inside = first["at"] < best["at"] < last["at"]
    return f"{first['line']} {ends}, {where}" + (f": {words(best)}" if inside else "")
