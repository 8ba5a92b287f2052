"""What may stand beside a claim, and where it must."""

import pytest
from pydantic import ValidationError

from largebatch.config.beside import FIT_MARGINS
from largebatch.config.differences import differences
from tests.shared.claims import ARMS, ERROR, FIT, LOSS, OTHER, claim
from tests.shared.config_files import ABSENT, GOYAL, KESKAR, complaint, spoil


def test_the_rule_of_a_fit_is_registered_with_the_claim():
    found = claim("difference", **ARMS, fit=FIT).chosen()["fit"]
    assert found == FIT | {"margin": FIT_MARGINS[FIT["metric"]], "share": 0.5}
    assert claim("difference", **ARMS, fit=FIT | {"margin": 0.1}).fit.margin == 0.1


@pytest.mark.parametrize(
    ("kind", "metric", "fields", "said"),
    [
        ("difference", ERROR, {"tier": "sanity", "fit": FIT}, "of an empirical claim only; got tier sanity"),
        (
            "difference",
            ERROR,
            {"tier": "identity", "control": OTHER},
            "empirical claim only; got tier identity",
        ),
        ("difference", ERROR, {"control": OTHER, "no_control": "none"}, "not both; got both"),
        ("difference", ERROR, {"control": {"says": "s"}}, "a field of the claim to replace"),
        ("difference", ERROR, {"control": {"says": "", "a": {"arm": "z"}}}, "a text with a letter; got ''"),
        (
            "difference",
            ERROR,
            {"control": {"says": "s", "a": ARMS["a"]}},
            "other fields than the claim's own",
        ),
        ("difference", ERROR, {"control": {"says": "s", "arm": "z"}}, "fields that difference has; got arm"),
        ("difference", ERROR, {"control": {"says": "s", "a": "z"}}, "fields that difference has; got a"),
        ("difference", ERROR, {"fit": {"metric": "test_error_percent"}}, "fit"),
        ("difference", ERROR, {"fit": FIT | {"margin": 0.0}}, "greater than 0"),
        ("difference", ERROR, {"fit": {"metric": LOSS}}, "by accuracy or error; got train_loss_nats"),
        ("ratio", "hessian_trace", {"fit": FIT}, "by the loss where ratios count"),
        ("level", ERROR, {"fit": FIT}, "a and b, or over arms, by one metric; got that of a level"),
        ("difference", ERROR, {"a": {"arm": "x", "metric": "updates"}, "fit": FIT}, "by one metric"),
    ],
)
def test_bad_inputs(kind, metric, fields, said):
    sides = {"a": ARMS["a"]} if kind == "level" else ARMS
    with pytest.raises(ValidationError, match=said):
        claim(kind, metric=metric, **{**sides, **fields})


@pytest.fixture
def spoilt(folder):
    """What is said of the configuration after these edits of one of its files."""
    return lambda file, edits: (spoil(folder / file, edits), complaint(folder))[1]


def test_a_claim_of_closeness_names_a_control_or_says_why_not(spoilt):
    said = spoilt(GOYAL, {"claims/G5/control": ABSENT})
    assert said.startswith(
        f"{GOYAL}: claims[G5].control: wanted a comparison where it must fail, or no_control with the reason"
    )
    assert said.endswith("got neither")


def test_the_arms_of_a_control_are_looked_up(spoilt):
    assert "claims[G5].control.a: wanted" in spoilt(GOYAL, {"claims/G5/control/a": "baselin"})


def test_an_unknown_operand_of_a_control_is_named(spoilt):
    said = spoilt(KESKAR, {"claims/K2.epochs/control/b": {"arm": "lb_adam_epochs", "att": {}}})
    assert "claims[K2.epochs]: wanted control with fields that difference has; got b.att" in said


def test_a_control_that_is_added_is_a_difference_from_what_was_registered_but_its_words_are_none():
    whole = {"seeds": 5, "rule": {}, "reads": {"T1": []}, "arms": {}}
    bare, with_one, reworded = (
        whole | {"claims": {"T1": claim("difference", **ARMS, **more).chosen()}}
        for more in ({}, {"control": OTHER}, {"control": OTHER | {"says": "Otherwise."}})
    )
    assert differences(bare, with_one) == {"T1": ["control none -> a arm z"]}
    assert differences(with_one, reworded) == {}
    fitted = whole | {"claims": {"T1": claim("difference", **ARMS, fit=FIT).chosen()}}
    assert differences(bare, fitted) == {
        "T1": ["fit none -> metric train_error_percent margin 0.5 share 0.5"]
    }


def test_a_control_that_a_scale_leaves_out_reads_nothing():
    asked = claim("difference", **ARMS, control=OTHER)
    left_out = claim("difference", **ARMS, control=OTHER | {"not_run": "Its arms are left out."})
    assert [*left_out.all_uses()] == [*asked.uses()] != [*asked.all_uses()]
