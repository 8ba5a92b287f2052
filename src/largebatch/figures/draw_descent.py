"""The paths of a small and a large batch from one start, on the plane of weights through it and both ends."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.config.profiles import Descent
from largebatch.figures import style
from largebatch.figures.draw_walks import SHADES
from largebatch.figures.drawn import LINEAR, MEASURED, always, summary_along
from largebatch.figures.looks import looks
from largebatch.observations.reading import Missing, profile_of

marks = always("Shades are means and lines the ways of single seeds,")
LOSS, X, Y, *_ = Descent.reads
MOST_SEEDS = 5  # more paths would hide each other
LEVELS = 15
HEIGHT_IN = 3.0
END = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.6, "zorder": 4}


def table(observations: pd.DataFrame, figure: Descent) -> pd.DataFrame:
    """Columns line, arm, seed, at, x, y, n, mean, low, high, axis.

    The loss on the plane, a mean over seeds, has neither line nor seed; the paths of the first MOST_SEEDS
    seeds have no loss. x and y are shares of the ways to the two ends; at: epoch.
    """
    loss = profile_of(observations, figure.path, LOSS)
    x, y = (profile_of(observations, figure.path, metric).mean(axis="columns") for metric in (X, Y))
    if len(loss) != x.nunique() * y.nunique() or loss.isna().any(axis=None):
        raise Missing(f"a full grid of {LOSS} of path {figure.path}")
    parts = [summary_along(loss).assign(x=x, y=y)]
    for label, run in ((figure.start, "start"), (figure.end, "end")):
        places = [profile_of(observations, figure.path, f"descent_{run}_{axis}") for axis in "xy"]
        ways = pd.concat(
            [place.iloc[:, :MOST_SEEDS].unstack().rename(a) for place, a in zip(places, "xy", strict=True)],
            axis=1,
        )
        ways = ways.dropna().reset_index()
        parts.append(ways.assign(line=label, n=ways["seed"].nunique()))
    columns = ["line", "arm", "seed", "at", "x", "y", *MEASURED, "axis"]
    return pd.concat(parts, ignore_index=True).assign(arm=figure.path, axis=LINEAR).reindex(columns=columns)


def picture(drawn: pd.DataFrame, figure: Descent) -> Canvas:
    """The paths from their start to their ends."""
    canvas, show = scene(drawn, figure)
    show(1.0)
    return canvas


def scene(drawn: pd.DataFrame, figure: Descent) -> tuple[Canvas, Callable[[float], None]]:
    """The canvas for an animation, and a function that draws each path up to a share of its epochs."""
    canvas = style.canvas(style.COLUMN_WIDTH_IN, HEIGHT_IN)
    axes = canvas.subplots()
    shade(axes, drawn[drawn["line"].isna()])
    axes.plot(0, 0, color="black", marker=".", markersize=7, zorder=3)
    axes.set(xlabel=f"share of the way to the {figure.start}'s end", aspect="equal")
    axes.set_ylabel(f"share of the way to the {figure.end}'s end")
    looked, moving = looks([figure.start, figure.end]), []
    for (label, _), way in drawn.groupby(["line", "seed"], sort=False):
        look = looked[label]
        (trail,) = axes.plot([], [], color=look.color, linestyle=look.linestyle, linewidth=0.8, zorder=2)
        (head,) = axes.plot([], [], color=look.color, marker=look.marker, linestyle="", **END)
        moving.append((way, trail, head))
    for label, look in looked.items():
        axes.plot([], [], color=look.color, linestyle=look.linestyle, marker=look.marker, label=label)
    style.legend_below(canvas, axes)

    def show(share: float) -> None:
        for way, trail, head in moving:
            x, y = up_to(way, share)
            trail.set_data(x, y)
            head.set_data(x[-1:], y[-1:])

    return canvas, show


def shade(axes: Axes, plane: pd.DataFrame) -> None:
    """The loss in shades, each of an equal part of the area: levels are dense where it is flat."""
    loss = plane.pivot(index="y", columns="x", values="mean")
    levels = np.unique(np.quantile(loss, np.linspace(0, 1, LEVELS)))
    shades = SHADES(np.linspace(0, 1, len(levels) - 1))
    x, y = loss.columns.to_numpy(), loss.index.to_numpy()
    axes.contourf(x, y, loss, levels=levels, colors=list(shades))
    axes.contour(x, y, loss, levels=levels, colors=style.GREY, linewidths=0.3)
    axes.grid(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(style.PLAIN)


def up_to(way: pd.DataFrame, share: float) -> tuple[np.ndarray, np.ndarray]:
    """x and y of a path up to a share of its snapshots, in straight lines between them."""
    place = share * (len(way) - 1)
    places = np.append(np.arange(int(place) + 1), place)
    return tuple(np.interp(places, np.arange(len(way)), way[axis]) for axis in ("x", "y"))
