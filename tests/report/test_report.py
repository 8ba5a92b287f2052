import html
import itertools
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from largebatch.figures import tabulate as tables
from largebatch.judging.claims import VERDICTS, read_claims, write_claims
from largebatch.report.report import report
from tests.shared.tables import write_ledger

VOID = {"meta", "img", "link", "br", "input"}


class Checked(HTMLParser):
    """Ids and links of a page; fails where tags are not closed in turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.sources = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []
        self.sources += [attrs["src"]] if "src" in attrs else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">
<path d="M 0 0 L 9 9" style="fill: none"/></svg>"""
FILES = {
    "figures/e_f.svg": SVG,
    "figures/e_f.txt": "What f shows. Bars are 95 % intervals.\n",
    "figures/e_f.csv": "metric,line,arm,epoch,n,mean,low,high\nupdates,a line,arm,1,5,2.0,1.0,3.0\n",
    "tables/e_t.csv": "row,metric,n,mean,low,high,paper\nlabel,updates,5,7.5,7.0,8.0,9.9\n",
    "tables/e_t.md": "The caption of t.\n\n| |\n",
}
BEHIND = {
    "file": "config/experiments/e.yaml:3-5",
    "lines": "  - id: T",
    "arms": ["arm", "gone"],
    "figures": ["f"],
    "tables": ["t"],
    "command": "snakemake e",
}


@pytest.fixture
def results(tmp_path, helpers, judged):
    """A results folder with one experiment, four claims, one figure, one table; another scale beside it."""
    rows = [
        helpers.claim(f"T{i}", says="5 < 6 & so on", source="p <b>", verdict=verdict, note="A note.")
        for i, verdict in enumerate(VERDICTS)
    ]
    write_ledger(tmp_path / "claims.csv", judged(*rows))
    (tmp_path / "mnist").mkdir()
    write_ledger(tmp_path / "mnist" / "claims.csv", judged(helpers.claim("T0", verdict="contradicted")))
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def write(results, **changes):
    experiment = {
        "experiment": "e",
        "title": "Title",
        "question": "Why?",
        "figures": ["f"],
        "tables": ["t"],
        "arms": {"arm": {"lines": ["config/digits.yaml:7"], "runs": [["arm", "run-1"]], "common": "lr: 0.1"}},
        "pace": {"arm": [4, 2]},
        "claims": dict.fromkeys((f"T{i}" for i in range(len(VERDICTS))), BEHIND),
    } | changes
    paper = {
        "paper": "P",
        "experiment": "e",
        "question": "Is it sharp?",
        "headlines": {"T0": "it is sharp"},
        "figures": ["none", "f"],
    }
    ask = {"scale": "digits", "seeds": 5, "papers": [paper], "experiments": [experiment]}
    report(ask, results, [results / "mnist" / "claims.csv"], results / "report.html")
    return (results / "report.html").read_text(encoding="utf-8")


def test_the_page_holds_all_that_it_shows_and_its_links_lead_somewhere(results):
    text = write(results)
    page = Checked(text)
    assert page.sources == [] and "@import" not in text and "url(" not in text
    assert "default-src 'none'" in text
    assert len(page.ids) == len(set(page.ids))
    within = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert within <= set(page.ids)
    beside = {link for link in page.links if not link.startswith("#")}
    made = {f"figures/e_f.{kind}" for kind in ("csv", "json", "pdf", "png")}
    assert beside == made | {"tables/e_t.csv", "tables/e_t.tex", "figures/robustness.png", "robustness.csv"}


def test_the_answer_comes_first_with_the_other_scale_beside_it(results):
    text = write(results)
    assert "Is it sharp?" in text and "Yes: it is sharp (1.25 updates [1, 1.5]; paper 0.3)." in text
    assert "Scales disagree: T0 supported at digits, contradicted at mnist." in text
    assert text.index("Is it sharp?") < text.index(">Evidence<") < text.rindex(">Title<")
    # its figure is the first that there is, drawn once and used twice
    assert text.count('<use href="#drawing-e_f"/>') == 2 and text.count("<symbol") == 1


def test_every_claim_leads_to_what_stands_behind_it(results):
    page = write(results)
    claim = re.search(r'<details class="claim[^>]*id="T0".*?</details>', page, re.DOTALL)[0]
    assert all(f'href="figures/e_f.{ending}"' in page for ending in ("csv", "json"))
    for wanted in (
        "5 &lt; 6 &amp; so on",
        "p &lt;b&gt;",
        "A note.",
        "1.25 [1, 1.5]",
        "× 1.12",
        'href="#figure-e_f"',
        'href="#table-e_t"',
        'href="#arm-e-arm"',
        "gone, left out",
        "config/experiments/e.yaml:3-5",
        "- id: T",
        "snakemake e",
    ):
        assert wanted in claim, wanted


def test_verdicts_are_told_by_icon_and_word(results):
    text = write(results)
    told = ("✓ supported", "? inconclusive", "– not run")
    for verdict, words in zip(("supported", "inconclusive", "not_run"), told, strict=True):
        icon, word = words.split(" ", 1)
        assert f'<span class="verdict {verdict}"><span aria-hidden="true">{icon}</span> {word}</span>' in text


