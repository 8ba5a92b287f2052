import json
from itertools import pairwise, product
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from scipy import stats

from largebatch.question import Figure
from largebatch.study import draw as drawing
from largebatch.study import draw_curves, draw_heat_map, draw_settings, draw_surface, draw_walks, style
from largebatch.study.citation import metadata
from largebatch.study.draw import KINDS, draw
from largebatch.surfaces import SURFACES

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
    line = {at: rng.uniform(1, 2, 3) * (0.1 + at**2) for at in (-1.0, 0.0, 1.0, 2.0)}
    path = helpers.arm("path", {"path_loss_nats": line, "path_accuracy_percent": line})
    plane = helpers.arm("plane", plane_metrics(lambda x, y: [1 + x * x, 1 + y * y, 1.0]))
    sweep = helpers.group("sweep", "batch_size", sizes)
    ends = {"small": ([2, 2, 3], 4), "large": ([4, 5, 6], 1), "sam": ([3, 3, 3], 2), "longer": ([5, 5, 6], 8)}
    gap = [helpers.arm(arm, {ERROR: e, "train_seconds": [s] * 3}) for arm, (e, s) in ends.items()]
    cells = [cells_of(helpers, size, (0.0025, 0.005, 0.01, 0.02), rng) for size in (8, 16, 32, 64)]
    walks = [walk(helpers, way, far) for way, far in (("bowl_full", 0), ("bowl_mini", 0.5), ("trap_full", 1))]
    return pd.concat([arm("a", 8, 2), arm("b", 256, 4), sweep, path, plane, *gap, *cells, *walks])


def walk(helpers, way, far, seeds=3):
    """An arm from (-2, 1) over (0, 1) to (far * seed, 0)."""
    ends = [far * seed for seed in range(seeds)]
    x = {0.0: [-2] * seeds, 4.0: [0] * seeds, 8.0: ends}
    y = {0.0: [1] * seeds, 4.0: [1] * seeds, 8.0: [0] * seeds}
    return helpers.arm(f"surfaces.{way}", {"path_x": x, "path_y": y})


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


def plane_metrics(loss, side=(-1.0, 0.0, 1.0)):
    """The metrics of a grid of side x side points; loss: (x, y) -> (seeds,)."""
    points = list(enumerate(product(side, side)))
    seeds = len(loss(0.0, 0.0))
    return {
        "plane_x": {float(i): [x] * seeds for i, (x, _) in points},
        "plane_y": {float(i): [y] * seeds for i, (_, y) in points},
        "plane_loss_nats": {float(i): loss(x, y) for i, (x, y) in points},
    }


