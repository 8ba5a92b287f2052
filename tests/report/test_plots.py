import json

import pytest

from largebatch.report.plots import MOST_POINTS, plot_of


@pytest.fixture
def write(tmp_path):
    def write(header, *rows):
        path = tmp_path / "f.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return write


CURVES = "metric,line,arm,epoch,n,mean,low,high"


def test_lines_by_metric_with_their_pace(write):
    path = write(
        CURVES,
        "updates,a,arm_a,0,5,1.23456,1,2",
        "updates,a,arm_a,1,5,2,2,2",
        "updates,b,arm_b,0,5,7,7,7",
        "updates,b,arm_b,1,5,8,8,8",
        "test_error_percent,a,arm_a,0,5,0.5,,",
    )
    told = json.loads(plot_of(path, {"arm_a": [10, 4], "arm_b": [3, 4]}, {"a": 2.0}))
    first, second = told["panels"]
    assert (told["x"], told["label"], first["label"], first["x"]) == ("epoch", "epoch", "updates", [0, 1])
    assert first["lines"] == [
        {"name": "a", "mean": [1.235, 2], "low": [1, 2], "high": [2, 2], "pace": [10, 0.5]},
        {"name": "b", "mean": [7, 8], "pace": [3, None]},  # no interval beside the mean
    ]
    assert second["label"] == "test error (%)" and second["lines"][0]["low"] == [None]


def test_lines_with_places_of_their_own_keep_them(write):
    path = write(CURVES, "updates,a,arm,0,5,1,1,1", "updates,b,arm,3,5,1,1,1", "updates,b,arm,,5,9,9,9")
    (panel,) = json.loads(plot_of(path, {}, {}))["panels"]
    assert [line["x"] for line in panel["lines"]] == [[0], [3]]  # a value without an x is no point
    assert "x" not in panel and "pace" not in panel["lines"][0]


def test_long_lines_are_thinned_to_their_ends(write):
    path = write(CURVES, *(f"updates,a,arm,{i},5,{i},{i},{i}" for i in range(1001)))
    (panel,) = json.loads(plot_of(path, {}, {}))["panels"]
    assert len(panel["x"]) == MOST_POINTS and panel["x"][0] == 0 and panel["x"][-1] == 1000


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("metric,line,arm,n,mean,low,high", "updates,a,arm,5,1,1,1"),  # dots without an axis
        ("line,arm,x,y,n,mean,low,high", "a,arm,0,0,5,1,1,1"),  # a surface
        (CURVES, "updates,a,arm,,5,1,1,1"),  # a level alone
    ],
)
def test_a_figure_without_lines_over_an_axis_has_none(write, header, row):
    assert plot_of(write(header, row), {}, {}) == ""


def test_a_name_cannot_end_the_script_it_stands_in(write):
    text = plot_of(write(CURVES, "updates,</script><b>,arm,0,5,1,1,1"), {}, {})
    assert "<" not in text and json.loads(text)["panels"][0]["lines"][0]["name"] == "</script><b>"
