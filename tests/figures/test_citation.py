"""Metadata of images, read back by other libraries; contents of BibTeX entries."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image

from largebatch.figures import citation as citing
from largebatch.figures import style
from largebatch.figures.citation import Citation, bibtex, metadata, software
from tests.conftest import REPOSITORY

PLAIN = Citation("figure", "e_f", "digits", "Error after Goyal et al. 2017, figure 1, by rate. More of it.")
ODD = Citation("figure", "e_f", "digits", 'größer & <b> "√2" ≤ (Ж) \\ 50 % $x$. Then.')
DC = "{http://purl.org/dc/elements/1.1/}"


@pytest.fixture(params=[PLAIN, ODD], ids=["plain", "odd"])
def drawn(request, tmp_path):
    with style.paper_style():
        figure = style.canvas(1, 1)
        figure.subplots().plot(np.arange(3))
        style.save(figure, tmp_path / "e_f", metadata(request.param))
    return request.param, tmp_path / "e_f"


def test_png_says_what_it_is(drawn):
    citation, stem = drawn
    found = Image.open(stem.with_suffix(".png")).text
    assert found["Title"] == citation.title and found["Description"] == citation.caption
    assert found["Citation key"] == citation.key and found["Copyright"] == software().licence
    assert found["Author"] == software().author and "e_f" in found["Source"]


def test_svg_says_what_it_is_in_dublin_core(drawn):
    citation, stem = drawn
    work = ElementTree.parse(stem.with_suffix(".svg")).find(".//{http://creativecommons.org/ns#}Work")
    found = {element.tag.removeprefix(DC): "".join(element.itertext()).strip() for element in work}
    assert found["title"] == citation.title and found["description"] == citation.caption
    assert found["identifier"] == citation.key and found["rights"] == software().licence
    assert found["creator"] == software().author and "date" not in found


def test_pdf_says_what_it_is(drawn):
    citation, stem = drawn
    content = stem.with_suffix(".pdf").read_bytes()
    for text in (citation.title, citation.caption):
        written = b"\\(".join(text.encode("ascii").split(b"(")) if text.isascii() else b"\xfe\xff"
        assert written in content
    assert citation.key.encode() in content and b"licence: MIT" in content and b"/CreationDate" not in content


def test_the_title_is_the_first_sentence():
    assert PLAIN.title == "Error after Goyal et al. 2017, figure 1, by rate"


def test_a_bibtex_entry_escapes_what_latex_reads():
    entry = bibtex(Citation("figure", "a_b", "digits", "50 % & more."), "0123456789abcdef")
    assert entry.startswith("@misc{largebatch-digits-figure-a_b,") and entry.count("{") == entry.count("}")
    assert r"title = {{50 \% \& more}}" in entry
    assert r"Figure a\_b of largebatch 0.1.0, scale digits, commit 0123456789ab}" in entry


def test_the_software_is_what_the_citation_file_says():
    cff = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    found = software()
    assert (found.version, found.licence) == (cff["version"], cff["license"])
    assert re.fullmatch(r"\d{4}", found.year)


def test_a_missing_citation_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(citing, "CITATION_FILES", (tmp_path / "CITATION.cff",))
    with pytest.raises(ValueError, match=r"CITATION\.cff: wanted the file"):
        software.__wrapped__()