FIGURES = {
    "against_setting": {
        "x": "batch_size",
        "y": [ERROR, "hessian_trace"],
        "lines": {"one": "sweep", "two": "sweep"},
    },
    "curves": {"x": "update", "y": [LOSS, ERROR], "log_y": True, "lines": {"one": "a", "two": "b"}},
    "rates": {"lines": {"one": "a", "two": "b"}},
    "finals": {"y": LOSS, "at": {"share": 0.5}, "lines": {"one": "a", "two": "b"}},
    "profile": {
        "y": ["path_loss_nats", "path_accuracy_percent"],
        "x_label": "α",
        "lines": {"one": "path"},
        "marks": {"start": 0.0, "end": 1.0},
        "log_y": True,
    },
    "surface": {"lines": {"one": "plane", "two": "plane"}},
    "heat_map": {
        "y": [ERROR, "hessian_trace"],
        "lines": {f"batch {size}": f"cells_{size}" for size in (8, 16, 32, 64)},
        "diagonals": True,
    },
    "gap_closed": {"y": ERROR, "small": "small", "large": "large", "lines": {"long": "longer", "SAM": "sam"}},
    "walks": {
        "panels": {
            "trap": {"full batch": "surfaces.trap_full"},
            "bowl": {"mini-batch": "surfaces.bowl_mini", "full batch": "surfaces.bowl_full"},
        }
    },
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
    assert caption.startswith("What is drawn. ") and " over 3 seeds." in caption
    assert ("95 % intervals (Student t)" in caption) == (kind not in ("surface", "walks"))
    record = json.loads(contents[0]["e_f.json"])
    assert record["stage"] == "draw" and list(record["inputs"]) == ["observations.parquet"]


# Text that means something else to matplotlib, XML, LaTeX or Markdown.
ODD = [
    "$5 & $6",
    "cost $_$",
    "a $ alone",
    r"\$5 \\ $\alpha$ \q",
    "_hidden",
    "__x__",
    "a_b^c{d}%#~",
    "<b>1 < 2</b> &amp; 'x' \"y\"",
    "a--b-->",
    "a|b",
    "None",
    "1e5",
    "größer √2 ± ≤ Ж",
]


def relabelled(kind: str, labels: list[str]) -> dict:
    """A figure of this kind with these labels of lines, positions and axes."""
    figure = FIGURES[kind]
    if kind == "walks":
        return asked(kind, panels={"bowl": dict.fromkeys(labels, "surfaces.bowl_mini")})
    more = {"x_label": labels[0], "marks": dict.fromkeys(labels, 0.0)} if kind == "profile" else {}
    return asked(kind, **more, lines=dict.fromkeys(labels, next(iter(figure["lines"].values()))))


@pytest.fixture
def texts_of(monkeypatch, tmp_path):
    """Draws a figure, as SVG alone; gives its texts as a reader sees them."""
    monkeypatch.setitem(style.RC, "svg.fonttype", "none")
    monkeypatch.setattr(drawing, "metadata", lambda citation: {"svg": metadata(citation)["svg"]})

    def draw_and_read(ask: dict, table: Path) -> list[str]:
        draw(ask, table, tmp_path / "f")
        found = ElementTree.parse(tmp_path / "f.svg").iter("{http://www.w3.org/2000/svg}text")
        return ["".join(text.itertext()).replace("\u200b", "") for text in found]

    return draw_and_read


@pytest.mark.parametrize("labels", [ODD, ["_hidden", "$5 & $6"], ["cost $_$"]], ids=["many", "two", "one"])
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"heat_map"}))  # which shows no labels
def test_labels_are_shown_as_they_are_written(rows, write_table, texts_of, tmp_path, kind, labels):
    shown = texts_of(relabelled(kind, labels), write_table(rows))
    assert set(labels) <= set(shown)
    if kind == "profile":  # in the legend, at each mark of each panel, under each panel
        assert shown.count(labels[0]) == 1 + 2 + 2
    table = pd.read_csv(tmp_path / "f.csv", keep_default_na=False, dtype=str)
    assert set(labels) <= set(table["line"])  # without what matplotlib needs
    assert "\u200b" not in (tmp_path / "f.txt").read_text()


def test_a_mark_on_a_setting_is_shown_as_it_is_written(rows, write_table, texts_of):
    ask = asked("against_setting", y=[ERROR], marks={label: {"arm": "small"} for label in ODD[:2]})
    assert set(ODD[:2]) <= set(texts_of(ask, write_table(rows)))


def test_powers_of_ten_are_still_mathematics(helpers, write_table, texts_of):
    lines = {f"$a{i} $b": f"arm_{i}" for i in range(2)}
    arms = [helpers.arm(arm, {ERROR: [10.0 ** (5 + 3 * i)] * 3}) for i, arm in enumerate(lines.values())]
    shown = texts_of(asked("finals", y=ERROR, at=None, lines=lines), write_table(*arms))
    assert set(lines) <= set(shown) and not any("^" in text for text in shown)


def test_a_letter_that_the_font_lacks_is_named(rows, write_table, texts_of, tmp_path):
    with pytest.raises(
        ValueError, match=r"f: wanted labels of letters that DejaVu Sans has; got: Glyph 28450"
    ):
        texts_of(relabelled("finals", ["漢"]), write_table(rows))
    assert not (tmp_path / "f.svg").exists()


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


def test_a_profile_shows_the_recomputed_means(rows, write_table, tmp_path):
    found = drawn(rows, write_table, tmp_path, asked("profile"))
    assert found.columns.tolist() == ["metric", "line", "arm", "at", "n", "mean", "low", "high"]
    assert found["at"].tolist() == [-1, 0, 1, 2] * 2
    for _, row in found.iterrows():
        same_interval(row, rows[(rows["metric"] == row["metric"]) & (rows["at"] == row["at"])]["value"])


