"""A question may name only what its scale has: arms, as many as it needs, with the metric it reads."""

import copy
import re
from dataclasses import replace

import pytest
import yaml

from largebatch.config.exhibits import Exhibits
from largebatch.config.measures import Measures
from largebatch.config.question import Question
from largebatch.config.references import mistakes
from largebatch.config.spec import Arm
from tests.shared.questions import (
    CONFIG,
    GIVEN,
    MEASURES,
    PARSED,
    SHARP,
    STUDY,
    TEST_ERROR,
    claim,
    figure,
    table,
)

END, ERROR = "hessian_top_eigenvalue", "test_error_percent"
BOX, BOX_AT = "sharpness_percent", {"at": {"value": 0.001}}
LINE = {"paths": {"line": {"start": "adam.small", "end": "adam.large"}}}
SIDES = {"a": {"arm": "adam.small"}, "b": {"arm": "adam.large"}}
GAP = {"small": "adam.small", "large": "adam.large"}


def said(name="keskar", settings=GIVEN, **parts) -> list[str]:
    """The mistakes in a question of smoke with these parts in place."""
    question = Question.model_validate(PARSED[name] | parts)
    return [*mistakes(question, STUDY.experiment(name).groups, settings)]


def boxed(**parts):
    """A question of keskar in which Metric 2.1 is measured on two arms and a sweep, and a path is there."""
    arms = ["adam.small", "adam.large", "sweep_sgd"]
    return {"measures": PARSED["keskar"]["measures"] | {"keskar": arms}} | LINE | parts


@pytest.mark.parametrize("name", [experiment.name for experiment in STUDY.experiments])
def test_the_questions_of_this_repository_have_no_mistake(name):
    question = yaml.safe_load((CONFIG / "experiments" / f"{name}.yaml").read_text(encoding="utf-8"))
    groups = STUDY.experiment(name).groups
    exhibits = Exhibits(**STUDY.experiment(name).exhibits)
    parsed = Question.model_validate(question)
    assert [*mistakes(parsed, groups, MEASURES, exhibits=exhibits)] == []


GRID = "wanted one arm; got 'sweep_sgd', a grid of 2"
UNMEASURED = f"wanted an arm listed in measures.curvature for {END}; got 'sb_adam_epochs'"
AT_END = f"wanted a metric that is known along the run; got '{END}', known at its end"

