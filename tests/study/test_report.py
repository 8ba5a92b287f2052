import html
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from largebatch.study import tabulate as tables
from largebatch.study.claims import COLUMNS, VERDICTS
from largebatch.study.report import report

VOID = {"meta", "img", "link", "br"}


class Checked(HTMLParser):
    """Ids, links and resources of a page; fails where tags are not closed in turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.sources = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if tag == "a" else []
        self.sources += [attrs["src"]] if "src" in attrs else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def results(tmp_path):
    """A results folder with one experiment, four claims, one figure, one table."""
    rows = [
        [
            f"T{i}",
            "e",
            "p <b>",
            "5 < 6 & so on",
            "updates",
            5.0,
            1.25,
            1.0,
            1.5,
            0.01,
            0.02,
            1.12,
            "factor",
            "above 0",
            0.3,
            verdict,
            "A note.",
        ]
        for i, verdict in enumerate(VERDICTS)
    ]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "claims.csv", index=False)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "e_f.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8"
    )
    (tmp_path / "figures" / "e_f.txt").write_text("The caption of f.\n", encoding="utf-8")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "e_t.csv").write_text(
        "row,metric,n,mean,low,high,paper\nlabel,updates,5,7.5,7.0,8.0,9.9\n", encoding="utf-8"
    )
    (tmp_path / "tables" / "e_t.md").write_text("The caption of t.\n\n| |\n", encoding="utf-8")
    return tmp_path


def write(results, **changes):
    experiment = {
        "experiment": "e",
        "title": "Title",
        "question": "Why?",
        "figures": ["f"],
        "tables": ["t"],
    } | changes
    ask = {"scale": "digits", "seeds": 5, "experiments": [experiment]}
    figures, tables = [results / "figures" / "e_f.svg"], [results / "tables" / "e_t.csv"]
    report(ask, results / "claims.csv", figures, tables, results / "report.html")
    return (results / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_no_network_and_its_links_lead_somewhere(results):
    text = write(results)
    page = Checked(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert len(page.sources) == 1
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert all(link.startswith("#") for link in page.links)


def test_the_page_shows_everything(results):
    text = write(results)
    for wanted in (
        "Title",
        "Why?",
        "The caption of f.",
        "The caption of t.",
        "7.50 ± 0.50",
        "9.9",
        "A note.",
        "1.25",
        "[1, 1.5]",
        "× 1.12",
    ):
        assert wanted in text
    for verdict in VERDICTS:
        assert f'class="verdict {verdict}">{verdict.replace("_", " ")}' in text
    assert "5 &lt; 6 &amp; so on" in text and "p <b>" not in text


def test_figures_and_tables_can_be_cited_and_verdicts_lead_to_their_experiment(results):
    text = write(results)
    assert {"figure-e_f", "table-e_t", "e", "T0"} <= set(Checked(text).ids)
    assert text.index("<h3>Verdicts<") < text.index("<h3>Figures<") < text.index("<h3>Tables<")
    assert '<b><a href="#figure-e_f">e_f</a>.</b> The caption of f.' in text
    assert '<b><a href="#table-e_t">e_t</a>.</b> The caption of t.' in text
    assert text.count('· <a href="#e">e</a>') == len(VERDICTS)
    assert "paper: updates" in text


@pytest.mark.parametrize(
    "label", ["$5 & $6", "<b>1 < 2</b>", "a|b", "*x* _y_", "{{ x }}", "NA", "None", "nan"]
)
def test_labels_and_captions_are_shown_as_they_are_written(label, results):
    pd.DataFrame([[label, "updates", 5, 7.5, 7.0, 8.0, label]], columns=tables.COLUMNS).to_csv(
        results / "tables" / "e_t.csv", index=False
    )
    (results / "tables" / "e_t.md").write_text(tables.markdown(label, ["", ""], [["", ""]]))
    (results / "figures" / "e_f.txt").write_text(f"{label}\n", encoding="utf-8")
    claims = pd.read_csv(results / "claims.csv").assign(says=label, note=label)
    claims.to_csv(results / "claims.csv", index=False)
    text = write(results)
    Checked(text)
    shown = html.escape(label, quote=False)
    assert text.count(f"<td>{shown}</td>") == 2  # of the row, and the paper's
    assert f"e_t</a>.</b> {shown}</caption>" in text and f"e_f</a>.</b> {shown}</figcaption>" in text
    assert text.count(f"</b> {shown}<p ") == text.count(f'"note">{shown}<') == len(VERDICTS)


def test_the_same_bytes_twice(results):
    assert write(results) == write(results)


def test_bad_inputs(results):
    with pytest.raises(ValueError, match=r"wanted files of e_g; got \['e_f'\]"):
        write(results, figures=["g"])
    (results / "figures" / "e_f.svg").unlink()
    with pytest.raises(ValueError, match=r"e_f.svg: wanted a file with content"):
        write(results)


@pytest.mark.parametrize("content", ["", "id,verdict\n", None])
def test_claims_that_cannot_be_read(results, content):
    path = results / "claims.csv"
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"claims.csv: wanted"):
        write(results)