def test_a_profile_says_its_ends_and_where_it_is_best(helpers, write_table, tmp_path):
    profile = {-1.0: [3, 5], 0.0: [1, 1], 2.0: [6, 6]}
    loss, accuracy = "path_loss_nats", "path_accuracy_percent"
    rows = helpers.arm("p", {loss: profile, accuracy: profile})
    draw(asked("profile", lines={"one": "p"}), write_table(rows), tmp_path / "f")
    text = (tmp_path / "f.txt").read_text()
    ends = "one from 4 [−8.706, 16.71] at −1 to 6 [6, 6] at 2"
    assert f"Training loss on the line (nats): {ends}, lowest at 0: 1 [1, 1]." in text
    assert f"Training accuracy on the line (%): {ends}, highest at 2." in text


@pytest.mark.parametrize(("metrics", "panels"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (4, (2, 2))])
def test_a_profile_has_a_panel_a_metric_and_its_marks(helpers, metrics, panels):
    names = ["path_loss_nats", "path_accuracy_percent", "path_test_loss_nats", "path_test_accuracy_percent"]
    positions = np.linspace(-1, 2, 25)
    rows = helpers.arm("p", {name: {at: [1 + at**2, 2 + at**2] for at in positions} for name in names})
    ask = asked("profile", y=names[:metrics], lines={"one": "p"}, log_y=False)["figure"]
    figure = TypeAdapter(Figure).validate_python(ask)
    with style.paper_style():
        canvas = KINDS["profile"].picture(KINDS["profile"].table(rows, figure), figure)
        canvas.draw_without_rendering()
    shown = [axes for axes in canvas.axes if axes.axison]
    assert len(shown) == metrics and shown[0].get_gridspec().get_geometry() == panels
    for axes in shown:
        assert [text.get_text() for text in axes.texts] == ["start", "end"]
        curve = max((line.get_ydata().max() for line in axes.lines if len(line.get_ydata()) > 2), default=0)
        lowest = min(text.get_window_extent().y0 for text in axes.texts)
        assert axes.transData.transform((0, curve))[1] < lowest  # labels stand above the data


def profile_canvas(helpers, values, **settings):
    ask = asked("profile", y=list(values), lines={"one": "p"}, marks={}, **settings)["figure"]
    figure = TypeAdapter(Figure).validate_python(ask)
    with style.paper_style():
        canvas = KINDS["profile"].picture(KINDS["profile"].table(helpers.arm("p", values), figure), figure)
        canvas.draw_without_rendering()
    return canvas


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


def test_a_plane_shows_the_mean_and_says_middle_and_rim(rows, write_table, tmp_path):
    found = drawn(rows, write_table, tmp_path, asked("surface"))
    assert len(found) == 18
    assert found["mean"].tolist() == pytest.approx(1 + (found["x"] ** 2 + found["y"] ** 2) / 3)
    text = (tmp_path / "f.txt").read_text()
    assert "one: 1 [1, 1] in the middle, 1.333 to 1.667 at the rim." in text


def test_a_plane_with_a_hole_is_an_error(rows, write_table, tmp_path):
    whole = rows[~((rows["metric"] == "plane_loss_nats") & (rows["at"] == 4))]
    with pytest.raises(ValueError, match="figure f: wanted a full grid of plane_loss_nats of arm plane"):
        draw(asked("surface"), write_table(whole), tmp_path / "f")


@pytest.mark.parametrize("losses", [[0.5, 0.5], [1e-9, 1e9], [0.0, 3.0], [0.0, 0.0]])
def test_colours_cover_every_loss(losses):
    levels = draw_surface.levels_of(np.array(losses))
    assert (np.diff(levels) > 0).all()
    assert levels[-1] >= max(losses)
    assert np.diff(np.log(levels)) == pytest.approx(np.log(levels[-1] / levels[0]) / 12)


