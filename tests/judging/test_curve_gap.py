"""Gaps between two curves, on average over the run or a part of it."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.shared.claims import ERROR, claim, written
from tests.shared.tables import NOISE


@pytest.mark.parametrize(
    ("gap", "wanted"), [(0.5, "supported"), (2.0, "contradicted"), (1.0, "inconclusive")]
)
def test_curve_gap(helpers, verdict, gap, wanted):
    seeds = np.array([-0.1, 0.1, 0.0])
    # far apart before a quarter of the run; then, where b is evaluated too, `gap` apart on average
    apart = {2: gap + 0.2, 4: -gap, 6: gap, 8: gap - 0.2}
    a = {float(e): 50 if e < 2 else 10 + apart.get(e, 99) + seeds for e in range(9)}
    a = {e: np.broadcast_to(values, 3) for e, values in a.items()}
    b = {float(e): np.full(3, 10.0) for e in range(0, 9, 2)}
    rows = pd.concat([helpers.arm("a", {ERROR: a}), helpers.arm("b", {ERROR: b})])
    found = verdict(rows, written("curve_gap", {"below": 1.0}, a="a", b="b", after=0.25))
    assert found["verdict"] == wanted
    assert found["estimate"] == pytest.approx(gap)


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        ({"after": 0.1, "before": 0.3}, 3, 9),  # both ends belong to it; 0.1 * 30 is above 3 by rounding
        ({"after": 0.11, "before": 0.29}, 4, 8),
        ({"after": 0.9}, 27, 30),
        ({"after": 0.0, "before": 0.01}, 0, 0),
    ],
)
def test_curve_gap_over_a_window(helpers, verdict, window, first, last):
    a = {float(e): 1 + e + NOISE - NOISE.mean() for e in range(31)}
    b = {float(e): np.zeros(5) for e in range(41)}
    rows = pd.concat([helpers.arm("a", {ERROR: a}), helpers.arm("b", {ERROR: b})])
    found = verdict(rows, written("curve_gap", {"above": 0.5}, a="a", b="b", **window))
    epochs = np.arange(first, last + 1)
    assert found["estimate"] == pytest.approx((1 + epochs).mean())
    assert found["verdict"] == "supported"


@pytest.mark.parametrize(
    ("kind", "window", "wanted"),
    [
        ("curve_gap", {"after": 0.5, "before": 0.5}, "after below before = 0.5; got 0.5"),
        ("curve_gap", {"after": 0.6, "before": 0.5}, "after below before = 0.5; got 0.6"),
        ("curve_gap", {"after": 1.0, "before": 1.0}, "after below before = 1; got 1"),
        ("slope", {"low_at": 2.0, "high_at": 2.0}, "low_at below high_at = 2; got 2"),
    ],
)
def test_a_window_has_to_end_after_it_starts(kind, window, wanted):
    arms = {"arm": "a"} if kind == "slope" else {"a": "a", "b": "b"}
    with pytest.raises(ValidationError, match=wanted):
        claim(kind, {"above": 0.0}, **arms, **window)


def test_a_window_without_an_epoch_is_not_run(helpers, verdict):
    rows = helpers.arm("a", {ERROR: {float(e): NOISE for e in range(4)}})
    found = verdict(rows, written("curve_gap", {"above": 0.0}, a="a", b="a", after=0.4, before=0.5))
    assert found["verdict"] == "not_run"
    assert "lack epochs 1.2 to 1.5 at which both a and a were evaluated" in found["note"]
