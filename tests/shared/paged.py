"""The primer's page as its tests write it, and the numbers it is to show."""

from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np

from largebatch.config.surfaces import EXAMPLES, SURFACES, batch_gradient, examples
from largebatch.page.page import CLAIMS, defaults, page
from largebatch.primer.descent import batches, descend
from tests.shared.page_random import PageRandom
from tests.shared.tables import line_rows, plane_rows, write_rows

# Losses on the line, (seeds,) by position: one path ends in a sharp minimum, the other is a bowl.
AT = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
STEEP = [0.02, 0.04], [0.01, 0.02], [0.008, 0.01], [0.01, 0.02], [0.001, 0.003], [2, 4], [3, 5]
LOSSES = {
    "steep": dict(zip(AT, STEEP, strict=True)),
    "flat": {at: [0.01 + at * at, 0.03] for at in AT},
}
TEST_LOSS = {at: [0.1, 0.1 + 0.01 * at] for at in AT}
PATHS = [{"label": name.title(), "path": name, "small": 4, "large": 102} for name in LOSSES]
# Losses on the plane, (seeds,) by (x, y).
PLACES = [-0.5, 0.0, 0.5, 1.0, 1.5]
GRID = [(x, y) for x in PLACES for y in PLACES]
PLANE_LOSSES = {
    "train": {(x, y): [0.01 + (x - 1) ** 2 + 3 * y * y, 0.02 + x * x * (y - 1) ** 2] for x, y in GRID},
    "test": {(x, y): [1 + (x - 0.5) ** 2 + y, 1.5 + x * y * y + (y - 0.5) ** 2] for x, y in GRID},
}
WAYS = {"start": [(0, 0), (0.5, 0.2), (1, 0)], "end": [(0, 0), (0.1, 0.5), (0, 1)]}
PLANE = {"path": "plane", "small": 4, "large": 102}
CLAIMED = {i: f"What {i} <says>." for ids in CLAIMS.values() for i in ids}
ASK = {"claims": CLAIMED, "line": PATHS, "plane": PLANE}
NOTHING = {"claims": {}, "line": None, "plane": None}


def written(folder: Path) -> tuple[Path, Path]:
    """The page with everything, and the observations it is made of."""
    rows = [line_rows(train, TEST_LOSS, name) for name, train in LOSSES.items()]
    plane = plane_rows(*PLANE_LOSSES.values(), WAYS)
    observations = write_rows(folder / "observations.parquet", *rows, plane)
    page(ASK, observations, folder / "primer.html")
    return folder / "primer.html", observations


def endless(size, stream):
    """Epoch after epoch."""
    return chain.from_iterable(batches(EXAMPLES, size, stream) for _ in repeat(None))


def weights_by_update(updates, start=None, **settings):
    """The weights of Python's run: (updates, 2)."""
    chosen = defaults() | settings
    surface, stream = SURFACES[chosen["surface"]], PageRandom(chosen["seed"])
    pull = batch_gradient(surface, examples(stream), chosen["noise"])
    rows, start = endless(chosen["batch"], stream), np.array(start or surface.start)
    run = descend(pull, start, rows, lambda _: chosen["rate"], chosen["momentum"])
    return np.array(list(islice(run, updates)))