MISTAKES = {
    "grid in a difference": (
        claim("difference", **TEST_ERROR, **SIDES | {"a": {"arm": "sweep_sgd"}}),
        f"claims[X1].a.arm: {GRID}",
    ),
    "goal of an arm without one": (
        claim("level", metric="updates_to_test_goal", expect={"above": 1.0}, a={"arm": "adam.small"}),
        "claims[X1].a.arm: wanted an arm with a goal for updates_to_test_goal; got 'adam.small'",
    ),
    "single arm as a row over a setting": (
        table(over="batch_size"),
        "tables[t].rows.row: wanted a grid of arms over batch_size; got 'adam.small', a single arm",
    ),
    "numbers of a paper over a setting": (
        table(rows={"row": "sweep_sgd"}, over="batch_size", paper={"row": {"updates": "1"}}),
        "tables[t].paper: wanted none beside over, which makes rows of its own; got ['row']",
    ),
    "grid over another setting": (
        claim("monotone", **TEST_ERROR, arm="sweep_sgd", setting="lr"),
        "claims[X1].arm: wanted one arm at each lr; got 'sweep_sgd', with {0.05: 2}",
    ),
    "metric that was not measured, in a claim": (
        claim("ratio", **SHARP, **SIDES | {"a": {"arm": "sb_adam_epochs"}}),
        f"claims[X1].a.arm: {UNMEASURED}",
    ),
    "curve of what is known at the end": (
        figure("curves", "adam.small", x="epoch", y=[END]),
        f"figures[f].lines.line: {AT_END}",
    ),
    # profiles
    "profile in a claim without a position": (
        boxed(**claim("ratio", metric=BOX, expect={"above": 1.0}, **SIDES)),
        f"claims[X1].a.arm: wanted at: {{value: ...}} for the profile {BOX}; got a reading at its end",
    ),
    "profile along a run": (
        boxed(**figure("curves", "adam.small", x="epoch", y=[BOX])),
        f"figures[f].lines.line: wanted a metric that is known along the run; got '{BOX}', a profile",
    ),
    "position of what is no profile": (
        claim("level", **TEST_ERROR, a={"arm": "adam.small"} | BOX_AT),
        "claims[X1].a.arm: wanted a metric that is a profile; got 'test_error_percent'",
    ),
    "slope of what is known at its end only": (
        claim("slope", metric="diverged", expect={"above": 1.0}, arm="adam.small"),
        "claims[X1].arm: wanted a metric that is known along the run; got 'diverged', known at its end",
    ),
    "trend within a setting of one arm": (
        claim("monotone", **TEST_ERROR, arm="adam.small", setting="batch_size", within="lr"),
        "claims[X1].arm: wanted several arms; got 'adam.small', a single arm",
    ),
    "profile figure of what is none": (
        figure("profile", "adam.small", y=["updates"], x_label="x"),
        "figures[f].lines.line: wanted a metric that is a profile; got 'updates'",
    ),
    "profile in a table without a position": (
        boxed(**table(metrics=["updates", BOX], at={"share": 0.5})),
        f"tables[t].at: wanted {{value: ...}} for ['{BOX}'], which are profiles; got {{'share': 0.5}}",
    ),
    "position in a table without a profile": (
        table(**BOX_AT),
        "tables[t].at: wanted a metric that is a profile; got ['updates']",
    ),
    "two cells of a heat map in one place": (
        figure("heat_map", "sweep_sgd", y=["updates"], lines={"one": "sweep_sgd", "two": "sweep_sgd"}),
        "figures[f].lines: wanted one arm at each (batch size, peak rate); "
        "got more at [(4, 0.05), (26, 0.05)]",
    ),
    # paths
    "path as an end of a path": (
        {"paths": LINE["paths"] | {"two": {"start": "line", "end": "adam.small"}}},
        "paths.two.start: wanted an arm; got 'line', a path",
    ),
    "path with the name of an arm": (
        {"paths": {"sweep_sgd": {"start": "adam.small", "end": "adam.large"}}},
        "paths.sweep_sgd: wanted a name that no arm has; got 'sweep_sgd'",
    ),
    "path to itself": (
        {"paths": {"line": {"start": "adam.small", "end": "adam.small"}}},
        "paths.line: wanted two different runs; got 'adam.small' and 'adam.small', the same",
    ),
    "metric of a path on an arm": (
        LINE | claim("level", metric="path_rise_behind_nats", expect={"above": 1.0}, a={"arm": "adam.small"}),
        "claims[X1].a.arm: wanted a path for path_rise_behind_nats; got 'adam.small', an arm",
    ),
    "metric of an arm on a path": (
        LINE | claim("level", metric="test_loss_nats", expect={"above": 1.0}, a={"arm": "line"}),
        "claims[X1].a.arm: wanted a metric of paths, such as ['arc_test_loss_nats', ",
    ),
    "path in a correlation": (
        LINE | claim("monotone", **TEST_ERROR, arm="line", setting="lr"),
        "claims[X1].arm: wanted a grid of arms over lr; got 'line', a path",
    ),
    "path among the arms of a measure": (
        LINE | {"measures": PARSED["keskar"]["measures"] | {"keskar": ["line"]}},
        "measures.keskar: wanted an arm; got 'line', a path",
    ),
    "path in a table of other metrics": (
        LINE | table(rows={"row": "adam.small", "path": "line"}),
        "tables[t].rows.path: wanted a path's row beside a metric of paths; got ['updates']",
    ),
    # settings and what only some arms have
    "setting that arms lack": (
        claim("monotone", **TEST_ERROR, arm="sweep_sgd", setting="growth_epoch"),
        "claims[X1].arm: wanted arms that have a growth_epoch; "
        "got ['sweep_sgd[batch_size=4]', 'sweep_sgd[batch_size=26]'] without",
    ),
    "arm that keeps no snapshots": (
        {"measures": PARSED["keskar"]["measures"] | {"curvature_by_epoch": ["adam.small"]}},
        "measures.curvature_by_epoch: wanted arms with snapshots_at_epochs or snapshots_at_loss; "
        "got 'adam.small' without",
    ),
    "loss that an arm does not have": (
        figure("curves", "adam.small", x="epoch", y=["train_squared_error"]),
        "figures[f].lines.line: wanted a metric that 'adam.small' has "
        "(loss: cross_entropy of targets that are classes), such as ['train_error_percent', ",
    ),
    "paper's number of no row": (
        table(paper={"raw": {"updates": "1"}}),
        "tables[t].paper: wanted labels of rows, ['row']; got ['raw']",
    ),
    "paper's number of no column": (
        table(paper={"row": {"test_error_percent": "1"}}),
        "tables[t].paper.row: wanted metrics of the table; got ['test_error_percent']",
    ),
    "claim twice": (
        {"claims": PARSED["keskar"]["claims"][:1] * 2},
        "claims: wanted each name once; got ['K1'] repeatedly",
    ),
}


