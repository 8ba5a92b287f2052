"""A metric along training, one line per arm; many arms get one panel each, with the others in grey."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.config.figures import Curves
from largebatch.figures import style
from largebatch.figures.drawn import BANDS, MEASURED, always, on_axes, summary, summary_along, summary_at
from largebatch.figures.looks import BLUE, Look, dots, looks
from largebatch.judging.claims import number
from largebatch.metrics import METRICS, most_of
from largebatch.observations.reading import Lost, carried, within_runs

marks = always(BANDS)
MOST_IN_ONE_PANEL, MOST_IN_A_ROW, MOST_TICKS = 6, 5, 6
WIDEST_INTERVAL, LEAST_RANGE = 3.0, 10.0  # see log_limits()
LINE_PT = 1.2  # the width of a line
PANEL_IN, WIDE_PANEL_IN = 1.35, 1.9  # heights of small multiples, by the number in a row
LOSS = "train_loss_nats"
OWN, OTHERS = "as named above the panel", "the others"  # lines of small multiples
AXIS_LABELS = {"epoch": "epoch", "update": "update", LOSS: METRICS[LOSS]}
# Longest run / shortest run from which the update axis is logarithmic.
LOG_UPDATES_FROM = 4.0


def table(observations: pd.DataFrame, figure: Curves) -> pd.DataFrame:
    """Columns metric, line, arm, <figure.x>, n, mean, low, high, axis; a stopped seed keeps its last value.

    The rows of the level have no x.
    """
    parts = []
    for metric in figure.y:
        for label, arm in {**figure.behind, **figure.lines}.items():
            parts.append(
                along(observations, arm, metric, figure.x).assign(metric=metric, line=label, arm=arm)
            )
    if figure.level:
        parts.append(levels(observations, figure))
    drawn = pd.concat(parts, ignore_index=True)
    columns = ["metric", "line", "arm", figure.x, *MEASURED, "axis"]
    return on_axes(drawn, lambda _rows: figure.log_y)[columns]


def along(observations: pd.DataFrame, arm: str, metric: str, x: str) -> pd.DataFrame:
    """The rows of one line, columns n, mean, low, high, x; one without numbers if it diverged."""
    try:
        part = summary_along(carried(observations, arm, metric))
    except Lost:
        return pd.DataFrame([summary(pd.Series(dtype=float)) | {x: np.nan}])
    return part.assign(**{x: PLACES[x](observations, arm, part.index)})


def levels(observations: pd.DataFrame, figure: Curves) -> pd.DataFrame:
    """The rows of the level: its mean over seeds, one row per line."""
    found = [
        {
            "metric": figure.level,
            "line": label,
            "arm": arm,
            **summary_at(observations, arm, figure.level, None),
        }
        for label, arm in figure.lines.items()
    ]
    return pd.DataFrame(found).assign(**{figure.x: np.nan})


def updates_at(observations: pd.DataFrame, arm: str, epochs: pd.Index) -> pd.Series:
    """Updates made by each epoch, mean over the seeds that reached it; index epoch."""
    return at_epochs(within_runs(observations, arm, "updates"), epochs).mean(axis=1)


def loss_at(observations: pd.DataFrame, arm: str, epochs: pd.Index) -> pd.Series:
    """Training loss at each epoch, mean over all seeds: one that stopped keeps its last; index epoch."""
    return at_epochs(carried(observations, arm, LOSS), epochs).mean(axis=1)


def at_epochs(history: pd.DataFrame, epochs: pd.Index) -> pd.DataFrame:
    """A history (epochs, seeds) at other epochs, linear between its own."""
    between = history.reindex(history.index.union(epochs)).interpolate("index", limit_area="inside")
    return between.loc[epochs]


# The x of each epoch.
PLACES = {"epoch": lambda _observations, _arm, epochs: epochs, "update": updates_at, LOSS: loss_at}


def picture(drawn: pd.DataFrame, figure: Curves) -> Canvas:
    """One panel per metric, or small multiples if there are many lines or some in the background."""
    level = drawn[drawn["metric"] == figure.level].set_index("line")["mean"]
    drawn = shown(drawn[drawn[figure.x].notna()], figure)
    if figure.behind or len(figure.lines) > MOST_IN_ONE_PANEL:
        return multiples(drawn, figure, level)
    panels = len(figure.y)
    canvas = style.canvas(style.COLUMN_WIDTH_IN if panels == 1 else style.PAGE_WIDTH_IN, 2.5)
    (all_axes,) = style.panels(canvas, panels, panels)
    for axes, metric in zip(all_axes, figure.y, strict=True):
        of_metric, first = drawn[drawn["metric"] == metric], axes is all_axes[0]
        for width, (label, look) in zip(widths_of(figure), looks(list(figure.lines)).items(), strict=True):
            drawn_as = look._replace(linestyle="-") if figure.nested else look
            line(axes, of_metric[of_metric["line"] == label], figure.x, drawn_as, label, width=width)
        if first:
            for label, look in looks(list(figure.lines)).items():
                draw_level(axes, level, label, look.color)
            for label, height in figure.heights.items():
                style.across(axes, height, label=label)
        finish(axes, of_metric, figure, heights_of(level, figure) if first else {})
        axes.set_xlabel(AXIS_LABELS[figure.x])
        axes.set_ylabel(style.wrapped(METRICS[metric]))
    style.legend_below(canvas, all_axes[0])
    return canvas


def widths_of(figure) -> np.ndarray:
    """The width of each line of a figure with `nested`, in points."""
    return style.nested(len(figure.lines)) if figure.nested else np.full(len(figure.lines), LINE_PT)


def heights_of(level: pd.Series, figure: Curves) -> dict[str, float]:
    """Every height at which a line is drawn across the first panel."""
    return {**level.to_dict(), **figure.heights}


def line(
    axes: Axes,
    rows: pd.DataFrame,
    x: str,
    look: Look,
    label: str | None,
    marker: str = "",
    width: float = LINE_PT,
    size: float = 3.5,
) -> None:
    """A mean with its band; width and size: of the line and its markers in points."""
    axes.fill_between(rows[x], rows["low"], rows["high"], color=look.color, alpha=0.2, linewidth=0)
    drawn_as = {"linewidth": width, "marker": marker, "markersize": size}
    axes.plot(rows[x], rows["mean"], color=look.color, linestyle=look.linestyle, label=label, **drawn_as)


def draw_level(axes: Axes, level: pd.Series, label: str, color: str) -> None:
    """The level of a line across, with its number, in the line's colour; level: index line."""
    for height in level[level.index == label]:
        style.across(axes, height, color, number=number(height))


