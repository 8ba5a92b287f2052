"""The paper's numbers come from the claims on the pairs that a figure compares."""

import pytest
from pydantic import TypeAdapter

from largebatch.config.claims import Claim
from largebatch.config.papers import with_paper
from largebatch.config.question import Figure

LINES = {"small": "a", "large": "b", "other": "c"}


def figure(**changes):
    asked = {"name": "f", "caption": "c", "kind": "finals", "y": "test_error_percent", "lines": LINES}
    return TypeAdapter(Figure).validate_python({**asked, "against_all": "small", **changes})


def claim(kind, a, b, number, metric="test_error_percent", **at):
    asked = {"id": "X1", "says": "s", "source": "p", "metric": metric, "expect": {"above": 1.0}}
    sides = {"a": {"arm": a, **at}, "b": {"arm": b, **at}}
    return TypeAdapter(Claim).validate_python({**asked, "kind": kind, "paper_value": number, **sides})


@pytest.mark.parametrize(
    ("claims", "ratios", "paper"),
    [
        ([claim("difference", "b", "a", 0.5)], False, {"large": 0.5}),
        ([claim("difference", "a", "b", 0.5)], False, {"large": -0.5}),
        ([claim("ratio", "a", "b", 4.0)], True, {"large": 0.25}),
        ([claim("ratio", "b", "a", 4.0), claim("ratio", "c", "a", 2.0)], True, {"large": 4.0, "other": 2.0}),
        ([claim("ratio", "b", "a", 4.0)], False, {}),  # a ratio is no difference
        ([claim("difference", "b", "a", 0.5)], True, {}),
        ([claim("difference", "c", "b", 0.5)], False, {}),  # not a pair of the figure
        ([claim("difference", "b", "a", None)], False, {}),
        ([claim("difference", "b", "a", 0.5, metric="train_error_percent")], False, {}),
        ([claim("difference", "b", "a", 0.5, at={"median_of_last": 5})], False, {}),
    ],
)
def test_a_difference_has_the_number_of_its_claim(claims, ratios, paper):
    assert with_paper(figure(ratios=ratios), claims).paper == paper


def test_both_are_read_at_the_same_place():
    at = {"at": {"median_of_last": 5}}
    assert with_paper(figure(**at), [claim("difference", "b", "a", 0.5, **at)]).paper == {"large": 0.5}


def test_other_kinds_stay_as_they_are():
    rates = TypeAdapter(Figure).validate_python(
        {"name": "f", "caption": "c", "kind": "rates", "lines": LINES}
    )
    assert with_paper(rates, [claim("difference", "b", "a", 0.5)]) is rates
