"""Questions about classes, asked of numbers, are questions that such a study can answer."""

import numpy as np
import pytest

from largebatch.advise.files_of_study import QUESTIONS, Asked
from largebatch.advise.targets import CLASSES, NUMBERS, rounded_up
from largebatch.config.checking import read_yaml
from largebatch.config.images import Images
from largebatch.config.question import Question
from largebatch.metrics import OF_CLASSES

FILES = sorted(QUESTIONS.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_question_can_be_asked_of_numbers(path):
    asked = Question.model_validate(NUMBERS.asked(read_yaml(path)))
    metrics = {use.metric for use in asked.uses() if use.metric}
    assert metrics.isdisjoint(OF_CLASSES)
    assert not [metric for metric in metrics if "accuracy" in metric or "error_percent" in metric]
    texts = [claim.says for claim in asked.claims] + [
        shown.caption for shown in [*asked.figures, *asked.tables]
    ]
    assert not [text for text in texts if " point" in text or "alidation loss" in text]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_those_about_classes_stay_as_they_are(path):
    assert CLASSES.asked(read_yaml(path)) == read_yaml(path)


def test_closeness_is_a_ratio_of_errors():
    claims = {claim["id"]: claim for claim in NUMBERS.asked(read_yaml(QUESTIONS / "advice.yaml"))["claims"]}
    assert claims["A.default"]["kind"] == "ratio" and claims["A.default"]["expect"] == {"below": 1.0}
    assert claims["A.close"]["expect"] == {"below": 1.02} and "2 % higher" in claims["A.close"]["says"]
    assert claims["A.error"]["kind"] == "trend" and claims["A.error"]["expect"] == {"above": 0.0}


def test_a_goal_is_rounded_up_as_people_read_it():
    assert rounded_up(6.21, CLASSES) == 6.3 and rounded_up(6.2, CLASSES) == 6.2
    for value in (0.012341, 31_415.9, 7.0, 0.9999):
        goal = rounded_up(value, NUMBERS)
        assert value <= goal * (1 + 1e-9) and goal <= value * 1.011 and float(f"{goal:.3g}") == goal


@pytest.mark.parametrize(
    ("y", "targets"),
    [
        (np.arange(200) / 7, "numbers"),
        (np.arange(200) % 3, None),
        (np.array(["a", "b"] * 100), None),
    ],
    ids=["floats", "whole", "texts"],
)
def test_numbers_are_told_from_classes(tmp_path, monkeypatch, y, targets):
    from largebatch.cli.advising import holds_numbers, source_of

    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=np.random.default_rng(0).normal(size=(200, 3)), y=y)
    source = source_of("data.npz", None, None, tmp_path)
    assert holds_numbers(source, "data.npz") == (targets == "numbers")
    settings = source["arrays"] | ({"targets": targets} if targets else {})
    asked = Asked({}, {"arrays": settings}, Images(200), tmp_path, 1.0, 1)
    assert asked.target is (NUMBERS if targets else CLASSES)