def test_walks_show_the_paths_of_the_first_seeds(helpers, write_table, tmp_path):
    ask = asked("walks", panels={"bowl": {"one": "surfaces.bowl_full"}})
    found = drawn(walk(helpers, "bowl_full", 1, seeds=5), write_table, tmp_path, ask)
    assert found.columns.tolist() == ["surface", "line", "arm", "seed", "at", "x", "y", "n"]
    assert found["seed"].tolist() == [0] * 3 + [1] * 3 + [2] * 3 and (found["n"] == 3).all()
    assert found["at"].tolist() == [0, 4, 8] * 3
    assert found["x"].tolist() == [-2, 0, 0, -2, 0, 1, -2, 0, 2]
    assert found["y"].tolist() == [1, 1, 0] * 3
    text = (tmp_path / "f.txt").read_text()
    assert text == (
        "What is drawn. Lines are paths from the dot to a marker, one a seed, over 3 seeds. "
        "Darker is higher. Loss at the ends on the bowl: one 0 to 2.\n"
    )


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
    assert legend == [("full batch", style.COLOURS[0]), ("mini-batch", style.COLOURS[1])]
    assert colours_of_paths(trap) == [style.COLOURS[0]] * 3
    assert sorted(colours_of_paths(bowl)) == [style.COLOURS[0]] * 3 + [style.COLOURS[1]] * 3
    starts = [tuple(map(float, line.get_xydata()[0])) for line in bowl.lines if line.get_marker() == "."]
    assert starts == [(-2, 1)]
    ends = [line.get_xydata()[0].tolist() for line in bowl.lines if line.get_marker() == "s"]
    assert sorted(ends) == [[0, 0], [0.5, 0], [1, 0]]


def entries(canvas):
    (legend,) = canvas.legends
    return zip(legend.get_texts(), legend.get_lines(), strict=True)


def colours_of_paths(axes):
    return [line.get_color() for line in axes.lines if len(line.get_xdata()) == 3]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(("far", "cut"), [(0.0, False), (5.0, False), (1e6, True)])
def test_walks_are_inside_their_panel_unless_they_run_away(helpers, write_table, tmp_path, surface, far, cut):
    rows = walk(helpers, f"{surface}_full", far)
    panels = {surface: {"one": f"surfaces.{surface}_full"}}
    found = drawn(rows, write_table, tmp_path, asked("walks", panels=panels))
    (axes,) = canvas_of("walks", rows, panels=panels).axes
    low, high = axes.get_xlim()
    assert (found["x"].min() >= low and found["x"].max() <= high) is not cut
    assert low <= SURFACES[surface].bounds[0] and high >= SURFACES[surface].bounds[1]
    said = f"Paths leave the panel: {surface}." in (tmp_path / "f.txt").read_text()
    assert said is cut


@pytest.mark.parametrize(
    "lost",
    [lambda rows: rows["metric"] == "path_y", lambda rows: (rows["metric"] == "path_y") & (rows["at"] == 8)],
    ids=["a weight", "a point of a weight"],
)
def test_walks_want_both_weights_everywhere(rows, write_table, tmp_path, lost):
    left = rows[~(lost(rows) & (rows["arm"] == "surfaces.bowl_mini"))]
    with pytest.raises(ValueError, match=r"figure f: wanted .*path_y of arm surfaces\.bowl_mini"):
        draw(asked("walks"), write_table(left), tmp_path / "f")


@pytest.mark.parametrize(
    ("panels", "text"),
    [
        (
            {"bowl": {"one": "surfaces.trap_full"}},
            r"panels.bowl of arms <exhibit>.bowl_<way>; got .*trap_full",
        ),
        ({"bowl": {"one": "surfaces.bowl"}}, "panels.bowl of arms"),
        ({"hill": {"one": "surfaces.hill_full"}}, "'bowl', 'ravine', 'saddle' or 'trap'"),
        ({"bowl": {}}, "at least 1 item"),
        ({}, "at least 1 item"),
    ],
)
def test_walks_on_another_surface_or_none(rows, write_table, tmp_path, panels, text):
    with pytest.raises(ValueError, match=text):
        draw(asked("walks", panels=panels), write_table(rows), tmp_path / "f")


