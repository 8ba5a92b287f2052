import json
import re
import shutil

import pandas as pd
import pytest

from largebatch.config.cards import Paper
from largebatch.config.checking import ConfigError
from largebatch.files import write_text
from largebatch.report.compare import compare
from largebatch.report.publish import index, publish, verdicts_page
from largebatch.seals import SEALS, Damaged, checksum
from tests.conftest import REPOSITORY
from tests.shared.tables import write_rows

SCALE = REPOSITORY / "config/smoke.yaml"


@pytest.fixture
def both(results, tmp_path):
    return results(tmp_path / "ours"), tmp_path / "published" / "theirs"


@pytest.fixture
def papers(tmp_path):
    path = tmp_path / "papers.yaml"
    path.write_text(
        "papers: [{paper: P, experiment: e, question: 'Why?', headlines: {T1: it is}, figures: [f]}]",
        encoding="utf-8",
    )
    return path


def test_drawings_in_pdf_are_not_published_nor_linked(both, papers):
    ours, theirs = both
    write_text(ours / "figures" / "e_f.pdf", "drawn")
    links = [f'<a href="figures/e_f.{kind}">{kind}</a>' for kind in ("csv", "pdf", "png")]
    write_text(ours / "report.html", " ".join(links))
    publish(ours, theirs, papers, SCALE)
    assert not list(theirs.rglob("*.pdf"))
    assert (theirs / "report.html").read_text(encoding="utf-8") == f"{links[0]} {links[2]}"


def test_publish_copies_what_is_worth_keeping_and_clears_what_is_stale(both, papers):
    ours, theirs = both
    (theirs / "figures").mkdir(parents=True)
    (theirs / "figures" / "old.svg").write_text("stale", encoding="utf-8")
    (theirs / "e").mkdir()
    (theirs / "e" / "claims.csv").write_text("an experiment's own ledger, once published", encoding="utf-8")
    (theirs / "README.md").write_text("mine", encoding="utf-8")
    publish(ours, theirs, papers, SCALE)
    found = {path.relative_to(theirs).as_posix() for path in theirs.rglob("*") if path.is_file()}
    assert found == {
        "README.md",
        "claims.csv",
        "e/observations.parquet",
        "figures/e_f.json",
        "provenance.json",
        "report.html",
        "robustness.csv",
        "statements.csv",
        "tables/e_t.md",
        "verdicts.md",
    }
    assert compare(ours, theirs).same_verdicts
    assert not list(theirs.parent.rglob(SEALS)), "what is committed has its digests in one file"
    record = json.loads((theirs / "provenance.json").read_text(encoding="utf-8"))
    verdicts = {"supported": 1, "contradicted": 0, "mixed": 0, "inconclusive": 1, "not_run": 1}
    verdicts |= {"uninformative": 0, "confounded": 0}
    checks = {"fragile": 0, "identity": {}, "sanity": {}}
    assert record["counts"] == {"files": 7, "claims": 3, "statements": verdicts} | checks
    trained = {"devices": ["cpu"], "commits": ["c"], "codes": ["d"]}
    assert record["runs"] == {"count": 1, "train_seconds": 1.5} | trained
    copied = found - {"README.md", "provenance.json"}
    assert record["files"] == {name: checksum(theirs / name) for name in copied}
    assert record["commit"] and record["packages"]["pandas"] == pd.__version__


def test_nothing_damaged_is_published_and_a_damaged_snapshot_is_noticed(both, papers):
    ours, theirs = both
    publish(ours, theirs, papers, SCALE)
    for folder in (ours, theirs):
        path = folder / "claims.csv"
        whole = path.read_bytes()
        write_text(path, whole.decode())  # with a seal
        path.write_bytes(whole[:-20])
        with pytest.raises(Damaged, match=r"claims\.csv: wanted the file as it was written"):
            compare(ours, theirs)
        if folder == ours:
            with pytest.raises(Damaged):
                publish(ours, theirs, papers, SCALE)
        path.write_bytes(whole)


def test_what_was_drawn_from_published_observations_was_trained_as_they_say(both, papers):
    ours, theirs = both
    publish(ours, theirs, papers, SCALE)
    trained = json.loads((theirs / "provenance.json").read_text(encoding="utf-8"))["runs"]
    shutil.rmtree(ours / "runs")
    publish(ours, theirs, papers, SCALE)
    assert json.loads((theirs / "provenance.json").read_text(encoding="utf-8"))["runs"] == trained != {}


