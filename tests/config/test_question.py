"""What claims say of themselves."""

import pytest
from pydantic import TypeAdapter

from largebatch.config.question import Claim
from largebatch.metrics import METRICS, unit_of

ARMS = {"a": {"arm": "x"}, "b": {"arm": "y"}}


def claim(kind, metric="test_error_percent", **fields):
    base = {"id": "K1.sgd", "says": "s", "source": "p", "expect": {"above": 0.0}}
    return TypeAdapter(Claim).validate_python({**base, "kind": kind, "metric": metric, **fields})


@pytest.mark.parametrize(
    ("kind", "metric", "fields", "unit"),
    [
        ("difference", "test_error_percent", ARMS, "percentage points"),
        ("difference", "train_loss_nats", ARMS, "nats"),
        ("level", "test_error_percent", {"a": ARMS["a"]}, "%"),
        ("level", "updates", {"a": ARMS["a"]}, "updates"),
        ("ratio", "test_error_percent", ARMS, "ratio"),
        ("rank_correlation", "test_error_percent", {"arm": "x", "setting": "lr"}, "correlation"),
        ("slope", "gradient_variance", {"arm": "x"}, "exponent"),
        ("growth_law", "distance_from_start", {"arm": "x"}, "R²"),
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
    assert claim(kind, metric, **fields).unit == unit


@pytest.mark.parametrize("words", ["%", "nats", "seconds", "MiB", "examples", "R²"])
def test_units_are_those_that_labels_show(words):
    """Every metric whose label ends in '(unit)' is counted in it."""
    shown = [metric for metric, label in METRICS.items() if label.endswith(f"({words})")]
    assert all(unit_of(metric) == words for metric in shown)


def test_claims_of_one_statement_begin_alike_unless_they_say_so():
    assert claim("level", a={"arm": "x"}).stated == "K1"
    assert claim("level", a={"arm": "x"}, statement="sharp").stated == "sharp"
