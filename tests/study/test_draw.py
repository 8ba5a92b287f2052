import json
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from scipy import stats

from largebatch.question import Figure
from largebatch.study import draw_curves, draw_settings, style
from largebatch.study.draw import KINDS, draw

ERROR, LOSS = "test_error_percent", "train_loss_nats"
ENDINGS = ("csv", "json", "pdf", "png", "svg", "txt")


@pytest.fixture
def rows(helpers):
    """Arms a and b along 4 epochs, a with a seed that stops early, and a sweep over batch sizes."""
    rng = np.random.default_rng(0)

    def arm(name, updates_each, stop):
        loss, updates, rate = {}, {}, {}
        for e in range(5):
            alive = [True, True, e <= stop]
            loss[float(e)] = [rng.uniform(0.5, 1) / (1 + e) if on else None for on in alive]
            updates[float(e)] = [e * updates_each if on else None for on in alive]
            rate[e / 2] = [0.1 * (1 - e / 4)] * 3
        error = {at: [v and 10 * v for v in values] for at, values in loss.items()} | {4.0: [0.0, 0.0, 0.0]}
        return helpers.arm(name, {LOSS: loss, "updates": updates, "learning_rate": rate, ERROR: error})

    sizes = {s: {ERROR: rng.uniform(1, 2, 3) * s, "hessian_trace": rng.uniform(1, 2, 3)} for s in (4, 8, 16)}
    return pd.concat([arm("a", 8, 2), arm("b", 256, 4), helpers.group("sweep", "batch_size", sizes)])


FIGURES = {
    "against_setting": {
        "x": "batch_size",
        "y": [ERROR, "hessian_trace"],
        "lines": {"one": "sweep", "two": "sweep"},
    },
    "curves": {"x": "update", "y": [LOSS, ERROR], "log_y": True, "lines": {"one": "a", "two": "b"}},
    "rates": {"lines": {"one": "a", "two": "b"}},
    "finals": {"y": LOSS, "at": {"share": 0.5}, "lines": {"one": "a", "two": "b"}},
}


def asked(kind, **changes):
    figure = {"name": "f", "caption": "What is drawn.", "kind": kind, **FIGURES[kind], **changes}
    return {"experiment": "e", "figure": figure}


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_bytes_and_borrowed_settings(rows, write_table, tmp_path, kind):
    table = write_table(rows)
    contents = []
    with mpl.rc_context({"font.size": 31, "axes.grid": False}):
        for folder in ("one", "two"):
            before = dict(mpl.rcParams)
            draw(asked(kind), table, tmp_path / folder / "e_f")
            assert dict(mpl.rcParams) == before
            contents.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
    assert sorted(contents[0]) == [f"e_f.{ending}" for ending in ENDINGS]
    assert contents[0] == contents[1]
    caption = contents[0]["e_f.txt"].decode()
    assert caption.startswith("What is drawn. ") and "95 % intervals (Student t) over 3 seeds." in caption
    record = json.loads(contents[0]["e_f.json"])
    assert record["stage"] == "draw" and list(record["inputs"]) == ["observations.parquet"]


def drawn(rows, write_table, tmp_path, ask):
    draw(ask, write_table(rows), tmp_path / "f")
    return pd.read_csv(tmp_path / "f.csv")


def same_interval(row, values):
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    wanted = [len(values), np.mean(values), interval.low, interval.high]
    assert row[["n", "mean", "low", "high"]].tolist() == pytest.approx(wanted)


def test_against_setting_shows_the_recomputed_means(rows, write_table, tmp_path):
    found = drawn(rows, write_table, tmp_path, asked("against_setting", baseline="a", y=[ERROR]))
    assert len(found) == 7
    for _, row in found[found["line"] == "one"].iterrows():
        of_arm = rows[
            (rows["batch_size"] == row["batch_size"]) & (rows["group"] == "sweep") & (rows["metric"] == ERROR)
        ]
        same_interval(row, of_arm["value"])
    baseline = found[found["batch_size"].isna()].iloc[0]
    assert (baseline["line"], baseline["arm"]) == ("a (band)", "a")


def test_curves_carry_a_stopped_seed_forward(rows, write_table, tmp_path):
    found = drawn(rows, write_table, tmp_path, asked("curves"))
    of_a = rows[(rows["arm"] == "a") & (rows["metric"] == LOSS)].set_index(["seed", "at"])["value"]
    last = found[(found["metric"] == LOSS) & (found["line"] == "one")].iloc[-1]
    same_interval(last, [of_a[0, 4.0], of_a[1, 4.0], of_a[2, 2.0]])
    assert last["update"] == 32
    assert found.loc[found["line"] == "two", "update"].max() == 1024


def test_rates_and_finals_show_the_recomputed_means(rows, write_table, tmp_path):
    found = drawn(rows, write_table, tmp_path, asked("rates"))
    assert found.loc[found["line"] == "one", "mean"].tolist() == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0])
    found = drawn(rows, write_table, tmp_path, asked("finals", at=None))
    assert found["mean"].is_monotonic_increasing
    of_b = rows[(rows["arm"] == "b") & (rows["metric"] == LOSS) & (rows["at"] == 4)]["value"]
    same_interval(found.set_index("line").loc["two"], of_b)


