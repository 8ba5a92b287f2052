"""Learning rates and batch sizes along training."""

import pandas as pd
import pytest

from tests.shared.figures import canvas_of, letters_of

EXAMPLE = {"lines": {"one": "a", "two": "b"}}

LINES = {"rate falls": "decay", "batch grows": "growth"}


@pytest.fixture
def ways(helpers):
    """Two seeds on 64 images: batches of 8, or of 8, 16 and 32 in epochs 1, 2 and 3."""
    updates = {"decay": [0, 8, 16, 24], "growth": [0, 8, 12, 14]}
    rates = {"decay": [0.2, 0.1, 0.05, 0.025], "growth": [0.2] * 4}
    return pd.concat(
        helpers.arm(
            arm,
            {
                "updates": {float(e): [u] * 2 for e, u in enumerate(updates[arm])},
                "learning_rate": {float(e): [r] * 2 for e, r in enumerate(rates[arm])},
            },
            train_images=64,
        )
        for arm in updates
    )


def test_images_per_update_are_the_batch_sizes(ways, csv_of):
    found = csv_of("rates", ways, lines=LINES, images_per_update=True)
    images = found[found["metric"] == "images_per_update"].set_index("line")
    assert images.loc["batch grows", "mean"].tolist() == [8, 8, 16, 32]
    assert images.loc["rate falls", "mean"].tolist() == [8, 8, 8, 8]
    assert found[found["metric"] == "learning_rate"].set_index("line").loc["rate falls", "mean"].tolist() == [
        *(0.2, 0.1, 0.05, 0.025)
    ]


def test_epochs_at_which_no_line_changes_are_left_out(helpers, csv_of):
    """The one steps down at epoch 3, a seed of the other stops behind epoch 6."""
    ways = pd.concat(
        [
            helpers.arm(
                "step", {"learning_rate": {float(e): [0.2 if e < 3 else 0.02] * 2 for e in range(9)}}
            ),
            helpers.arm(
                "stop", {"learning_rate": {float(e): [0.1, None if e > 6 else 0.1] for e in range(9)}}
            ),
        ]
    )
    found = csv_of("rates", ways, lines={"falls": "step", "stops": "stop"})
    for _, of_line in found.groupby("line"):
        assert of_line["epoch"].tolist() == [0, 2, 3, 6, 7, 8]
    assert found.loc[found["line"] == "falls", "mean"].tolist() == [0.2, 0.2, *[0.02] * 4]
    assert found.loc[found["line"] == "stops", "n"].tolist() == [2, 2, 2, 2, 1, 1]


def test_each_number_and_the_begin_of_the_run_have_a_panel(ways):
    begin, whole, images = (
        axes := canvas_of("rates", ways, lines=LINES, images_per_update=True, first_share=0.5).axes
    )
    assert [a.get_ylabel() for a in axes] == ["learning rate", "learning rate", "images per update"]
    assert begin.get_xlim() == (0, 1.5) and begin.get_yscale() == "linear"
    assert whole.get_xlim() == (0, 3) and images.get_xlim() == (0, 3)
    assert letters_of(canvas_of("rates", ways, lines=LINES)) == []


def test_a_batch_that_grows_is_drawn_in_its_own_panel_of_many(ways):
    lines = {f"line {i}": "growth" if i == 5 else "decay" for i in range(6)}
    canvas = canvas_of("rates", ways, lines=lines, images_per_update=True)
    assert [axes.get_ylabel() for axes in canvas.axes if axes.get_ylabel()] == ["images per update"]


def test_a_ramp_is_straight_where_the_run_begins(helpers):
    ramp = {e / 4: [0.01 + 0.09 * min(e / 4, 1)] * 2 for e in range(41)} | {10.25: [1e-5] * 2}
    canvas = canvas_of(
        "rates", helpers.arm("a", {"learning_rate": ramp}), lines={"one": "a"}, first_share=0.2
    )
    begin, whole = canvas.axes
    assert (begin.get_yscale(), whole.get_yscale()) == ("linear", "log")