def shown(drawn: pd.DataFrame, figure: Curves) -> pd.DataFrame:
    """The rows that can be shown on the x axis: a logarithmic one cannot show update 0."""
    return drawn[drawn[figure.x] > 0] if log_x(drawn, figure) else drawn


def log_x(drawn: pd.DataFrame, figure: Curves) -> bool:
    """Whether x is logarithmic: if asked, for losses, where some runs have many more updates than others."""
    ends = drawn.groupby("line")[figure.x].max()
    spread = figure.x == "update" and ends.max() > LOG_UPDATES_FROM * ends.min()
    return figure.log_x or figure.x == LOSS or spread


def finish(axes: Axes, rows: pd.DataFrame, figure: Curves, heights: dict[str, float]) -> None:
    """Scales and limits that fit the drawn means and the heights."""
    if rows.empty:  # every line diverged
        return
    places = rows[figure.x].to_numpy()
    if figure.log_y:
        style.log_axis(axes, "y", np.append(rows["mean"], list(heights.values())))
        axes.set_ylim(*log_limits(rows, heights.values()))
    else:
        axes.yaxis.set_major_formatter(style.PLAIN)
    style.end_at(axes, "y", most_of(rows["metric"].iloc[0]))
    if log_x(rows, figure):
        style.log_axis(axes, "x", places)
    else:
        style.whole_numbers(axes, MOST_TICKS if len(figure.lines) > MOST_IN_ONE_PANEL else "auto")
    # training goes from left to right: to later epochs, to lower losses
    axes.set_xlim(*sorted((places.min(), places.max()), reverse=figure.x == LOSS))


def log_limits(rows: pd.DataFrame, heights: Iterable[float] = ()) -> tuple[float, float]:
    """Limits a quarter wider than means, heights and intervals, over a decade or more.

    An interval counts up to a factor of WIDEST_INTERVAL beyond the means; the rest is cut off.
    """
    means = np.append(rows["mean"], list(heights))
    positive = means[means > 0]
    if len(positive) == 0:
        return 0.0, 1.0
    low = min(
        positive.min(), max(positive.min() / WIDEST_INTERVAL, rows["low"].where(rows["mean"] > 0).min())
    )
    high = max(positive.max(), min(positive.max() * WIDEST_INTERVAL, rows["high"].max()))
    if means.min() <= 0:
        return 0.0, high * 1.25
    wider = max(1.25, np.sqrt(LEAST_RANGE * low / high))
    return low / wider, high * wider


def multiples(drawn: pd.DataFrame, figure: Curves, level: pd.Series) -> Canvas:
    """One panel per line and metric, with others in the background; shared axes for each metric."""
    labels = list(figure.lines)
    columns = style.columns_of(len(labels), MOST_IN_A_ROW)
    rows_each = -(-len(labels) // columns)
    height_in = WIDE_PANEL_IN if columns < MOST_IN_A_ROW - 1 else PANEL_IN
    canvas = style.canvas(style.PAGE_WIDTH_IN, 0.4 + height_in * rows_each * len(figure.y))
    blocks = style.panels(canvas, len(labels), columns, len(figure.y), sharex=True, sharey="row")
    for block, (panels, metric) in enumerate(zip(blocks, figure.y, strict=True)):
        of_metric, of_block = drawn[drawn["metric"] == metric], level if block == 0 else level[:0]
        for axes, label in zip(panels, labels, strict=True):
            panel(axes, of_metric, figure, label)
            draw_level(axes, of_block, label, BLUE)
        for axes in panels:  # once all are drawn, as they share their limits
            finish(axes, of_metric, figure, of_block.to_dict())
        for axes in panels[(rows_each - 1) * columns :]:
            axes.set_xlabel(AXIS_LABELS[figure.x])
    canvas.supylabel(" / ".join(METRICS[m] for m in figure.y), fontsize=8)
    style.legend_below(canvas, blocks[0][0], least=1)
    return canvas


def panel(axes: Axes, rows: pd.DataFrame, figure: Curves, label: str) -> None:
    """One line with its band; in the background those to compare it with, or all others in grey."""
    for other in figure.behind:
        line(axes, rows[rows["line"] == other], figure.x, looks(list(figure.behind))[other], other)
    if not figure.behind:
        for _, other in rows[rows["line"] != label].groupby("line", sort=False):
            axes.plot(other[figure.x], other["mean"], color=style.FAINT, linewidth=0.6)
        axes.lines[0].set_label(OTHERS)
    colours = [look.color if figure.behind else BLUE for look in dots(list(figure.lines)).values()]
    look = Look(colours[list(figure.lines).index(label)], "-", "o")
    name = OWN if len(set(colours)) == 1 else None
    line(axes, rows[rows["line"] == label], figure.x, look, name)
    axes.set_title(label, loc="left", pad=2)