@pytest.mark.parametrize(("parts", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_key_wanted_and_got(parts, line):
    found = said(**parts)[0]
    assert found.startswith(line) and "; got " in found and "\n" not in found


def test_a_measure_needs_its_settings():
    assert said(settings=Measures())[0] == (
        "measures.curvature: wanted settings for it under measures.curvature of the scale; got none"
    )


def test_a_path_needs_its_settings():
    assert said(settings=GIVEN.model_copy(update={"path": None}), **LINE)[0] == (
        "paths: wanted settings for it under measures.path of the scale; got none"
    )


def of_groups(groups, **parts) -> list[str]:
    """The mistakes in keskar's question with these parts, where these groups are there too."""
    question = Question.model_validate(PARSED["keskar"] | parts)
    return [*mistakes(question, STUDY.experiment("keskar").groups | groups, GIVEN)]


def test_a_path_leads_between_arms_that_are_not_tuned_and_of_one_net():
    tuned = {"tuned": STUDY.experiment("schedules").groups["cosine.small_tuned"]}
    line = {"paths": {"line": {"start": "adam.small", "end": "tuned"}}}
    assert of_groups(tuned, **line) == [
        "paths.line.end: wanted an arm that is not tuned; got 'tuned', tuned on validation_loss_nats"
    ]
    group = STUDY.experiment("keskar").groups["adam.small"]
    (member,) = group.members
    wider = member.arm.model_copy(update={"model": member.arm.model.model_copy(update={"hidden": [32]})})
    other = {"tuned": replace(group, members=(replace(member, arm=wider),))}
    assert of_groups(other, **line) == [
        "paths.line: wanted two arms with the same model; got 'adam.small' and 'tuned', which differ"
    ]


def test_what_profiles_and_paths_are_for():
    on_line = {"arm": "line"} | {"at": {"value": 1.0}}
    ratio = {
        "metric": "path_loss_nats",
        "expect": {"within": [0.5, 2.0]},
        "a": on_line,
        "b": on_line,
        "no_control": "none",
    }
    right = (
        claim("ratio", **ratio),
        claim("ratio", metric=BOX, expect={"above": 1.0}, **{s: v | BOX_AT for s, v in SIDES.items()}),
        claim("level", metric="path_rise_behind_nats", expect={"above": 1.0}, a={"arm": "line"}),
        claim("slope", metric=BOX, expect={"above": 1.0}, arm="adam.small"),
        claim("slope", metric="arc_loss_nats", expect={"above": 1.0}, arm="line"),
        claim(
            "monotone",
            metric=BOX,
            expect={"above": 0.0},
            arm="sweep_sgd",
            setting="batch_size",
            **BOX_AT,
        ),
        claim("monotone", **TEST_ERROR, arm="sweep_sgd", setting="lr_over_batch"),
        claim("level", **TEST_ERROR, a={"arm": "adam.small", "at": {"train_loss_nats": 0.1}}),
        figure("profile", "line", y=["path_loss_nats", "path_accuracy_percent"], x_label="α"),
        figure("finals", "line", y="path_loss_nats", at={"value": 0.5}),
        figure("heat_map", "sweep_sgd", y=["updates", BOX], **BOX_AT),
        figure("gap_closed", "adam.full", y="test_error_percent", **GAP),
        figure("curves", "adam.small", x="train_loss_nats", y=["test_loss_nats"], level=END),
        table(
            rows={"row": "adam.small", "line": "line"}, metrics=["updates", BOX, "path_loss_nats"], **BOX_AT
        ),
    )
    for parts in right:
        assert said(**boxed(**parts)) == []


def test_a_tuned_group_is_one_arm():
    group = STUDY.experiment("schedules").groups["cosine.small_tuned"]
    groups = {"tuned": group}
    assert of_groups(groups, **figure("finals", "tuned", y="updates")) == []
    against = figure("against_setting", "tuned", x="lr", y=["updates"])
    assert "got 'tuned', a single arm" in of_groups(groups, **against)[0]


def test_a_row_that_was_not_measured_is_no_mistake():
    """It shows a dash."""
    assert said(**table(rows={"row": "sb_adam_epochs"}, metrics=[END])) == []


def test_the_last_evaluations_of_any_metric_may_be_read():
    """Goyal's table has the share of diverged seeds beside medians."""
    at = {"median_of_last": 5}
    assert said(**figure("finals", "adam.small", y=END, at=at)) == []
    assert said(**claim("ratio", **SHARP, **{s: v | {"at": at} for s, v in SIDES.items()})) == []


def test_every_name_in_a_question_is_looked_up():
    """Spoil one arm's name after another, wherever it stands."""
    for name, parsed in PARSED.items():
        groups = STUDY.experiment(name).groups
        places = [*arms_in(parsed, groups)]
        named = {(use.key, use.arm) for use in Question.model_validate(parsed).uses()}
        # a fit reads what its claim names, and so does a control where it replaces nothing
        named = {
            (key, arm)
            for key, arm in named
            if (re.sub(r"\.(fit|control)\.", ".", key), arm) not in named - {(key, arm)}
        }
        assert len(places) >= len(named) > 10
        for *way, last in places:
            spoilt = part = copy.deepcopy(parsed)
            for key in way:
                part = part[key]
            part[last] = "nope"
            found = [*mistakes(Question.model_validate(spoilt), groups, MEASURES)]
            assert any("such as" in line and "'nope'" in line for line in found), (way, last)


def arms_in(content, groups, place=()):
    """The places of all values that are names of arms."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from arms_in(value, groups, (*place, key))
    elif isinstance(content, str) and content in groups:
        yield place


def test_a_descent_needs_a_plane_and_runs_that_kept_their_start():
    descent = {"name": "f", "caption": "c", "kind": "descent", "path": "ways", "start": "a", "end": "b"}

    def complaints(plane_points, start):
        paths = {"ways": {"start": start, "end": "along_large"}}
        asked = Question.model_validate(PARSED["keskar"] | {"paths": paths, "figures": [descent]})
        measures = GIVEN.model_copy(update={"path": MEASURES.path.model_copy(update=plane_points)})
        found = mistakes(asked, STUDY.experiment("keskar").groups, measures)
        return [line for line in found if line.startswith("figures[f]")]

    assert complaints({}, "along_small") == []
    assert complaints({"plane_points": None}, "along_small") == [
        "figures[f].path: wanted plane_points under measures.path of the scale; got none"
    ]
    assert complaints({}, "adam.small") == [
        "figures[f].path: wanted runs with snapshots_at_epochs from 0 on; got ['adam.small']"
    ]


@pytest.mark.parametrize(
    ("name", "measure", "arm", "change", "is_wrong"),
    [
        ("convex", "excess_by_epoch", "full", {"loss": "cross_entropy"}, True),
        ("convex", "excess_by_epoch", "full", {"model": {"name": "mlp", "hidden": [4]}}, True),
        ("sharpness", "rescaling", "adam_small", {"model": {"name": "mlp", "hidden": []}}, True),
        ("sharpness", "rescaling", "adam_small", {"model": {"name": "cnn", "channels": [4]}}, True),
        ("sharpness", "rescaling", "adam_small", {"model": {"name": "mlp", "hidden": [4]}}, False),
    ],
)
def test_a_measure_of_certain_nets_is_asked_of_these_only(name, measure, arm, change, is_wrong):
    e = STUDY.experiment(name)
    group = e.groups[arm]
    (member,) = group.members
    other = replace(member, arm=Arm.model_validate(member.arm.chosen() | change))
    found = mistakes(e.question, e.groups | {arm: replace(group, members=(other,))}, e.measures)
    lines = [line for line in found if line.startswith(f"measures.{measure}: wanted ")]
    assert len(lines) == is_wrong
    assert all(line.endswith(f"; got {arm!r}, such as {other.arm.id}") for line in lines)


def test_a_stability_threshold_is_asked_of_full_batch_descent_only():
    e = STUDY.experiment("edge")
    group = e.groups["fast"]
    (member,) = group.members
    for change in ({"batch_size": 8}, {"schedule": {"name": "cosine"}}, {"optimiser": {"name": "adam"}}):
        other = replace(member, arm=Arm.model_validate(member.arm.chosen() | change))
        found = [*mistakes(e.question, e.groups | {"fast": replace(group, members=(other,))}, e.measures)]
        wanted = "wanted full-batch SGD at a constant rate for stability_"
        assert any(wanted in line and line.endswith("got 'fast'") for line in found)
