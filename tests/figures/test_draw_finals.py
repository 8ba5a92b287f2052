import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.figures import draw_finals
from tests.shared.figures import ERROR, LOSS, canvas_of, letters_of, same_interval, texts_of

EXAMPLE = {"y": LOSS, "at": {"share": 0.5}, "lines": {"one": "a", "two": "b"}}


def test_rates_and_finals_show_the_recomputed_means(rows, csv_of):
    found = csv_of("rates", rows)
    assert found.loc[found["line"] == "one", "mean"].tolist() == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0])
    found = csv_of("finals", rows, at=None)
    assert found["mean"].is_monotonic_increasing
    of_b = rows[(rows["arm"] == "b") & (rows["metric"] == LOSS) & (rows["at"] == 4)]["value"]
    same_interval(found.set_index("line").loc["two"], of_b)


def test_accuracy_is_best_where_it_is_highest(helpers, csv_of):
    accuracy = "test_accuracy_percent"
    rows = pd.concat([helpers.arm("a", {accuracy: [90, 91]}), helpers.arm("b", {accuracy: [95, 96]})])
    assert csv_of("finals", rows, y=accuracy, at=None)["line"].tolist() == [
        "two",
        "one",
    ]


def test_finals_at_a_position(rows, csv_of):
    found = csv_of("finals", rows, y="path_loss_nats", at={"value": 2}, lines={"one": "path"})
    same_interval(found.iloc[0], rows[(rows["metric"] == "path_loss_nats") & (rows["at"] == 2)]["value"])
    with pytest.raises(ValueError, match=r"path_loss_nats of arm path at 0.5 \(known at -1, 0, 1, 2\)"):
        csv_of("finals", rows, y="path_loss_nats", at={"value": 0.5}, lines={"one": "path"})


@pytest.mark.parametrize(("floor", "n"), [(0.01, [2, 0]), (0.001, [0, 0])])
def test_finals_say_who_never_gets_to_a_training_loss(helpers, csv_of, floor, n):
    rows = pd.concat(
        helpers.arm(arm, {LOSS: {0.0: [1, 1], 1.0: [end] * 2}, ERROR: {0.0: [9, 9], 1.0: [1, 3]}})
        for arm, end in (("early", 0.005), ("late", 0.05))
    )
    at, lines = {"train_loss_nats": floor}, {"one": "early", "two": "late"}
    found = csv_of("finals", rows, y=ERROR, at=at, lines=lines)
    assert found["n"].tolist() == n
    canvas = canvas_of("finals", rows, y=ERROR, at=at, lines=lines)
    assert [text.get_text() for text in canvas.axes[0].texts] == [draw_finals.NEVER] * n.count(0)


def test_one_seed_is_drawn_without_an_interval(helpers, csv_of):
    found = csv_of("finals", helpers.arm("a", {LOSS: [0.5]}), at=None, lines={"one": "a"})
    assert found["low"].isna().all()


def test_finals_are_in_the_order_that_is_written_where_asked(rows, csv_of):
    lines = {"high": "a", "low": "b"}
    written = csv_of("finals", rows, y=LOSS, at=None, lines=lines, as_written=True)
    assert written["line"].tolist() == ["high", "low"]


PAIRS = {"small": [1.0, 2, 3], "large": [1.5, 2.6, 3.4]}


COMPARED = {"y": ERROR, "at": None, "lines": {"one": "small", "two": "large"}, "against_all": "one"}


def pairs(helpers):
    return pd.concat(helpers.arm(arm, {ERROR: values}) for arm, values in PAIRS.items())


@pytest.mark.parametrize("against", [{"against_all": "one"}, {"against": {"two": "one"}}], ids=str)
@pytest.mark.parametrize("ratios", [False, True])
def test_what_is_compared_is_paired_by_seed(helpers, csv_of, against, ratios):
    changes = {"y": ERROR, "at": None, "lines": {"one": "small", "two": "large"}, **against}
    changes |= {"ratios": ratios, "paper": {"two": 0.25}}
    found = csv_of("finals", pairs(helpers), **changes)
    assert found["against"].fillna("").tolist() == ["", "", "one"]
    compared = found.iloc[2]
    small, large = (np.array(PAIRS[arm]) for arm in ("small", "large"))
    if ratios:
        logs = stats.ttest_rel(np.log(large), np.log(small)).confidence_interval(0.95)
        wanted = [stats.gmean(large / small), np.exp(logs.low), np.exp(logs.high)]
    else:
        interval = stats.ttest_rel(large, small).confidence_interval(0.95)
        wanted = [np.mean(large - small), interval.low, interval.high]
    assert compared[["mean", "low", "high"]].tolist() == pytest.approx(wanted)
    assert compared["axis"] == ("log" if ratios else "linear") and compared["paper"] == 0.25
    canvas = canvas_of("finals", pairs(helpers), **changes)
    assert letters_of(canvas) == ["a", "b"]
    right = canvas.axes[1]
    assert right.get_xscale() == ("log" if ratios else "linear")
    (legend,) = canvas.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ours", "the paper's"]
    places = [line.get_xydata().tolist() for line in right.lines if line.get_marker() == "d"]
    assert places == [[[0.25, 1]]]


