"""A final metric, one dot with its interval an arm."""

import pandas as pd
from matplotlib.figure import Figure as Canvas

from largebatch.metrics import METRICS
from largebatch.question import Finals
from largebatch.study import style
from largebatch.study.drawn import extremes, lower_is_better, never_there, spans, summary_at


def table(observations: pd.DataFrame, figure: Finals) -> pd.DataFrame:
    """Columns metric, line, arm, n, mean, low, high; best first, or as written."""
    rows = [
        {
            "metric": figure.y,
            "line": label,
            "arm": arm,
            **summary_at(observations, arm, figure.y, figure.at),
        }
        for label, arm in figure.lines.items()
    ]
    table = pd.DataFrame(rows)
    if figure.as_written:
        return table
    return table.sort_values("mean", ascending=lower_is_better(figure.y), kind="stable")


def picture(drawn: pd.DataFrame, figure: Finals) -> Canvas:
    """One row an arm."""
    canvas = style.canvas(style.COLUMN_WIDTH_IN, 0.7 + 0.2 * len(drawn))
    axes = canvas.subplots()
    positions = range(len(drawn))
    axes.errorbar(
        drawn["mean"], positions, xerr=spans(drawn), fmt="o", color=style.COLOURS[0], elinewidth=1.0
    )
    if style.wide(drawn["mean"].to_numpy()):
        style.log_axis(axes, "x", drawn["mean"].to_numpy())
    else:
        axes.xaxis.set_major_formatter(style.PLAIN)
    axes.set_yticks(positions, drawn["line"])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.set_xlabel(style.wrapped(METRICS[figure.y]))
    return canvas


def message(drawn: pd.DataFrame, figure: Finals) -> str:
    """The two ends of the order."""
    there = drawn[drawn["n"] > 0]
    return f"{extremes(there) if len(there) else ''} {never_there(drawn)}".strip()
