"""The papers of the answer cards, against the experiments that they name."""

import re

import pytest

from largebatch.config.cards import PAPERS, Paper, mistakes_in_papers, read_papers
from largebatch.config.checking import ConfigError, checked, read_yaml
from largebatch.config.question import Question
from largebatch.config.study import load_study
from tests.conftest import REPOSITORY

CONFIG = REPOSITORY / "config"


def question(name):
    path = CONFIG / "experiments" / f"{name}.yaml"
    return checked(Question, read_yaml(path), path)


@pytest.fixture
def paper():
    return {
        "paper": "P",
        "experiment": "goyal",
        "question": "Why?",
        "headlines": {"G1": "so"},
        "figures": ["rates"],
    }


def test_every_paper_names_claims_and_figures_that_there_are():
    papers = read_papers(CONFIG / PAPERS)
    assert len({paper.paper for paper in papers}) == len(papers)
    questions = {paper.experiment: question(paper.experiment) for paper in papers}
    assert list(mistakes_in_papers(papers, questions)) == []


def test_a_study_has_the_papers_beside_its_scale():
    assert load_study(CONFIG / "smoke.yaml").papers == read_papers(CONFIG / PAPERS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"headlines": {"G99": "so"}},
            r"papers\[P\].headlines: wanted ids of claims of goyal; got \['G99'\]",
        ),
        ({"figures": ["none"]}, r"papers\[P\].figures: wanted figures of goyal, .*; got \['none'\]"),
    ],
)
def test_a_name_that_the_experiment_lacks_is_told(paper, change, message):
    (mistake,) = mistakes_in_papers([Paper(**paper | change)], {"goyal": question("goyal")})
    assert re.fullmatch(message, mistake)


def test_an_experiment_of_another_scale_is_not_looked_at(paper):
    assert list(mistakes_in_papers([Paper(**paper | {"headlines": {"G99": "so"}})], {})) == []


def test_a_file_that_is_no_list_of_papers(tmp_path):
    path = tmp_path / "papers.yaml"
    path.write_text("papers: [{paper: P}]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"papers.yaml: papers\[0\].experiment: wanted a value"):
        read_papers(path)
