"""The measured losses on the plane through two minima and their start, as the primer's page shifts them.

The start lies at (0, 0), the small-batch minimum at (1, 0), the other at (0, 1).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from largebatch.metrics import PLANE, PLANE_LOSSES
from largebatch.observations.reading import Missing, profile_of, read
from largebatch.page.page_line import rounded, shifts

ENDS = ((1.0, 0.0), (0.0, 1.0))  # of the small and of the large batch
RUNS = {"small": "start", "large": "end"}  # what the metrics call them
DIGITS = 4  # of the many numbers; the page shows three
FIRST_SHIFT = 0.25  # along both axes; the page begins at the stop closest to it


def measured_plane(path: dict, observations: Path) -> dict | None:
    """What the page's script is told, ready for JSON; None where no seed has all its losses.

    path: {"path", "small": batch size, "large": batch size}; see Study.to_page(). Returns it with {"places":
    of the grid along either axis, "shifts": stops of the sliders, "first": the stop they begin at, "seeds",
    "losses": {"train", "test"}: nats [x][y], "ways": {"small", "large"}: [x, y] by snapshot, all means over
    seeds, and "dearer": as dearer() gives it}.
    """
    table = read(observations, *reads(path))
    try:
        places, seeds, losses = grids(table, path["path"])
    except Missing:
        return None
    stops = shifts(places)
    if not len(seeds) or not stops:
        return None
    return path | {
        "places": places.tolist(),
        "shifts": stops,
        "first": min(range(len(stops)), key=lambda k: abs(stops[k] - FIRST_SHIFT)),
        "seeds": len(seeds),
        "losses": {name: rounded_all(of_part.mean(axis=0)) for name, of_part in losses.items()},
        "ways": {end: way(table, path["path"], run, seeds) for end, run in RUNS.items()},
        "dearer": dearer(losses, places, stops),
    }


def reads(path: dict) -> tuple[set[str], set[str]]:
    """The path, and its metrics, that the plane is drawn from."""
    return {path["path"]}, {*PLANE, *PLANE_LOSSES.values()}


def grids(table: pd.DataFrame, path: str) -> tuple[np.ndarray, pd.Index, dict[str, np.ndarray]]:
    """Places along either axis (m,), the seeds that have all their losses, and these: nats (seeds, m, m).

    Missing where the table has no full grid.
    """
    x, y = (profile_of(table, path, f"descent_{axis}").mean(axis="columns") for axis in "xy")
    points = pd.DataFrame({"x": x, "y": y}).sort_values(["x", "y"])
    places = np.unique(points["x"])
    if len(points) != len(places) ** 2 or not np.array_equal(places, np.unique(points["y"])):
        raise Missing(f"a full grid of path {path}")
    parts = {name: profile_of(table, path, metric) for name, metric in PLANE_LOSSES.items()}
    whole = pd.concat({name: part.reindex(points.index) for name, part in parts.items()}).dropna(axis=1)
    shape = (-1, len(places), len(places))
    return places, whole.columns, {name: whole.loc[name].T.to_numpy().reshape(shape) for name in parts}


def way(table: pd.DataFrame, path: str, run: str, seeds: pd.Index) -> list[list[float]]:
    """Where a run's snapshots are nearest to the plane, mean over seeds: [x, y] by epoch."""
    axes = [profile_of(table, path, f"descent_{run}_{axis}")[seeds].mean(axis="columns") for axis in "xy"]
    return rounded_all(np.stack(axes, axis=1))


def dearer(losses: dict[str, np.ndarray], places: np.ndarray, stops: list[float]) -> dict:
    """In how many seeds the large-batch minimum pays more than the small one.

    "train": for a shift of the training loss, [s][t] by stop; "test": for the test loss in its place.
    """

    def loss(part: str, x: float, y: float) -> np.ndarray:
        return losses[part][:, np.abs(places - x).argmin(), np.abs(places - y).argmin()]

    def count(part: str, s: float, t: float) -> int:
        small, large = (loss(part, x - s, y - t) - loss("train", x, y) for x, y in ENDS)
        return int((large > small).sum())

    shifted = [[count("train", s, t) for t in stops] for s in stops]
    return {"train": shifted, "test": count("test", 0.0, 0.0)}


def rounded_all(numbers: np.ndarray) -> list[list[float]]:
    """Each of a matrix to DIGITS significant digits."""
    return [[rounded(number, DIGITS) for number in row] for row in numbers.tolist()]
