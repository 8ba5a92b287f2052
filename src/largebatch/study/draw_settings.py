"""A final metric against a swept setting, one line a group."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.metrics import METRICS
from largebatch.question import SETTINGS, AgainstSetting, Operand
from largebatch.study import style
from largebatch.study.drawn import extremes, never_there, spans, summary_at, words
from largebatch.study.reading import Missing, members

# Bars of lines at the same setting stand side by side: so far apart, all within ±5 % of the setting.
DODGE_OCTAVES, DODGE_SPAN_OCTAVES = 0.07, 0.14
MOST_TOLD = 3  # lines whose ends a caption spells out


def table(observations: pd.DataFrame, figure: AgainstSetting) -> pd.DataFrame:
    """Columns metric, line, arm, <figure.x>, n, mean, low, high; the baseline's rows have no setting."""
    rows = []
    for metric in figure.y:
        at = figure.at.of(metric) if figure.at else None
        for label, group in figure.lines.items():
            settings = members(observations, group)[figure.x].sort_values()
            if settings.duplicated().any():
                raise Missing(f"one arm for each {figure.x} of {group}")
            for arm, setting in settings.items():
                found = summary_at(observations, arm, metric, at)
                rows.append({"metric": metric, "line": label, "arm": arm, figure.x: setting, **found})
        if figure.baseline:
            found = summary_at(observations, figure.baseline, metric, at)
            rows.append({"metric": metric, "line": baseline_label(figure), "arm": figure.baseline, **found})
    marked = [{"line": label, **mark_of(observations, mark, figure)} for label, mark in figure.marks.items()]
    return pd.DataFrame(rows + marked)


def mark_of(observations: pd.DataFrame, mark: Operand, figure: AgainstSetting) -> dict:
    """The row of a mark, whose value is a place on x."""
    metric = mark.metric or figure.y[0]
    return {"metric": metric, "arm": mark.arm, **summary_at(observations, mark.arm, metric, mark.at)}


def baseline_label(figure: AgainstSetting) -> str:
    """What the legend calls the band."""
    return figure.baseline.replace("_", " ").replace(".", " ") + " (band)"


def picture(drawn: pd.DataFrame, figure: AgainstSetting) -> Canvas:
    """One panel a metric."""
    panels = len(figure.y)
    canvas = style.canvas(style.COLUMN_WIDTH_IN if panels == 1 else style.PAGE_WIDTH_IN, 2.5)
    all_axes = canvas.subplots(1, panels, squeeze=False)[0]
    for axes, metric in zip(all_axes, figure.y, strict=True):
        of_metric = drawn[drawn["metric"] == metric]
        paint(axes, of_metric, figure)
        paint_marks(axes, drawn[drawn["line"].isin(figure.marks)])
        axes.set_xlabel(SETTINGS[figure.x])
        axes.set_ylabel(style.wrapped(METRICS[metric]))
    if figure.exponent is not None:
        paint_guide(all_axes[0], drawn[drawn["line"] == next(iter(figure.lines))], figure)
    style.legend_below(canvas, all_axes[0])
    return canvas


def paint(axes: Axes, rows: pd.DataFrame, figure: AgainstSetting) -> None:
    """The lines of one metric, and the baseline behind them."""
    style.doubling_axis(axes, rows[figure.x].dropna().to_numpy())
    if style.wide(rows["mean"].to_numpy()):
        style.log_axis(axes, "y", rows["mean"].to_numpy())
    else:
        axes.yaxis.set_major_formatter(style.PLAIN)
    shifts = dodges(len(figure.lines))
    for shift, (label, look) in zip(shifts, style.looks(list(figure.lines)).items(), strict=True):
        of_line = rows[rows["line"] == label]
        axes.errorbar(
            of_line[figure.x] * shift,
            of_line["mean"],
            yerr=spans(of_line),
            color=look.color,
            linestyle=look.linestyle,
            marker=look.marker,
            elinewidth=0.8,
            label=label,
        )
    bands = rows[rows["line"] == baseline_label(figure)] if figure.baseline else rows[:0]
    for _, band in bands[bands["n"] > 0].iterrows():
        axes.axhspan(band["low"], band["high"], color=style.GREY, alpha=0.3, linewidth=0, zorder=1)
        axes.axhline(band["mean"], color=style.GREY, linewidth=0.8, zorder=1, label=band["line"])


def paint_marks(axes: Axes, rows: pd.DataFrame) -> None:
    """Upright lines with their intervals, named in the legend."""
    for dash, (_, row) in zip(style.DASHES[1:], rows.iterrows(), strict=False):
        axes.axvspan(row["low"], row["high"], color=style.GREY, alpha=0.3, linewidth=0, zorder=1)
        axes.axvline(
            row["mean"], color=style.GREY, linestyle=dash, linewidth=0.9, zorder=1, label=row["line"]
        )


def paint_guide(axes: Axes, rows: pd.DataFrame, figure: AgainstSetting) -> None:
    """y ~ x^exponent through the first point; the axis keeps the limits that the data gave it."""
    first = rows[rows["metric"] == figure.y[0]].iloc[0]
    limits, places = axes.get_ylim(), np.array([first[figure.x], rows[figure.x].max()])
    heights = first["mean"] * (places / places[0]) ** figure.exponent
    label = f"slope {style.plain(figure.exponent)}"
    axes.plot(places, heights, color=style.GREY, linestyle=":", linewidth=0.9, zorder=1, label=label)
    axes.set_ylim(limits)


def dodges(lines: int) -> np.ndarray:
    """The factor by which each line is shifted on the axis; centred on 1: (lines,)."""
    step = min(DODGE_OCTAVES, DODGE_SPAN_OCTAVES / max(lines - 1, 1))
    return 2.0 ** (step * (np.arange(lines) - (lines - 1) / 2))


def message(drawn: pd.DataFrame, figure: AgainstSetting) -> str:
    """What each line does from its smallest to its largest setting; of many lines, how they end."""
    said = []
    for metric, of_metric in drawn.dropna(subset=[figure.x, "mean"]).groupby("metric", sort=False):
        lines = [rows for _, rows in of_metric.groupby("line", sort=False)]
        if len(lines) > MOST_TOLD:
            last = of_metric[of_metric[figure.x] == of_metric[figure.x].max()]
            told = f"at {SETTINGS[figure.x]} {last[figure.x].iloc[0]:g}, {extremes(last, 'lowest')}"
        else:
            told = "; ".join(ends_of(rows, figure.x) for rows in lines) + "."
        label = METRICS[metric]
        said.append(f"{label[0].upper()}{label[1:]}: {told}")
    marked = drawn[drawn["line"].isin(figure.marks)]
    said += [f"Upright: {row['line']}, {words(row)}." for _, row in marked.iterrows()]
    return " ".join([*said, never_there(drawn)]).strip()


def ends_of(rows: pd.DataFrame, setting: str) -> str:
    """'Adam from 1 [0.9, 1.1] at 4 to 2 [1.8, 2.2] at 1024'"""
    first, last = rows.iloc[0], rows.iloc[-1]
    if len(rows) == 1:
        return f"{first['line']} {words(first)} at {first[setting]:g}"
    return f"{first['line']} from {words(first)} at {first[setting]:g} to {words(last)} at {last[setting]:g}"
