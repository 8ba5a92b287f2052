"""The paper's numbers come from the claims on the pairs that a figure compares."""

import pytest
from pydantic import TypeAdapter

from largebatch.config.papers import with_paper
from largebatch.config.question import Figure
from tests.shared.claims import ERROR, claim

LINES = {"small": "a", "large": "b", "other": "c"}


def figure(**changes):
    asked = {"name": "f", "caption": "c", "kind": "finals", "y": "test_error_percent", "lines": LINES}
    return TypeAdapter(Figure).validate_python({**asked, "against_all": "small", **changes})


def compared(kind, a, b, number, metric=ERROR, **at):
    return claim(kind, metric=metric, a={"arm": a, **at}, b={"arm": b, **at}, paper_value=number)


@pytest.mark.parametrize(
    ("claims", "ratios", "paper"),
    [
        ([compared("difference", "b", "a", 0.5)], False, {"large": 0.5}),
        ([compared("difference", "a", "b", 0.5)], False, {"large": -0.5}),
        ([compared("ratio", "a", "b", 4.0)], True, {"large": 0.25}),
        (
            [compared("ratio", "b", "a", 4.0), compared("ratio", "c", "a", 2.0)],
            True,
            {"large": 4.0, "other": 2.0},
        ),
        ([compared("ratio", "b", "a", 4.0)], False, {}),  # a ratio is no difference
        ([compared("difference", "b", "a", 0.5)], True, {}),
        ([compared("difference", "c", "b", 0.5)], False, {}),  # not a pair of the figure
        ([compared("difference", "b", "a", None)], False, {}),
        ([compared("difference", "b", "a", 0.5, metric="train_error_percent")], False, {}),
        ([compared("difference", "b", "a", 0.5, at={"median_of_last": 5})], False, {}),
    ],
)
def test_a_difference_has_the_number_of_its_claim(claims, ratios, paper):
    assert with_paper(figure(ratios=ratios), claims).paper == paper


def test_both_are_read_at_the_same_place():
    at = {"at": {"median_of_last": 5}}
    assert with_paper(figure(**at), [compared("difference", "b", "a", 0.5, **at)]).paper == {"large": 0.5}


def test_other_kinds_stay_as_they_are():
    rates = TypeAdapter(Figure).validate_python(
        {"name": "f", "caption": "c", "kind": "rates", "lines": LINES}
    )
    assert with_paper(rates, [compared("difference", "b", "a", 0.5)]) is rates
