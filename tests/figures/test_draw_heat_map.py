from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from largebatch.figures import draw_heat_map
from tests.shared.figures import ERROR, LOSS, canvas_of, letters_of, same_interval, texts_of

EXAMPLE = {
    "y": [ERROR, "hessian_trace"],
    "lines": {f"batch {size}": f"cells_{size}" for size in (8, 16, 32, 64)},
    "diagonals": True,
}


def example_rows(helpers):
    """Four batch sizes, each with the same four ratios of rate to batch."""
    rng = np.random.default_rng(2)
    ratios = (0.0025, 0.005, 0.01, 0.02)
    return pd.concat(cells_of(helpers, size, ratios, rng) for size in (8, 16, 32, 64))


def cells_of(helpers, size, ratios, rng):
    """A group over the rate: one batch size, a peak rate for each ratio of rate to batch."""
    return pd.concat(
        helpers.arm(
            f"cells_{size}[{ratio}]",
            {ERROR: rng.uniform(1, 2, 3), "hessian_trace": rng.uniform(1, 2, 3) / ratio**2},
            group=f"cells_{size}",
            batch_size=size,
            lr=0.1,
            lr_over_batch=ratio,
        )
        for ratio in ratios
    )


def test_a_heat_map_has_a_cell_an_arm_at_its_peak_rate(rows, csv_of):
    found = csv_of("heat_map", rows)
    columns = ["metric", "arm", "batch_size", "learning_rate", "n", "mean", "low", "high", "axis"]
    assert found.columns.tolist() == columns
    rates = [size * ratio for size in (8, 16, 32, 64) for ratio in (0.0025, 0.005, 0.01, 0.02)]
    assert found["learning_rate"].tolist() == pytest.approx(rates * 2)
    assert found["learning_rate"].nunique() == 7  # equal ones to the last bit
    for _, row in found.iterrows():
        of_cell = rows[(rows["arm"] == row["arm"]) & (rows["metric"] == row["metric"])]
        same_interval(row, of_cell["value"])


def test_numbers_of_a_heat_map_fit_their_cells_and_labels_of_diagonals_do_not_meet(rows):
    canvas = canvas_of("heat_map", rows)
    for axes in canvas.axes[:2]:
        cells = {tuple(np.round(p.get_center(), 6)): p.get_window_extent() for p in axes.patches}
        assert (
            len(cells) == 16 and len({(round(c.width, 3), round(c.height, 3)) for c in cells.values()}) == 1
        )
        numbers = [text for text in texts_of(axes) if text.get_rotation() == 0]
        assert len(numbers) == 16
        for number in numbers:
            cell, box = cells[tuple(np.round(number.get_position(), 6))], number.get_window_extent()
            assert cell.x0 < box.x0 < box.x1 < cell.x1 and cell.y0 < box.y0 < box.y1 < cell.y1
        labels = [text for text in texts_of(axes) if text.get_rotation() != 0]
        assert [label.get_text() for label in labels] == ["0.0025", "0.005", "0.01", "0.02"]
        boxes = [label.get_window_extent() for label in labels]
        assert not any(one.overlaps(cell) for one in boxes for cell in cells.values())
        assert all(lower.y1 < upper.y1 and not lower.overlaps(upper) for lower, upper in pairwise(boxes))


def test_a_cell_that_never_gets_there_shows_a_dash(helpers, csv_of):
    along = {ERROR: {0.0: [9, 9], 1.0: [1, 3]}}
    rows = pd.concat(
        helpers.arm(
            f"g[{lr}]", along | {LOSS: {0.0: [1, 1], 1.0: [end] * 2}}, group="g", lr_over_batch=lr / 8
        )
        for lr, end in ((0.1, 0.005), (0.2, 0.05))
    )
    ask = {"y": [ERROR], "at": {"train_loss_nats": 0.01}, "lines": {"cells": "g"}}
    found = csv_of("heat_map", rows, **ask)
    assert found["n"].tolist() == [2, 0]
    assert [text.get_text() for text in canvas_of("heat_map", rows, **ask).axes[0].texts][1:] == ["–"]


def test_two_arms_in_one_place_of_a_heat_map(rows, csv_of):
    with pytest.raises(ValueError, match="figure f: wanted one arm for each batch size and rate of"):
        csv_of("heat_map", rows, lines={"one": "cells_8", "two": "cells_8"})


@pytest.mark.parametrize(
    ("mean", "text"),
    [
        (2.7, "2.70"),
        (10, "10.0"),
        (0, "0"),
        (-3.14159, "−3.14"),
        (0.00123, "0.0012"),
        (12345, "12300"),
        (1.26e6, "1.3e6"),
        (2.5e-5, "2.5e−5"),
        (99999, "1.0e5"),
        (np.nan, "–"),
    ],
)
def test_the_number_in_a_cell(mean, text):
    assert draw_heat_map.written(mean) == text


def test_letters_are_white_on_dark_cells():
    assert [draw_heat_map.letter_colour(c) for c in ("#440154", "#fde725")] == ["white", "black"]


def test_the_metric_stands_above_its_own_panel(rows):
    canvas = canvas_of("heat_map", rows)
    assert [axes.get_title(loc="left") for axes in canvas.axes[:2]] == ["test error (%)", "Hessian trace"]
    assert letters_of(canvas) == ["a", "b"]
    assert all(bar.get_ylabel() == "" for bar in canvas.axes[2:])
