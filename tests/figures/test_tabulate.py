import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis.strategies import text
from scipy import stats

from largebatch import files
from largebatch.figures import tabulate as tables
from largebatch.figures.tabulate import tabulate
from largebatch.metrics import METRICS

ERROR = "test_error_percent"


@pytest.fixture
def written(helpers, write_table, tmp_path):
    rng = np.random.default_rng(0)
    a = helpers.arm(
        "a", {ERROR: {0.0: [90] * 5, 1.0: rng.normal(7, 0.3, 5)}, "hessian_trace": rng.normal(50, 5, 5)}
    )
    b = helpers.arm("b", {ERROR: {0.0: [90] * 5, 1.0: [2.5] * 5}})
    ask = {
        "experiment": "e",
        "table": {
            "name": "t",
            "caption": "Errors in %,\n a & b.",
            "rows": {"arm_a | 10 %": "a", "1/√t": "b"},
            "metrics": [ERROR, "hessian_trace"],
            "paper": {"1/√t": {ERROR: "23.60 ± 0.12"}},
        },
    }
    rows = pd.concat([a, b])
    tabulate(ask, write_table(rows), tmp_path / "e_t")
    return rows, tmp_path / "e_t", ask


@pytest.fixture
def cells_of(write_table, tmp_path):
    """Makes a table as tmp_path/t.*, and reads its cells."""

    def cells_of(observations, **table):
        table = {"name": "t", "caption": "c", "rows": {"r": "a"}, "metrics": [ERROR]} | table
        tabulate({"experiment": "e", "table": table}, write_table(observations), tmp_path / "t")
        return tables.read_cells(tmp_path / "t.csv")

    return cells_of


def test_csv_holds_scipys_intervals_and_the_papers_numbers(written):
    rows, stem, _ = written
    cells = tables.read_cells(stem.with_suffix(".csv"))
    assert tuple(cells.columns) == tables.COLUMNS
    values = rows[(rows["arm"] == "a") & (rows["metric"] == ERROR) & (rows["at"] == 1)]["value"]
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert cells.loc[0, ["n", "mean", "low", "high"]].tolist() == pytest.approx(
        [5, values.mean(), interval.low, interval.high]
    )
    assert cells["n"].tolist() == [5, 5, 5, 0]
    assert cells["paper"].tolist() == ["", "", "23.60 ± 0.12", ""]


def test_markdown_rounds_the_same_numbers(written):
    _, stem, _ = written
    cells = tables.read_cells(stem.with_suffix(".csv"))
    text = stem.with_suffix(".md").read_text(encoding="utf-8")
    mean, half = map(float, re.search(r"\| (\d+\.\d+) ± (0\.\d+) \|", text).groups())
    assert half == pytest.approx((cells.loc[0, "high"] - cells.loc[0, "low"]) / 2, rel=0.05)
    assert mean == pytest.approx(cells.loc[0, "mean"], abs=half / 10)
    assert "|  | test error (%) | paper: test error (%) | Hessian trace |" in text
    assert "| 1/√t | 2.5 ± 0 | 23.60 ± 0.12 | – |" in text
    assert r"arm\_a \| 10 %" in text
    assert (
        tables.caption_of(text)
        == "Errors in %, a & b. Mean ± half of the 95 % interval (Student t) over 5 seeds."
    )
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines()[2:]}
    assert len(widths) == 1


def test_tex_escapes_what_latex_would_read(written):
    _, stem, _ = written
    text = stem.with_suffix(".tex").read_text(encoding="utf-8")
    assert r"\caption{Errors in \%, a \& b. Mean" in text
    assert r"1/$\surd$t & 2.5 $\pm$ 0 & 23.60 $\pm$ 0.12 & -- \\" in text
    assert r"test error (\%) & paper: test error (\%) & Hessian trace \\" in text
    assert r"arm\_a" in text
    assert r"\begin{tabular}{lrrr}" in text
    assert text.isascii()
    assert not re.search(r"(?<!\\)%", text)


# label -> in LaTeX, in Markdown
ODD = {
    "$5 & $6": (r"\$5 \& \$6", r"\$5 \& \$6"),
    "cost $_$": (r"cost \$\_\$", r"cost \$\_\$"),
    "a|b": (r"a\textbar{}b", r"a\|b"),
    r"\|": (r"\textbackslash{}\textbar{}", r"\\\|"),
    "*best*": (r"{}*best*", r"\*best\*"),
    "[4pt] x": (r"{}[4pt] x", r"\[4pt\] x"),
    "<b>#1</b>": (r"$<$b$>$\#1$<$/b$>$", r"\<b\>\#1\</b\>"),
    "&amp; 100 %": (r"\&amp; 100 \%", r"\&amp; 100 %"),
    "a--b---c": (r"a-{}-b-{}-{}-c", "a--b---c"),
    "''x'' `y`": (r"'{}'x'{}' \textasciigrave{}y\textasciigrave{}", r"''x'' \`y\`"),
    "~x^{2}~": (
        r"\textasciitilde{}x\textasciicircum{}\{2\}\textasciitilde{}",
        r"\~x^{2}\~",
    ),
    "NA": ("NA", "NA"),
    "None": ("None", "None"),
    "nan": ("nan", "nan"),
}


def test_labels_are_shown_as_they_are_written(helpers, cells_of, tmp_path):
    """In the csv that pages read, in Markdown and in LaTeX; so are captions."""
    caption = " ".join(ODD)
    cells = cells_of(helpers.arm("a", {ERROR: [3.0]}), caption=caption, rows=dict.fromkeys(ODD, "a"))
    assert cells["row"].tolist() == list(ODD)
    said = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert tables.caption_of(said).startswith(f"{caption} Mean ")
    rows = [line for line in said.splitlines() if "(n = 1)" in line]
    assert rows == [f"| {shown} | 3 (n = 1) |" for _, shown in ODD.values()]
    rows = [
        line for line in (tmp_path / "t.tex").read_text(encoding="utf-8").splitlines() if "(n = 1)" in line
    ]
    assert rows == [rf"    {shown} & 3 (n = 1) \\" for shown, _ in ODD.values()]


