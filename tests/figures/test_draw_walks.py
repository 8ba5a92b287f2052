import pandas as pd
import pytest

from largebatch.config.surfaces import SURFACES
from largebatch.figures import draw_walks
from largebatch.figures.looks import BLUE, FULL
from tests.shared.figures import canvas_of

EXAMPLE = {
    "panels": {
        "trap": {"full batch": "surfaces.trap_full"},
        "bowl": {"mini-batch": "surfaces.bowl_mini", "full batch": "surfaces.bowl_full"},
    }
}


def example_rows(helpers):
    """Three ways on two surfaces."""
    ways = {"bowl_full": 0, "bowl_mini": 0.5, "trap_full": 1}
    return pd.concat(walk(helpers, way, far) for way, far in ways.items())


def walk(helpers, way, far, seeds=3):
    """An arm from (-2, 1) over (0, 1) to (far * seed, 0)."""
    ends = [far * seed for seed in range(seeds)]
    x = {0.0: [-2] * seeds, 4.0: [0] * seeds, 8.0: ends}
    y = {0.0: [1] * seeds, 4.0: [1] * seeds, 8.0: [0] * seeds}
    return helpers.arm(f"surfaces.{way}", {"path_x": x, "path_y": y})


def test_walks_show_the_paths_of_the_first_seeds(helpers, csv_of, tmp_path):
    rows = walk(helpers, "bowl_full", 1, seeds=5)
    found = csv_of("walks", rows, panels={"bowl": {"one": "surfaces.bowl_full"}})
    assert found.columns.tolist() == ["surface", "line", "arm", "seed", "at", "x", "y", "n"]
    assert found["seed"].tolist() == [0] * 3 + [1] * 3 + [2] * 3 and (found["n"] == 3).all()
    assert found["at"].tolist() == [0, 4, 8] * 3
    assert found["x"].tolist() == [-2, 0, 0, -2, 0, 1, -2, 0, 2]
    assert found["y"].tolist() == [1, 1, 0] * 3
    text = (tmp_path / "f.txt").read_text(encoding="utf-8")
    assert text == ("What is drawn. Lines are paths from the dot to a marker, one per seed, over 3 seeds.\n")


def test_walks_have_equal_panels_and_a_look_a_label(rows):
    canvas = canvas_of("walks", rows)
    trap, bowl = canvas.axes
    assert [axes.get_title(loc="left") for axes in canvas.axes] == ["trap", "bowl"]
    for axes in canvas.axes:
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("first weight", "second weight")
        shape = axes.get_window_extent()
        assert shape.width / shape.height == pytest.approx(draw_walks.SHAPE)
    assert trap.get_window_extent().size == pytest.approx(bowl.get_window_extent().size)
    legend = [(text.get_text(), line.get_color()) for text, line in entries(canvas)]
    assert legend == [("full batch", FULL.color), ("mini-batch", BLUE)]
    assert colours_of_paths(trap) == [FULL.color] * 3
    assert sorted(colours_of_paths(bowl)) == [BLUE] * 3 + [FULL.color] * 3
    starts = [tuple(map(float, line.get_xydata()[0])) for line in bowl.lines if line.get_marker() == "."]
    assert starts == [(-2, 1)]
    ends = [line.get_xydata()[0].tolist() for line in bowl.lines if line.get_marker() == "o"]
    assert sorted(ends) == [[0, 0], [0.5, 0], [1, 0]]


def entries(canvas):
    (legend,) = canvas.legends
    return zip(legend.get_texts(), legend.get_lines(), strict=True)


def colours_of_paths(axes):
    return [line.get_color() for line in axes.lines if len(line.get_xdata()) == 3]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(("far", "cut"), [(0.0, False), (5.0, False), (1e6, True)])
def test_walks_are_inside_their_panel_unless_they_run_away(helpers, csv_of, surface, far, cut):
    rows = walk(helpers, f"{surface}_full", far)
    panels = {surface: {"one": f"surfaces.{surface}_full"}}
    found = csv_of("walks", rows, panels=panels)
    (axes,) = canvas_of("walks", rows, panels=panels).axes
    low, high = axes.get_xlim()
    assert (found["x"].min() >= low and found["x"].max() <= high) is not cut
    assert low <= SURFACES[surface].bounds[0] and high >= SURFACES[surface].bounds[1]


@pytest.mark.parametrize(
    "lost",
    [lambda rows: rows["metric"] == "path_y", lambda rows: (rows["metric"] == "path_y") & (rows["at"] == 8)],
    ids=["a weight", "a point of a weight"],
)
def test_walks_want_both_weights_everywhere(rows, csv_of, lost):
    left = rows[~(lost(rows) & (rows["arm"] == "surfaces.bowl_mini"))]
    with pytest.raises(ValueError, match=r"figure f: wanted .*path_y of arm surfaces\.bowl_mini"):
        csv_of("walks", left)


@pytest.mark.parametrize(
    ("panels", "text"),
    [
        (
            {"bowl": {"one": "surfaces.trap_full"}},
            r"panels.bowl of arms <exhibit>.bowl_<way>; got .*trap_full",
        ),
        ({"bowl": {"one": "surfaces.bowl"}}, "panels.bowl of arms"),
        ({"hill": {"one": "surfaces.hill_full"}}, "'bowl', 'ravine', 'saddle' or 'trap'"),
    ],
)
def test_walks_on_another_surface_or_none(rows, csv_of, panels, text):
    with pytest.raises(ValueError, match=text):
        csv_of("walks", rows, panels=panels)
