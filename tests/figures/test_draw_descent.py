"""The paths of two runs on the plane through their start and ends."""

from itertools import product

import numpy as np
import pytest

from largebatch.figures.draw_descent import up_to
from largebatch.figures.looks import LOOKS
from tests.shared.figures import canvas_of

EXAMPLE = {"path": "ways", "start": "small batch", "end": "large batch"}


def example_rows(helpers):
    """Two runs on their plane."""
    return helpers.arm("ways", ways_metrics())


def ways_metrics(side=(-0.5, 0.0, 0.5, 1.0, 1.5), seeds=3):
    """Two ways from (0, 0), to (1, 0) and (0, 1), on a bowl around (1, 1)."""
    points = list(enumerate(product(side, side)))
    bowl = {
        "descent_x": {float(i): [x] * seeds for i, (x, _) in points},
        "descent_y": {float(i): [y] * seeds for i, (_, y) in points},
        "descent_loss_nats": {float(i): [(x - 1) ** 2 + (y - 1) ** 2] * seeds for i, (x, y) in points},
    }
    ways = {"start": ((0, 0), (0.5, 0.2), (1, 0)), "end": ((0, 0), (0.1, 0.5), (0, 1))}
    along = {
        f"descent_{run}_{axis}": {
            float(2 * i): [place["xy".index(axis)]] * seeds for i, place in enumerate(way)
        }
        for run, way in ways.items()
        for axis in "xy"
    }
    return bowl | along


def test_the_plane_and_both_ways_are_in_the_data(rows, csv_of):
    found = csv_of("descent", rows)
    plane, ways = found[found["line"].isna()], found[found["line"].notna()]
    assert plane["mean"].tolist() == pytest.approx((plane["x"] - 1) ** 2 + (plane["y"] - 1) ** 2)
    assert (plane["n"] == 3).all() and len(plane) == 25
    ends = ways.groupby(["line", "seed"])[["x", "y"]].last()
    assert ends.loc["small batch"].to_numpy().tolist() == [[1, 0]] * 3
    assert ends.loc["large batch"].to_numpy().tolist() == [[0, 1]] * 3
    assert ways.groupby("line")["at"].agg(list)["small batch"] == [0, 2, 4] * 3


def test_no_more_ways_than_can_be_told_apart(helpers, csv_of):
    found = csv_of("descent", helpers.arm("ways", ways_metrics(seeds=9)))
    assert found.groupby("line")["seed"].nunique().tolist() == [5, 5]


def test_the_ways_have_the_looks_of_their_batches(rows):
    (axes,) = canvas_of("descent", rows).axes
    trails = [line for line in axes.lines if len(line.get_xdata()) > 3]
    assert [line.get_color() for line in trails] == [
        *[LOOKS["small batch"].color] * 3,
        *[LOOKS["large batch"].color] * 3,
    ]


def test_a_scene_shows_each_way_up_to_a_share_of_its_own_epochs(rows, csv_of):
    found = csv_of("descent", rows)
    way = found[(found["line"] == "small batch") & (found["seed"] == 0)]
    for share, x, y in (
        (0.0, [0, 0], [0, 0]),
        (0.25, [0, 0.25], [0, 0.1]),
        (0.75, [0, 0.5, 0.75], [0, 0.2, 0.1]),
        (1.0, [0, 0.5, 1, 1], [0, 0.2, 0, 0]),
    ):
        assert np.array(up_to(way, share)) == pytest.approx(np.array([x, y]))


def test_a_plane_with_a_hole_is_an_error(rows, csv_of):
    whole = rows[~((rows["metric"] == "descent_loss_nats") & (rows["at"] == 4))]
    with pytest.raises(ValueError, match="wanted a full grid of descent_loss_nats of path ways; got none"):
        csv_of("descent", whole)
