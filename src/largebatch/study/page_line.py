"""The measured loss on the line through a small- and a large-batch minimum, as the primer's page shifts it.

Keskar et al. 2017, figures 1 (a sketch) and 3 (the line). The small-batch minimum lies at 0, the other at 1.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from largebatch.metrics import LINE_LOSSES
from largebatch.study.reading import final, read, rows_of

DISTANCE = "distance_between_minima"
DIGITS = 5  # significant ones of each number on the page
FIRST_SHIFT = -0.5  # the page begins at the stop closest to it


def measured_line(paths: list[dict], observations: Path) -> dict:
    """What the page's script is told, ready for JSON.

    paths: {"label", "path", "small": batch size, "large": batch size} of each; see Study.to_page().
    Returns {"at": positions, "shifts": stops of the slider, "shift": its first one, "paths": [{"label",
    "small", "large", "losses": as losses() gives them}]}.
    ValueError where no seed was measured at every position.
    """
    table = read(observations, [path["path"] for path in paths], [*LINE_LOSSES.values(), DISTANCE])
    at = sorted(rows_of(table, paths[0]["path"], LINE_LOSSES["train"])["at"].unique())
    stops = shifts(np.array(at))
    return {
        "at": at,
        "shifts": stops,
        "shift": min(stops, key=lambda stop: abs(stop - FIRST_SHIFT)),
        "paths": [
            {name: path[name] for name in ("label", "small", "large")}
            | {"losses": losses(table, path["path"], at)}
            for path in paths
        ],
    }


def shifts(at: np.ndarray) -> list[float]:
    """Those s for which both minima, shifted by s, lie at measured positions: nothing is read between two.

    at: (m,) positions, ascending. Both signs of each, so that nearby means the same on either side.
    """

    def measured(position: float) -> bool:
        return bool(np.isclose(at, position).any())

    ends = (0.0, 1.0)
    return [s for s in at.tolist() if all(measured(end + sign * s) for end in ends for sign in (-1, 1))]


def losses(table: pd.DataFrame, path: str, at: list[float]) -> list[dict]:
    """{"whose", "distance": between minima, "train", "test": nats by position}: of the mean, of each seed."""
    distances = final(table, path, DISTANCE)
    rows = {name: rows_of(table, path, metric) for name, metric in LINE_LOSSES.items()}
    by_seed = {name: found.pivot(index="seed", columns="at", values="value") for name, found in rows.items()}
    whole = pd.concat({name: found.reindex(columns=at) for name, found in by_seed.items()}, axis=1).dropna()
    if whole.empty:
        raise ValueError(f"page: wanted a seed of {path} measured at all {len(at)} positions; got none")
    mean = f"the mean of {len(whole)} seed{'s' * (len(whole) > 1)}"
    found = [(mean, distances[whole.index].mean(), whole.mean())]
    found += [(f"seed {seed}", distances[seed], row) for seed, row in whole.iterrows()]
    return [
        {"whose": whose, "distance": rounded(distance)}
        | {name: [rounded(loss) for loss in of_whom[name]] for name in LINE_LOSSES}
        for whose, distance, of_whom in found
    ]


def rounded(number: float) -> float:
    """To DIGITS significant digits: the same text on every machine."""
    return float(f"{number:.{DIGITS}g}")
