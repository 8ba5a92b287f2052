"""How the loss rises on a plane through the weights, one panel per arm (Li et al. 2018, figure 5)."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure as Canvas

from largebatch.config.profiles import SurfacePanels
from largebatch.figures import style
from largebatch.figures.drawn import LINEAR, MEASURED, always, summary_along
from largebatch.metrics import METRICS
from largebatch.observations.reading import Missing, profile_of

marks = always("Colours and contours are means")
LOSS, X, Y = SurfacePanels.reads
# Contours in nats; the highest ones that a plane reaches are drawn.
LEVELS = np.array([1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000])
MOST_LEVELS = 7
MOST_IN_A_ROW = 3
COLOUR_MAP = "viridis"
# Space for the colour bar and labels beside the panels, for labels below, between and above them.
BESIDE_IN, BELOW_IN, GAP_IN, TITLE_IN = 1.3, 0.3, 0.1, 0.35


def table(observations: pd.DataFrame, figure: SurfacePanels) -> pd.DataFrame:
    """Columns line, arm, x, y, n, mean, low, high, axis: rise above the middle, one row per grid point."""
    parts = []
    for label, arm in figure.lines.items():
        loss = profile_of(observations, arm, LOSS)
        x, y = (profile_of(observations, arm, metric).mean(axis="columns") for metric in (X, Y))
        if len(loss) != x.nunique() * y.nunique() or loss.isna().any(axis=None):
            raise Missing(f"a full grid of {LOSS} of arm {arm}")
        part = summary_along(loss - loss.loc[(x**2 + y**2).idxmin()])
        parts.append(part.assign(line=label, arm=arm, x=x, y=y, axis=LINEAR))
    return pd.concat(parts, ignore_index=True)[["line", "arm", "x", "y", *MEASURED, "axis"]]


def picture(drawn: pd.DataFrame, figure: SurfacePanels) -> Canvas:
    """One panel per arm, all with the same colours and contours."""
    panels = len(figure.lines)
    columns = style.columns_of(panels, MOST_IN_A_ROW)
    rows = -(-panels // columns)
    width_in = style.COLUMN_WIDTH_IN if columns == 1 else style.PAGE_WIDTH_IN
    side_in = (width_in - BESIDE_IN) / columns - GAP_IN
    canvas = style.canvas(width_in, BELOW_IN + (side_in + TITLE_IN) * rows)
    (grid,) = style.panels(canvas, panels, columns, sharey=True)
    levels = levels_of(drawn["mean"].to_numpy())
    for axes, (label, of_line) in zip(grid, drawn.groupby("line", sort=False), strict=True):
        filled = paint(axes, of_line, levels)
        axes.set_title(label, loc="left", pad=2)
    canvas.supxlabel(METRICS[X], fontsize=8)
    canvas.supylabel(METRICS[Y], fontsize=8)
    bar = canvas.colorbar(filled, ax=grid, label=f"rise of the {METRICS[LOSS]}", aspect=20 * rows)
    bar.set_ticks(np.sqrt(levels), labels=[style.plain(level) for level in levels])
    return canvas


def levels_of(rises: np.ndarray) -> np.ndarray:
    """The contours' levels: the highest MOST_LEVELS of LEVELS below the largest of rises: (m,)."""
    reached = LEVELS[rises.max(initial=0.0) > LEVELS]
    return reached[-MOST_LEVELS:] if len(reached) > 1 else LEVELS[:2]


def paint(axes: Axes, rows: pd.DataFrame, levels: np.ndarray) -> QuadContourSet:
    """Filled contours with their lines, of the square root: it is linear away from a quadratic minimum.

    Contours are interpolated linearly between grid points, which cuts the corners of the rise itself.
    """
    rise = rows.pivot(index="y", columns="x", values="mean")
    x, y = rise.columns.to_numpy(), rise.index.to_numpy()
    root, levels = np.sqrt(rise.clip(lower=0.0)), np.sqrt(levels)
    colours = colormaps[COLOUR_MAP](np.linspace(0, 1, len(levels) + 1))
    filled = axes.contourf(x, y, root, levels=levels, colors=list(colours), extend="both")
    axes.contour(x, y, root, levels=levels, colors="white", linewidths=0.4)
    axes.set_aspect("equal")
    axes.grid(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(style.PLAIN)
    return filled
