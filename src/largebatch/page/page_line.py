"""The measured loss on the line through a small- and a large-batch minimum, as the primer's page shifts it.

Keskar et al. 2017, figures 1 (a sketch) and 3 (the line). The small-batch minimum lies at 0, the other at 1.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from largebatch.metrics import LINE_LOSSES
from largebatch.observations.reading import read

DISTANCE = "distance_between_minima"
DIGITS = 5  # significant ones of each number on the page
FIRST_SHIFT = -0.5  # the page begins at the stop closest to it


def measured_line(paths: list[dict], observations: Path) -> dict | None:
    """What the page's script is told, ready for JSON; None where no path has a seed with all its losses.

    paths: {"label", "path", "small": batch size, "large": batch size} of each; see Study.to_page().
    Returns {"at": positions, "shifts": stops of the slider, "shift": its first one, "paths": [{"label",
    "small", "large", "losses": as losses() gives them}]}.
    """
    table = read(observations, *reads(paths))
    at = sorted(table.loc[table["metric"] == LINE_LOSSES["train"], "at"].unique())
    shown = [
        {name: path[name] for name in ("label", "small", "large")} | {"losses": found}
        for path in paths
        if (found := losses(table[table["arm"] == path["path"]], at))
    ]
    if not shown:
        return None
    stops = shifts(np.array(at))
    first = min(stops, key=lambda stop: abs(stop - FIRST_SHIFT))
    return {"at": at, "shifts": stops, "shift": first, "paths": shown}


def reads(paths: list[dict]) -> tuple[set[str], set[str]]:
    """The groups, and the metrics of each, that the lines are drawn from."""
    return {path["path"] for path in paths}, {*LINE_LOSSES.values(), DISTANCE}


def shifts(at: np.ndarray) -> list[float]:
    """Those s for which both minima, shifted by s, lie at measured positions: nothing is read between two.

    at: (m,) positions, ascending. Both signs of each, so that nearby means the same on either side.
    """

    def measured(position: float) -> bool:
        return bool(np.isclose(at, position).any())

    ends = (0.0, 1.0)
    return [s for s in at.tolist() if all(measured(end + sign * s) for end in ends for sign in (-1, 1))]


def losses(rows: pd.DataFrame, at: list[float]) -> list[dict]:
    """{"whose", "distance": between minima, "train", "test": nats by position}: of the mean, of each seed.

    rows: of one path. A seed that lacks a loss is left out, for instance one that diverged.
    """
    by_metric = dict(list(rows.groupby("metric", observed=True)))
    if not by_metric.keys() >= {DISTANCE, *LINE_LOSSES.values()}:
        return []
    distances = by_metric[DISTANCE].set_index("seed")["value"]
    by_seed = {
        name: by_metric[metric].pivot(index="seed", columns="at", values="value").reindex(columns=at)
        for name, metric in LINE_LOSSES.items()
    }
    whole = pd.concat(by_seed, axis=1).dropna()
    if whole.empty:
        return []
    mean = f"the mean of {len(whole)} seed{'s' * (len(whole) > 1)}"
    found = [(mean, distances[whole.index].mean(), whole.mean())]
    found += [(f"seed {seed}", distances[seed], nats) for seed, nats in whole.iterrows()]
    return [
        {"whose": whose, "distance": rounded(distance)}
        | {name: [rounded(loss) for loss in of_whom[name]] for name in LINE_LOSSES}
        for whose, distance, of_whom in found
    ]


def rounded(number: float, digits: int = DIGITS) -> float:
    """To so many significant digits: the same text on every machine."""
    return float(f"{number:.{digits}g}")
