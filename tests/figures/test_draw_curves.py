import numpy as np
import pandas as pd
import pytest

from largebatch.figures import draw_curves
from largebatch.figures.looks import LOOKS
from tests.shared.figures import ERROR, LOSS, canvas_of, same_interval

EXAMPLE = {"x": "update", "y": [LOSS, ERROR], "log_y": True, "lines": {"one": "a", "two": "b"}}


def test_curves_carry_a_stopped_seed_forward(rows, csv_of):
    found = csv_of("curves", rows)
    of_a = rows[(rows["arm"] == "a") & (rows["metric"] == LOSS)].set_index(["seed", "at"])["value"]
    last = found[(found["metric"] == LOSS) & (found["line"] == "one")].iloc[-1]
    same_interval(last, [of_a[0, 4.0], of_a[1, 4.0], of_a[2, 2.0]])
    assert last["update"] == 32
    assert found.loc[found["line"] == "two", "update"].max() == 1024


@pytest.mark.parametrize("kind", ["curves", "rates"])
def test_many_lines_get_a_panel_each(helpers, kind):
    lines = {f"line {i}": f"arm{i}" for i in range(9)}
    along = {0.0: [1, 2], 1.0: [0.5, 1]}
    rows = pd.concat(helpers.arm(arm, {LOSS: along, "learning_rate": along}) for arm in lines.values())
    more = {"x": "epoch", "y": [LOSS]} if kind == "curves" else {}
    canvas = canvas_of(kind, rows, lines=lines, **more)
    assert [axes.get_title(loc="left") for axes in canvas.axes if axes.axison] == list(lines)


@pytest.fixture
def snapshots(helpers):
    """Evaluated at epochs 0, 2 and 4, with a loss of 8, 2 and 0.5; a snapshot is measured at 0, 1 and 4."""
    along = {
        "updates": {0.0: [0, 0], 2.0: [16, 16], 4.0: [32, 32]},
        LOSS: {0.0: [8] * 2, 2.0: [2] * 2, 4.0: [0.5] * 2},
    }
    top = {"hessian_top_eigenvalue_by_epoch": {0.0: [1, 3], 1.0: [5, 7], 4.0: [9, 9]}}
    return helpers.arm("a", along | top | {"stability_threshold": [10, 20]})


@pytest.mark.parametrize(
    ("x", "places"),
    [("epoch", [0, 1, 4]), ("update", [0, 8, 32]), (LOSS, [8, 5, 0.5])],
)
def test_snapshots_have_a_place_between_evaluations(snapshots, csv_of, x, places):
    changes = {"x": x, "y": ["hessian_top_eigenvalue_by_epoch"], "lines": {"one": "a"}}
    changes |= {"level": "stability_threshold"}
    found = csv_of("curves", snapshots, **changes)
    along = found[found["metric"] != "stability_threshold"]
    assert along[x].tolist() == places and along["mean"].tolist() == [2, 6, 9]
    (level,) = [row for _, row in found[found["metric"] == "stability_threshold"].iterrows()]
    assert np.isnan(level[x]) and level["mean"] == 15
    canvas = canvas_of("curves", snapshots, **changes)
    assert [text.get_text() for text in canvas.axes[0].texts] == ["15"]