@pytest.mark.parametrize("log_y", [False, True])
def test_what_one_seed_has_is_a_plain_line_in_a_profile(helpers, write_table, tmp_path, log_y):
    one, more = {0.0: [3.0], 1.0: [2.0], 2.0: [1.0]}, {0.0: [3, 5], 1.0: [2, 4], 2.0: [1, 2]}
    rows = pd.concat([helpers.arm("p", {"xor_loss": one}), helpers.arm("q", {"xor_loss": more})])
    both = {"y": ["xor_loss"], "lines": {"single": "p", "several": "q"}, "marks": {}, "log_y": log_y}
    found = drawn(rows, write_table, tmp_path, asked("profile", **both)).set_index("line")
    single = found.loc["single"]
    assert (single["n"] == 1).all() and single["mean"].tolist() == [3, 2, 1]
    assert single[["low", "high"]].isna().all(axis=None)
    assert found.loc["several", ["low", "high"]].notna().all(axis=None)
    text = (tmp_path / "f.txt").read_text()
    assert " over 1 to 2 seeds." in text and "single from 3 at 0 to 1 at 2," in text
    assert text.endswith(" Of one seed, without a band: single.\n")
    (axes,) = canvas_of("profile", rows, **both).axes
    bands = [len(band.get_paths()) for band in axes.collections]
    assert bands == [0, 1]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3, 2, 1], [4, 3, 1.5]]
    alone = both | {"lines": {"single": "p"}}
    drawn(rows, write_table, tmp_path, asked("profile", **alone))
    assert " over 1 seed. " in (tmp_path / "f.txt").read_text()
    (axes,) = canvas_of("profile", rows, **alone).axes
    low, high = axes.get_ylim()
    assert low < 1 and 3 < high < 5


def canvas_of(kind, rows, **changes):
    """The figure, laid out."""
    figure = TypeAdapter(Figure).validate_python(asked(kind, **changes)["figure"])
    with style.paper_style():
        canvas = KINDS[kind].picture(KINDS[kind].table(rows, figure), figure)
        canvas.draw_without_rendering()
    return canvas


def test_a_heat_map_has_a_cell_an_arm_at_its_peak_rate(rows, write_table, tmp_path):
    found = drawn(rows, write_table, tmp_path, asked("heat_map"))
    columns = ["metric", "arm", "batch_size", "learning_rate", "n", "mean", "low", "high"]
    assert found.columns.tolist() == columns
    rates = [size * ratio for size in (8, 16, 32, 64) for ratio in (0.0025, 0.005, 0.01, 0.02)]
    assert found["learning_rate"].tolist() == pytest.approx(rates * 2)
    assert found["learning_rate"].nunique() == 7  # equal ones to the last bit
    for _, row in found.iterrows():
        of_cell = rows[(rows["arm"] == row["arm"]) & (rows["metric"] == row["metric"])]
        same_interval(row, of_cell["value"])


