"""Which claims need a control, and what a claim reads with what stands beside it."""

import pytest

from tests.shared.claims import ARMS, CURVES, ERROR, FIT, LOSS, OTHER, claim


@pytest.mark.parametrize(
    ("kind", "expect", "fields", "close"),
    [
        ("difference", {"below": 0.3}, ARMS, True),
        ("difference", {"below": 0.0}, ARMS, False),
        ("difference", {"above": 0.3}, ARMS, False),
        ("difference", {"within": [1.0, 2.0]}, ARMS, True),
        ("ratio", {"below": 1.25}, ARMS, True),
        ("ratio", {"above": 1.0}, ARMS, False),
        ("curve_gap", {"below": 1.0}, CURVES, True),
        ("level", {"below": 1.0}, {"a": ARMS["a"]}, False),
        ("level", {"within": [0.5, 1.0]}, {"a": ARMS["a"]}, True),
        ("slope", {"above": -0.2}, {"arm": "x"}, True),
        ("slope", {"above": 0.0}, {"arm": "x"}, False),
        ("growth_law", {"within": [-0.1, 0.1]}, {"arm": "x"}, True),
    ],
)
def test_a_claim_is_close_if_no_effect_or_a_number_bears_it_out(kind, expect, fields, close):
    assert claim(kind, expect=expect, **fields).is_close is close


def test_a_control_is_the_claim_with_other_fields():
    found = claim("difference", **ARMS, control=OTHER, fit=FIT, paper_value=1.0).controlled()
    wanted = claim("difference", a={"arm": "z"}, b={"arm": "y"}, paper_value=1.0)
    assert found == wanted
    slope = claim("slope", arm="x", high_at=16.0, control={"says": "s", "low_at": 64.0, "high_at": 256.0})
    assert slope.controlled() == claim("slope", arm="x", low_at=64.0, high_at=256.0)
    assert claim("curve_gap", **CURVES, control={"says": "s", "a": "z"}).controlled().a == "z"


def test_a_claim_reads_its_control_and_its_fit_but_does_not_need_them():
    found = claim("difference", **ARMS, control=OTHER, fit=FIT)
    read = {(use.key, use.arm, use.metric) for use in found.all_uses()}
    assert {("control.a.arm", "z", ERROR), ("fit.a.arm", "x", FIT["metric"]), ("a.arm", "x", ERROR)} <= read
    assert not found.needs({"z"})


def test_a_fit_is_read_at_the_end_where_the_claim_reads_a_profile():
    side = {"at": {"value": 0.5}}
    sides = {name: arm | side for name, arm in ARMS.items()}
    found = claim("ratio", metric="sharpness_percent", **sides, fit={"metric": LOSS}).fitted()
    assert (found.metric, found.a.at, found.b.at) == (LOSS, None, None)
    along = {name: arm | {"at": {"share": 0.5}} for name, arm in ARMS.items()}
    assert claim("difference", **along, fit=FIT).fitted().a.at.share == 0.5