@pytest.mark.parametrize("lines", [2, 9])
def test_a_level_is_drawn_in_the_first_metrics_panels_and_losses_fall_to_the_right(snapshots, lines):
    canvas = canvas_of(
        "curves",
        snapshots,
        x=LOSS,
        y=["hessian_top_eigenvalue_by_epoch", LOSS],
        lines={f"line {i}": "a" for i in range(lines)},
        level="stability_threshold",
    )
    shown = [axes for axes in canvas.axes if axes.axison]
    levels = [sum(len(set(line.get_ydata())) == 1 for line in axes.lines) for axes in shown]
    assert levels == ([2, 0] if lines == 2 else [1] * 9 + [0] * 9)
    for axes in shown:
        left, right = axes.get_xlim()
        assert left > right > 0 and axes.get_xscale() == "log"
        assert axes.get_ylim()[1] > (15 if axes in shown[: len(shown) // 2] else 8)


def limits(means, low=None, high=None, heights=()):
    rows = pd.DataFrame({"mean": means, "low": low or means, "high": high or means}, dtype=float)
    return draw_curves.log_limits(rows, heights)


def test_log_limits_leave_room():
    assert limits([1, 10]) == pytest.approx((0.8, 12.5))
    assert limits([0, 10]) == pytest.approx((0.0, 12.5))
    assert limits([0]) == (0.0, 1.0)
    assert limits([1, 10], heights=[20]) == pytest.approx((0.8, 25))
    assert limits([1, 10], low=[0.5, 9], high=[2, 20]) == pytest.approx((0.4, 25))
    assert limits([1, 10], low=[1e-9, 9], high=[2, 1e9]) == pytest.approx((1 / 3 / 1.25, 37.5))
    low, high = limits([3, 3])  # values that hardly differ are shown over a decade
    assert high / low == pytest.approx(10) and low * high == pytest.approx(9)


@pytest.mark.parametrize(("asked_for", "scale"), [(True, "log"), (False, "linear")])
def test_updates_are_logarithmic_where_asked(rows, asked_for, scale):
    canvas = canvas_of("curves", rows, x="update", y=[LOSS], lines={"one": "a"}, log_x=asked_for)
    assert canvas.axes[0].get_xscale() == scale


def test_lines_behind_stand_in_every_panel(helpers, csv_of):
    along = {0.0: [4, 8], 1.0: [2, 4]}
    rows = pd.concat(helpers.arm(arm, {LOSS: along}) for arm in "abc")
    changes = {"x": "epoch", "y": [LOSS], "behind": {"small batch": "a"}, "lines": {"one": "b", "two": "c"}}
    found = csv_of("curves", rows, **changes)
    assert found["line"].unique().tolist() == ["small batch", "one", "two"]
    canvas = canvas_of("curves", rows, **changes)
    assert [axes.get_title(loc="left") for axes in canvas.axes] == ["one", "two"]
    assert [len(axes.lines) for axes in canvas.axes] == [2, 2]
    assert all(axes.lines[0].get_color() == LOOKS["small batch"].color for axes in canvas.axes)
    with pytest.raises(ValueError, match="behind of other labels than lines"):
        canvas_of("curves", rows, **changes | {"behind": {"one": "a"}})


@pytest.mark.parametrize("log_y", [True, False])
@pytest.mark.parametrize("lines", [2, 9])
def test_an_axis_of_an_error_ends_at_100_percent_and_shows_all_lines(helpers, lines, log_y):
    arms = {f"line {i}": f"arm{i}" for i in range(lines)}
    last = [97.0, *[60.0 - i for i in range(1, lines)]]
    rows = pd.concat(
        helpers.arm(arm, {ERROR: {0.0: [95, 99], 1.0: [end, end + 1]}})
        for arm, end in zip(arms.values(), last, strict=True)
    )
    canvas = canvas_of("curves", rows, x="epoch", y=[ERROR], log_y=log_y, lines=arms)
    for axes in canvas.axes:
        low, high = axes.get_ylim()
        assert low < min(last) and 97 < high < 105
        assert max(tick for tick in axes.get_yticks() if tick <= high) <= 100


def test_small_multiples_say_what_grey_lines_are(helpers):
    arms = {f"line {i}": f"arm{i}" for i in range(9)}
    rows = pd.concat(helpers.arm(arm, {LOSS: {0.0: [4, 8], 1.0: [2, 4]}}) for arm in arms.values())
    canvas = canvas_of("curves", rows, x="epoch", y=[LOSS], lines=arms)
    assert names_in_legend(canvas) == ["the others", "as named above the panel"]


@pytest.mark.parametrize(
    ("labels", "own"),
    [
        (["one", "two"], ["as named above the panel"]),  # both black
        (["gradual warm-up", "no warm-up"], []),  # each in its own colour
    ],
)
def test_a_line_behind_is_named_even_if_it_is_the_only_one(helpers, labels, own):
    rows = pd.concat(helpers.arm(arm, {LOSS: {0.0: [4, 8], 1.0: [2, 4]}}) for arm in "abc")
    lines = dict(zip(labels, "bc", strict=True))
    canvas = canvas_of("curves", rows, x="epoch", y=[LOSS], behind={"baseline": "a"}, lines=lines)
    assert names_in_legend(canvas) == ["baseline", *own]


def names_in_legend(canvas):
    (legend,) = canvas.legends
    return [text.get_text() for text in legend.get_texts()]


def test_a_height_is_drawn_across_the_first_panel_and_named(helpers):
    rows = helpers.arm("a", {LOSS: {0.0: [4, 8], 1.0: [2, 4]}})
    canvas = canvas_of("curves", rows, x="epoch", y=[LOSS], lines={"one": "a"}, heights={"edge": 1.0})
    assert [text.get_text() for text in canvas.legends[0].get_texts()] == ["one", "edge"]
    assert canvas.axes[0].get_ylim()[0] < 1


def test_nested_lines_are_solid_and_narrower_one_after_another(rows):
    canvas = canvas_of("curves", rows, y=[LOSS], nested=True)
    wide, narrow = canvas.axes[0].lines
    assert wide.get_linewidth() > narrow.get_linewidth() and narrow.get_linestyle() == "-"
