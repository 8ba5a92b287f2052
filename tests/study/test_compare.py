import base64
import json
import shutil

import pandas as pd
import pytest

from largebatch.study.claims import COLUMNS
from largebatch.study.compare import compare, publish, verdicts

ROWS = {
    "T1": ("supported", 1.0, 0.5, 1.5),
    "T2": ("inconclusive", 0.1, -0.5, 0.7),
    "T3": ("not_run", None, None, None),
}


def results(folder, rows=ROWS, figure="ink"):
    """A results folder with everything that is published, and files that are not."""
    for name in ("e", "figures", "tables", "runs/r"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    says = "A long statement. " * 6
    judged = ("updates", 5)
    corrected = (0.01, 0.02, 1.12, "factor", "above 0", 0.3)
    table = [
        [name, "e", "p", says, *judged, *numbers, *corrected, verdict, ""]
        for name, (verdict, *numbers) in rows.items()
    ]
    for path in (folder / "claims.csv", folder / "e" / "claims.csv"):
        pd.DataFrame(table, columns=list(COLUMNS)).to_csv(path, index=False)
    (folder / "e" / "summary.csv").write_text("group\n", encoding="utf-8")
    (folder / "e" / "observations.parquet").write_text("large", encoding="utf-8")
    (folder / "figures" / "e_f.svg").write_text(figure, encoding="utf-8")
    (folder / "figures" / "e_f.json").write_text(str(folder), encoding="utf-8")
    (folder / "tables" / "e_t.md").write_text("t", encoding="utf-8")
    (folder / "report.html").write_text("page", encoding="utf-8")
    (folder / "runs" / "r" / "history.parquet").write_text("large", encoding="utf-8")
    record = {"device": "cpu", "commit": "c", "code": "d", "seconds": 1.5}
    (folder / "runs" / "r" / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.fixture
def both(tmp_path):
    return results(tmp_path / "ours"), tmp_path / "theirs"


def test_equal_results_agree(both):
    ours, theirs = both
    found = compare(ours, results(theirs))
    assert found.same_verdicts
    assert "3 of 3 common claims have the same verdict." in str(found)
    assert "2 of 2 of our estimates lie inside their intervals." in str(found)
    assert "3 of 3 common files of claims, figures and tables are byte-identical." in str(found)


def test_a_changed_verdict_is_found(both):
    ours, theirs = both
    found = compare(ours, results(theirs, ROWS | {"T1": ("contradicted", -1.0, -1.5, -0.5)}, figure="other"))
    assert not found.same_verdicts
    assert "supported *" in found.text
    assert "2 of 3 common claims" in found.text
    assert "1 of 2 of our estimates" in found.text
    assert "1 of 3 common files" in found.text


@pytest.mark.parametrize("metric", ["train_seconds", "cost"])
def test_files_with_training_times_are_not_compared(both, metric):
    ours, theirs = both
    results(theirs, figure="other")
    for folder, seconds in ((ours, 1), (theirs, 2)):
        (folder / "figures" / "e_f.csv").write_text(
            f"line,metric,mean\na,updates,1\nb,{metric},{seconds}\n", encoding="utf-8"
        )
        (folder / "figures" / "e_g.csv").write_text("x,y,mean\n1,2,3\n", encoding="utf-8")
    text = str(compare(ours, theirs))
    assert "3 of 3 common files of claims, figures and tables are byte-identical." in text
    assert "2 more show training times, which no two runs share." in text


def test_claims_of_one_side_are_named(both):
    ours, theirs = both
    results(theirs, ROWS | {"T4": ROWS["T1"]})
    found = compare(ours, theirs)
    assert not found.same_verdicts and f"only in {theirs}: T4" in found.text
    assert compare(theirs, ours).same_verdicts  # more claims than published are no disagreement


def test_publish_copies_what_is_worth_keeping_and_clears_what_is_stale(both):
    ours, theirs = both
    (theirs / "figures").mkdir(parents=True)
    (theirs / "figures" / "old.svg").write_text("stale", encoding="utf-8")
    (theirs / "e").mkdir()
    (theirs / "e" / "claims.csv").write_text("an experiment's own ledger, once published", encoding="utf-8")
    (theirs / "README.md").write_text("mine", encoding="utf-8")
    publish(ours, theirs)
    found = {path.relative_to(theirs).as_posix() for path in theirs.rglob("*") if path.is_file()}
    assert found == {
        "README.md",
        "claims.csv",
        "e/observations.parquet",
        "figures/e_f.json",
        "figures/e_f.svg",
        "provenance.json",
        "report.html",
        "tables/e_t.md",
        "verdicts.md",
    }
    assert compare(ours, theirs).same_verdicts
    record = json.loads((theirs / "provenance.json").read_text(encoding="utf-8"))
    assert record["counts"] == {
        "files": 6,
        "claims": 3,
        "supported": 1,
        "contradicted": 0,
        "inconclusive": 1,
        "not_run": 1,
    }
    assert record["runs"] == {
        "count": 1,
        "train_seconds": 1.5,
        "devices": ["cpu"],
        "commits": ["c"],
        "codes": ["d"],
    }
    page = (theirs / "verdicts.md").read_text(encoding="utf-8")
    assert all(f"| {name} " in page for name in ROWS) and "1 supported" in page
    assert "| detectable " in page and "| × 1.12 " in page
    assert record["commit"] and record["packages"]["pandas"] == pd.__version__


def test_a_published_report_links_to_its_figures_instead_of_holding_copies(both):
    ours, theirs = both
    copy = base64.b64encode((ours / "figures" / "e_f.svg").read_bytes()).decode()
    page = '<img src="data:image/svg+xml;base64,{}"><img src="data:image/svg+xml;base64,AAAA">'
    (ours / "report.html").write_text(page.format(copy), encoding="utf-8")
    publish(ours, theirs)
    found = (theirs / "report.html").read_text(encoding="utf-8")
    assert found == '<img src="figures/e_f.svg"><img src="data:image/svg+xml;base64,AAAA">'


def test_what_was_drawn_from_published_observations_was_trained_as_they_say(both):
    ours, theirs = both
    publish(ours, theirs)
    trained = json.loads((theirs / "provenance.json").read_text(encoding="utf-8"))["runs"]
    shutil.rmtree(ours / "runs")
    publish(ours, theirs)
    assert json.loads((theirs / "provenance.json").read_text(encoding="utf-8"))["runs"] == trained != {}


@pytest.mark.parametrize("name", ["claims.csv", "report.html"])
def test_publish_wants_complete_results(both, name):
    ours, theirs = both
    (ours / name).unlink()
    with pytest.raises(ValueError, match=f"wanted complete results with {name}"):
        publish(ours, theirs)
    assert not theirs.exists()


def test_publish_onto_itself(both):
    with pytest.raises(ValueError, match="wanted another folder"):
        publish(both[0], both[0])


def test_verdicts_fit_a_terminal(both):
    text = verdicts(both[0] / "claims.csv")
    assert max(map(len, text.splitlines())) <= 120
    assert text.endswith("3 claims: 1 supported, 0 contradicted, 1 inconclusive, 1 not run.")
    for wanted in ("T1", "not run", "[0.5, 1.5]", "above 0", "0.3"):
        assert wanted in text


def test_missing_folders_are_named(both, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.claims.csv: wanted"):
        compare(both[0], tmp_path / "nowhere")
