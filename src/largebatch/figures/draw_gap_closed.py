"""By how much each mitigation brings a large batch nearer to a small one, and what it costs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from largebatch.config.figures import GapClosed
from largebatch.figures import style
from largebatch.figures.drawn import COST, INTERVALS, LINEAR, always, lower_is_better, spans, summary
from largebatch.figures.looks import LARGE, SMALL
from largebatch.metrics import METRICS, TRAIN_SECONDS
from largebatch.observations.reading import Missing, final

marks = always(f"In panel a dots are means, bars and the band {INTERVALS}")
CLOSED, GAP = "closed", "gap"


def table(observations: pd.DataFrame, figure: GapClosed) -> pd.DataFrame:
    """Columns line, arm, metric, n, mean, low, high, axis; metric: closed (best first), cost, and the gap.

    closed, gap: y(large) - y(arm), paired by seed; with the opposite sign if higher is better. cost: training
    seconds of the arm / of `large`, one measurement each, so without an interval.
    """
    gains = [
        {"line": label, "arm": arm, "metric": CLOSED, **summary(gain(observations, figure, arm))}
        for label, arm in figure.lines.items()
    ]
    closed = pd.DataFrame(gains).sort_values("mean", ascending=False, kind="stable")
    costs = [cost(observations, figure, row["line"], row["arm"]) for _, row in closed.iterrows()]
    whole = {"line": "small batch", "arm": figure.small, "metric": GAP}
    gap = pd.DataFrame([whole | summary(gain(observations, figure, figure.small))])
    return pd.concat([closed, pd.DataFrame(costs), gap], ignore_index=True).assign(axis=LINEAR)


def gain(observations: pd.DataFrame, figure: GapClosed, arm: str) -> pd.Series:
    """By how much each seed is better than with the unchanged large batch; index seed."""
    sign = 1 if lower_is_better(figure.y) else -1
    found = sign * (final(observations, figure.large, figure.y) - final(observations, arm, figure.y))
    if found.isna().all():
        raise Missing(f"a seed of {figure.y} that arms {figure.large} and {arm} share")
    return found.dropna()


def cost(observations: pd.DataFrame, figure: GapClosed, label: str, arm: str) -> dict:
    """The row of one arm's cost."""
    taken, of_large = (final(observations, name, TRAIN_SECONDS) for name in (arm, figure.large))
    ratio = taken.mean() / of_large.mean()
    return {
        "line": label,
        "arm": arm,
        "metric": COST,
        "n": len(taken),
        "mean": ratio,
        "low": np.nan,
        "high": np.nan,
    }


def picture(drawn: pd.DataFrame, figure: GapClosed) -> Canvas:
    """The improvement on the left, the cost on the right, one row per mitigation."""
    closed, costs = (drawn[drawn["metric"] == metric] for metric in (CLOSED, COST))
    canvas = style.canvas(style.PAGE_WIDTH_IN, 0.85 + 0.2 * len(closed))
    ((left, right),) = style.panels(canvas, 2, 2, sharey=True, width_ratios=[3, 2])
    positions = range(len(closed))
    draw_gap(left, drawn[drawn["metric"] == GAP].iloc[0])
    left.errorbar(closed["mean"], positions, xerr=spans(closed), fmt="o", color="black", elinewidth=1.0)
    left.xaxis.set_major_formatter(style.PLAIN)
    left.set_xlabel(f"better than large batch, {in_points(figure.y)}")
    right.axvline(1.0, color=LARGE.color, linestyle=LARGE.linestyle, linewidth=0.9, zorder=1)
    right.plot(costs["mean"], positions, "o", color="black")
    if style.wide(with_one := np.append(costs["mean"], 1.0)):
        style.log_axis(right, "x", with_one)
    else:
        right.xaxis.set_major_formatter(style.PLAIN)
        right.margins(x=0.1)
    right.set_xlabel("training time (large batch = 1)")
    left.set_yticks(positions, closed["line"])
    left.set_ylim(len(closed) - 0.4, -0.6)
    style.legend_below(canvas, left)
    return canvas


def draw_gap(axes: Axes, gap: pd.Series) -> None:
    """Vertical lines at the large and at the small batch, in their looks."""
    for place, label, look in (
        (0.0, "large batch", LARGE),
        (gap["mean"], "small batch", SMALL),
    ):
        axes.axvline(place, color=look.color, linestyle=look.linestyle, linewidth=0.9, zorder=1, label=label)
    if not np.isnan(gap["low"]):
        axes.axvspan(gap["low"], gap["high"], color=SMALL.color, alpha=0.2, linewidth=0, zorder=1)


def in_points(metric: str) -> str:
    """A metric's label for differences: differences of percentages are points."""
    return METRICS[metric].replace("(%)", "(points)")
