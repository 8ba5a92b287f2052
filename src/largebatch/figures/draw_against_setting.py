"""A final metric against a swept setting, one line per group."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.config.figures import AgainstSetting
from largebatch.config.uses import Operand
from largebatch.figures import style
from largebatch.figures.drawn import (
    BARS,
    INTERVALS,
    LOG,
    MEASURED,
    is_log,
    on_axes,
    spans,
    summary,
    summary_at,
)
from largebatch.figures.looks import DASHES, looks
from largebatch.judging.fits import by_position, fit_hyperbola, logarithms
from largebatch.metrics import METRICS, SETTINGS, most_of
from largebatch.observations.reading import Missing, members

# Bars of lines at the same setting are side by side: this far apart, all within ±5 % of the setting.
DODGE_OCTAVES, DODGE_SPAN_OCTAVES = 0.07, 0.14
FIT, FIT_POINTS = "fitted hyperbola", 41


def marks(figure: AgainstSetting) -> str:
    """What the marks are, for the caption."""
    bands = figure.baseline or figure.marks
    return f"Markers are means, bars and grey bands {INTERVALS}" if bands else BARS


def table(observations: pd.DataFrame, figure: AgainstSetting) -> pd.DataFrame:
    """Columns metric, line, arm, <figure.x>, n, mean, low, high, axis; the baseline's rows have no setting.

    The rows of the fitted hyperbola have no arm; those of marks have no axis, and their value is an x.
    """
    rows = []
    for metric in figure.y:
        at = figure.at_of(metric)
        for label, group in figure.lines.items():
            settings = members(observations, group)[figure.x].sort_values()
            if settings.duplicated().any():
                raise Missing(f"one arm for each {figure.x} of {group}")
            for arm, setting in settings.items():
                found = summary_at(observations, arm, metric, at)
                rows.append({"metric": metric, "line": label, "arm": arm, figure.x: setting, **found})
        if figure.baseline:
            found = summary_at(observations, figure.baseline, metric, at)
            rows.append({"metric": metric, "line": figure.baseline_label, "arm": figure.baseline, **found})
    measured = on_axes(pd.DataFrame(rows), lambda of_metric: style.wide(of_metric["mean"].to_numpy()))
    fitted = fits_of(observations, figure) if figure.hyperbola else []
    marked = [{"line": label, **mark_of(observations, mark, figure)} for label, mark in figure.marks.items()]
    found = pd.concat([measured, pd.DataFrame(fitted), pd.DataFrame(marked)], ignore_index=True)
    return found[["metric", "line", "arm", figure.x, *MEASURED, "axis"]]


def fits_of(observations: pd.DataFrame, figure: AgainstSetting) -> list[dict]:
    """The rows of each line's hyperbola: geometric mean and interval over the seeds' fits."""
    rows = []
    for label, group in figure.lines.items():
        values = by_position(observations, group, figure.y[0], figure.x).dropna(axis="columns")
        x, y = logarithms(values, "hyperbola")
        fits = [fit_hyperbola(x, of_seed) for of_seed in y.T]
        for batch in np.geomspace(values.index.min(), values.index.max(), FIT_POINTS):
            updates = [np.log(fit["least_updates"]) + np.log1p(fit["critical_batch"] / batch) for fit in fits]
            found = {key: np.exp(value) for key, value in summary(pd.Series(updates)).items()}
            name = FIT if len(figure.lines) == 1 else f"{FIT}, {label}"
            for metric in figure.y:
                if metric != figure.y[0] and not metric.startswith("examples_"):
                    continue
                times = batch if metric.startswith("examples_") else 1.0
                fit = {key: times * value for key, value in found.items()}
                rows.append(
                    {"metric": metric, "line": name, figure.x: batch, "axis": LOG} | fit | {"n": len(fits)}
                )
    return rows


def mark_of(observations: pd.DataFrame, mark: Operand, figure: AgainstSetting) -> dict:
    """The row of a mark, whose value is an x."""
    metric = mark.metric or figure.y[0]
    return {"metric": metric, "arm": mark.arm, **summary_at(observations, mark.arm, metric, mark.at)}


def picture(drawn: pd.DataFrame, figure: AgainstSetting) -> Canvas:
    """One panel per metric."""
    panels = len(figure.y)
    canvas = style.canvas(style.COLUMN_WIDTH_IN if panels == 1 else style.PAGE_WIDTH_IN, 2.5)
    (all_axes,) = style.panels(canvas, panels, panels)
    for axes, metric in zip(all_axes, figure.y, strict=True):
        of_metric = drawn[(drawn["metric"] == metric) & drawn["axis"].notna()]
        paint(axes, of_metric, figure)
        paint_marks(axes, drawn[drawn["axis"].isna()])
        axes.set_xlabel(SETTINGS[figure.x])
        axes.set_ylabel(style.wrapped(METRICS[metric]))
    if figure.exponent is not None:
        paint_guide(all_axes[0], drawn[drawn["line"] == next(iter(figure.lines))], figure)
    style.legend_below(canvas, all_axes[0])
    return canvas


def paint(axes: Axes, rows: pd.DataFrame, figure: AgainstSetting) -> None:
    """The lines of one metric, with the baseline in the background, and their fits."""
    measured, fitted = rows[rows["arm"].notna()], rows[rows["arm"].isna()]
    style.doubling_axis(axes, measured[figure.x].dropna().to_numpy())
    if is_log(measured):
        style.log_axis(axes, "y", measured["mean"].to_numpy())
    else:
        axes.yaxis.set_major_formatter(style.PLAIN)
    shifts = dodges(len(figure.lines))
    for shift, (label, look) in zip(shifts, looks(list(figure.lines)).items(), strict=True):
        of_line = measured[measured["line"] == label]
        axes.errorbar(
            of_line[figure.x] * shift,
            of_line["mean"],
            yerr=spans(of_line),
            color=look.color,
            linestyle="" if figure.hyperbola else look.linestyle,
            marker=look.marker,
            elinewidth=0.8,
            label=label,
        )
    for label, of_fit in fitted.groupby("line", sort=False):
        axes.plot(of_fit[figure.x], of_fit["mean"], color="black", linewidth=0.9, zorder=1.5, label=label)
    bands = measured[measured[figure.x].isna() & (measured["n"] > 0)]
    for _, band in bands.iterrows():
        axes.axhspan(band["low"], band["high"], color=style.GREY, alpha=0.3, linewidth=0, zorder=1)
        axes.axhline(band["mean"], color=style.GREY, linewidth=0.8, zorder=1, label=band["line"])
    style.end_at(axes, "y", most_of(rows["metric"].iloc[0]))


def paint_marks(axes: Axes, rows: pd.DataFrame) -> None:
    """Vertical lines with their intervals, named in the legend."""
    for dash, (_, row) in zip(DASHES[1:], rows.iterrows(), strict=False):
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
