"""A question may name only what its scale has: arms, as many as it needs, with the metric it reads."""

import copy

import pytest
import yaml

from largebatch.config import Measures, load_study
from largebatch.question import END_ONLY, METRICS, Question
from largebatch.references import mistakes, uses
from tests.conftest import REPOSITORY

CONFIG = REPOSITORY / "config"
STUDY = load_study(CONFIG / "smoke.yaml")
TEXT = {name: (CONFIG / "experiments" / f"{name}.yaml").read_text() for name in ("keskar", "goyal")}
PARSED = {name: yaml.safe_load(text) for name, text in TEXT.items()}
CLAIM = {"id": "X1", "says": "s", "source": "p"}
TEST_ERROR = {"metric": "test_error_percent", "expect": {"below": 0.0}}
SHARP = {"metric": "hessian_top_eigenvalue", "expect": {"above": 1.0}}
END = "hessian_top_eigenvalue"
SIDES = {"a": {"arm": "adam.small"}, "b": {"arm": "adam.large"}}
NAMES = {"a": "adam.small", "b": "adam.large"}


def said(name="keskar", settings=STUDY.measures, **parts) -> list[str]:
    """The mistakes in a question of smoke with these parts in place."""
    question = Question.model_validate(PARSED[name] | parts)
    return [*mistakes(question, STUDY.experiment(name).groups, settings)]


def claim(kind, **parts):
    return {"claims": [CLAIM | {"kind": kind} | parts]}


def figure(kind, arm, **parts):
    return {"figures": [{"name": "f", "caption": "c", "kind": kind, "lines": {"line": arm}} | parts]}


def table(**parts):
    row = {"name": "t", "caption": "c", "rows": {"row": "adam.small"}, "metrics": ["updates"]}
    return {"tables": [row | parts]}


@pytest.mark.parametrize("name", TEXT)
def test_the_questions_of_this_repository_have_no_mistake(name):
    assert said(name) == []


AT_UNKNOWN = {"at": {"same_updates_as": "nope"}}
UNKNOWN = r"wanted an arm that the scale has, such as ['"
GRID = "wanted one arm; got 'sweep_sgd', a grid of 2"
SINGLE = "wanted a grid of arms over batch_size; got 'adam.small', a single arm"
UNMEASURED = f"wanted an arm listed in measures.curvature for {END}; got 'sb_adam_epochs'"
AT_END = f"wanted a metric that is known along the run; got '{END}', known at its end"

