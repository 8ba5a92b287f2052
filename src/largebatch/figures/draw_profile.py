"""Metrics against a position of their own (an epsilon, a radius, an alpha, ...), one line per arm or path."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.config.profiles import Profile
from largebatch.figures import style
from largebatch.figures.draw_curves import line, log_limits, widths_of
from largebatch.figures.drawn import BANDS, BARS, MEASURED, on_axes, spans, summary_along
from largebatch.figures.looks import Look, looks
from largebatch.metrics import METRICS, most_of
from largebatch.observations.reading import Missing, profile_of

MOST_WITH_MARKERS = 12  # positions up to which each gets a marker
MOST_IN_A_ROW = 3
PANEL_HEIGHT_IN, BESIDE_IN = 2.3, 0.8


def marks(figure: Profile) -> str:
    """What the marks are, for the caption."""
    return BARS if in_dots(figure) else BANDS


def in_dots(figure: Profile) -> bool:
    """Whether what is measured is drawn as dots, not as lines."""
    return bool(figure.theory) or not figure.joined


def table(observations: pd.DataFrame, figure: Profile) -> pd.DataFrame:
    """Columns metric, line, arm, at, n, mean, low, high, axis."""
    parts = []
    for metric in figure.y:
        for label, arm in figure.lines.items():
            values = profile_of(observations, arm, metric)
            if figure.above is not None:
                values = rises(values, figure.above, f"{metric} of arm {arm}")
            part = summary_along(values).reset_index(names="at")
            parts.append(part.assign(metric=metric, line=label, arm=arm))
    drawn = on_axes(pd.concat(parts, ignore_index=True), lambda _rows: figure.log_y)
    return drawn[["metric", "line", "arm", "at", *MEASURED, "axis"]]


def rises(values: pd.DataFrame, position: float, what: str) -> pd.DataFrame:
    """By how much values (positions, seeds) exceed each seed's value at one of the positions."""
    there = np.isclose(values.index, position)
    if there.sum() != 1:
        raise Missing(f"{what} at {position:g}")
    return values - values[there].iloc[0]


def picture(drawn: pd.DataFrame, figure: Profile) -> Canvas:
    """One panel per metric."""
    count = len(figure.y)
    columns = style.columns_of(count, MOST_IN_A_ROW)
    width_in = style.COLUMN_WIDTH_IN if count == 1 else style.PAGE_WIDTH_IN
    canvas = style.canvas(width_in, 0.2 + PANEL_HEIGHT_IN * -(-count // columns))
    (all_axes,) = style.panels(canvas, count, columns)
    labels = figure.x_label if isinstance(figure.x_label, list) else [figure.x_label] * count
    for axes, metric, label in zip(all_axes, figure.y, labels, strict=True):
        rows = drawn[drawn["metric"] == metric]
        paint(axes, rows, figure)
        scale(axes, rows, figure, width_in / columns - BESIDE_IN)
        axes.set_xlabel(label)
        axes.set_ylabel(style.wrapped(figure.y_label or y_label(metric, figure)))
    style.legend_below(canvas, all_axes[0])
    return canvas


def y_label(metric: str, figure: Profile) -> str:
    """The metric's label; for rises it says so."""
    return METRICS[metric] if figure.above is None else f"rise of the {METRICS[metric]}"


def paint(axes: Axes, rows: pd.DataFrame, figure: Profile) -> None:
    """The lines of one metric."""
    for width, (label, look) in zip(widths_of(figure), looks(list(figure.lines)).items(), strict=True):
        of_line = rows[rows["line"] == label]
        if label in figure.theory:
            drawn_as = {"color": look.color, "linestyle": look.linestyle, "linewidth": 0.8, "zorder": 1.5}
            axes.plot(of_line["at"], of_line["mean"], label=label, **drawn_as)
        elif in_dots(figure):
            dots(axes, of_line, look, label, hollow=bool(figure.theory))
        else:
            marker = look.marker if len(of_line) <= MOST_WITH_MARKERS else ""
            drawn_as = look._replace(linestyle="-") if figure.nested else look
            line(axes, of_line, "at", drawn_as, label, marker, width=width, size=2.3 + width)


def dots(axes: Axes, rows: pd.DataFrame, look: Look, label: str, hollow: bool) -> None:
    """Each position by itself, with its interval; hollow ones show a line below them."""
    face = {"markerfacecolor": "white", "markersize": 4.5} if hollow else {}
    axes.errorbar(
        rows["at"],
        rows["mean"],
        yerr=spans(rows),
        color=look.color,
        marker=look.marker,
        linestyle="",
        elinewidth=0.8,
        label=label,
        **face,
    )


def scale(axes: Axes, rows: pd.DataFrame, figure: Profile, axis_in: float) -> None:
    """Scales and limits that fit the drawn means, and the marked positions; axis_in: the width of x."""
    if figure.log_y:
        shown = rows[rows["mean"] >= (figure.least or -np.inf)]
        style.log_axis(axes, "y", shown["mean"].to_numpy())
        low, high = log_limits(shown)
        axes.set_ylim(max(low, figure.least or low), high)
    else:
        axes.yaxis.set_major_formatter(style.PLAIN)
    style.end_at(axes, "y", most_of(rows["metric"].iloc[0]))
    positions = np.unique(np.append(rows["at"], list(figure.marks.values())))
    if figure.log_x and positions.min() > 0 and len(positions) <= MOST_WITH_MARKERS:
        style.doubling_axis(axes, positions, axis_in)
    elif figure.log_x:
        style.log_axis(axes, "x", positions)
        if positions.min() == 0:  # an axis with a zero would continue below it
            axes.set_xlim(left=0)
    else:
        if (positions == np.round(positions)).all() and positions.min() >= 0:
            style.whole_numbers(axes)
        axes.xaxis.set_major_formatter(style.PLAIN)
        axes.margins(x=0.02)
    style.marks(axes, figure.marks)
