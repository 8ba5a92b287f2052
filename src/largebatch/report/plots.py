"""The numbers of a figure, from its csv, in the form of the page's plotting library."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from largebatch.metrics import METRICS, SETTINGS
from largebatch.seals import verified

MEASURED, TEXTS = ("n", "mean", "low", "high"), ("metric", "line", "arm")
NAMES = {
    "epoch": "epoch",
    "update": "update",
    "at": "position",
    "train_loss_nats": METRICS["train_loss_nats"],
    **SETTINGS,
}
EMPTY = {name: [""] for name in (*MEASURED, *NAMES)}  # in text columns, NA is a plain word
DIGITS = 4
MOST_POINTS = 250  # points of one line: a page has about as many pixels for it


def plot_of(path: Path, pace: dict[str, list[int]], seconds: dict[str, float]) -> str:
    """{"x", "label", "panels": [{"label", "x", "lines": [a line]}]} as JSON that can stand in a page.

    A line: {"name", "mean"}, with "low" and "high" if they differ from the mean, its own "x" if
    the panel has none, and "pace" if that is known: [updates, seconds or null] per epoch. Empty for a
    figure without lines over an axis. pace: arm -> [updates per epoch, epochs]. seconds: line -> training
    time.
    """
    verified(path)
    rows = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=EMPTY)
    axes = [name for name in rows.columns if name in NAMES]
    if not {"metric", "line", "arm", *MEASURED} <= set(rows.columns) or len(axes) != 1:
        return ""
    (x,) = axes
    rows = rows.dropna(subset=[x, "mean"]).sort_values(x, kind="stable")
    own = paces(rows, pace, seconds) if x in ("epoch", "update") else {}
    panels = [panel_of(metric, of, x, own) for metric, of in rows.groupby("metric", sort=False)]
    told = {"x": x, "label": NAMES[x], "panels": panels}
    return Markup(json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")) if panels else ""


def paces(rows: pd.DataFrame, pace: dict[str, list[int]], seconds: dict[str, float]) -> dict[str, list]:
    """Line -> [updates, seconds] per epoch."""
    arms = rows.drop_duplicates("line").set_index("line")["arm"]
    known = {line: pace[arm] for line, arm in arms.items() if arm in pace}
    return {
        line: [updates, shortened(seconds.get(line, np.nan) / epochs)]
        for line, (updates, epochs) in known.items()
    }


def panel_of(metric: str, rows: pd.DataFrame, x: str, pace: dict[str, list]) -> dict:
    """The lines of one metric."""
    lines = [line_of(name, line, x, pace) for name, line in rows.groupby("line", sort=False)]
    panel = {"label": METRICS.get(metric, metric), "lines": lines}
    if all(line["x"] == lines[0]["x"] for line in lines):
        panel["x"] = lines[0]["x"]
        for line in lines:
            del line["x"]
    return panel


def line_of(name: str, rows: pd.DataFrame, x: str, pace: dict[str, list]) -> dict:
    """One line, thinned if it has more points than can be seen."""
    rows = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_POINTS)).astype(int))]
    found = {key: [shortened(v) for v in rows[key]] for key in ("mean", "low", "high")}
    line = {"name": str(name), "x": [shortened(v) for v in rows[x]], "mean": found["mean"]}
    line |= {"pace": pace[name]} if name in pace else {}
    return line if found["low"] == found["mean"] == found["high"] else line | found


def shortened(value: float) -> float | None:
    """A number of 4 digits; None for NaN, which JSON lacks."""
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