MISTAKES = {
    "unknown arm of a difference": (
        claim("difference", **TEST_ERROR, **SIDES | {"b": {"arm": "nope"}}),
        f"claims[X1].b.arm: {UNKNOWN}",
    ),
    "unknown arm of an equal-updates reading": (
        claim("difference", **TEST_ERROR, **SIDES | {"a": {"arm": "adam.small"} | AT_UNKNOWN}),
        f"claims[X1].a.at.same_updates_as: {UNKNOWN}",
    ),
    "unknown arm of a correlation": (
        claim("rank_correlation", **TEST_ERROR, arm="nope", setting="batch_size"),
        f"claims[X1].arm: {UNKNOWN}",
    ),
    "unknown arm of a correlation's reading": (
        claim("rank_correlation", **TEST_ERROR, arm="sweep_sgd", setting="batch_size", **AT_UNKNOWN),
        f"claims[X1].at.same_updates_as: {UNKNOWN}",
    ),
    "unknown arm of a curve gap": (
        claim("curve_gap", **TEST_ERROR, **NAMES | {"a": "nope"}, after=0.5),
        f"claims[X1].a: {UNKNOWN}",
    ),
    "unknown arm of a line": (figure("rates", "nope"), f"figures[f].lines.line: {UNKNOWN}"),
    "unknown arm of a band": (
        figure("against_setting", "sweep_sgd", x="batch_size", y=["updates"], baseline="nope"),
        f"figures[f].baseline: {UNKNOWN}",
    ),
    "unknown arm of a figure's reading": (
        figure("finals", "adam.small", y="updates", **AT_UNKNOWN),
        f"figures[f].at.same_updates_as: {UNKNOWN}",
    ),
    "unknown arm of a row": (table(rows={"row": "nope"}), f"tables[t].rows.row: {UNKNOWN}"),
    "unknown arm of a table's reading": (table(**AT_UNKNOWN), f"tables[t].at.same_updates_as: {UNKNOWN}"),
    "unknown arm of a measure": (
        {"measures": {"curvature": [*PARSED["keskar"]["measures"]["curvature"], "nope"]}},
        f"measures.curvature: {UNKNOWN}",
    ),
    "grid in a difference": (
        claim("difference", **TEST_ERROR, **SIDES | {"a": {"arm": "sweep_sgd"}}),
        f"claims[X1].a.arm: {GRID}",
    ),
    "grid in a curve gap": (
        claim("curve_gap", **TEST_ERROR, **NAMES | {"b": "sweep_sgd"}, after=0.5),
        f"claims[X1].b: {GRID}",
    ),
    "grid as a line": (
        figure("curves", "sweep_sgd", x="epoch", y=["updates"]),
        f"figures[f].lines.line: {GRID}",
    ),
    "grid as a band": (
        figure("against_setting", "sweep_sgd", x="batch_size", y=["updates"], baseline="sweep_sgd"),
        f"figures[f].baseline: {GRID}",
    ),
    "grid as a row": (table(rows={"row": "sweep_sgd"}), f"tables[t].rows.row: {GRID}"),
    "one arm in a correlation": (
        claim("rank_correlation", **TEST_ERROR, arm="adam.small", setting="batch_size"),
        f"claims[X1].arm: {SINGLE}",
    ),
    "one arm against a setting": (
        figure("against_setting", "adam.small", x="batch_size", y=["updates"]),
        f"figures[f].lines.line: {SINGLE}",
    ),
    "one arm in a best setting": (
        claim(
            "best_setting",
            **TEST_ERROR | {"expect": {"below": 1.0}},
            a="sweep_sgd",
            b="adam.small",
            setting="batch_size",
            margin=1.0,
        ),
        f"claims[X1].b: {SINGLE}",
    ),
    "grid over another setting": (
        claim("rank_correlation", **TEST_ERROR, arm="sweep_sgd", setting="lr"),
        "claims[X1].arm: wanted one arm at each lr; got 'sweep_sgd', with {0.05: 2}",
    ),
    "metric that was not measured, in a claim": (
        claim("ratio", **SHARP, **SIDES | {"a": {"arm": "sb_adam_epochs"}}),
        f"claims[X1].a.arm: {UNMEASURED}",
    ),
    "metric of a side that was not measured": (
        claim(
            "ratio",
            **TEST_ERROR | {"expect": {"above": 1.0}},
            **SIDES | {"a": {"arm": "sb_adam_epochs", "metric": END}},
        ),
        f"claims[X1].a.arm: {UNMEASURED}",
    ),
    "metric that was not measured, in a figure": (
        figure("finals", "sb_adam_epochs", y=END),
        f"figures[f].lines.line: {UNMEASURED}",
    ),
    "metric that was not measured, in a band": (
        figure("against_setting", "sweep_sgd", x="batch_size", y=["updates", END], baseline="sb_adam_epochs"),
        f"figures[f].baseline: {UNMEASURED}",
    ),
    "curve of what is known at the end": (
        figure("curves", "adam.small", x="epoch", y=[END]),
        f"figures[f].lines.line: {AT_END}",
    ),
    "share of a run of what is known at the end": (
        claim("ratio", **SHARP, **SIDES | {"a": {"arm": "adam.small", "at": {"share": 0.5}}}),
        f"claims[X1].a.arm: {AT_END}",
    ),
    "target for what is known at the end": (
        claim("updates_to_target", **SHARP, **NAMES, target=1.0),
        f"claims[X1].a: {AT_END}",
    ),
    "a ratio's threshold of 0": (
        claim("ratio", metric="updates", expect={"above": 0.0}, **SIDES),
        "claims[X1].expect: wanted a ratio above 0; got 0.0",
    ),
    "a threshold beside the margin": (
        claim("best_setting", **TEST_ERROR, a="sweep_sgd", b="sweep_adam", setting="batch_size", margin=1.0),
        "claims[X1].expect: wanted {below: 1.0}, the margin; got {'below': 0.0}",
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
    "figure twice": (
        {"figures": PARSED["keskar"]["figures"][:1] * 2},
        "figures: wanted each name once; got ['batch_sweep'] repeatedly",
    ),
    "table twice": (
        {"tables": PARSED["keskar"]["tables"] * 2},
        "tables: wanted each name once; got ['convergence'] repeatedly",
    ),
}


@pytest.mark.parametrize(("parts", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_key_wanted_and_got(parts, line):
    found = said(**parts)[0]
    assert found.startswith(line) and "; got " in found and "\n" not in found


def test_a_measure_needs_its_settings():
    assert said(settings=Measures())[0] == (
        "measures.curvature: wanted settings for it under measures of the scale; got none"
    )


def test_a_tuned_group_is_one_arm():
    group = STUDY.experiment("schedules").groups["cosine.small_tuned"]
    groups = STUDY.experiment("keskar").groups | {"tuned": group}

    def of(parts):
        question = Question.model_validate(PARSED["keskar"] | parts)
        return [*mistakes(question, groups, STUDY.measures)]

    assert of(figure("finals", "tuned", y="updates")) == []
    assert "got 'tuned', a single arm" in of(figure("against_setting", "tuned", x="lr", y=["updates"]))[0]


def test_a_row_that_was_not_measured_is_no_mistake():
    """It shows a dash."""
    assert said(**table(rows={"row": "sb_adam_epochs"}, metrics=[END])) == []


def test_the_last_evaluations_of_any_metric_may_be_read():
    """Goyal's table has the share of diverged seeds beside medians."""
    at = {"median_of_last": 5}
    assert said(**figure("finals", "adam.small", y=END, at=at)) == []
    assert said(**claim("difference", **SHARP, **{s: v | {"at": at} for s, v in SIDES.items()})) == []


def test_every_name_in_a_question_is_looked_up():
    """Spoil one arm's name after another, wherever it stands."""
    for name, parsed in PARSED.items():
        groups = STUDY.experiment(name).groups
        places = [*arms_in(parsed, groups)]
        assert len(places) >= len({(use.key, use.arm) for use in uses(Question.model_validate(parsed))}) > 10
        for *way, last in places:
            spoilt = part = copy.deepcopy(parsed)
            for key in way:
                part = part[key]
            part[last] = "nope"
            found = [*mistakes(Question.model_validate(spoilt), groups, STUDY.measures)]
            assert any("such as" in line and "'nope'" in line for line in found), (way, last)


def arms_in(content, groups, place=()):
    """The places of all values that are names of arms."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from arms_in(value, groups, (*place, key))
    elif isinstance(content, str) and content in groups:
        yield place


def test_metrics_known_at_the_end_are_metrics():
    assert METRICS.keys() > END_ONLY
