"""What claims say of themselves: what they read, what their effect is counted in."""

import pytest
from pydantic import ValidationError

from largebatch.metrics import METRICS, unit_of
from tests.shared.claims import ARMS, ERROR, LOSS, claim


@pytest.mark.parametrize(
    ("kind", "metric", "fields", "unit"),
    [
        ("difference", "test_error_percent", ARMS, "percentage points"),
        ("difference", "path_rise_behind_nats", ARMS, "nats"),
        ("level", "test_error_percent", {"a": ARMS["a"]}, "%"),
        ("level", "updates", {"a": ARMS["a"]}, "updates"),
        ("ratio", "test_error_percent", ARMS, "ratio"),
        ("monotone", "test_error_percent", {"arm": "x", "setting": "lr"}, "percentage points per doubling"),
        ("monotone", "distance_from_start", {"arm": "x", "setting": "lr"}, "number per doubling"),
        ("trend", "hessian_top_eigenvalue_by_epoch", {"arm": "x", "setting": "lr"}, "exponent"),
        ("elbow", "test_error_percent", {"arm": "x", "setting": "lr", "direction": "rises"}, "ratio"),
        ("slope", "gradient_variance", {"arm": "x"}, "exponent"),
        ("growth_law", "distance_from_start", {"arm": "x"}, "exponent"),
        ("hyperbola", "updates_to_test_goal", {"arm": "x", "show": "r_squared_gain"}, "R²"),
        ("hyperbola", "updates_to_test_goal", {"arm": "x", "show": "critical_batch"}, "examples"),
        (
            "hyperbola",
            "updates_to_test_goal",
            {"arm": "x", "show": "critical_batch", "over": {"arm": "y"}},
            "ratio",
        ),
        ("curve_gap", "train_error_percent", {"a": "x", "b": "y", "after": 0.5}, "percentage points"),
        ("best_setting", "validation_loss_nats", {"a": "x", "b": "y", "setting": "lr"}, "doublings"),
        ("updates_to_target", "test_error_percent", {"a": "x", "b": "y", "target": 5.0}, "ratio"),
    ],
)
def test_the_unit_of_an_effect(kind, metric, fields, unit):
    assert claim(kind, metric=metric, **fields).unit == unit


@pytest.mark.parametrize("words", ["%", "nats", "seconds", "MiB", "examples", "R²"])
def test_units_are_those_that_labels_show(words):
    """Every metric whose label ends in '(unit)' is counted in it."""
    shown = [metric for metric, label in METRICS.items() if label.endswith(f"({words})")]
    assert all(unit_of(metric) == words for metric in shown)


@pytest.mark.parametrize(
    "fields",
    [{"paper_sides": ["1.5 ± 0.1"]}, {"paper_runs": 5}, {"paper_sides": ["1.5"], "paper_runs": 5}],
)
def test_the_uncertainty_of_a_paper_has_means_deviations_and_runs(fields):
    with pytest.raises(ValidationError, match="paper_sides"):
        claim("level", a={"arm": "x"}, **fields)
    assert claim("level", a={"arm": "x"}, paper_sides=["1.5 ± 0.1"], paper_runs=5).paper_runs == 5


def test_a_claim_is_a_statement_of_its_own_unless_it_says_so():
    assert claim("level", id="K1.sgd", a={"arm": "x"}).stated == "K1.sgd"
    assert claim("level", a={"arm": "x"}, statement="sharp").stated == "sharp"


AT_UPDATES, AT_LOSS = {"at": {"same_updates_as": "z"}}, {"at": {"train_loss_nats": 0.1}}
UPDATES = "updates"
BOX, BOX_AT = "sharpness_percent", {"at": {"value": 0.001}}
TREND = {"arm": "x", "setting": "lr"}