@pytest.mark.parametrize(
    ("metric", "changes", "label"),
    [
        (ERROR, {"against": {"two": "+ one"}}, "difference (points), paired by seed"),
        (LOSS, {"against": {"two": "+ one"}}, "difference (nats), paired by seed"),
        ("hessian_trace", {"against": {"two": "+ one"}}, "difference, paired by seed"),
        (ERROR, {"against": {"two": "+ one"}, "ratios": True}, "ratio, paired by seed"),
        (ERROR, {"against_all": "+ one"}, "difference (points) from one, paired by seed"),
    ],
)
def test_differences_have_a_unit_and_are_from_a_step_without_its_plus(helpers, metric, changes, label):
    rows = pd.concat(helpers.arm(arm, {metric: values}) for arm, values in PAIRS.items())
    lines = {"+ one": "small", "two": "large"}
    right = canvas_of("finals", rows, y=metric, at=None, lines=lines, **changes).axes[1]
    assert right.get_xlabel().replace("\n", " ") == label
    beside = "over one" if "ratios" in changes else "from one"
    assert [text.get_text() for text in texts_of(right)] == [beside] * ("against" in changes)


def test_markers_differ_only_where_colours_do(helpers):
    for labels, markers in ((["small batch", "something"], "oo"), (["small batch", "large batch"], "os")):
        lines = dict(zip(labels, PAIRS, strict=True))
        (axes,) = canvas_of("finals", pairs(helpers), y=ERROR, at=None, lines=lines).axes
        assert "".join(bars.lines[0].get_marker() for bars in axes.containers) == markers


def test_an_accuracy_ends_at_100_percent(helpers):
    accuracy = "test_accuracy_percent"
    rows = pd.concat([helpers.arm("a", {accuracy: [90, 100]}), helpers.arm("b", {accuracy: [95, 96]})])
    (axes,) = canvas_of("finals", rows, y=accuracy, at=None).axes
    assert 96 < axes.get_xlim()[1] < 103


def test_seeds_that_only_one_of_a_pair_has_are_left_out(helpers, csv_of):
    rows = pd.concat([helpers.arm("small", {ERROR: [1, 2, 3, 9]}), helpers.arm("large", {ERROR: [2, 4, 4]})])
    found = csv_of("finals", rows, **COMPARED).iloc[2]
    assert found["n"] == 3 and found["mean"] == pytest.approx(4 / 3)


def test_a_ratio_to_nought_has_no_place(helpers, csv_of):
    rows = pd.concat([helpers.arm("small", {ERROR: [0, 2]}), helpers.arm("large", {ERROR: [2, 4]})])
    found = csv_of("finals", rows, **COMPARED, ratios=True).iloc[2]
    assert found["n"] == 0 and np.isnan(found["mean"])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"against_all": "three"}, "against of labels of lines"),
        ({"against_all": "one", "against": {"two": "one"}}, "not both"),
        ({"against": {"two": "three"}}, "against of labels of lines"),
        ({"paper": {"two": 1.0}}, "paper of lines that are compared"),
    ],
)
def test_a_comparison_with_what_is_not_drawn(rows, csv_of, changes, text):
    with pytest.raises(ValueError, match=text):
        csv_of("finals", rows, **changes)


def test_intervals_on_a_logarithmic_axis_stay_above_its_floor(helpers):
    trace, values = "hessian_trace", {"a": [1, 1, 90], "b": [4000, 4100, 4200]}
    rows = pd.concat(helpers.arm(arm, {trace: of_arm}) for arm, of_arm in values.items())
    (axes,) = canvas_of("finals", rows, y=trace, at=None).axes
    assert axes.get_xscale() == "log"
    for bars in axes.collections:
        assert all(
            axes.get_xlim()[0] < end < axes.get_xlim()[1]
            for path in bars.get_paths()
            for end in path.vertices[:, 0]
        )
