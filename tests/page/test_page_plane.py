"""The losses on the plane through two minima, as the page is told them."""

import numpy as np
import pytest

from largebatch.page.page_plane import measured_plane
from tests.shared.paged import GRID, PLACES, PLANE, PLANE_LOSSES, WAYS
from tests.shared.tables import plane_rows

TRAIN, TEST = PLANE_LOSSES.values()


def test_losses_and_ways_are_means_over_seeds_by_place(write_table):
    found = measured_plane(PLANE, write_table(plane_rows(TRAIN, TEST, WAYS)))
    assert found.items() >= (PLANE | {"places": PLACES, "seeds": 2, "shifts": [-0.5, 0.0, 0.5]}).items()
    for part, losses in PLANE_LOSSES.items():
        got = {(x, y): found["losses"][part][PLACES.index(x)][PLACES.index(y)] for x, y in GRID}
        assert got == pytest.approx({place: np.mean(nats) for place, nats in losses.items()}, rel=1e-3)
    assert found["ways"] == {
        end: [list(p) for p in WAYS[run]] for end, run in (("small", "start"), ("large", "end"))
    }


def test_the_order_of_the_points_does_not_matter(write_table):
    order = np.random.default_rng(0).permutation(len(GRID))
    train, test = ({GRID[k]: losses[GRID[k]] for k in order} for losses in (TRAIN, TEST))
    wanted = measured_plane(PLANE, write_table(plane_rows(TRAIN, TEST, WAYS)))
    assert measured_plane(PLANE, write_table(plane_rows(train, test, WAYS))) == wanted


def test_seeds_that_pay_more_at_the_large_batch_minimum_are_counted(write_table):
    found = measured_plane(PLANE, write_table(plane_rows(TRAIN, TEST, WAYS)))["dearer"]
    for i, s in enumerate((-0.5, 0.0, 0.5)):
        for j, t in enumerate((-0.5, 0.0, 0.5)):
            small = np.subtract(TRAIN[1 - s, 0 - t], TRAIN[1, 0])
            large = np.subtract(TRAIN[0 - s, 1 - t], TRAIN[0, 1])
            assert found["train"][i][j] == (large > small).sum()
    gaps = [np.subtract(TEST[place], TRAIN[place]) for place in ((1, 0), (0, 1))]
    assert found["test"] == (gaps[1] > gaps[0]).sum()


@pytest.mark.parametrize("part", [0, 1])
def test_a_seed_that_lacks_a_loss_is_left_out(write_table, part):
    losses = [dict(TRAIN), dict(TEST)]
    losses[part][0.5, 0.5] = [1.0, np.inf]  # diverged there
    found = measured_plane(PLANE, write_table(plane_rows(*losses, WAYS)))
    assert found["seeds"] == 1 and found["losses"]["train"][0][0] == TRAIN[-0.5, -0.5][0]
    losses[part][0.5, 0.5] = [np.nan, np.inf]
    assert measured_plane(PLANE, write_table(plane_rows(*losses, WAYS))) is None


def test_without_the_plane_the_test_loss_or_the_minima_among_its_points_there_is_none(write_table):
    rows = plane_rows(TRAIN, TEST, WAYS)
    assert measured_plane(PLANE | {"path": "other"}, write_table(rows)) is None
    assert measured_plane(PLANE, write_table(rows[rows["metric"] != "descent_test_loss_nats"])) is None
    assert (
        measured_plane(
            PLANE, write_table(rows[(rows["at"] != 3) | rows["metric"].str.contains("_start_|_end_")])
        )
        is None
    )
    off = {(x + 0.1, y + 0.1): nats for (x, y), nats in TRAIN.items()}
    assert measured_plane(PLANE, write_table(plane_rows(off, TEST, WAYS))) is None
