"""The loss on a plane through the weights, one panel an arm (Li et al. 2018, figure 5)."""

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure as Canvas

from largebatch.metrics import METRICS
from largebatch.question import Surface
from largebatch.study import style
from largebatch.study.claims import number
from largebatch.study.drawn import summary_along, words
from largebatch.study.reading import Missing, profile_of

LOSS, X, Y = METRICS_READ = ("plane_loss_nats", "plane_x", "plane_y")
LEVELS, LEVELS_A_TICK = 13, 3
MOST_IN_A_ROW = 3
COLOUR_MAP = "viridis"
# Room for the colour bar and labels beside the panels, for labels below, between and above them.
BESIDE_IN, BELOW_IN, GAP_IN, TITLE_IN = 1.3, 0.3, 0.1, 0.35
WIDER = 1 + 1e-6


def table(observations: pd.DataFrame, figure: Surface) -> pd.DataFrame:
    """Columns line, arm, x, y, n, mean, low, high; one row a grid point."""
    parts = []
    for label, arm in figure.lines.items():
        loss, x, y = (summary_along(profile_of(observations, arm, metric)) for metric in METRICS_READ)
        part = loss.assign(x=x["mean"], y=y["mean"])
        if part[["x", "y"]].isna().any(axis=None) or len(part) != part["x"].nunique() * part["y"].nunique():
            raise Missing(f"a full grid of {LOSS} of arm {arm}")
        parts.append(part.assign(line=label, arm=arm))
    columns = ["line", "arm", "x", "y", "n", "mean", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns]


def picture(drawn: pd.DataFrame, figure: Surface) -> Canvas:
    """One panel an arm, all with the same colours."""
    panels = len(figure.lines)
    columns = 2 if panels == 4 else min(panels, MOST_IN_A_ROW)
    rows = -(-panels // columns)
    width_in = style.COLUMN_WIDTH_IN if columns == 1 else style.PAGE_WIDTH_IN
    side_in = (width_in - BESIDE_IN) / columns - GAP_IN
    canvas = style.canvas(width_in, BELOW_IN + (side_in + TITLE_IN) * rows)
    grid = canvas.subplots(rows, columns, squeeze=False, sharey=True)
    levels = levels_of(drawn["mean"].to_numpy())
    for axes, (label, of_line) in zip(grid.flat, drawn.groupby("line", sort=False), strict=False):
        filled = paint(axes, of_line, levels)
        axes.set_title(label, loc="left", pad=2)
    for axes in grid.flat[panels:]:
        axes.set_axis_off()
    canvas.supxlabel(METRICS[X], fontsize=8)
    canvas.supylabel(METRICS[Y], fontsize=8)
    bar = canvas.colorbar(filled, ax=grid, label=METRICS[LOSS], aspect=20 * rows)
    ticks = levels[::LEVELS_A_TICK]
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
    bar.ax.yaxis.set_minor_locator(ticker.NullLocator())
    return canvas


def levels_of(losses: np.ndarray) -> np.ndarray:
    """Limits of the colours (LEVELS,), equally far apart on a logarithmic scale, around losses: (m,)."""
    positive = losses[losses > 0]
    if len(positive) == 0:
        return np.geomspace(0.1, 1.0, LEVELS)
    # a little wider: rounding must leave no loss without a colour, nor levels without a distance
    return np.geomspace(positive.min() / WIDER, positive.max() * WIDER, LEVELS)


def paint(axes: Axes, rows: pd.DataFrame, levels: np.ndarray) -> QuadContourSet:
    """Filled contours with their lines."""
    loss = rows.pivot(index="y", columns="x", values="mean").clip(lower=levels[0])
    x, y = loss.columns.to_numpy(), loss.index.to_numpy()
    scale = LogNorm(levels[0], levels[-1])
    filled = axes.contourf(x, y, loss, levels=levels, cmap=COLOUR_MAP, norm=scale)
    axes.contour(x, y, loss, levels=levels, colors="white", linewidths=0.3)
    axes.set_aspect("equal")
    axes.grid(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(style.PLAIN)
    return filled


def message(drawn: pd.DataFrame, figure: Surface) -> str:
    """The loss in the middle and at the rim of each plane."""
    return " ".join(told(rows) for _, rows in drawn.groupby("line", sort=False))


def told(rows: pd.DataFrame) -> str:
    """'Adam: 0.1 [0.09, 0.11] in the middle, 2 to 3 at the rim.'"""
    middle = rows.loc[(rows["x"] ** 2 + rows["y"] ** 2).idxmin()]
    ends = [rows[axis].isin([rows[axis].min(), rows[axis].max()]) for axis in ("x", "y")]
    rim = rows.loc[ends[0] | ends[1], "mean"]
    around = f"{number(rim.min())} to {number(rim.max())} at the rim"
    return f"{middle['line']}: {words(middle)} in the middle, {around}."
