"""The papers put to the test: of each the question, the claims that answer it, a figure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from largebatch.config.checking import ConfigError, checked, read_yaml
from largebatch.config.question import Question
from largebatch.config.settings import Settings, Text
from largebatch.config.uses import Name

PAPERS = Path("report") / "papers.yaml"  # beside the scale files


class Paper(Settings):
    """One answer card.

    headlines: claim id -> what the paper found, as a clause that can follow 'it does not hold that'.
    figures: the first of them that a scale has is shown.
    """

    paper: Text
    experiment: Name
    question: Text
    headlines: Annotated[dict[str, Text], Field(min_length=1, max_length=4)]
    figures: Annotated[list[Name], Field(min_length=1)]


class Papers(Settings):
    """The whole file."""

    papers: list[Paper]


def read_papers(path: Path) -> list[Paper]:
    """Every paper, in the order of the page."""
    return checked(Papers, read_yaml(path), path).papers


def papers_beside(folder: Path, questions: Iterable[Question]) -> list[Paper]:
    """The papers in a folder of scale files, held to these questions; none without the file."""
    path = folder / PAPERS
    if not path.is_file():
        return []
    papers = read_papers(path)
    for mistake in mistakes_in_papers(papers, {question.experiment: question for question in questions}):
        raise ConfigError(f"{path}: {mistake}")
    return papers


def mistakes_in_papers(papers: Iterable[Paper], questions: dict[str, Question]) -> Iterable[str]:
    """'key: wanted ...; got ...' for what a paper names and its experiment, if it is among these, lacks."""
    for paper in papers:
        if paper.experiment not in questions:
            continue
        question, key = questions[paper.experiment], f"papers[{paper.paper}]"
        ids = [claim.id for claim in question.claims]
        if unknown := sorted(paper.headlines.keys() - set(ids)):
            yield f"{key}.headlines: wanted ids of claims of {paper.experiment}; got {unknown}"
        names = [figure.name for figure in question.figures]
        if unknown := sorted(set(paper.figures) - set(names)):
            yield f"{key}.figures: wanted figures of {paper.experiment}, {names}; got {unknown}"