def test_a_heat_map_says_its_ends_and_what_is_blank(helpers, write_table, tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.concat(
        helpers.arm(f"g[{lr}]", {ERROR: [e, e]}, group="g", batch_size=size, lr_over_batch=lr / size)
        for size, lr, e in ((8, 0.1, 3), (8, 0.2, 1), (16, 0.4, 2))
    )
    lines = {"cells": "g"}
    found = drawn(rows, write_table, tmp_path, asked("heat_map", y=[ERROR], lines=lines))
    assert len(found) == 3
    text = (tmp_path / "f.txt").read_text()
    ends = "lowest: batch size 8 at rate 0.2, 1 [1, 1]; highest: batch size 8 at rate 0.1, 3 [3, 3]."
    assert f"Test error (%): {ends} Blank places were not run. Diagonal lines: equal learning rate" in text
    whole = pd.concat([cells_of(helpers, size, (0.08 / size, 0.16 / size), rng) for size in (8, 16)])
    lines = {"one": "cells_8", "two": "cells_16"}
    drawn(whole, write_table, tmp_path, asked("heat_map", lines=lines, diagonals=False))
    text = (tmp_path / "f.txt").read_text()
    assert "Blank" not in text and "Diagonal" not in text


def test_numbers_of_a_heat_map_fit_their_cells_and_labels_of_diagonals_do_not_meet(rows):
    canvas = canvas_of("heat_map", rows)
    for axes in canvas.axes[:2]:
        cells = {tuple(np.round(p.get_center(), 6)): p.get_window_extent() for p in axes.patches}
        assert (
            len(cells) == 16 and len({(round(c.width, 3), round(c.height, 3)) for c in cells.values()}) == 1
        )
        numbers = [text for text in axes.texts if text.get_rotation() == 0]
        assert len(numbers) == 16
        for number in numbers:
            cell, box = cells[tuple(np.round(number.get_position(), 6))], number.get_window_extent()
            assert cell.x0 < box.x0 < box.x1 < cell.x1 and cell.y0 < box.y0 < box.y1 < cell.y1
        labels = [text for text in axes.texts if text.get_rotation() != 0]
        assert [label.get_text() for label in labels] == ["0.0025", "0.005", "0.01", "0.02"]
        boxes = [label.get_window_extent() for label in labels]
        assert not any(one.overlaps(cell) for one in boxes for cell in cells.values())
        assert all(lower.y1 < upper.y1 and not lower.overlaps(upper) for lower, upper in pairwise(boxes))


def test_a_cell_that_never_gets_there_shows_a_dash(helpers, write_table, tmp_path):
    along = {ERROR: {0.0: [9, 9], 1.0: [1, 3]}}
    rows = pd.concat(
        helpers.arm(
            f"g[{lr}]", along | {LOSS: {0.0: [1, 1], 1.0: [end] * 2}}, group="g", lr_over_batch=lr / 8
        )
        for lr, end in ((0.1, 0.005), (0.2, 0.05))
    )
    ask = {"y": [ERROR], "at": {"train_loss_nats": 0.01}, "lines": {"cells": "g"}}
    found = drawn(rows, write_table, tmp_path, asked("heat_map", **ask))
    assert found["n"].tolist() == [2, 0]
    assert (tmp_path / "f.txt").read_text().endswith("No seed gets there of g[0.2].\n")
    assert [text.get_text() for text in canvas_of("heat_map", rows, **ask).axes[0].texts][1:] == ["–"]


def test_two_arms_in_one_place_of_a_heat_map(rows, write_table, tmp_path):
    with pytest.raises(ValueError, match="figure f: wanted one arm for each batch size and rate of"):
        draw(asked("heat_map", lines={"one": "cells_8", "two": "cells_8"}), write_table(rows), tmp_path / "f")


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


def test_a_gap_shows_paired_differences_and_ratios_of_times(rows, write_table, tmp_path):
    found = drawn(rows, write_table, tmp_path, asked("gap_closed"))
    assert found.columns.tolist() == ["line", "arm", "metric", "n", "mean", "low", "high"]
    assert found[["line", "metric"]].values.tolist() == [
        ["SAM", "closed"],
        ["long", "closed"],
        ["SAM", "cost"],
        ["long", "cost"],
        ["whole gap", "gap"],
    ]
    for row, differences in ((0, [1, 2, 3]), (1, [-1, 0, 0]), (4, [2, 3, 3])):
        same_interval(found.loc[row], differences)
    costs = found[found["metric"] == "cost"]
    assert costs["mean"].tolist() == [2, 8] and costs[["low", "high"]].isna().all(axis=None)
    text = (tmp_path / "f.txt").read_text()
    wanted = "SAM closes most: 2 [−0.4841, 4.484] of a gap of 2.667 [1.232, 4.101], test error (points), "
    assert wanted + "at 2 times the training time of the large batch." in text


def test_a_gap_of_accuracies_is_closed_upwards(helpers, write_table, tmp_path):
    accuracy = "test_accuracy_percent"
    rows = pd.concat(
        helpers.arm(arm, {accuracy: values, "train_seconds": [1, 1]})
        for arm, values in (("small", [98, 98]), ("large", [95, 96]), ("sam", [97, 97]))
    )
    found = drawn(rows, write_table, tmp_path, asked("gap_closed", y=accuracy, lines={"SAM": "sam"}))
    assert found["mean"].tolist() == [1.5, 1, 2.5]


@pytest.mark.parametrize("small", ["small", "longer"])
def test_the_ends_of_a_gap_are_labelled_side_by_side(rows, small):
    left, right = canvas_of("gap_closed", rows, small=small).axes
    boxes = [text.get_window_extent() for text in left.texts]
    assert len(boxes) == 2 and not boxes[0].overlaps(boxes[1])
    assert right.get_xscale() == "linear"


def test_a_gap_without_training_times(rows, write_table, tmp_path):
    with pytest.raises(ValueError, match="figure f: wanted metric train_seconds of arm longer; got none"):
        untimed = rows[(rows["metric"] != "train_seconds") | (rows["arm"] != "longer")]
        draw(asked("gap_closed"), write_table(untimed), tmp_path / "f")


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
def test_snapshots_have_a_place_between_evaluations(snapshots, write_table, tmp_path, x, places):
    ask = asked(
        "curves", x=x, y=["hessian_top_eigenvalue_by_epoch"], lines={"one": "a"}, level="stability_threshold"
    )
    found = drawn(snapshots, write_table, tmp_path, ask)
    along = found[found["metric"] != "stability_threshold"]
    assert along[x].tolist() == places and along["mean"].tolist() == [2, 6, 9]
    (level,) = [row for _, row in found[found["metric"] == "stability_threshold"].iterrows()]
    assert np.isnan(level[x]) and level["mean"] == 15
    text = (tmp_path / "f.txt").read_text()
    assert "Top Hessian eigenvalue at the end: one 9 [9, 9]." in text
    assert "Dashed horizontal lines: stability threshold (2 + 2β)/η, 15 of one." in text


@pytest.mark.parametrize("lines", [2, 9])
def test_a_level_is_drawn_in_the_first_metrics_panels_and_losses_fall_to_the_right(snapshots, lines):
    ask = asked(
        "curves",
        x=LOSS,
        y=["hessian_top_eigenvalue_by_epoch", LOSS],
        lines={f"line {i}": "a" for i in range(lines)},
        level="stability_threshold",
    )
    figure = TypeAdapter(Figure).validate_python(ask["figure"])
    canvas = KINDS["curves"].picture(KINDS["curves"].table(snapshots, figure), figure)
    shown = [axes for axes in canvas.axes if axes.axison]
    levels = [sum(len(set(line.get_ydata())) == 1 for line in axes.lines) for axes in shown]
    assert levels == ([2, 0] if lines == 2 else [1] * 9 + [0] * 9)
    for axes in shown:
        left, right = axes.get_xlim()
        assert left > right > 0 and axes.get_xscale() == "log"
        assert axes.get_ylim()[1] > (15 if axes in shown[: len(shown) // 2] else 8)


def test_finals_at_a_position(rows, write_table, tmp_path):
    found = drawn(
        rows,
        write_table,
        tmp_path,
        asked("finals", y="path_loss_nats", at={"value": 2}, lines={"one": "path"}),
    )
    same_interval(found.iloc[0], rows[(rows["metric"] == "path_loss_nats") & (rows["at"] == 2)]["value"])
    with pytest.raises(ValueError, match=r"path_loss_nats of arm path at 0.5 \(known at -1, 0, 1, 2\)"):
        draw(
            asked("finals", y="path_loss_nats", at={"value": 0.5}, lines={"one": "path"}),
            write_table(rows),
            tmp_path / "f",
        )


@pytest.mark.parametrize(
    ("floor", "n", "without"),
    [
        (0.1, [2, 2, 2], []),
        (0.01, [2, 0, 0], ["g[batch_size=8]", "late"]),
        (0.001, [0, 0, 0], ["g[batch_size=4]", "g[batch_size=8]", "late"]),
    ],
)
def test_arms_that_never_get_to_a_training_loss_leave_a_gap(
    helpers, write_table, tmp_path, floor, n, without
):
    def ends(loss):
        return {LOSS: {0.0: [1, 1], 1.0: [loss, loss]}, ERROR: {0.0: [9, 9], 1.0: [1, 3]}}

    rows = helpers.group("g", "batch_size", {4: ends(0.005), 8: ends(0.05)})
    rows = pd.concat([rows, helpers.arm("late", ends(0.05))])
    at = {"train_loss_nats": floor}
    ask = asked("against_setting", y=[ERROR], at=at, lines={"one": "g"}, baseline="late")
    found = drawn(rows, write_table, tmp_path, ask)
    assert found["n"].tolist() == n
    text = (tmp_path / "f.txt").read_text()
    assert text.endswith(f" No seed gets there of {', '.join(without)}.\n") == bool(without)


@pytest.mark.parametrize(("floor", "n", "without"), [(0.01, [2, 0], "late"), (0.001, [0, 0], "early, late")])
def test_finals_say_who_never_gets_to_a_training_loss(helpers, write_table, tmp_path, floor, n, without):
    rows = pd.concat(
        helpers.arm(arm, {LOSS: {0.0: [1, 1], 1.0: [end] * 2}, ERROR: {0.0: [9, 9], 1.0: [1, 3]}})
        for arm, end in (("early", 0.005), ("late", 0.05))
    )
    at, lines = {"train_loss_nats": floor}, {"one": "early", "two": "late"}
    found = drawn(rows, write_table, tmp_path, asked("finals", y=ERROR, at=at, lines=lines))
    assert found["n"].tolist() == n
    assert (tmp_path / "f.txt").read_text().endswith(f" No seed gets there of {without}.\n")


@pytest.mark.parametrize(("sizes", "scale"), [((0.0, 2.0, 5.0), "linear"), ((1.0, 2.0, 5.0), "log")])
def test_a_setting_of_nought_has_a_place(helpers, sizes, scale):
    rows = helpers.group("g", "growth_epoch", {s: {ERROR: [1, 2, 3]} for s in sizes})
    ask = asked("against_setting", x="growth_epoch", y=[ERROR], lines={"one": "g"})["figure"]
    figure = TypeAdapter(Figure).validate_python(ask)
    canvas = KINDS["against_setting"].picture(KINDS["against_setting"].table(rows, figure), figure)
    assert canvas.axes[0].get_xscale() == scale
    assert canvas.axes[0].get_xlabel() == "epoch at which the batch grows"


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


def test_a_guide_has_its_slope_and_a_mark_its_place(rows, write_table, tmp_path):
    mark = {"arm": "a", "metric": "updates", "at": {"share": 0.25}}
    ask = asked("against_setting", y=[ERROR], lines={"one": "sweep"}, exponent=-1.0, marks={"eight": mark})
    found = drawn(rows, write_table, tmp_path, ask)
    assert found.set_index("line").loc["eight", "mean"] == 8  # 8 updates an epoch, a quarter of 4 epochs
    assert "Upright: eight, 8" in (tmp_path / "f.txt").read_text()
    figure = TypeAdapter(Figure).validate_python(ask["figure"])
    (axes,) = KINDS["against_setting"].picture(KINDS["against_setting"].table(rows, figure), figure).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["eight"].get_xdata() == [8, 8]
    x, y = lines["slope −1"].get_data()
    assert x.tolist() == [4, 16]
    assert y[1] / y[0] == pytest.approx(1 / 4)


def test_finals_are_best_first_or_as_written(rows, write_table, tmp_path):
    lines = {"high": "a", "low": "b"}
    best = drawn(rows, write_table, tmp_path, asked("finals", y=LOSS, at=None, lines=lines))
    written = drawn(
        rows, write_table, tmp_path, asked("finals", y=LOSS, at=None, lines=lines, as_written=True)
    )
    assert best["mean"].is_monotonic_increasing
    assert written["line"].tolist() == ["high", "low"]


@pytest.mark.parametrize(("asked_for", "scale"), [(True, "log"), (False, "linear")])
def test_updates_are_logarithmic_where_asked(rows, asked_for, scale):
    ask = asked("curves", x="update", y=[LOSS], lines={"one": "a"}, log_x=asked_for)["figure"]
    figure = TypeAdapter(Figure).validate_python(ask)
    canvas = KINDS["curves"].picture(KINDS["curves"].table(rows, figure), figure)
    assert canvas.axes[0].get_xscale() == scale
