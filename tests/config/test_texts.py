"""What a text says of a setting is the scale's; all else in it stays as it is written."""

import pytest

from largebatch.config.study import load_study
from largebatch.config.texts import filled
from tests.conftest import REPOSITORY
from tests.shared.config_files import SMOKE, complaints, spoil

SHALLUE = {"experiments": "shallue"}


@pytest.fixture(scope="module")
def groups():
    return load_study(REPOSITORY / "config" / "smoke.yaml", SHALLUE).experiment("shallue").groups


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to <sweep goal.error_percent | 5> % error", "to 30 % error"),
        ("<sweep batch_size least | 4> to <sweep batch_size most | 1,024>", "8 to 256"),
        ("<sweep model.name | a net> here", "mlp here"),
        ("batch <nobody batch_size | 4>", "batch 4"),
    ],
)
def test_a_setting_is_that_of_the_arms(groups, text, shown):
    assert filled({"a": [text]}, groups) == {"a": [shown]}


@pytest.mark.parametrize(
    "text",
    [
        *("a {b} {{c}} {0} %s $x", "p < 0.05 | q > 1", "<b>bold</b>", "<sweep>", "<sweep goal>"),
        "<sweep | 5>",
    ],
)
def test_what_is_no_setting_stays(groups, text):
    assert filled(text, groups) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "<sweep batch_size | 4>",
            "wanted least or most of batch_size of sweep, whose arms differ; got neither",
        ),
        ("<sweep batch | 4>", "wanted a number or a name that the arms in question have; got batch"),
        ("<noise goal.error_percent | 4>", "got goal.error_percent"),
    ],
)
def test_a_setting_that_there_is_not_is_said(folder, text, said):
    spoil(folder / "experiments/shallue.yaml", {"question": text})
    (line,) = complaints(folder, overrides=SHALLUE)
    assert line.startswith("experiments/shallue.yaml: in a text: wanted ") and said in line


def test_texts_follow_a_goal(folder):
    def caption():
        return load_study(folder / SMOKE, SHALLUE).experiment("shallue").question.figures[0].caption

    assert "Updates and examples to 30 % test error" in caption()
    spoil(folder / SMOKE, {"numbers/shallue/base/goal": {"error_percent": 12.5}})
    assert "Updates and examples to 12.5 % test error" in caption()


def test_digits_says_what_was_published():
    says = (
        load_study(REPOSITORY / "config" / "digits.yaml", SHALLUE)
        .experiment("shallue")
        .question.claims[0]
        .says
    )
    assert "(batch 4 to 16)" in says
