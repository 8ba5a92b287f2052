from itertools import product

import numpy as np
import pandas as pd
import pytest

from largebatch.figures import draw_surface
from tests.shared.figures import canvas_of, letters_of

EXAMPLE = {"lines": {"one": "plane", "two": "plane"}}


def example_rows(helpers):
    """Three seeds on one plane."""
    return helpers.arm("plane", plane_metrics(lambda x, y: [1 + x * x, 1 + y * y, 1.0]))


def plane_metrics(loss, side=(-1.0, 0.0, 1.0)):
    """The metrics of a grid of side x side points; loss: (x, y) -> (seeds,)."""
    points = list(enumerate(product(side, side)))
    seeds = len(loss(0.0, 0.0))
    return {
        "plane_x": {float(i): [x] * seeds for i, (x, _) in points},
        "plane_y": {float(i): [y] * seeds for i, (_, y) in points},
        "plane_loss_nats": {float(i): loss(x, y) for i, (x, y) in points},
    }


def test_a_plane_with_a_hole_is_an_error(rows, csv_of):
    whole = rows[~((rows["metric"] == "plane_loss_nats") & (rows["at"] == 4))]
    with pytest.raises(ValueError, match="figure f: wanted a full grid of plane_loss_nats of arm plane"):
        csv_of("surface", whole)


def test_a_plane_shows_the_rise_above_its_middle(rows, csv_of):
    found = csv_of("surface", rows)
    assert len(found) == 18
    # of the three seeds one rises with x², one with y², one not at all: each from its own middle
    assert found["mean"].tolist() == pytest.approx((found["x"] ** 2 + found["y"] ** 2) / 3)


def test_a_higher_minimum_does_not_look_shallower(helpers):
    low, high = (
        helpers.arm(name, plane_metrics(lambda x, y, floor=floor: [floor + x * x + y * y] * 2))
        for name, floor in (("low", 1e-4), ("high", 1.0))
    )
    canvas = canvas_of("surface", pd.concat([low, high]), lines={"one": "low", "two": "high"})
    assert letters_of(canvas) == ["a", "b"]
    lows, highs = (
        [c.vertices.tolist() for c in axes.collections[-1].get_paths()] for axes in canvas.axes[:2]
    )
    assert all(np.allclose(one, other) for one, other in zip(lows, highs, strict=True))


def test_contours_of_a_bowl_are_where_it_has_their_heights(helpers):
    side = tuple(np.linspace(-1, 1, 21))
    bowl = helpers.arm("bowl", plane_metrics(lambda x, y: [0.5 + 0.4 * (x * x + y * y)] * 2, side))
    axes = canvas_of("surface", bowl, lines={"one": "bowl"}).axes[0]
    contours = axes.collections[-1]
    for root, path in zip(contours.levels, contours.get_paths(), strict=True):
        radius = np.hypot(*path.vertices.T)
        if radius.min(initial=np.inf) > 0.15:  # nearer to the middle the grid is too coarse
            assert 0.4 * radius**2 == pytest.approx(root**2, rel=0.06)


@pytest.mark.parametrize("rises", [[0.5, 0.5], [1e-9, 1e9], [0.0, 3.0], [0.0, 0.0], [-1.0, 0.0]])
def test_contours_are_below_the_highest_rise(rises):
    levels = draw_surface.levels_of(np.array(rises))
    assert 2 <= len(levels) <= draw_surface.MOST_LEVELS and (np.diff(levels) > 0).all()
    assert max(rises) <= levels[0] or levels[-1] < max(rises)
