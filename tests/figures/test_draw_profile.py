import numpy as np
import pandas as pd
import pytest

from tests.shared.figures import canvas_of, letters_of, same_interval, texts_of

BARS = "Markers are means and bars"
EXAMPLE = {
    "y": ["path_loss_nats", "path_accuracy_percent"],
    "x_label": "α",
    "lines": {"one": "path"},
    "marks": {"start": 0.0, "end": 1.0},
    "log_y": True,
}


def example_rows(helpers):
    """A path between two minima."""
    rng = np.random.default_rng(1)
    line = {at: rng.uniform(1, 2, 3) * (0.1 + at**2) for at in (-1.0, 0.0, 1.0, 2.0)}
    return helpers.arm("path", {"path_loss_nats": line, "path_accuracy_percent": line})


def test_a_profile_shows_the_recomputed_means(rows, csv_of):
    found = csv_of("profile", rows)
    assert found.columns.tolist() == ["metric", "line", "arm", "at", "n", "mean", "low", "high", "axis"]
    assert found["at"].tolist() == [-1, 0, 1, 2] * 2
    for _, row in found.iterrows():
        same_interval(row, rows[(rows["metric"] == row["metric"]) & (rows["at"] == row["at"])]["value"])


@pytest.mark.parametrize(("metrics", "panels"), [(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 2))])
def test_a_profile_has_a_panel_a_metric_and_its_marks(helpers, metrics, panels):
    names = ["path_loss_nats", "path_accuracy_percent", "path_test_loss_nats", "path_test_accuracy_percent"]
    positions = np.linspace(-1, 2, 25)
    rows = helpers.arm("p", {name: {at: [1 + at**2, 2 + at**2] for at in positions} for name in names})
    canvas = canvas_of("profile", rows, y=names[:metrics], lines={"one": "p"}, log_y=False)
    shown = [axes for axes in canvas.axes if axes.axison]
    assert len(shown) == metrics and shown[0].get_gridspec().get_geometry() == panels
    for axes in shown:
        assert [text.get_text() for text in texts_of(axes)] == ["start", "end"]
        curve = max((line.get_ydata().max() for line in axes.lines if len(line.get_ydata()) > 2), default=0)
        lowest = min(text.get_window_extent().y0 for text in texts_of(axes))
        assert axes.transData.transform((0, curve))[1] < lowest  # labels stand above the data


def profile_canvas(helpers, values, **settings):
    rows = helpers.arm("p", values)
    return canvas_of("profile", rows, y=list(values), lines={"one": "p"}, marks={}, **settings)


def test_a_logarithmic_profile_begins_at_its_least(helpers):
    values = {"hessian_density": {0.0: [1e2, 1e2], 1.0: [1e-3, 1e-3], 2.0: [1e-300, 1e-300]}}
    canvas = profile_canvas(helpers, values, log_y=True, least=1e-5)
    low, high = canvas.axes[0].get_ylim()
    assert 1e-5 < low < 1e-3 and high > 1e2


def test_a_profile_labels_each_panel_with_its_own_position(helpers):
    values = {name: {0.1: [1, 2], 0.2: [3, 4]} for name in ("sam_sharpness_nats", "average_sharpness_nats")}
    canvas = profile_canvas(helpers, values, x_label=["radius ρ", "deviation σ"])
    assert [axes.get_xlabel() for axes in canvas.axes] == ["radius ρ", "deviation σ"]
    with pytest.raises(ValueError, match="one for each of"):
        profile_canvas(helpers, values, x_label=["radius ρ"])


