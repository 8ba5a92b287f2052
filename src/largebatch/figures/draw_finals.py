"""A final metric, one dot with its interval per arm, and beside it differences paired by seed."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.config.figures import Finals
from largebatch.figures import style
from largebatch.figures.drawn import (
    BARS,
    MEASURED,
    always,
    is_log,
    lower_is_better,
    on_axes,
    spans,
    summary,
    summary_at,
)
from largebatch.figures.looks import Look, dots
from largebatch.judging.effect import NotJudgeable, log_ratio
from largebatch.metrics import METRICS, NUMBER, most_of, unit_of
from largebatch.observations.reading import NeverReached, reading

marks = always(BARS)
NEVER = "never gets there"
PAPER = {"marker": "d", "color": "white", "markeredgecolor": "black", "linestyle": "", "markersize": 4.5}


def table(observations: pd.DataFrame, figure: Finals) -> pd.DataFrame:
    """Columns metric, line, arm, against, n, mean, low, high, axis, paper; best first, or as written.

    Rows whose `against` is a line are differences from it, or ratios to it, paired by seed.
    """
    levels = pd.DataFrame(
        {"metric": figure.y, "line": label, "arm": arm, **summary_at(observations, arm, figure.y, figure.at)}
        for label, arm in figure.lines.items()
    )
    if not figure.as_written:
        levels = levels.sort_values("mean", ascending=lower_is_better(figure.y), kind="stable")
    wide = figure.ratios or style.wide(levels["mean"].to_numpy())
    levels = on_axes(levels, lambda _rows: wide)
    pairs = [pair_of(observations, figure, label) for label in levels["line"] if label in figure.pairs]
    columns = ["metric", "line", "arm", "against", *MEASURED, "axis", "paper"]
    return pd.concat([levels, pd.DataFrame(pairs)], ignore_index=True).reindex(columns=columns)


def pair_of(observations: pd.DataFrame, figure: Finals, label: str) -> dict:
    """The row of a line's difference from, or ratio to, the line it is compared with."""
    other = figure.pairs[label]
    row = {"metric": figure.y, "line": label, "arm": figure.lines[label], "against": other}
    row |= {"axis": "log" if figure.ratios else "linear", "paper": figure.paper.get(label, np.nan)}
    try:
        a, b = (reading(observations, figure.lines[side], figure.y, figure.at) for side in (label, other))
        if figure.ratios:
            found = {key: np.exp(value) for key, value in summary(log_ratio(*a.align(b, "inner"))).items()}
            return row | found | {"n": len(a.index.intersection(b.index))}
        return row | summary((a - b).dropna())
    except (NeverReached, NotJudgeable):
        return row | summary(pd.Series(dtype=float))


def picture(drawn: pd.DataFrame, figure: Finals) -> Canvas:
    """One row per arm; differences or ratios are in a panel beside it."""
    levels = drawn[drawn["against"].isna()].reset_index(drop=True)
    height_in = (0.85 if figure.pairs else 0.7) + 0.2 * len(levels)
    canvas = style.canvas(style.PAGE_WIDTH_IN if figure.pairs else style.COLUMN_WIDTH_IN, height_in)
    (all_axes,) = style.panels(canvas, 2 if figure.pairs else 1, 2 if figure.pairs else 1, sharey=True)
    paint(all_axes[0], levels, dots(list(figure.lines)), is_log(levels))
    style.end_at(all_axes[0], "x", most_of(figure.y))
    all_axes[0].set_yticks(range(len(levels)), levels["line"])
    all_axes[0].set_ylim(len(levels) - 0.4, -0.6)
    all_axes[0].set_xlabel(style.wrapped(METRICS[figure.y]))
    if figure.pairs:
        places = pd.Series(levels.index, index=levels["line"])
        pairs = drawn[drawn["against"].notna()]
        compared(all_axes[1], pairs.set_index(places[pairs["line"]].to_numpy()), figure)
        style.legend_below(canvas, all_axes[1])
    return canvas


def paint(axes: Axes, rows: pd.DataFrame, looks: dict[str, Look], log: bool) -> None:
    """A dot for each row, at the height of its index; rows without any seed say so."""
    for place, row in rows.iterrows():
        look = looks[row["line"]]
        span = spans(row.to_frame().T.astype({"mean": float, "low": float, "high": float}))
        axes.errorbar(row["mean"], place, xerr=span, fmt=look.marker, color=look.color, elinewidth=1.0)
        if row["n"] == 0:
            axes.annotate(NEVER, (0.02, place), xycoords=axes.get_yaxis_transform(), va="center", fontsize=6)
    if log:
        style.log_axis(axes, "x", rows["mean"].to_numpy())
    else:
        axes.xaxis.set_major_formatter(style.PLAIN)


def compared(axes: Axes, pairs: pd.DataFrame, figure: Finals) -> None:
    """Paired differences or ratios, a line at none, the paper's numbers, and what each is compared with."""
    axes.axvline(1.0 if figure.ratios else 0.0, color=style.GREY, linewidth=0.8, zorder=1)
    paint(axes, pairs, dots(list(figure.lines)), figure.ratios)
    papers = pairs["paper"].dropna()
    if len(papers):
        axes.plot([], [], "o", color="black", label="ours")
        axes.plot(papers, papers.index, label="the paper's", zorder=4, **PAPER)
    if figure.ratios:
        numbers = np.append(pairs[["mean", "paper"]].to_numpy().ravel(), 1.0)
        style.log_axis(axes, "x", numbers[np.isfinite(numbers)])
    what = "ratio" if figure.ratios else f"difference{in_unit(figure.y)}"
    if figure.against_all:
        other = f"{'to' if figure.ratios else 'from'} {without_plus(figure.against_all)}"
        axes.set_xlabel(style.wrapped(f"{what} {other}, paired by seed"))
        return
    axes.set_xlabel(f"{what}, paired by seed")
    for place, row in pairs.iterrows():
        axes.annotate(
            f"{'over' if figure.ratios else 'from'} {without_plus(row['against'])}",
            (1.02, place),
            xycoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=6,
        )


def without_plus(label: str) -> str:
    """The label of a step that is added to others, within a sentence."""
    return label.removeprefix("+ ")


def in_unit(metric: str) -> str:
    """The unit of a metric's differences in brackets, if there is one; those of percentages are points."""
    unit = {"%": "points", NUMBER: ""}.get(unit_of(metric), unit_of(metric))
    return f" ({unit})" if unit else ""
