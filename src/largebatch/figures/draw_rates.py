"""Learning rate along training, and the batch size if it changes too."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.config.figures import Rates
from largebatch.figures import style
from largebatch.figures.draw_curves import line
from largebatch.figures.drawn import BANDS, MEASURED, always, is_log, on_axes, summary_along
from largebatch.figures.looks import BLUE, Look, looks
from largebatch.metrics import METRICS
from largebatch.observations.reading import members, within_runs

marks = always(BANDS)
MOST_IN_ONE_PANEL, MOST_IN_A_ROW = 4, 4
RATE, IMAGES = "learning_rate", "images_per_update"
LABELS = {RATE: METRICS[RATE], IMAGES: "images per update"}


def table(observations: pd.DataFrame, figure: Rates) -> pd.DataFrame:
    """Columns metric, line, arm, epoch, n, mean, low, high, axis, over the seeds that were still training.

    Where all lines of a metric stay as they are, the epochs between the first and the last are left out.
    """
    parts = []
    for metric in [RATE, IMAGES] if figure.images_per_update else [RATE]:
        for label, arm in figure.lines.items():
            values = within_runs(observations, arm, RATE) if metric == RATE else images_of(observations, arm)
            part = summary_along(values).reset_index(names="epoch")
            parts.append(part.assign(metric=metric, line=label, arm=arm))
    whole = pd.concat(parts, ignore_index=True)
    kept = pd.concat(without_plateaus(rows) for _, rows in whole.groupby("metric", sort=False))
    drawn = on_axes(kept, lambda rows: style.wide(rows["mean"].to_numpy()))
    return drawn[["metric", "line", "arm", "epoch", *MEASURED, "axis"]]


def without_plateaus(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of one metric without the epochs at which every line is as it is before and after."""
    numbers = rows.set_index(["epoch", "line"])[list(MEASURED)].unstack("line").sort_index()
    before = numbers.shift()
    changes = ~((numbers == before) | (numbers.isna() & before.isna())).all(axis="columns")
    kept = changes.index[changes | changes.shift(-1, fill_value=True)]
    return rows[rows["epoch"].isin(kept)]


def images_of(observations: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Training images / updates up to each evaluation since the one before: (epochs, seeds)."""
    updates = within_runs(observations, arm, "updates")
    epochs = pd.Series(updates.index, index=updates.index).diff()
    images = members(observations, arm)["train_images"].iloc[0]
    return updates.diff().rdiv(images * epochs, axis="index").bfill(limit=1)


def picture(drawn: pd.DataFrame, figure: Rates) -> Canvas:
    """All lines in each panel, or one panel per line if there are many."""
    if len(figure.lines) > MOST_IN_ONE_PANEL:
        return multiples(drawn, list(figure.lines))
    metrics = [RATE] * bool(figure.first_share) + list(drawn["metric"].unique())
    canvas = style.canvas(style.COLUMN_WIDTH_IN if len(metrics) == 1 else style.PAGE_WIDTH_IN, 2.3)
    (all_axes,) = style.panels(canvas, len(metrics), len(metrics))
    for number, (axes, metric) in enumerate(zip(all_axes, metrics, strict=True)):
        together(axes, drawn[drawn["metric"] == metric], list(figure.lines))
        if number == 0 and figure.first_share:
            begin(axes, drawn, figure.first_share)
        else:
            scale(axes, drawn[drawn["metric"] == metric])
        axes.set_xlabel("epoch")
        axes.set_ylabel(LABELS[metric])
    style.legend_below(canvas, all_axes[0])
    return canvas


def together(axes: Axes, drawn: pd.DataFrame, labels: list[str]) -> None:
    """All lines in one panel, from wide to narrow, since most of them coincide for a while."""
    steps = "steps-pre" if (drawn["metric"] == IMAGES).all() else "default"
    for width, (label, look) in zip(style.nested(len(labels)), looks(labels).items(), strict=True):
        of_line = drawn[drawn["line"] == label]
        line(axes, of_line, "epoch", look._replace(linestyle="-"), label, width=width)
        axes.lines[-1].set_drawstyle(steps)


def begin(axes: Axes, drawn: pd.DataFrame, share: float) -> None:
    """The first share of the run on linear axes, where a ramp is straight."""
    rates = drawn[drawn["metric"] == RATE]
    axes.set_xlim(0, share * rates["epoch"].max())
    axes.set_ylim(0, 1.05 * rates["mean"].max())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(style.PLAIN)


def scale(axes: Axes, drawn: pd.DataFrame) -> None:
    """Logarithmic if all numbers are positive and far apart, else from 0."""
    axes.set_xlim(0, drawn["epoch"].max())
    if is_log(drawn):
        style.log_axis(axes, "y", drawn["mean"].to_numpy())
    else:
        axes.set_ylim(0, 1.05 * drawn["mean"].max())
        axes.yaxis.set_major_formatter(style.PLAIN)


def multiples(drawn: pd.DataFrame, labels: list[str]) -> Canvas:
    """One panel per line, all on the same axes; a growing batch is drawn in grey on its own axis."""
    columns = style.columns_of(len(labels), MOST_IN_A_ROW)
    canvas = style.canvas(style.PAGE_WIDTH_IN, 0.4 + 1.15 * -(-len(labels) // columns))
    (grid,) = style.panels(canvas, len(labels), columns, sharex=True, sharey=True)
    rates, images = (drawn[drawn["metric"] == metric] for metric in (RATE, IMAGES))
    for axes, label in zip(grid, labels, strict=True):
        line(axes, rates[rates["line"] == label], "epoch", Look(BLUE, "-", "o"), None)
        axes.set_title(label, loc="left", pad=2)
        grown = images[images["line"] == label]
        if grown["mean"].nunique() > 1:
            beside(axes, grown)
    scale(grid[0], rates)
    canvas.supxlabel("epoch", fontsize=8)
    canvas.supylabel(METRICS[RATE], fontsize=8)
    return canvas


def beside(axes: Axes, images: pd.DataFrame) -> None:
    """The images per update of one line, in steps, on a logarithmic axis at the right."""
    right = axes.twinx()
    right.step(images["epoch"], images["mean"], color=style.GREY, linestyle="--", where="pre")
    right.set_ylabel(LABELS[IMAGES], color=style.GREY, fontsize=7)
    right.grid(False)
    right.spines["right"].set_visible(True)
    style.log_axis(right, "y", images["mean"].to_numpy())