def test_accuracy_is_best_where_it_is_highest(helpers, write_table, tmp_path):
    accuracy = "test_accuracy_percent"
    rows = pd.concat([helpers.arm("a", {accuracy: [90, 91]}), helpers.arm("b", {accuracy: [95, 96]})])
    assert drawn(rows, write_table, tmp_path, asked("finals", y=accuracy, at=None))["line"].tolist() == [
        "two",
        "one",
    ]


@pytest.mark.parametrize("kind", ["curves", "rates"])
def test_many_lines_get_a_panel_each(helpers, kind):
    lines = {f"line {i}": f"arm{i}" for i in range(9)}
    along = {0.0: [1, 2], 1.0: [0.5, 1]}
    rows = pd.concat(helpers.arm(arm, {LOSS: along, "learning_rate": along}) for arm in lines.values())
    more = {"x": "epoch", "y": [LOSS]} if kind == "curves" else {}
    figure = TypeAdapter(Figure).validate_python(asked(kind, lines=lines, **more)["figure"])
    canvas = KINDS[kind].picture(KINDS[kind].table(rows, figure), figure)
    assert [axes.get_title(loc="left") for axes in canvas.axes if axes.axison] == list(lines)


def test_one_seed_is_drawn_without_an_interval(helpers, write_table, tmp_path):
    found = drawn(
        helpers.arm("a", {LOSS: [0.5]}), write_table, tmp_path, asked("finals", at=None, lines={"one": "a"})
    )
    assert found["low"].isna().all()


def test_an_error_of_nought_has_a_place_on_a_logarithmic_axis():
    canvas = style.canvas(2, 2)
    axes = canvas.subplots()
    style.log_axis(axes, "y", np.array([0.0, 0.3, 40.0]))
    ends = axes.transData.transform([(0, 0.0), (0, 0.3), (0, 40.0)])[:, 1]
    assert np.isfinite(ends).all() and (np.diff(ends) > 0).all()


def test_log_limits_leave_room():
    assert draw_curves.log_limits(np.array([1.0, 10.0])) == pytest.approx((0.8, 12.5))
    assert draw_curves.log_limits(np.array([0.0, 10.0])) == pytest.approx((0.0, 12.5))
    assert draw_curves.log_limits(np.array([0.0])) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (4, "4"),
        (1024, "1024"),
        (0.00125, "0.00125"),
        (-2, "−2"),
        (1e-5, "$10^{-5}$"),
        (2e6, r"$2\cdot10^{6}$"),
    ],
)
def test_ticks_are_plain_numbers(value, text):
    assert style.plain(value) == text


@pytest.mark.parametrize(
    ("settings", "ticks"),
    [
        ([4, 8, 16, 32, 64, 102, 256, 512, 1024], [4, 8, 16, 32, 64, 102, 256, 512, 1024]),
        ([4, 8, 16, 32, 64, 80, 256], [4, 8, 16, 32, 64, 256]),  # 80 is too near to 64
        ([2.0**i for i in range(13)], [4.0**i for i in range(7)]),  # 13 labels do not fit
        ([0.1], [0.1]),
    ],
)
def test_settings_get_a_tick_where_their_label_has_room(settings, ticks):
    assert style.thinned(np.array(settings)).tolist() == ticks


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
    ask = asked("against_setting", x="lr", y=[ERROR, LOSS][:panels], lines={"one": "g"})["figure"]
    figure = TypeAdapter(Figure).validate_python(ask)
    with style.paper_style():
        canvas = KINDS["against_setting"].picture(KINDS["against_setting"].table(rows, figure), figure)
        canvas.draw_without_rendering()
        for axes in canvas.axes:
            boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
            assert len(boxes) > 3
            assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize(
    ("lines", "ends"), [(1, 1.0), (2, 2**0.035), (3, 2**0.07), (5, 2**0.07), (12, 2**0.07)]
)
def test_lines_stand_side_by_side_within_five_percent(lines, ends):
    shifts = draw_settings.dodges(lines)
    assert len(shifts) == lines and len(set(shifts)) == lines
    assert (shifts[0], shifts[-1]) == pytest.approx((1 / ends, ends))
    assert ends < 1.05


def test_twelve_lines_look_different():
    found = style.looks([str(i) for i in range(12)])
    assert len(set(found.values())) == 12


def test_bad_inputs(rows, write_table, tmp_path):
    with pytest.raises(ValueError, match="figure f: wanted arm absent; got none"):
        draw(asked("rates", lines={"x": "absent"}), write_table(rows), tmp_path / "f")
    with pytest.raises(ValueError, match="one arm for each lr of sweep"):
        draw(asked("against_setting", x="lr"), write_table(rows), tmp_path / "f")
    with pytest.raises(ValueError, match="kind"):
        draw({"experiment": "e", "figure": {"kind": "pie"}}, write_table(rows), tmp_path / "f")
    assert not list(tmp_path.glob("f.*"))
