"""A diverged arm is data: it is drawn, tabulated and judged, and marked wherever it stands."""

import pandas as pd
import pytest
from pydantic import TypeAdapter

from largebatch.config.question import Figure
from largebatch.figures.draw import draw
from largebatch.figures.lost import MOST_NAMED, lost_seeds, sentence
from largebatch.figures.tabulate import read_cells, tabulate
from tests.shared.figures import ERROR, KINDS, asked

KEPT = ("updates", "diverged")  # what a run that diverged at once still says


def diverged(rows, arms, seeds):
    """The rows with how many of the seeds of these arms diverged."""
    said = [
        rows[rows["arm"] == arm].drop_duplicates("seed").assign(metric="diverged", at=None) for arm in arms
    ]
    ends = [of.assign(value=[float(seed in seeds) for seed in of["seed"]]) for of in said]
    return pd.concat([rows, *ends]).astype({"at": float})


def arms_of(kind, rows):
    """The arms that the example of a kind reads, of which it has all seeds."""
    figure = TypeAdapter(Figure).validate_python(asked(kind)["figure"])
    groups = {use.arm for use in figure.uses()}
    return list(rows.loc[rows["group"].isin(groups), "arm"].drop_duplicates())


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_that_diverged_is_marked_in_data_caption_and_picture(kind, rows, write_table, tmp_path):
    arm = arms_of(kind, rows)[0]
    draw(asked(kind), write_table(rows), tmp_path / "before")
    draw(asked(kind), write_table(diverged(rows, [arm], {1})), tmp_path / "f")
    before, caption = ((tmp_path / f"{stem}.txt").read_text(encoding="utf-8") for stem in ("before", "f"))
    assert caption.startswith(before.strip()) and " Diverged: " in caption and "(1 of 3 seeds)" in caption
    data = pd.read_csv(tmp_path / "f.csv")
    if "arm" in data:
        assert set(data.loc[data["arm"] == arm, "diverged"]) <= {1}
        assert set(data.loc[data["arm"] != arm, "diverged"]) <= {0}
        data = data.drop(columns="diverged")
    pd.testing.assert_frame_equal(data, pd.read_csv(tmp_path / "before.csv"))
    assert (tmp_path / "f.png").read_bytes() != (tmp_path / "before.png").read_bytes()


@pytest.mark.parametrize("every", [False, True], ids=["one arm", "every arm"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_arm_that_wholly_diverged_fails_no_figure(kind, every, rows, write_table, tmp_path):
    arms = arms_of(kind, rows) if every else arms_of(kind, rows)[:1]
    gone = rows["arm"].isin(arms) & ~rows["metric"].isin(KEPT)
    updates = rows[rows["arm"].isin(arms)].drop_duplicates(["arm", "seed"]).assign(metric="updates", at=0.0)
    left = pd.concat([rows[~gone], updates.assign(value=0.0)])
    draw(asked(kind), write_table(diverged(left, arms, {0, 1, 2})), tmp_path / "f")
    caption = (tmp_path / "f.txt").read_text(encoding="utf-8")
    assert " Diverged: " in caption and "(3 of 3 seeds)" in caption
    data = pd.read_csv(tmp_path / "f.csv")
    if "arm" in data and "n" in data:
        assert (data.loc[data["arm"].isin(arms), "n"] == 0).all()
    assert (tmp_path / "f.png").stat().st_size > 500


def test_a_table_marks_what_diverged(rows, write_table, tmp_path, helpers):
    rows = pd.concat([rows, helpers.arm("gone", {"updates": {0.0: [0, 0, 0]}})])
    rows = diverged(diverged(rows, ["a"], {2}), ["gone"], {0, 1, 2})
    table = {"name": "t", "caption": "What.", "rows": {"A": "a", "B": "b", "G": "gone"}, "metrics": [ERROR]}
    tabulate({"experiment": "e", "table": table}, write_table(rows), tmp_path / "t")
    cells = read_cells(tmp_path / "t.csv")
    assert cells["diverged"].tolist() == [1, 0, 3] and cells["n"].tolist() == [3, 3, 0]
    said = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "Diverged: A (1 of 3 seeds), G (3 of 3 seeds)" in said
    *_, a, b, gone = said.splitlines()
    assert a.endswith("(1 of 3 diverged) |") and "diverged" not in b and gone == "| G | diverged |"
    assert "(1 of 3 diverged)" in (tmp_path / "t.tex").read_text(encoding="utf-8")


def test_without_divergence_nothing_is_said(rows):
    assert lost_seeds(rows) == {} and sentence({}, {}) == ""
    assert lost_seeds(diverged(rows, ["a"], set())) == {}


def test_a_caption_names_only_some_of_many():
    lost = {f"arm{i}": (1, 3) for i in range(MOST_NAMED + 4)}
    assert f"arm{MOST_NAMED - 1} (1 of 3 seeds) and 4 more; " in sentence(lost, {})
