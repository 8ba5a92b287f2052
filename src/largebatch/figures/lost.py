"""Diverged seeds, wherever something that they are part of is shown: a diverged arm is data, and marked."""

from collections.abc import Iterable

import pandas as pd
from matplotlib.figure import Figure as Canvas

from largebatch.figures import style
from largebatch.figures.drawn import MEASURED
from largebatch.observations.reading import Lost

DIVERGED = "diverged"  # the metric, and the column with its counts
MOST_NAMED = 6  # arms in a caption
NOTE_PT, NOTE_LETTERS = 6, 100


def lost_seeds(observations: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Arm -> (how many seeds diverged, how many it has), of arms with some that did."""
    ends = observations.loc[observations["metric"] == DIVERGED, ["arm", "seed", "value"]]
    by_arm = ends.groupby("arm", observed=True)["value"]
    return {str(arm): (int((v > 0).sum()), len(v)) for arm, v in by_arm if (v > 0).any()}


def counted(rows: pd.DataFrame, lost: dict[str, tuple[int, int]], arms: pd.Series | None) -> pd.DataFrame:
    """The rows with a column of how many seeds diverged, if there are any; arms: those of the rows."""
    if arms is None or not lost:
        return rows
    return rows.assign(**{DIVERGED: [lost.get(arm, (0, 0))[0] for arm in arms]})


def sentence(lost: dict[str, tuple[int, int]], labels: dict[str, str]) -> str:
    """A sentence on what diverged, after a space; empty if nothing did. labels: arm -> its label."""
    if not lost:
        return ""
    named = [f"{labels.get(arm, arm)} ({count} of {n} seeds)" for arm, (count, n) in lost.items()]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return (
        f" Diverged: {', '.join(named[:MOST_NAMED])}{more}; they count with their last finite values, if any."
    )


def labels_of(drawn: pd.DataFrame) -> dict[str, str]:
    """Arm -> the label of the line that it is alone, as its figure calls it."""
    if not {"arm", "line"} <= set(drawn.columns):
        return {}
    pairs = drawn[["arm", "line"]].dropna().drop_duplicates().astype(str)
    alone = pairs.groupby("line")["arm"].nunique() == 1
    return {arm: line for arm, line in zip(pairs["arm"], pairs["line"], strict=True) if alone[line]}


def nothing_of(metrics: Iterable[str], reason: Lost) -> pd.DataFrame:
    """The data of a figure that cannot be drawn, because an arm has diverged."""
    rows = [
        {"metric": metric, "line": reason.arm, "arm": reason.arm, "n": 0, "axis": "linear"}
        for metric in metrics
    ]
    return pd.DataFrame(rows).reindex(columns=["metric", "line", "arm", *MEASURED, "axis"]).astype({"n": int})


def is_nothing(drawn: pd.DataFrame) -> bool:
    """Whether no row has a seed."""
    return "n" in drawn and bool((drawn["n"] == 0).all())


def empty(text: str) -> Canvas:
    """A picture that says why it is none."""
    canvas = style.canvas(style.COLUMN_WIDTH_IN, 1.0)
    note(canvas, f"Nothing to draw. {text.strip()}")
    return canvas


def note(canvas: Canvas, text: str) -> None:
    """What diverged, above the panels."""
    if text:
        width = int(NOTE_LETTERS * canvas.get_figwidth() / style.PAGE_WIDTH_IN)
        canvas.suptitle(style.folded(style.literal(text.strip()), width), fontsize=NOTE_PT, color="black")
