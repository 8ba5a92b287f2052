"""What claims cite: differences of a paper's numbers, and what was checked against the papers."""

import re

import pytest

from largebatch.config.checking import checked, read_yaml
from largebatch.config.question import Question
from tests.conftest import REPOSITORY

CONFIG = REPOSITORY / "config"
PAPER = re.compile(r"(?!Teaching)[A-ZŁ][\w]+(?: et al\.| and [A-Z]\w+)? (?:19|20)\d\d")
DIFFERENCE = re.compile(r"(\d+\.\d+) - (\d+\.\d+)\)")


def questions():
    paths = sorted((CONFIG / "experiments").glob("*.yaml"))
    return [checked(Question, read_yaml(path), path) for path in paths]


CLAIMS = [claim for question in questions() for claim in question.claims]
SUBTRACTED = [claim for claim in CLAIMS if DIFFERENCE.search(claim.source)]


def papers_of(text: str) -> set[str]:
    """The papers named in a text, as 'Goyal et al. 2017'."""
    return set(PAPER.findall(text))


def table_of_papers() -> set[str]:
    """The papers that the first column of the table in docs/experiments.md names."""
    page = (REPOSITORY / "docs/experiments.md").read_text(encoding="utf-8")
    rows = [
        line.split("|")[1]
        for line in page.split("## What was checked")[1].split("\n")
        if line.startswith("|")
    ]
    return papers_of(" ".join(rows))


@pytest.mark.parametrize("claim", SUBTRACTED, ids=lambda claim: claim.id)
def test_a_number_is_the_difference_that_its_source_prints(claim):
    first, second = map(float, DIFFERENCE.search(claim.source).groups())
    assert claim.paper_value == pytest.approx(first - second, abs=1e-9), claim.source


def test_there_are_such_claims():
    assert {"G2", "G3", "S3", "N.linear"} <= {claim.id for claim in SUBTRACTED}


def test_what_was_checked_is_said_of_every_paper_that_a_claim_cites():
    cited = papers_of(" ".join(claim.source for claim in CLAIMS))
    assert len(cited) > 15, f"wanted the papers of all claims; got {sorted(cited)}"
    assert table_of_papers() == cited


@pytest.mark.parametrize(
    ("text", "papers"),
    [
        (
            "Goyal et al. 2017, section 2.2, with Loshchilov and Hutter 2017",
            {"Goyal et al. 2017", "Loshchilov and Hutter 2017"},
        ),
        ("Smith 2017, section 4.1.1", {"Smith 2017"}),
        ("Teaching texts that draw it as a U", set()),
    ],
)
def test_papers_are_found_in_a_source(text, papers):
    assert papers_of(text) == papers
