"""Every metric has one name, one label and one kind."""

import pytest
from pydantic import TypeAdapter, ValidationError

from largebatch import metrics
from largebatch.metrics import (
    BY_EPOCH,
    END,
    HISTORY,
    MEASURED,
    METRICS,
    METRICS_OF,
    PATH_METRICS,
    PROFILE,
    Metric,
)


def test_each_metric_is_of_one_kind():
    kinds = (HISTORY, END, PROFILE, BY_EPOCH)
    assert sum(map(len, kinds)) == len(METRICS)
    assert frozenset().union(*kinds) == METRICS.keys()


def test_each_metric_comes_from_one_source():
    names = [metric for source in metrics.SOURCES for metric in source.labels]
    assert len(names) == len(set(names))
    assert PATH_METRICS.isdisjoint(metric for measured in METRICS_OF.values() for metric in measured)


def test_what_is_measured_along_a_run_is_measured_at_its_end_too():
    """With the suffix, and for Keskar's measure at one epsilon instead of several."""
    plain = {metric.removesuffix("_by_epoch") for metric in BY_EPOCH} - {"stability_ratio"}
    of_end = {metric for name in ("curvature", "noise", "excess") for metric in MEASURED[name].end}
    assert plain > of_end and "sharpness_percent" in plain
    assert all(METRICS[metric] == METRICS[f"{metric}_by_epoch"] for metric in plain)
    written = {m for measure, names in METRICS_OF.items() if measure.endswith("_by_epoch") for m in names}
    assert written == BY_EPOCH | {"stability_threshold"}


@pytest.mark.parametrize("metric", METRICS)
def test_a_label_says_the_unit_that_the_name_says(metric):
    unit = {"nats": "(nats)", "percent": "(%)", "seconds": ("(seconds)", "(seconds per seed)")}
    plain = metric.removesuffix("_by_epoch")
    wanted = [text for ending, text in unit.items() if plain.endswith(f"_{ending}")]
    assert all(METRICS[metric].endswith(text) for text in wanted)
    assert 0 < len(METRICS[metric]) <= 50


def test_shares_end_at_a_hundred_and_other_percentages_do_not():
    ending = {metric for metric in METRICS if metrics.most_of(metric) == 100}
    assert {"test_error_percent", "train_accuracy_percent", "path_accuracy_percent"} < ending
    assert all("(%)" in METRICS[metric] for metric in ending)
    beyond = {"sharpness_percent", "loss_gap_percent", "train_loss_nats", "train_squared_error"}
    assert {metrics.most_of(metric) for metric in beyond} == {float("inf")}


def test_an_unknown_metric_is_answered_with_the_nearest():
    with pytest.raises(
        ValidationError, match=r"a metric such as \['hessian_trace', .*\]; got 'hesian_trace'"
    ):
        TypeAdapter(Metric).validate_python("hesian_trace")