@pytest.mark.parametrize(
    ("kind", "metric", "fields", "uses"),
    [
        ("level", ERROR, {"a": ARMS["a"]}, {("a.arm", "x", ERROR, "one", "end")}),
        (
            *("ratio", ERROR, ARMS),
            {("a.arm", "x", ERROR, "one", "end"), ("b.arm", "y", ERROR, "one", "end")},
        ),
        (
            *("ratio", BOX, {"a": ARMS["a"] | BOX_AT, "b": ARMS["b"] | {"metric": UPDATES}}),
            {("a.arm", "x", BOX, "one", "value"), ("b.arm", "y", UPDATES, "one", "end")},
        ),
        (
            *("level", ERROR, {"a": ARMS["a"] | AT_UPDATES}),
            {
                ("a.arm", "x", ERROR, "one", "along"),
                ("a.arm", "x", UPDATES, "one", "along"),
                ("a.at.same_updates_as", "z", UPDATES, "one", "end"),
            },
        ),
        (
            *("contrast", ERROR, {side: {"arm": side} for side in "abcd"}),
            {(f"{side}.arm", side, ERROR, "one", "end") for side in "abcd"},
        ),
        # rounds of a clock say how far a time can be trusted
        (
            *("ratio", "update_seconds", {side: {"arm": side, "at": {"value": 8}} for side in "ab"}),
            {
                (f"{side}.arm", side, metric, "one", "value")
                for side in "ab"
                for metric in ("update_seconds", "time_spread")
            },
        ),
        ("slope", BOX, {"arm": "x"}, {("arm", "x", BOX, "one", "positions")}),
        ("slope", ERROR, TREND, {("arm", "x", ERROR, "lr", "end")}),
        (
            *("monotone", ERROR, TREND | {"minus": "y"}),
            {("arm", "x", ERROR, "lr", "end"), ("minus", "y", ERROR, "lr", "end")},
        ),
        (
            *("trend", ERROR, TREND | {"within": "batch_size"} | AT_LOSS),
            {("arm", "x", ERROR, "many", "along"), ("arm", "x", LOSS, "many", "along")},
        ),
        (
            *("change_point", ERROR, TREND | {"direction": "falls"} | AT_LOSS),
            {("arm", "x", ERROR, "lr", "along"), ("arm", "x", LOSS, "lr", "along")},
        ),
        (
            *("growth_law", "distance_from_start", {"arm": "x"}),
            {("arm", "x", m, "one", "along") for m in ("distance_from_start", UPDATES)},
        ),
        (
            *("hyperbola", UPDATES, {"arm": "x", "show": "critical_batch", "over": {"arm": "y"} | AT_LOSS}),
            {
                ("arm", "x", UPDATES, "batch_size", "end"),
                ("over.arm", "y", UPDATES, "one", "along"),
                ("over.arm", "y", LOSS, "one", "along"),
            },
        ),
        (
            *("curve_gap", ERROR, {"a": "x", "b": "y", "after": 0.5}),
            {("a", "x", ERROR, "one", "along"), ("b", "y", ERROR, "one", "along")},
        ),
        (
            *("best_setting", ERROR, {"a": "x", "b": "y", "setting": "lr"}),
            {("a", "x", ERROR, "lr", "end"), ("b", "y", ERROR, "lr", "end")},
        ),
        (
            *("updates_to_target", ERROR, {"a": "x", "b": "y", "target": 5.0}),
            {(*side, m, "one", "along") for side in [("a", "x"), ("b", "y")] for m in (ERROR, UPDATES)},
        ),
    ],
)
def test_what_a_claim_reads(kind, metric, fields, uses):
    found = claim(kind, metric=metric, **fields)
    assert {(u.key, u.arm, u.metric, u.needs, u.read) for u in found.uses()} == uses
    assert all(found.needs({arm}) for _, arm, *_ in uses) and not found.needs({"w"})


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ratio", ARMS),
        ("updates_to_target", {"a": "x", "b": "y", "target": 5.0}),
        ("hyperbola", {"arm": "x", "show": "critical_batch"}),
    ],
)
def test_a_ratio_is_expected_above_0(kind, fields):
    with pytest.raises(ValidationError, match="expect of what is judged on logarithms above 0; got"):
        claim(kind, **fields, expect={"above": 0.0})
    for wrong in ({"paper_value": 0.0}, {"paper_sides": ["1 ± 1", "0 ± 1"], "paper_runs": 5}):
        with pytest.raises(ValidationError, match=r"paper_.* of what is judged on logarithms above 0; got 0"):
            claim(kind, **fields, expect={"above": 1.0}, **wrong)
    assert claim("hyperbola", arm="x", show="r_squared_gain", expect={"above": 0.0}).expect.above == 0.0


def test_a_skewed_metric_is_compared_by_ratios():
    for kind, fields in (("difference", ARMS), ("curve_gap", {"a": "x", "b": "y", "after": 0.5})):
        with pytest.raises(ValidationError, match=f"kind ratio for train_loss_nats, .* got {kind}"):
            claim(kind, metric=LOSS, **fields)
    with pytest.raises(ValidationError, match=r"on logarithms above 0; got 0\.0"):
        claim("level", metric=LOSS, a=ARMS["a"], expect={"above": 0.0})


def test_a_break_is_expected_to_beat_the_line():
    with pytest.raises(ValidationError, match=r"better than the line; got {'below': 1\.0}"):
        claim("elbow", arm="x", setting="lr", direction="rises", expect={"below": 1.0})
