import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh

from largebatch.cli import main
from largebatch.figures import style
from largebatch.figures.robustness import NOTHING, picture, table
from largebatch.judging.robustness import CHANGE_COLUMNS, COLUMNS

CHANGES = [
    *(("correction", "no correction"), ("correction", "Holm over the ledger"), ("test", "Wilcoxon")),
    *(("seeds", f"without seed {seed}") for seed in range(11)),
    ("overlap", "overlap corrected"),
]


@pytest.fixture
def both():
    """Robustness and single changes: B hangs on seed 10, C on its overlap; A, without one, is robust."""
    rows = [
        ("A", "supported", 1.0, "robust", {}),
        ("B", "supported", 0.8, "fragile", {"without seed 10": "inconclusive"}),
        ("C", "contradicted", 0.6, "fragile", {"overlap corrected": "mixed"}),
    ]
    found = [
        {"of": of, "id": id, "verdict": verdict, "variants": 9, "agree": agree, "robust": robust}
        for id, verdict, agree, robust, _ in rows
        for of in ("claim", "statement")
    ]
    found.append({"of": "statement", "id": "D", "verdict": "not_run", "variants": 0, "robust": ""})
    changes = [
        ("statement", id, verdict, *change, other.get(change[1], verdict))
        for id, verdict, _, _, other in rows
        for change in CHANGES
        if id != "A" or change[0] != "overlap"
    ]
    return pd.DataFrame(found, columns=list(COLUMNS)), pd.DataFrame(changes, columns=list(CHANGE_COLUMNS))


def test_statements_by_verdict_and_the_least_agreed_first(both):
    drawn = table(*both)
    assert drawn["statement"].drop_duplicates().tolist() == ["B", "A", "C"]
    other = drawn[drawn["changed_to"] != ""]
    assert other[["statement", "change", "changed_to"]].to_numpy().tolist() == [
        ["B", "without seed 10", "inconclusive"],
        ["C", "overlap corrected", "mixed"],
    ]


def test_a_field_for_each_change_and_a_bar_for_each_statement(both):
    with style.paper_style():
        fields, bars = picture(table(*both)).axes
    (mesh,) = (each for each in fields.collections if isinstance(each, QuadMesh))
    labels = [label.get_text() for label in fields.get_xticklabels()]
    assert labels[:4] == ["no correction", "Holm over the ledger", "Wilcoxon", "overlap corrected"]
    assert labels[4:] == [f"without seed {seed}" for seed in range(11)]
    values = mesh.get_array()
    assert values.shape == (3, 15)
    assert np.argwhere(values.filled(0) > 0).tolist() == [[0, 14], [2, 3]]
    assert np.argwhere(values.mask).tolist() == [[1, 3]]  # A has no overlap
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([80, 100, 60])
    assert (
        bars.patches[0].get_facecolor() == bars.patches[2].get_facecolor() != bars.patches[1].get_facecolor()
    )


def test_the_command_writes_all_files_and_the_same_bytes_twice(both, tmp_path):
    both[0].to_csv(tmp_path / "robustness.csv", index=False)
    both[1].to_csv(tmp_path / "single_changes.csv", index=False)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        words = [
            "--robustness",
            tmp_path / "robustness.csv",
            "--scale",
            "s",
            "--stem",
            tmp_path / name / "robustness",
        ]
        assert main(["robustness", *map(str, words)]) == 0
    found = {path.suffix: path for path in (tmp_path / "a").glob("*.*") if path.is_file()}
    assert found.keys() == {".csv", ".json", ".pdf", ".png", ".svg", ".txt"}
    assert all(path.read_bytes() == (tmp_path / "b" / path.name).read_bytes() for path in found.values())
    record = json.loads(found[".json"].read_text(encoding="utf-8"))
    assert record["inputs"].keys() == {"robustness.csv", "single_changes.csv"}
    assert "at least 90%" in found[".txt"].read_text(encoding="utf-8")


def test_without_any_verdict_that_follows_from_a_p(both):
    with style.paper_style():
        (text,) = picture(table(*(each.iloc[:0] for each in both))).texts
    assert text.get_text() == NOTHING


def test_files_that_are_missing_are_named(both, tmp_path, capsys):
    both[0].to_csv(tmp_path / "robustness.csv", index=False)
    words = ["--robustness", tmp_path / "robustness.csv", "--scale", "s", "--stem", tmp_path / "r"]
    assert main(["robustness", *map(str, words)]) == 1
    assert "single_changes.csv: wanted a csv file of single changes" in capsys.readouterr().err
