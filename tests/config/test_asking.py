"""A scale that leaves out some arms of an experiment, on the real experiment of Keskar et al."""

import pytest
import yaml

from largebatch.config.asking import Asking, absent_from, asked, mistakes_in_asking
from largebatch.config.question import Question
from tests.conftest import REPOSITORY

EXPERIMENTS = REPOSITORY / "config" / "experiments"
LEFT_OUT = ["sweep_adam", "sweep_sgd", "sgd.small", "sgd.large", "sgd.full", "warm_start"]


def question(name="keskar") -> Question:
    return Question.model_validate(yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text(encoding="utf-8")))


def without(left_out, name="keskar", **more):
    """The real question without these arms."""
    some = {"left_out": {"arms": left_out, "because": "Too long."}} if left_out else {}
    return ask(name, Asking.model_validate(some | more))


def ask(name, asking, undefined=(), called=""):
    """The real question as it is asked, under this name or another."""
    return asked(
        question(name), asking, called or name, absent_from(question(name), asking, lacking(*undefined))
    )


def lacking(*arms):
    return {arm: f"This scale does not define the arm {arm}." for arm in arms}


def by_name(things):
    return {thing.name: thing for thing in things}


def test_nothing_but_claims_names_what_is_left_out():
    found = without(LEFT_OUT)
    absent = {*LEFT_OUT, "between_sgd"}
    assert {use.arm for use in found.model_copy(update={"claims": []}).uses()}.isdisjoint(absent)
    assert found.paths.keys() == {"between_adam", "descent"}


def test_claims_stay_and_say_why_they_are_not_run():
    whole, found = question(), without(LEFT_OUT, deviations={"K1": "Five seeds."})
    assert [claim.id for claim in found.claims] == [claim.id for claim in whole.claims]
    why = {claim.id: claim.not_run for claim in found.claims}
    assert why["K9"] == why["K1.sgd"] == why["K7.sgd"] == "Too long." and why["K1"] == why["K2"] == ""
    said = {claim.id: claim.deviation for claim in found.claims}
    assert said["K1"] == "Five seeds." and said["K9"] == ""
    before = {claim.id: claim.deviation for claim in whole.claims}
    assert said["K2"] == before["K2"] != ""


def test_measures_that_are_left_out_take_their_metrics_with_them():
    left_out = {"measures": ["curvature", "keskar", "keskar_subspace", "path"], "because": "Accuracies only."}
    found = ask("keskar", Asking.model_validate({"left_out": left_out}))
    why = {claim.id: claim.not_run for claim in found.claims}
    assert why["K3"] == why["K6"] == why["K7"] == why["K10"] == "Accuracies only."
    assert why["K1"] == why["K9"] == why["K10.accuracy"] == why["K11"] == ""  # K11 is of keskar_by_epoch
    assert not found.paths and {"curvature", "keskar"}.isdisjoint(found.measures)
    figures, tables = by_name(found.figures), by_name(found.tables)
    assert figures["batch_sweep"].y == ["test_error_percent"]
    # what is about Metric 2.1 goes with it, whatever stands beside
    assert {"sharpness", "metric", "metric_sweep", "warm_start", "line"}.isdisjoint(figures)
    assert "hessian_trace" not in tables["convergence"].metrics and "updates" in tables["convergence"].metrics
    assert {"sharpness", "sharpness_half"}.isdisjoint(tables)
    Question.model_validate(found.model_dump())


def test_a_claim_alone_is_left_out_for_its_own_reason():
    found = ask("keskar", Asking.model_validate({"left_out": {"claims": {"K2": "Could not fail."}}}))
    why = {claim.id: claim.not_run for claim in found.claims}
    assert why["K2"] == "Could not fail." and why["K1"] == ""


@pytest.mark.parametrize(
    ("left_out", "wanted"),
    [
        ({}, "arms, measures or claims; got none of them"),
        ({"because": "why"}, "arms, measures or claims; got none of them"),
        (
            {"claims": {"K2": "why"}, "because": "why"},
            r"because beside arms or measures, and only there; got 'why'",
        ),
        ({"arms": ["sgd.full"]}, "because beside arms or measures, and only there; got None"),
    ],
)
def test_something_is_left_out_and_its_reason_given(left_out, wanted):
    with pytest.raises(ValueError, match=wanted):
        Asking.model_validate({"left_out": left_out})


def test_claims_say_which_arms_the_scale_does_not_define():
    """Beside the scale's own reason for others; a path goes with its end."""
    asking = Asking.model_validate({"left_out": {"arms": ["sgd.full"], "because": "Too long."}})
    found = ask("keskar", asking, ["sgd.small", "sgd.large"])
    why = {claim.id: claim.not_run for claim in found.claims}
    small, large = (f"This scale does not define the arm sgd.{size}." for size in ("small", "large"))
    assert why["K1.sgd"] == f"{small} {large}" and why["K7.sgd"] == small and why["K1"] == ""
    assert found.paths.keys() == {"between_adam", "descent"}
    assert absent_from(question(), asking, lacking("sgd.small"))["sgd.full"] == "Too long."


