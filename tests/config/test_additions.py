"""What a scale file asks under `questions:`, beside the experiments' files."""

import pytest

from largebatch.config.study import load_study
from tests.shared.config_files import KESKAR, SMOKE, complaints, spoil

CLAIM = {
    "id": "M1",
    "says": "More.",
    "source": "own",
    "kind": "difference",
    "metric": "test_error_percent",
    "a": {"arm": "sweep_sgd[batch_size=26]"},
    "b": {"arm": "sgd.small"},
    "expect": {"above": 0.0},
}
FIGURE = {
    "name": "mine",
    "kind": "finals",
    "caption": "C.",
    "y": "hessian_trace",
    "lines": {"a": "along_small"},
}
OF_KESKAR = {"experiments": ["keskar"]}


def ask(folder, **asked):
    spoil(folder / SMOKE, {"questions": {"keskar": asked}})


def test_what_is_added_stands_beside_what_the_file_asks(folder):
    before = load_study(folder / SMOKE, OF_KESKAR).experiment("keskar")
    ask(folder, claims=[CLAIM], figures=[FIGURE], measures={"curvature": ["along_small", "adam.small"]})
    now = load_study(folder / SMOKE, OF_KESKAR).experiment("keskar")
    assert now.question.claims[:-1] == before.question.claims and now.question.claims[-1].id == "M1"
    assert now.question.figures[:-1] == before.question.figures
    assert set(now.question.measures["curvature"]) == {*before.question.measures["curvature"], "along_small"}
    # an arm of a grid is that grid's run, and no group of its own in the observations
    assert now.arms == before.arms
    assert now.to_aggregate()["groups"].keys() == before.to_aggregate()["groups"].keys()
    ((member,),) = [now.groups["sweep_sgd[batch_size=26]"].members]
    assert member.arm.batch_size == 26


def test_mistakes_are_said_all_at_once_where_they_are(folder):
    wrong = CLAIM | {"id": "M2", "a": {"arm": "sgd.smal"}, "b": {"arm": "sweep_sgd[batch_size=5]"}}
    ask(folder, claims=[wrong], figures=[FIGURE])
    spoil(folder / KESKAR, {"claims/K1/a": {"arm": "nobody"}})
    lines = complaints(folder, overrides=OF_KESKAR)
    starts = [line.partition(": wanted")[0] for line in lines]
    assert sorted(starts) == [
        "experiments/keskar.yaml: claims[K1].a.arm",
        "experiments/keskar.yaml: claims[K1].fit.a.arm",
        "smoke.yaml: questions.keskar.claims[M2].a.arm",
        "smoke.yaml: questions.keskar.claims[M2].b.arm",
        "smoke.yaml: questions.keskar.figures[mine].lines.a",
    ]


def test_every_mistake_of_a_file_has_a_line(folder):
    spoil(folder / SMOKE, {"seeds": 1, "threads": "two", "colour": "red", "base/lr": -1})
    assert [line.split(": ")[1] for line in complaints(folder)] == ["seeds", "threads", "colour"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"keskar": {"title": "T"}}, "questions.keskar.title: wanted a key among"),
        (
            {"keskar": {"claims": [CLAIM | {"id": "K1"}]}},
            "claims: wanted each name once; got ['K1'] repeatedly",
        ),
        ({"kesker": {"claims": [CLAIM]}}, "questions.kesker: wanted a name under numbers"),
        ({"keskar": {"claims": [CLAIM | {"kind": "no"}]}}, "questions.keskar.claims[M1].kind: wanted one of"),
    ],
)
def test_what_cannot_be_added(folder, asked, said):
    spoil(folder / SMOKE, {"questions": asked})
    assert said in "\n".join(complaints(folder, overrides=OF_KESKAR))


def test_an_experiment_of_ones_own(folder):
    """It needs a title, a question and a claim; figures and tables may be none."""
    arms = {
        "one": {"batch_size": 8, "lr": 0.1, "epochs": 2},
        "two": {"batch_size": 16, "lr": 0.1, "epochs": 2},
    }
    claim = CLAIM | {"a": {"arm": "one"}, "b": {"arm": "two"}}
    asked = {"title": "T", "question": "Q?", "claims": [claim]}
    spoil(
        folder / SMOKE, {"questions": {"own": asked}, "numbers/own": {"arms": arms}, "experiments": ["own"]}
    )
    (own,) = load_study(folder / SMOKE).experiments
    assert own.name == "own" and own.path == folder / SMOKE and own.question.figures == []
    del asked["title"], claim["says"]
    spoil(folder / SMOKE, {"questions": {"own": asked}})
    lines = complaints(folder)
    assert lines == [
        "smoke.yaml: questions.own.claims[M1].says: wanted a value; got none",
        "smoke.yaml: questions.own.title: wanted a value; got none",
    ]


def test_an_arm_of_a_grid_that_another_scale_has_is_not_run_here(folder):
    ask(folder, claims=[CLAIM | {"a": {"arm": "sweep_sgd[batch_size=1024]"}}])
    e = load_study(folder / SMOKE, OF_KESKAR).experiment("keskar")
    wanted = "This scale does not define the arm sweep_sgd[batch_size=1024]."
    assert {claim.id: claim.not_run for claim in e.question.claims}["M1"] == wanted