# How colours look without the long or the middle cones: Machado et al. 2009, of linear RGB.
SIGHT = {
    "whole": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour, sight):
    """CIE 1976 L*a*b* of '#rrggbb' as it is seen."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(XYZ @ np.clip(np.array(sight) @ linear, 0, 1) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT.values(), ids=SIGHT)
def test_colours_of_verdicts_stay_apart_for_every_eye(results, sight):
    names = ("supported", "contradicted", "inconclusive")
    found = [re.findall(rf"--{name}: (#\w{{6}})", write(results)) for name in names]
    for theme in zip(*found, strict=True):
        seen = [lab(colour, sight) for colour in theme]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


def test_fit_and_control_stand_beside_a_claim(results, helpers, judged):
    rows = [
        helpers.claim("A", fit="2.8 [2, 3], margin 0.5"),
        helpers.claim("B", control="supported 0.3 [0, 1]"),
    ]
    judged(*rows).to_csv(results / "claims.csv", index=False)
    text = write(results, claims=dict.fromkeys("AB", BEHIND))
    assert text.count("In training: 2.8 [2, 3], margin 0.5.") == 1
    assert text.count("Control: supported 0.3 [0, 1].") == 1


def test_a_figure_is_named_by_its_first_sentence_and_its_caption_stands_once(results):
    text = write(results)
    assert 'role="img" aria-label="What f shows."' in text
    assert text.count("Bars are 95 % intervals.") == 1
    assert '"name":"a line"' in text and '"pace":[4,null]' in text
    assert "The caption of t." in text and "7.50 ± 0.50" in text and "9.9" in text


def test_claims_of_one_unit_share_an_axis_and_those_of_one_statement_stand_together(results, helpers, judged):
    rows = [helpers.claim("A"), helpers.claim("B", unit="ratio"), helpers.claim("C")]
    rows.append(helpers.claim("A.x", statement="A"))
    write_ledger(results / "claims.csv", judged(*rows))
    text = write(results, claims=dict.fromkeys("ABC", BEHIND) | {"A.x": BEHIND})
    assert re.findall(r'<details class="claim[^>]* id="([^"]+)"', text) == ["A", "A.x", "C", "B"]
    assert re.findall(r'<details class="claim goes-on" id="([^"]+)"', text) == ["A.x"]
    assert text.count('<div class="unit">') == 2


def test_a_fragile_verdict_is_shown_as_fragile_wherever_it_stands(results, helpers, judged):
    rows = [helpers.claim("T0", robust="fragile"), helpers.claim("T0.b", statement="T0"), helpers.claim("B")]
    write_ledger(results / "claims.csv", judged(*rows))
    text = write(results, claims=dict.fromkeys(("T0", "T0.b", "B"), BEHIND))
    badge = '<span class="fragile">fragile</span>'
    summary, behind = re.search(r'id="T0"[^>]*>(.*?)</summary>(.*?)</details>', text, re.S).groups()
    assert badge in summary and '<circle class="open"' in summary
    said = "Fragile: 50% of 449 other ways to judge agree. By a single change, mixed: t."
    assert badge in behind and said in behind
    (beside,) = re.findall(r'id="T0.b"[^>]*>(.*?)</summary>', text, re.S)
    assert badge not in beside and 'class="open"' not in beside
    cards = text.partition('id="evidence"')[0]
    assert cards.count(badge) == 2 and "(1 fragile)" in cards and "; 1 is fragile" in cards
    assert 'data-robust="fragile"' in text and '<option value="fragile">' in text


@pytest.mark.parametrize(
    "label", ["$5 & $6", "<b>1 < 2</b>", "a|b", "*x* _y_", "{{ x }}", "NA", "None", "nan"]
)
def test_labels_and_captions_are_shown_as_they_are_written(label, results):
    pd.DataFrame([[label, "updates", 5, 7.5, 7.0, 8.0, label]], columns=tables.COLUMNS).to_csv(
        results / "tables" / "e_t.csv", index=False
    )
    (results / "tables" / "e_t.md").write_text(tables.markdown(label, ["", ""], [["", ""]]), encoding="utf-8")
    (results / "figures" / "e_f.txt").write_text(f"{label}\n", encoding="utf-8")
    row = {"metric": "updates", "line": label, "arm": "arm", "epoch": 1}
    row |= {"n": 5, "mean": 1, "low": 0, "high": 2}
    pd.DataFrame([row]).to_csv(results / "figures" / "e_f.csv", index=False)
    claims = read_claims(results / "claims.csv").assign(says=label, note=label)
    write_claims(results / "claims.csv", claims)
    text = write(results)
    Checked(text)
    shown = html.escape(label, quote=False)
    assert f'<th scope="row">{shown}</th><td>7.50 ± 0.50</td><td>{shown}</td>' in text
    assert f"<caption>{shown} " in text and f"<summary>f: {shown}</summary>" in text
    assert text.count(f"</span>{shown}</span>") == text.count(f"<p>{shown}</p>") == len(VERDICTS)
    told = json.loads(re.search(r'id="data-e_f">(.*?)</script>', text)[1])
    assert told["panels"][0]["lines"][0]["name"] == label


def test_the_same_bytes_twice(results):
    assert write(results) == write(results)


def test_bad_inputs(results):
    with pytest.raises(ValueError, match=r"e_g.txt: wanted a file with content; got none"):
        write(results, figures=["g"])
    (results / "figures" / "e_f.txt").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"e_f.txt: wanted a file with content"):
        write(results)


@pytest.mark.parametrize("content", ["", "id,verdict\n", None])
def test_claims_that_cannot_be_read(results, content):
    path = results / "claims.csv"
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"claims.csv: wanted"):
        write(results)
