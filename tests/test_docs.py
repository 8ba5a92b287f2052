"""What the documentation says of results is what the published run says; what it links to exists."""

import csv
import re
import subprocess
import sys

import pytest

from largebatch.judging.claims import in_full
from largebatch.report.cite import cite
from largebatch.report.tally import tally
from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def published():
    with (REPOSITORY / "results/published/digits/claims.csv").open(encoding="utf-8") as file:
        return {row["id"]: in_full(row["verdict"], row["robust"]) for row in csv.DictReader(file)}


def test_verdicts_in_the_text_are_the_published_ones():
    text = (REPOSITORY / "docs/results.md").read_text(encoding="utf-8")
    verdicts = "supported|contradicted|inconclusive|uninformative|confounded|holds|broken|not run"
    said = re.findall(rf"\[([A-Z]\d*(?:\.[a-z0-9_]+)?)\]\s+\(({verdicts})(?:, (fragile))?\b", text)
    assert {name: in_full(verdict, robust) for name, verdict, robust in said} == published()


def test_every_verdict_in_the_text_links_to_its_claim():
    text = (REPOSITORY / "docs/results.md").read_text(encoding="utf-8")
    links = dict(
        re.findall(r"^\[([^]]+)\]: \.\./results/published/digits/verdicts\.md#(\S+)$", text, re.MULTILINE)
    )
    assert links == {id: id for id in published()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_table_of_the_readme_counts_what_is_published():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert f"\n\n{tally(REPOSITORY / 'results/published')}\n\n" in text


def test_what_the_readme_cites_is_published():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^largebatch cite (\S+)(?: +--results (\S+))?", text, re.M)
    assert len(commands) == 2
    for name, results in commands:
        assert "@misc{" in cite(name, REPOSITORY / (results or "results/published/digits"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_is_left_to_fill_in(page):
    assert "<!--" not in page.read_text(encoding="utf-8")


def test_the_picture_of_the_folders_is_drawn_from_the_imports():
    tool = [sys.executable, REPOSITORY / "tools" / "architecture.py"]
    drawn = subprocess.run(tool, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{drawn}```\n" in text
