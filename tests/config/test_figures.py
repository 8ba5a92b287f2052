"""What each kind of figure reads, and what is left of it without some arms."""

import pytest
from pydantic import TypeAdapter

from largebatch.config.question import Figure
from largebatch.metrics import PLANE

ERROR, END, BOX, SECONDS = "test_error_percent", "hessian_trace", "sharpness_percent", "train_seconds"
LINES = {"one": "a", "two": "b"}
AT_LOSS, AT_UPDATES = {"at": {"train_loss_nats": 0.1}}, {"at": {"same_updates_as": "z"}}
BAND = {"baseline": "c", "marks": {"here": {"arm": "d", "metric": END}}}


def parsed(**parts):
    return TypeAdapter(Figure).validate_python({"name": "f", "caption": "c", **parts})


def of_lines(*metrics, needs="one", read="end", lines=LINES, key="lines"):
    return {(f"{key}.{label}", arm, m, needs, read) for label, arm in lines.items() for m in metrics}


@pytest.mark.parametrize(
    ("kind", "parts", "uses"),
    [
        (
            *("against_setting", {"x": "lr", "y": [ERROR]} | BAND),
            of_lines(ERROR, needs="lr")
            | {("baseline", "c", ERROR, "one", "end"), ("marks.here.arm", "d", END, "one", "end")},
        ),
        (
            *("against_setting", {"x": "lr", "y": [ERROR, BOX], "at": {"value": 0.1}}),
            of_lines(ERROR, needs="lr") | of_lines(BOX, needs="lr", read="value"),
        ),
        ("curves", {"x": "epoch", "y": [ERROR]}, of_lines(ERROR, read="along")),
        (
            *("curves", {"x": "update", "y": [ERROR], "level": END, "behind": {"c": "c"}}),
            of_lines(ERROR, "updates", read="along")
            | of_lines(ERROR, "updates", read="along", lines={"c": "c"}, key="behind")
            | of_lines(END),
        ),
        (
            *("curves", {"x": "train_loss_nats", "y": [ERROR]}),
            of_lines(ERROR, "train_loss_nats", read="along"),
        ),
        ("rates", {}, of_lines("learning_rate", read="along")),
        ("rates", {"images_per_update": True}, of_lines("learning_rate", "updates", read="along")),
        ("finals", {"y": ERROR}, of_lines(ERROR)),
        ("finals", {"y": ERROR} | AT_LOSS, of_lines(ERROR, "train_loss_nats", read="along")),
        (
            *("finals", {"y": ERROR} | AT_UPDATES),
            of_lines(ERROR, "updates", read="along") | {("at.same_updates_as", "z", "updates", "one", "end")},
        ),
        ("profile", {"y": [BOX], "x_label": "x"}, of_lines(BOX, read="profile")),
        ("surface", {}, of_lines("plane_loss_nats", "plane_x", "plane_y", read="profile")),
        ("heat_map", {"y": [ERROR]}, of_lines(ERROR, needs="any")),
        (
            *("gap_closed", {"y": ERROR, "small": "s", "large": "l"}),
            of_lines(ERROR, SECONDS)
            | {("small", "s", ERROR, "one", "end")}
            | {("large", "l", metric, "one", "end") for metric in (ERROR, SECONDS)},
        ),
        (
            *("walks", {"panels": {"bowl": {"full": "surfaces.bowl_full"}}}),
            {("panels.bowl.full", "surfaces.bowl_full", f"path_{w}", "one", "profile") for w in "xy"},
        ),
        (
            *("descent", {"path": "p", "start": "a", "end": "b"}),
            {("path", "p", metric, "one", "profile") for metric in PLANE},
        ),
    ],
)
def test_what_a_figure_reads(kind, parts, uses):
    lines = {} if kind in ("walks", "descent") else {"lines": LINES}
    found = parsed(kind=kind, **lines, **parts)
    assert {(u.key, u.arm, u.metric, u.needs, u.read) for u in found.uses()} == uses
    assert found.without({"w"}) == found
    assert found.without({arm for _, arm, *_ in uses}) is None


def test_a_figure_goes_with_what_it_cannot_do_without():
    gap = parsed(kind="gap_closed", y=ERROR, small="s", large="l", lines=LINES)
    assert gap.without({"s"}) is gap.without({"l"}) is None
    assert gap.without({"a"}).lines == {"two": "b"}
    assert parsed(kind="finals", y=ERROR, lines=LINES, **AT_UPDATES).without({"z"}) is None


def test_baselines_and_marks_go_with_their_arms():
    left = parsed(kind="against_setting", x="lr", y=[ERROR], lines=LINES, **BAND).without({"c", "d"})
    assert left.baseline is None and left.marks == {} and left.lines == LINES


def test_walks_lose_lines_and_panels_and_go_when_none_is_left():
    panels = {
        "bowl": {"full": "surfaces.bowl_full"},
        "trap": {"full": "surfaces.trap_full", "mini": "surfaces.trap_mini"},
    }
    walks = parsed(kind="walks", panels=panels)
    assert walks.without({"surfaces.saddle_full"}) == walks
    left = walks.without({"surfaces.bowl_full", "surfaces.trap_mini"})
    assert left.panels == {"trap": {"full": "surfaces.trap_full"}}
    assert walks.without(set(walks.shown.values())) is None


def test_what_a_figure_compares_goes_with_its_lines_and_the_figure_with_the_last_of_it():
    lines = {"one": "a", "two": "b", "three": "c"}
    against = {"two": "one", "three": "two"}
    finals = parsed(kind="finals", y="test_error_percent", lines=lines, against=against)
    assert finals.without({"d"}) == finals
    assert finals.without({"c"}).against == {"two": "one"}
    assert finals.without({"b"}) is None
    to_one = parsed(kind="finals", y="test_error_percent", lines=lines, against_all="one")
    assert to_one.without({"b"}).pairs == {"three": "one"}
    assert to_one.without({"a"}) is None
    assert to_one.without({"b", "c"}) is None
    alone = parsed(kind="finals", y="test_error_percent", lines=lines)
    assert alone.without({"b", "c"}).lines == {"one": "a"}


def test_formulas_and_lines_behind_go_with_their_arms():
    lines = {"one": "a", "two": "b"}
    profile = parsed(kind="profile", y=["path_loss_nats"], x_label="x", lines=lines, theory=["two"])
    assert profile.without({"b"}).theory == []
    curves = parsed(
        kind="curves", x="epoch", y=["test_error_percent"], lines=lines, behind={"small": "c", "large": "d"}
    )
    assert curves.without({"c"}).behind == {"large": "d"}
    assert curves.without({"a", "b"}) is None
