"""The ways of two runs from one start, on the plane through it and their ends."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from largebatch.config.measures import Path
from largebatch.files import Observation
from largebatch.measures import paths
from largebatch.measures.nets import Nets
from largebatch.nets.stack import POPULATION_BATCH

# epoch -> (seeds, plain name -> (s, ...)), as files.read_snapshots() gives them
Snapshots = dict[int, tuple[list[int], dict[str, np.ndarray]]]
PLANE_REACH = (-0.5, 1.5)  # in shares of the ways to the ends


def way_of(end: Nets, snapshots: Snapshots) -> dict[int, Nets]:
    """epoch -> the same seeds' nets there, of the snapshots that have all of them."""
    way = {}
    for epoch, (seeds, weights) in snapshots.items():
        if set(end.seeds) <= set(seeds):
            kept = [seeds.index(seed) for seed in end.seeds]
            way[epoch] = replace(end, weights={n: w[kept] for n, w in weights.items()})
    return way


def descents(
    first: Nets,
    second: Nets,
    first_way: dict[int, Nets],
    second_way: dict[int, Nets],
    settings: Path,
) -> Iterator[Observation]:
    """The losses on the plane through the common start (0, 0) and the ends (1, 0) and (0, 1) of two runs.

    With both ways as shares of these two directions, what leaves the plane left out.
    """
    count, points = settings.examples or first.arm.data.train, settings.plane_points
    start = first_way[0].landscape(count)
    ends = [nets.landscape(count).weights - start.weights for nets in (first, second)]
    places = np.linspace(*PLANE_REACH, points).tolist()
    batches = start.images.split(POPULATION_BATCH, dim=1) if settings.renormalise else None
    losses = paths.plane(start, *ends, places, first.tested(), batches)
    for index, (i, j) in enumerate(itertools.product(range(points), repeat=2)):
        yield from first.rows("descent_x", index, first.each(places[i]))
        yield from first.rows("descent_y", index, first.each(places[j]))
        for name, of_points in losses.items():
            yield from first.rows(f"descent_{name}", index, of_points[i, j])
    for name, way in (("start", first_way), ("end", second_way)):
        for epoch, nets in way.items():
            place = paths.shares(nets.landscape(1).weights - start.weights, *ends)
            for axis, values in zip("xy", place, strict=True):
                yield from first.rows(f"descent_{name}_{axis}", epoch, values)
