"""Paths of gradient descent on surfaces of two weights, one panel per surface."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas

from largebatch.config.profiles import Walks
from largebatch.config.surfaces import SURFACES, Surface
from largebatch.figures import style
from largebatch.figures.drawn import always
from largebatch.figures.looks import Look, looks
from largebatch.metrics import METRICS
from largebatch.observations.reading import Missing, history_of

marks = always("Lines are paths from the dot to a marker, one per seed,")
X, Y = Walks.reads
MOST_SEEDS = 3  # more paths would hide each other
LEVELS, GRID = 13, 81
# Width / height of a panel: all are equally large, and a unit has the same length on both axes.
SHAPE = 1.5
BESIDE_IN, BELOW_IN, TITLE_IN = 0.6, 0.3, 0.25
# A surface is shown so far beyond its bounds, in their widths, to include paths; the rest is cut off.
MOST_WIDER = 2
# Light, so that paths stand out; white where the loss is least.
SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#bdbdbd"])

END = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.6, "zorder": 4}


def table(observations: pd.DataFrame, figure: Walks) -> pd.DataFrame:
    """Columns surface, line, arm, seed, at, x, y, n; one row per point of a drawn path.

    Drawn are the first MOST_SEEDS seeds of each arm; n is how many these are.
    """
    parts = []
    for surface, lines in figure.panels.items():
        for label, arm in lines.items():
            paths = paths_of(observations, arm)
            paths = paths[paths["seed"].isin(np.unique(paths["seed"])[:MOST_SEEDS])]
            parts.append(paths.assign(surface=surface, line=label, arm=arm, n=paths["seed"].nunique()))
    return pd.concat(parts, ignore_index=True)[["surface", "line", "arm", "seed", "at", "x", "y", "n"]]


def paths_of(observations: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Both weights by seed and along the path; columns seed, at, x, y."""
    x, y = (history_of(observations, arm, metric) for metric in Walks.reads)
    paths = x.rename(columns={"value": "x"}).merge(y.rename(columns={"value": "y"}), on=["seed", "at"])
    if not len(paths) == len(x) == len(y):
        raise Missing(f"{X} and {Y} of arm {arm} after the same updates")
    return paths


def picture(drawn: pd.DataFrame, figure: Walks) -> Canvas:
    """One panel per surface, all equally large."""
    panels = len(figure.panels)
    columns = style.columns_of(panels, 2)
    rows = -(-panels // columns)
    width_in = style.COLUMN_WIDTH_IN if columns == 1 else style.PAGE_WIDTH_IN
    height_in = (width_in - BESIDE_IN) / columns / SHAPE + TITLE_IN
    canvas = style.canvas(width_in, BELOW_IN + height_in * rows)
    (grid,) = style.panels(canvas, panels, columns)
    looked = looks(figure.labels)
    for axes, (surface, of_surface) in zip(grid, drawn.groupby("surface", sort=False), strict=True):
        shade(axes, SURFACES[surface], view_of(SURFACES[surface], of_surface))
        paint(axes, of_surface, looked)
        axes.set_title(surface, loc="left", pad=2)
        axes.set(xlabel=METRICS[X], ylabel=METRICS[Y])
    for label, look in looked.items():  # a line may be missing in the panel that the legend is made from
        grid[0].plot([], [], color=look.color, marker=look.marker, label=label)
    style.legend_below(canvas, grid[0])
    return canvas


def view_of(surface: Surface, paths: pd.DataFrame) -> tuple[float, float, float, float]:
    """(x low, x high, y low, y high): the surface's bounds and the paths, in the shape of a panel."""
    x_low, x_high = held(*surface.bounds[:2], paths["x"])
    y_low, y_high = held(*surface.bounds[2:], paths["y"])
    width, height = x_high - x_low, y_high - y_low
    more_x, more_y = max(SHAPE * height - width, 0) / 2, max(width / SHAPE - height, 0) / 2
    return x_low - more_x, x_high + more_x, y_low - more_y, y_high + more_y


def held(low: float, high: float, places: pd.Series) -> tuple[float, float]:
    """These bounds, moved outwards to include the points: each by up to MOST_WIDER times their distance."""
    most = MOST_WIDER * (high - low)
    return max(min(low, places.min()), low - most), min(max(high, places.max()), high + most)


def shade(axes: Axes, surface: Surface, view: tuple[float, float, float, float]) -> None:
    """The surface in shades, each of an equal part of the area: levels are dense where it is flat."""
    x_low, x_high, y_low, y_high = view
    x, y = np.linspace(x_low, x_high, GRID), np.linspace(y_low, y_high, GRID)
    values = surface.value(np.stack(np.meshgrid(x, y), axis=-1))
    levels = np.quantile(values, np.linspace(0, 1, LEVELS))
    shades = SHADES(np.linspace(0, 1, LEVELS - 1))
    axes.contourf(x, y, values, levels=levels, colors=shades)
    axes.contour(x, y, values, levels=levels, colors=style.GREY, linewidths=0.3, linestyles="solid")
    axes.set(xlim=(x_low, x_high), ylim=(y_low, y_high), aspect="equal")
    axes.grid(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(style.PLAIN)


def paint(axes: Axes, rows: pd.DataFrame, looked: dict[str, Look]) -> None:
    """The paths on one surface, the longest below the others, with their start and ends."""
    paths = [path for _, path in rows.groupby(["line", "seed"], sort=False)]
    for path in sorted(paths, key=length, reverse=True):
        look = looked[path["line"].iloc[0]]
        axes.plot(path["x"], path["y"], color=look.color, linewidth=0.6, alpha=0.8, zorder=2)
        axes.plot(*path[["x", "y"]].iloc[-1], color=look.color, marker=look.marker, **END)
    for start in {tuple(path[["x", "y"]].iloc[0]) for path in paths}:
        axes.plot(*start, color="black", marker=".", markersize=7, zorder=3)


def length(path: pd.DataFrame) -> float:
    """The length of a path."""
    return float(np.hypot(path["x"].diff(), path["y"].diff()).sum())
