import pandas as pd
import pytest

from largebatch.figures.looks import LARGE, SMALL
from tests.shared.figures import ERROR, canvas_of, same_interval, texts_of

EXAMPLE = {"y": ERROR, "small": "small", "large": "large", "lines": {"long": "longer", "SAM": "sam"}}


def example_rows(helpers):
    """Both batches and two mitigations: errors of three seeds, and times."""
    ends = {"small": ([2, 2, 3], 4), "large": ([4, 5, 6], 1), "sam": ([3, 3, 3], 2), "longer": ([5, 5, 6], 8)}
    arms = {arm: {ERROR: errors, "train_seconds": [time] * 3} for arm, (errors, time) in ends.items()}
    return pd.concat(helpers.arm(arm, metrics) for arm, metrics in arms.items())


def test_a_gap_shows_paired_differences_and_ratios_of_times(rows, csv_of):
    found = csv_of("gap_closed", rows)
    assert found.columns.tolist() == ["line", "arm", "metric", "n", "mean", "low", "high", "axis"]
    assert found[["line", "metric"]].values.tolist() == [
        ["SAM", "closed"],
        ["long", "closed"],
        ["SAM", "cost"],
        ["long", "cost"],
        ["small batch", "gap"],
    ]
    for row, differences in ((0, [1, 2, 3]), (1, [-1, 0, 0]), (4, [2, 3, 3])):
        same_interval(found.loc[row], differences)
    costs = found[found["metric"] == "cost"]
    assert costs["mean"].tolist() == [2, 8] and costs[["low", "high"]].isna().all(axis=None)


def test_a_gap_of_accuracies_is_closed_upwards(helpers, csv_of):
    accuracy = "test_accuracy_percent"
    rows = pd.concat(
        helpers.arm(arm, {accuracy: values, "train_seconds": [1, 1]})
        for arm, values in (("small", [98, 98]), ("large", [95, 96]), ("sam", [97, 97]))
    )
    found = csv_of("gap_closed", rows, y=accuracy, lines={"SAM": "sam"})
    assert found["mean"].tolist() == [1.5, 1, 2.5]


@pytest.mark.parametrize("small", ["small", "longer"])
def test_the_ends_of_a_gap_are_named_in_the_legend(rows, small):
    canvas = canvas_of("gap_closed", rows, small=small)
    left, right = canvas.axes
    assert texts_of(left) == []
    (legend,) = canvas.legends
    assert [text.get_text() for text in legend.get_texts()] == ["large batch", "small batch"]
    assert [line.get_color() for line in legend.get_lines()] == [LARGE.color, SMALL.color]
    assert right.get_xscale() == "linear"


def test_a_gap_without_training_times(rows, csv_of):
    with pytest.raises(ValueError, match="figure f: wanted metric train_seconds of arm longer; got none"):
        untimed = rows[(rows["metric"] != "train_seconds") | (rows["arm"] != "longer")]
        csv_of("gap_closed", untimed)
