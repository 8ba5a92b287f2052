"""The intervals that figures draw."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.figures.drawn import is_log, on_axes, spans, summary


def rows_of(values, metric="loss"):
    return pd.DataFrame([{"metric": metric, **summary(pd.Series(v, dtype=float))} for v in values])


def test_an_interval_on_a_logarithmic_axis_is_of_the_means_logarithm():
    values = [1.0, 2.0, 90.0]
    found = on_axes(rows_of([values]), lambda _rows: True).iloc[0]
    mean, error = np.mean(values), stats.sem(values)
    half = stats.t.ppf(0.975, 2) * error / mean  # the delta method: the error of log(mean) is error / mean
    assert found["mean"] == mean and found["axis"] == "log"
    assert [found["low"], found["high"]] == pytest.approx([mean * np.exp(-half), mean * np.exp(half)])
    assert mean - stats.t.ppf(0.975, 2) * error < 0 < found["low"]


def test_what_is_nought_or_single_keeps_its_interval():
    found = on_axes(rows_of([[0.0, 0.0], [3.0], []]), lambda _rows: True)
    assert found.loc[0, ["low", "high"]].tolist() == [0, 0]
    assert found.loc[1:, ["low", "high"]].isna().all(axis=None)
    assert (spans(found) == 0).all()


def test_each_metric_has_an_axis_of_its_own():
    both = pd.concat(
        [rows_of([[1, 2]], "a"), rows_of([[1, 2]], "b"), rows_of([[3, 4]], "a")], ignore_index=True
    )
    found = on_axes(both, lambda rows: rows["metric"].iloc[0] == "b")
    assert found["axis"].tolist() == ["linear", "log", "linear"]
    assert found["metric"].tolist() == ["a", "b", "a"]
    assert is_log(found) and not is_log(found[found["metric"] == "a"])
    pd.testing.assert_frame_equal(found.loc[[0, 2]].drop(columns="axis"), both.loc[[0, 2]])
