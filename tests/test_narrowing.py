"""A scale that leaves out some arms of an experiment, on the real experiment of Keskar et al."""

from pathlib import Path

import pytest
import yaml

from largebatch.narrowing import absent_from, mistakes_in_narrowing, narrowed
from largebatch.question import Question
from largebatch.references import uses

EXPERIMENTS = Path(__file__).parents[1] / "config" / "experiments"
LEFT_OUT = ["sweep_adam", "sweep_sgd", "sgd.small", "sgd.large", "sgd.full", "warm_start"]


def question(name="keskar") -> Question:
    return Question.model_validate(yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text()))


def without(left_out, name="keskar", deviations=()):
    """The real question without these arms."""
    whole = question(name)
    return narrowed(whole, absent_from(whole, left_out), "Too long.", dict(deviations))


def by_name(things):
    return {thing.name: thing for thing in things}


def test_nothing_but_claims_names_what_is_left_out():
    found = without(LEFT_OUT)
    absent = {*LEFT_OUT, "between_sgd"}
    assert {use.arm for use in uses(found.model_copy(update={"claims": []}))}.isdisjoint(absent)
    assert found.paths.keys() == {"between_adam"}


def test_claims_stay_and_say_why_they_are_not_run():
    whole, found = question(), without(LEFT_OUT, deviations={"K1": "Five seeds."})
    assert [claim.id for claim in found.claims] == [claim.id for claim in whole.claims]
    said = {claim.id: claim.deviation for claim in found.claims}
    assert said["K9"] == said["K1.sgd"] == said["K7.sgd"] == "Too long."
    assert said["K1"] == "Five seeds."
    before = {claim.id: claim.deviation for claim in whole.claims}
    assert said["K2"] == before["K2"] != ""


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


@pytest.mark.parametrize(
    ("left_out", "deviations", "text"),
    [
        (
            ["adam.small"],
            {},
            "left_out.arms: wanted arms that the scale lacks; got ['adam.small']",
        ),
        (["sweep"], {}, "left_out.arms: wanted arms that the experiment names; got ['sweep']"),
        ([], {"K99": "."}, "deviations: wanted ids of the experiment's claims; got ['K99']"),
    ],
)
def test_names_that_change_nothing_are_mistakes(left_out, deviations, text):
    assert list(mistakes_in_narrowing(question(), {"adam.small"}, left_out, deviations)) == [text]