@pytest.mark.parametrize("log_y", [False, True])
def test_what_one_seed_has_is_a_plain_line_in_a_profile(helpers, csv_of, tmp_path, log_y):
    one, more = {0.0: [3.0], 1.0: [2.0], 2.0: [1.0]}, {0.0: [3, 5], 1.0: [2, 4], 2.0: [1, 2]}
    rows = pd.concat([helpers.arm("p", {"xor_loss": one}), helpers.arm("q", {"xor_loss": more})])
    both = {"y": ["xor_loss"], "lines": {"single": "p", "several": "q"}, "marks": {}, "log_y": log_y}
    found = csv_of("profile", rows, **both).set_index("line")
    single = found.loc["single"]
    assert (single["n"] == 1).all() and single["mean"].tolist() == [3, 2, 1]
    assert single[["low", "high"]].isna().all(axis=None)
    assert found.loc["several", ["low", "high"]].notna().all(axis=None)
    assert " over 1 to 2 seeds." in (tmp_path / "f.txt").read_text(encoding="utf-8")
    (axes,) = canvas_of("profile", rows, **both).axes
    bands = [len(band.get_paths()) for band in axes.collections]
    assert bands == [0, 1]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3, 2, 1], [4, 3, 1.5]]
    alone = both | {"lines": {"single": "p"}}
    csv_of("profile", rows, **alone)
    assert " over 1 seed." in (tmp_path / "f.txt").read_text(encoding="utf-8")
    (axes,) = canvas_of("profile", rows, **alone).axes
    low, high = axes.get_ylim()
    assert (0.2 < low < 1 and 3 < high < 12) if log_y else (low < 1 and 3 < high < 5)


def test_a_rise_is_each_seeds_own(helpers, csv_of):
    rows = helpers.arm("p", {"surface_loss_nats": {-1.0: [5, 7], 0.0: [1, 5], 1.0: [3, 8]}})
    changes = {"y": ["surface_loss_nats"], "lines": {"one": "p"}, "above": 0.0, "marks": {}, "log_y": False}
    found = csv_of("profile", rows, **changes)
    for row, rises in zip(found.iloc, ([4, 2], [0, 0], [2, 3]), strict=True):
        assert row["mean"] == np.mean(rises)
    (axes,) = canvas_of("profile", rows, **changes).axes
    assert axes.get_ylabel().startswith("rise of the loss")
    with pytest.raises(ValueError, match=r"wanted surface_loss_nats of arm p at 0\.5; got none"):
        csv_of("profile", rows, **changes | {"above": 0.5})


def test_a_formula_is_a_line_and_what_is_counted_dots_on_it(helpers):
    ring = {float(k): [2 * (k - 1) / k] * 2 for k in (2, 4, 8)}
    rows = pd.concat(helpers.arm(arm, {"ring_sent_share": ring}) for arm in ("counted", "formula"))
    changes = {
        "y": ["ring_sent_share"],
        "lines": {"ours": "counted", "theirs": "formula"},
        "marks": {},
        "log_y": False,
    }
    (axes,) = canvas_of("profile", rows, **changes, theory=["theirs"]).axes
    drawn_as = {
        (len(line.get_xdata()), line.get_linestyle() == "None", line.get_markerfacecolor())
        for line in axes.lines
    }
    assert (3, True, "white") in drawn_as and any(not dots for _, dots, _ in drawn_as)
    assert all(tick == int(tick) for tick in axes.get_xticks())
    with pytest.raises(ValueError, match="theory of labels of lines"):
        canvas_of("profile", rows, **changes, theory=["nobody's"])


def test_positions_that_are_not_joined_stand_alone(rows):
    canvas = canvas_of("profile", rows, joined=False, marks={}, log_y=False, y_label="height")
    curves = [line for line in canvas.axes[0].lines if len(line.get_xdata()) == 4]
    assert curves and all(line.get_linestyle() == "None" for line in curves)
    assert canvas.axes[0].get_ylabel() == "height" and letters_of(canvas) == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "marks"),
    [({}, "Lines are means and bands"), ({"joined": False}, BARS), ({"theory": ["two"]}, BARS)],
)
def test_the_caption_says_bars_where_there_are_no_bands(rows, csv_of, tmp_path, changes, marks):
    csv_of("profile", rows, lines={"one": "path", "two": "path"}, **changes)
    assert f"What is drawn. {marks} 95 % intervals" in (tmp_path / "f.txt").read_text(encoding="utf-8")


def test_logarithmic_positions_have_their_own_ticks(helpers):
    canvas = profile_canvas(
        helpers, {"gradient_variance": {b: [1 / b] * 2 for b in (1.0, 4.0, 64.0)}}, log_x=True
    )
    assert canvas.axes[0].get_xticks().tolist() == [1, 4, 64]
