from itertools import pairwise

import pandas as pd
import pytest

from largebatch.figures import draw_against_setting
from tests.shared.figures import ERROR, LOSS, canvas_of, letters_of, same_interval

EXAMPLE = {
    "x": "batch_size",
    "y": [ERROR, "hessian_trace"],
    "lines": {"one": "sweep", "two": "sweep"},
}


def test_against_setting_shows_the_recomputed_means(rows, csv_of):
    found = csv_of("against_setting", rows, baseline="a", y=[ERROR])
    assert len(found) == 7
    for _, row in found[found["line"] == "one"].iterrows():
        of_arm = rows[
            (rows["batch_size"] == row["batch_size"]) & (rows["group"] == "sweep") & (rows["metric"] == ERROR)
        ]
        same_interval(row, of_arm["value"])
    baseline = found[found["batch_size"].isna()].iloc[0]
    assert (baseline["line"], baseline["arm"]) == ("baseline", "a")


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ({}, "Markers are means and bars 95 % intervals"),
        ({"baseline": "a"}, "Markers are means, bars and grey bands 95 % intervals"),
        ({"marks": {"there": {"arm": "a"}}}, "Markers are means, bars and grey bands 95 % intervals"),
    ],
)
def test_the_caption_says_what_grey_bands_are(rows, csv_of, tmp_path, changes, marks):
    csv_of("against_setting", rows, y=[ERROR], **changes)
    assert f"What is drawn. {marks}" in (tmp_path / "f.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("floor", "n", "without"),
    [
        (0.1, [2, 2, 2], []),
        (0.01, [2, 0, 0], ["g[batch_size=8]", "late"]),
        (0.001, [0, 0, 0], ["g[batch_size=4]", "g[batch_size=8]", "late"]),
    ],
)
def test_arms_that_never_get_to_a_training_loss_leave_a_gap(helpers, csv_of, floor, n, without):
    def ends(loss):
        return {LOSS: {0.0: [1, 1], 1.0: [loss, loss]}, ERROR: {0.0: [9, 9], 1.0: [1, 3]}}

    rows = helpers.group("g", "batch_size", {4: ends(0.005), 8: ends(0.05)})
    rows = pd.concat([rows, helpers.arm("late", ends(0.05))])
    at = {"train_loss_nats": floor}
    found = csv_of("against_setting", rows, y=[ERROR], at=at, lines={"one": "g"}, baseline="late")
    assert found["n"].tolist() == n
    assert found.loc[found["n"] == 0, "arm"].tolist() == without
    assert found.loc[found["n"] == 0, ["mean", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(("sizes", "scale"), [((0.0, 2.0, 5.0), "linear"), ((1.0, 2.0, 5.0), "log")])
def test_a_setting_of_nought_has_a_place(helpers, sizes, scale):
    rows = helpers.group("g", "growth_epoch", {s: {ERROR: [1, 2, 3]} for s in sizes})
    canvas = canvas_of("against_setting", rows, x="growth_epoch", y=[ERROR], lines={"one": "g"})
    assert canvas.axes[0].get_xscale() == scale
    assert canvas.axes[0].get_xlabel() == "epoch at which the batch grows"


@pytest.mark.parametrize("panels", [1, 2])
@pytest.mark.parametrize(
    "sizes",
    [
        (4, 8, 16, 32, 64, 102, 256, 512, 1024),
        [2**i for i in range(13)],
        [0.0003125 * 2**i for i in range(9)],
    ],
)
def test_the_labels_of_ticks_do_not_overlap(helpers, panels, sizes):
    rows = helpers.group("g", "lr", {s: {ERROR: [1, 2, 3], LOSS: [1000.5, 2000, 3000]} for s in sizes})
    for axes in canvas_of("against_setting", rows, x="lr", y=[ERROR, LOSS][:panels], lines={"one": "g"}).axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert len(boxes) > 3
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize(
    ("lines", "ends"), [(1, 1.0), (2, 2**0.035), (3, 2**0.07), (5, 2**0.07), (12, 2**0.07)]
)
def test_lines_stand_side_by_side_within_five_percent(lines, ends):
    shifts = draw_against_setting.dodges(lines)
    assert len(shifts) == lines and len(set(shifts)) == lines
    assert (shifts[0], shifts[-1]) == pytest.approx((1 / ends, ends))
    assert ends < 1.05


def test_a_guide_has_its_slope_and_a_mark_its_place(rows, csv_of):
    mark = {"arm": "a", "metric": "updates", "at": {"share": 0.25}}
    changes = {"y": [ERROR], "lines": {"one": "sweep"}, "exponent": -1.0, "marks": {"eight": mark}}
    found = csv_of("against_setting", rows, **changes)
    assert found.set_index("line").loc["eight", "mean"] == 8  # 8 updates per epoch, a quarter of 4 epochs
    (axes,) = canvas_of("against_setting", rows, **changes).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["eight"].get_xdata() == [8, 8]
    x, y = lines["slope −1"].get_data()
    assert x.tolist() == [4, 16]
    assert y[1] / y[0] == pytest.approx(1 / 4)


def test_a_fitted_hyperbola_goes_through_points_that_lie_on_one(helpers, csv_of):
    goal, examples = "updates_to_test_goal", "examples_to_test_goal"
    updates = {b: [s * (1 + 50 / b) for s in (20, 30, 40)] for b in (4, 16, 64, 256)}
    rows = helpers.group(
        "g", "batch_size", {b: {goal: u, examples: [b * s for s in u]} for b, u in updates.items()}
    )
    ask = {"y": [goal, examples], "lines": {"tuned": "g"}, "hyperbola": True}
    found = csv_of("against_setting", rows, **ask)
    fit = found[found["line"] == draw_against_setting.FIT]
    geometric = (20 * 30 * 40) ** (1 / 3)
    for metric, times in ((goal, 1.0), (examples, fit["batch_size"])):
        of_metric = fit[fit["metric"] == metric]
        wanted = (
            geometric
            * (1 + 50 / of_metric["batch_size"])
            * (times if metric == goal else of_metric["batch_size"])
        )
        assert of_metric["mean"].tolist() == pytest.approx(wanted.tolist(), rel=1e-4)
        assert (of_metric["low"] < of_metric["mean"]).all() and (of_metric["n"] == 3).all()
    canvas = canvas_of("against_setting", rows, **ask)
    assert letters_of(canvas) == ["a", "b"]
    assert draw_against_setting.FIT in [text.get_text() for text in canvas.legends[0].get_texts()]


def test_a_hyperbola_over_anything_but_batches(rows, csv_of):
    with pytest.raises(ValueError, match="hyperbola only of x: batch_size"):
        csv_of("against_setting", rows, x="lr", hyperbola=True)


def test_a_baseline_is_called_what_it_is(rows):
    canvas = canvas_of("against_setting", rows, y=[ERROR], baseline="a", baseline_label="k = 1")
    assert "k = 1" in [text.get_text() for text in canvas.legends[0].get_texts()]