@given(text())
def test_a_caption_is_read_as_it_was_written(caption):
    caption = tables.one_line(caption)
    said = tables.markdown(caption, ["", "x"], [["r", "1"]])
    assert tables.caption_of(said) == caption


@pytest.mark.parametrize("label", METRICS.values())
def test_latex_can_print_every_label(label):
    assert tables.escape_tex(label).isascii()


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (97.8123, 0.0723, "97.812 ± 0.072"),
        (12345.6, 123.4, "12350 ± 120"),
        (3584.0, 0.0, "3584 ± 0"),
        (0.0, 0.0, "0 ± 0"),
        (-1.69, 0.0, "−1.69 ± 0"),
        (-0.5, 0.25, "−0.50 ± 0.25"),
        (1.234e-6, 4.5e-8, "(1.234 ± 0.045) × 10⁻⁶"),
        (2.0e9, 1.0e9, "(2.0 ± 1.0) × 10⁹"),
        (0.0, 0.0123, "0.000 ± 0.012"),
    ],
)
def test_rounding(mean, half, text):
    assert tables.with_half_width(mean, half) == text


def test_a_training_time_has_no_interval(helpers, cells_of, tmp_path):
    """It is one measurement, divided among the seeds."""
    cells_of(helpers.arm("a", {"train_seconds": [1.5, 1.5]}), metrics=["train_seconds"])
    assert "| r | 1.5 (n = 2) |" in (tmp_path / "t.md").read_text(encoding="utf-8")


def test_a_position_is_for_profiles_and_other_metrics_are_read_at_the_end(helpers, cells_of):
    profile = {0.001: [10.0, 12.0], 0.0005: [1.0, 3.0]}
    rows = helpers.arm("a", {"sharpness_percent": profile, ERROR: {0.0: [90, 90], 1.0: [4.0, 6.0]}})
    rows = pd.concat([rows, helpers.arm("b", {ERROR: {0.0: [90, 90], 1.0: [1.0, 2.0]}})])
    metrics = ["sharpness_percent", ERROR]
    cells = cells_of(rows, rows={"r": "a", "q": "b"}, metrics=metrics, at={"value": 0.0005})
    assert cells["mean"].tolist()[:2] == [2.0, 5.0]
    assert cells["n"].tolist() == [2, 2, 0, 2]


def test_a_table_at_a_training_loss(helpers, cells_of):
    metrics = {"train_loss_nats": {0.0: [1, 1], 1.0: [0.01, 0.01]}, ERROR: {0.0: [9, 7], 1.0: [5, 1]}}
    cells = cells_of(helpers.arm("a", metrics), at={"train_loss_nats": 0.1})
    assert cells["mean"].tolist() == pytest.approx([5.5])


def test_the_same_bytes_twice(written, tmp_path):
    _, stem, ask = written
    tabulate(ask, tmp_path / "observations.parquet", tmp_path / "again")
    for ending in (".csv", ".md"):
        assert stem.with_suffix(ending).read_bytes() == (tmp_path / "again").with_suffix(ending).read_bytes()


def test_bad_inputs(written, tmp_path):
    _, _, ask = written
    absent = ask["table"] | {"rows": {"r": "absent"}, "paper": {}}
    with pytest.raises(ValueError, match="table t: wanted arm absent; got none"):
        tabulate(ask | {"table": absent}, tmp_path / "observations.parquet", tmp_path / "t")
    (tmp_path / "bad.csv").write_text("row,n\n", encoding="utf-8")
    (tmp_path / "empty.csv").touch()
    for name in ("bad.csv", "empty.csv", "none.csv"):
        with pytest.raises(ValueError, match=f"{name}: wanted"):
            tables.read_cells(tmp_path / name)


def test_over_a_setting_a_group_has_a_row_for_each_value(helpers, cells_of):
    rows = helpers.group("g", "batch_size", {b: {ERROR: [b, b + 2]} for b in (16, 4)})
    cells = cells_of(rows, rows={"tuned": "g"}, over="batch_size")
    assert cells["row"].tolist() == ["tuned, batch size 4", "tuned, batch size 16"]
    assert cells["mean"].tolist() == [5, 17]


def test_rows_of_one_arm_are_read_at_their_own_positions(helpers, cells_of, tmp_path):
    rows = helpers.arm("e.a", {"worked_value": {1.0: [0.96] * 3, 2.0: [0.98] * 3}, "worked_error": [0.0] * 3})
    labels = {"update 1": 1, "update 2": 2, "update 9": 9}
    table = {"rows": dict.fromkeys(labels, "e.a"), "positions": labels}
    paper = {"update 1": {"worked_value": ".960"}}
    cells_of(rows, **table, metrics=["worked_value", "worked_error"], paper=paper)
    said = (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()
    assert said[-3:] == [
        "| update 1 | 0.96 ± 0 | .960 | 0 ± 0 |",
        "| update 2 | 0.98 ± 0 | – | 0 ± 0 |",
        "| update 9 | – | – | 0 ± 0 |",
    ]


def test_a_table_says_where_it_comes_from(written):
    _, stem, _ = written
    record = files.read_json(stem.with_suffix(".json"))
    assert record["stage"] == "tabulate" and list(record["inputs"]) == ["observations.parquet"]
    assert record["settings"]["table"]["name"] == "t" and "commit" in record
