"""A question may name the exhibits that its scale has settings for, and what they have."""

import pytest

from largebatch.config.exhibits import Exhibits
from largebatch.config.question import Question
from largebatch.config.references import mistakes
from tests.shared.questions import GIVEN, PARSED, SHARP, STUDY, TEST_ERROR, claim, figure, table

SHOWN = {"worked": {}}
WORKED = {"metric": "worked_value", "expect": {"above": 0.0}}
FIRST = {"at": {"value": 1}}
UNKNOWN = "wanted an arm that a scale defines, such as ['"


def shown(settings=SHOWN, names=("worked",), groups=None, **parts) -> list[str]:
    """The mistakes in keskar's question with these exhibits and parts."""
    question = Question.model_validate(PARSED["keskar"] | {"exhibits": list(names)} | parts)
    groups = STUDY.experiment("keskar").groups | (groups or {})
    return [*mistakes(question, groups, GIVEN, exhibits=Exhibits.model_validate(settings))]


def test_an_arm_of_an_exhibit_stands_where_an_arm_can():
    full, online = {"arm": "worked.full"}, {"arm": "worked.online"}
    right = (
        claim("level", metric="worked_error", expect={"below": 1e-12}, a=full),
        claim("difference", **WORKED, a=full | FIRST, b=online | FIRST),
        claim("ratio", **WORKED | {"expect": {"above": 1.0}}, a=full | FIRST, b=online | FIRST),
        claim("contrast", **WORKED, a=full | FIRST, b=online | FIRST, c=online | FIRST, d=online | FIRST),
        claim("slope", **WORKED, arm="worked.online", low_at=1),
        figure("profile", "worked.full", y=["worked_value"], x_label="updates"),
        figure("finals", "worked.full", y="worked_error"),
        table(rows={"a": "worked.full", "b": "adam.small"}, metrics=["worked_error", "updates"]),
        table(rows={"a": "worked.full"}, metrics=["worked_value"], **FIRST),
        table(rows={"a": "worked.full"}, metrics=["worked_value", "worked_error"], positions={"a": 1}),
    )
    for parts in right:
        assert shown(**parts) == []


OF_EXHIBITS = {
    "unknown arm": (
        claim("level", **WORKED, a={"arm": "worked.onlin"} | FIRST),
        f"claims[X1].a.arm: {UNKNOWN}worked.online', ",
    ),
    "metric of a trained arm": (
        claim("level", **TEST_ERROR, a={"arm": "worked.online"}),
        "claims[X1].a.arm: wanted a metric of the exhibit worked, such as ['worked_error', ",
    ),
    "metric of an exhibit on a trained arm": (
        claim("level", metric="worked_error", expect={"below": 1.0}, a={"arm": "adam.small"}),
        "claims[X1].a.arm: wanted an arm of an exhibit for worked_error; got 'adam.small', which is trained",
    ),
    "grid over a setting": (
        figure("against_setting", "worked.full", x="lr", y=["worked_error"]),
        "figures[f].lines.line: wanted a grid of arms over lr; got 'worked.full', of an exhibit",
    ),
    "cell of a heat map": (
        figure("heat_map", "worked.full", y=["worked_error"]),
        "figures[f].lines.line: wanted arms that are trained; got 'worked.full', of an exhibit",
    ),
    "arm of a measure": (
        {"measures": {"curvature": [*PARSED["keskar"]["measures"]["curvature"], "worked.full"]}},
        "measures.curvature: wanted arms that are trained; got 'worked.full', of an exhibit",
    ),
    "row beside other metrics": (
        table(rows={"row": "worked.full"}),
        "tables[t].rows.row: wanted a row of worked beside its metrics; got ['updates']",
    ),
    "position of no row": (
        table(rows={"a": "worked.full"}, metrics=["worked_value"], positions={"a": 1, "b": 2}),
        "tables[t].positions: wanted labels of rows, ['a']; got ['b']",
    ),
    "row without a position": (
        table(rows=dict.fromkeys("ab", "worked.full"), metrics=["worked_value"], positions={"a": 1}),
        "tables[t].at: wanted {value: ...} for ['worked_value'], which are profiles; got none",
    ),
    "position beside no profile": (
        table(rows={"a": "worked.full"}, metrics=["worked_error"], positions={"a": 1}),
        "tables[t].positions: wanted a metric that is a profile; got ['worked_error']",
    ),
    "position over a setting": (
        table(rows={"a": "sweep_sgd"}, over="batch_size", positions={"a": 1}),
        "tables[t].positions: wanted none beside over; got ['a']",
    ),
}


@pytest.mark.parametrize(("parts", "line"), OF_EXHIBITS.values(), ids=OF_EXHIBITS)
def test_a_mistake_about_an_exhibit_is_one_line(parts, line):
    found = shown(**parts)
    assert any(one.startswith(line) for one in found), found
    assert all("; got " in one and "\n" not in one for one in found)


def walks(**lines):
    panels = {"bowl": {"full batch": "surfaces.bowl_full"}, "trap": lines}
    return {"figures": [{"name": "f", "caption": "c", "kind": "walks", "panels": panels}]}


@pytest.mark.parametrize(
    ("arm", "wanted"),
    [
        ("surfaces.trap_online", ""),
        ("surfaces.trap_slow", UNKNOWN),
        ("trap_", "wanted an arm of an exhibit for path_x; got 'trap_', which is"),
    ],
)
def test_a_walk_is_an_arm_of_the_exhibit(arm, wanted):
    trained = {"trap_": STUDY.experiment("keskar").groups["adam.small"]}
    found = shown({"surfaces": {}}, ["surfaces"], trained, **walks(a=arm))
    assert bool(found) == bool(wanted)
    assert not wanted or any(one.startswith(f"figures[f].panels.trap.a: {wanted}") for one in found), found


@pytest.mark.parametrize(
    "claimed",
    [
        claim("growth_law", metric="distance_from_start", expect={"above": 0.0}, arm="worked.full"),
        claim("updates_to_target", **SHARP, a="worked.full", b="adam.small", target=1.0),
        claim("level", **TEST_ERROR, a={"arm": "worked.full", "at": {"same_updates_as": "adam.small"}}),
        figure("curves", "worked.full", x="update", y=["test_loss_nats"]),
    ],
)
def test_what_goes_by_updates_needs_an_exhibit_that_counts_them(claimed):
    assert any(
        line.startswith(("claims[X1]", "figures[f]")) and line.endswith("got 'updates'")
        for line in shown(**claimed)
    )


def test_a_scale_has_settings_for_just_the_exhibits_that_are_shown():
    assert shown() == []
    assert shown(settings={}) == [
        "exhibits: wanted settings for worked under exhibits of the scale's numbers; got none"
    ]
    assert shown(names=[]) == [
        "exhibits: wanted each that the scale has settings for, ['worked'] too; got []"
    ]


def test_no_arm_has_the_name_of_an_exhibits():
    group = STUDY.experiment("keskar").groups["adam.small"]
    assert shown(groups={"worked.full": group}) == [
        "exhibits: wanted names of their arms that no arm of the scale has; got ['worked.full']"
    ]