def test_figures_and_tables_lose_lines_and_rows_and_go_when_none_is_left():
    found = without(LEFT_OUT)
    figures, tables = by_name(found.figures), by_name(found.tables)
    assert "batch_sweep" not in figures and "warm_start" not in figures
    assert figures["line"].lines == {"Adam": "between_adam"}
    assert list(tables["convergence"].rows) == ["Adam, small batch", "Adam, large batch", "Adam, full batch"]
    without_small = without([*LEFT_OUT, "adam.small"])
    assert "Adam, small batch" not in by_name(without_small.tables)["convergence"].paper


def test_a_figure_that_needs_an_arm_goes_with_it():
    whole, found = question("mitigations"), without(["small"], "mitigations")
    gaps = {figure.name for figure in whole.figures if figure.kind == "gap_closed"}
    assert gaps and gaps.isdisjoint(by_name(found.figures))


def test_a_baseline_that_is_left_out_is_not_drawn():
    found = without(["adam.large"])
    assert by_name(found.figures)["warm_start"].baseline is None


def test_nothing_left_out_changes_nothing():
    assert without([]) == question()


def test_a_claim_can_be_left_out_by_itself():
    some = {"arms": ["sweep_sgd"], "because": "Too long.", "claims": {"K1.updates": "Evaluated too rarely."}}
    found = ask("keskar", Asking.model_validate({"left_out": some}))
    why = {claim.id: claim.not_run for claim in found.claims if claim.not_run}
    assert why["K1.updates"] == "Evaluated too rarely." and "K1" not in why


PAPER = {
    "of": "net C1 on CIFAR-10",
    "values": {"K1": 2.78},
    "tables": {"convergence": {"Adam, small batch": {"test_accuracy_percent": "80.04 ± 0.12"}}},
}


def test_the_numbers_of_another_net_replace_all_of_the_papers():
    found = without([], paper=PAPER)
    assert {claim.id: claim.paper_value for claim in found.claims if claim.paper_value} == {"K1": 2.78}
    tables = by_name(found.tables)
    assert tables["convergence"].paper == PAPER["tables"]["convergence"]
    assert tables["sharpness"].paper == {} and tables["convergence"].paper_of == "net C1 on CIFAR-10"


def test_a_question_asked_once_more_has_claims_of_its_own():
    asking = Asking(question="keskar", deviations={"K1": "VGG."})
    found = ask("keskar", asking, called="keskar_c2")
    assert found.experiment == "keskar_c2"
    assert [claim.id for claim in found.claims] == [f"{claim.id}_c2" for claim in question().claims]
    assert {claim.id: claim.deviation for claim in found.claims}["K1_c2"] == "VGG."
    Question.model_validate(found.model_dump())  # ids of claims stay ids


@pytest.mark.parametrize(
    ("asking", "text"),
    [
        (
            {"left_out": {"arms": ["sweep"], "because": "why"}},
            "left_out.arms: wanted arms that the experiment names; got ['sweep']",
        ),
        (
            {"left_out": {"arms": ["sgd.small"], "because": "why", "claims": {"K99": "why"}}},
            "left_out.claims: wanted ids of the experiment's claims; got ['K99']",
        ),
        ({"deviations": {"K99": "why"}}, "deviations: wanted ids of the experiment's claims; got ['K99']"),
        (
            {"paper": {"of": "C1", "values": {"K99": 1.0}}},
            "paper.values: wanted ids of the experiment's claims; got ['K99']",
        ),
        (
            {"paper": {"of": "C1", "values": {"K3": 0.0}}},
            "paper: wanted numbers above 0 of K3, judged on logarithms; got 0.0",
        ),
        (
            {"paper": {"of": "C1", "runs": 5, "sides": {"K3": ["0 ± 1", "2 ± 1"]}}},
            "paper: wanted numbers above 0 of K3, judged on logarithms; got 0.0",
        ),
        (
            {"paper": {"of": "C1", "tables": {"sharp": {}}}},
            "paper.tables: wanted names of the experiment's tables; got ['sharp']",
        ),
        ({"question": "goyal"}, "question: wanted the begin of the experiment's name, 'keskar'; got 'goyal'"),
    ],
)
def test_names_that_change_nothing_are_mistakes(asking, text):
    found = mistakes_in_asking(question(), Asking.model_validate(asking), {"adam.huge"}, "keskar")
    assert list(found) == [text]


def test_an_exhibit_is_made_unless_all_that_is_named_of_it_is_left_out():
    whole = question("primer")
    assert without(["worked.full"], "primer").exhibits == whole.exhibits
    every = sorted({use.arm for use in whole.uses()})
    found = without(every, "primer")
    assert (found.exhibits, found.figures, found.tables) == ([], [], [])
    assert {claim.not_run for claim in found.claims} == {"Too long."}


def test_a_row_that_is_left_out_takes_its_position_with_it():
    table = by_name(without(["worked.online"], "primer").tables)["worked"]
    assert table.positions.keys() == table.rows.keys() == table.paper.keys()
    assert "worked.online" not in table.rows.values()