def test_observations_that_nothing_reads_are_left_out_and_the_record_names_the_whole(both, papers, helpers):
    ours, theirs = both
    along = {0.0: [3, 4], 1.0: [1, 2]}
    (ours / "keskar").mkdir()
    whole = write_rows(
        ours / "keskar/observations.parquet",
        helpers.arm("adam.small", {"test_accuracy_percent": along, "validation_loss_nats": along}),
    )
    publish(ours, theirs, papers, SCALE)
    kept = pd.read_parquet(theirs / "keskar/observations.parquet")
    assert kept["metric"].value_counts().to_dict() == {"test_accuracy_percent": 4, "validation_loss_nats": 2}
    assert (theirs / "e/observations.parquet").read_text(encoding="utf-8") == "large"  # not of this scale
    inputs = json.loads((theirs / "provenance.json").read_text(encoding="utf-8"))["inputs"]
    assert inputs["keskar/observations.parquet"] == checksum(whole)
    assert inputs.keys() == {"claims.csv", "keskar/observations.parquet"}


def test_publish_wants_the_scale_file(both, papers, tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        publish(*both, papers, tmp_path / "none.yaml")
    assert not both[1].exists()


@pytest.mark.parametrize("name", ["claims.csv", "report.html"])
def test_publish_wants_complete_results(both, papers, name):
    ours, theirs = both
    (ours / name).unlink()
    with pytest.raises(ValueError, match=f"wanted complete results with {name}"):
        publish(ours, theirs, papers, SCALE)
    assert not theirs.exists()


def test_publish_onto_itself(both, papers):
    with pytest.raises(ValueError, match="wanted another folder"):
        publish(both[0], both[0], papers, SCALE)


def test_verdicts_have_a_heading_for_each_paper_and_an_anchor_for_each_claim(helpers, joined):
    rows = [
        helpers.claim("T1", unit="percentage points", note="A note."),
        helpers.claim("T1.b", source="Other 2018, figure 1", says="a | b", verdict="contradicted"),
        helpers.claim("T2", verdict="not_run", paper_value=None),
    ]
    text = verdicts_page(joined(*rows), "digits")
    assert text.startswith(
        "# Verdicts: digits\n\n3 statements of 3 claims: 1 supported, 1 contradicted, 1 not run."
    )
    assert re.findall("^## (.+)$", text, re.MULTILINE) == ["Paper 2017", "Other 2018"]
    assert all(text.count(f'<a id="{row["id"]}"></a>') == 1 for row in rows)
    assert "1.25 points [1, 1.5] | above 0 | 0.3, larger |  |  | ✓ supported | T1 ✓ supported |" in text
    assert "- T1: A note." in text and "a \\| b" in text
    assert (
        len({line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    )


def test_the_index_joins_the_scales(results, tmp_path):
    results(tmp_path / "digits")
    results(tmp_path / "mnist", {"T1": ("contradicted", -1.0, -1.5, -0.5)})
    paper = Paper(paper="P", experiment="e", question="Why?", headlines={"T1": "it is"}, figures=["f"])
    index(tmp_path, [paper])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count("<article") == 1
    links = set(re.findall('href="([^"]+)"', page))
    assert links == {f"{scale}/report.html{to}" for scale in ("digits", "mnist") for to in ("", "#T1")}
    assert "Scales disagree: T1 supported at digits, contradicted at mnist." in page
    assert "Yes: it is (1 updates [0.5, 1.5]; paper 0.3)." in page
    assert "No: it does not hold that it is (−1 updates [−1.5, −0.5]; paper 0.3)." in page


def registered(folder, text="{}"):
    path = folder / "e" / "registered.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_registration_is_published_and_stays(both, papers):
    ours, theirs = both
    registered(ours)
    publish(ours, theirs, papers, SCALE)
    assert (theirs / "e/registered.json").read_text(encoding="utf-8") == "{}"
    publish(ours, theirs, papers, SCALE)
    shutil.rmtree(ours / "e")  # an experiment that is no longer run
    publish(ours, theirs, papers, SCALE)
    assert (theirs / "e/registered.json").is_file() and not (theirs / "e/observations.parquet").exists()


@pytest.mark.parametrize(("text", "got"), [("{'later': 1}", "another"), (None, "none")])
def test_results_judged_by_another_registration_are_not_published(both, papers, text, got):
    ours, theirs = both
    registered(theirs)
    if text:
        registered(ours, text)
    with pytest.raises(ValueError, match=f"wanted the registration that is published, .*; got {got}"):
        publish(ours, theirs, papers, SCALE)
    assert not (theirs / "claims.csv").exists()


def test_exploratory_claims_are_marked_with_what_changed(joined, helpers):
    text = "exploratory: expectation below 0.3 -> below 0.5 (since 2026-11-26, 95259d4)"
    page = verdicts_page(joined(helpers.claim("T1", registered=text), helpers.claim("T2", note="So.")), "s")
    (row,) = [line for line in page.splitlines() if "</a>T1 " in line]
    assert " supported, exploratory | T1 " in row
    assert f"- T1: Now {text}." in page.replace("\\", "") and "- T2: So.\n" in page
