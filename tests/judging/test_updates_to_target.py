"""Updates until a curve reaches a target, and which of several settings ends lowest."""

import numpy as np
import pandas as pd
import pytest

from tests.shared.claims import ERROR, written


def rates(helpers, group, best, seeds=6):
    """A group over rates 1/4 ... 4; each seed's error is lowest at its best rate."""
    bests = np.resize(best, seeds)
    grid = [0.25, 0.5, 1.0, 2.0, 4.0]
    return helpers.group(group, "lr", {r: {ERROR: np.abs(np.log2(r) - np.log2(bests))} for r in grid})


@pytest.mark.parametrize(
    ("a", "b", "wanted", "estimate"),
    [
        ([1.0], [1.0], "supported", 0.0),
        ([2.0, 1.0, 1.0], [1.0], "supported", 1 / 3),
        ([4.0, 4.0, 2.0], [1.0, 0.5, 0.5], "contradicted", 7 / 3),
        ([2.0], [1.0], "inconclusive", 1.0),
        ([4.0, 0.25], [1.0], "inconclusive", 0.0),
    ],
)
def test_best_setting(helpers, verdict, a, b, wanted, estimate):
    rows = pd.concat([rates(helpers, "a", a), rates(helpers, "b", b)])
    found = verdict(rows, written("best_setting", {"within": [-1.0, 1.0]}, a="a", b="b", setting="lr"))
    assert found["verdict"] == wanted
    assert found["estimate"] == pytest.approx(estimate)
    at_edge = sum(value in (0.25, 4.0) for value in np.resize(a, 6))
    assert f"edge of the grid in {at_edge} of 6 seeds of a" in found["note"]
    assert found["expect"] == "within [-1, 1]"


def descents(helpers, arm, reached_at, seeds=6, epochs=10):
    """Error 20 until the epoch a seed reaches 1; 8 updates per epoch. None: never."""
    at = np.array([np.inf if e is None else e for e in np.resize(reached_at, seeds)])
    error = {float(e): np.where(e >= at, 1.0, 20.0) for e in range(epochs + 1)}
    updates = {float(e): np.full(seeds, 8.0 * e) for e in range(epochs + 1)}
    return helpers.arm(arm, {ERROR: error, "updates": updates})


@pytest.mark.parametrize(
    ("a", "b", "expect", "wanted", "estimate", "note"),
    [
        ([2], [4], {"below": 1.0}, "supported", 0.5, ""),
        ([4], [2], {"below": 1.0}, "contradicted", 2.0, ""),
        ([2, 4, 3], [4, 2, 3], {"below": 1.0}, "inconclusive", 1.0, ""),
        ([0], [1], {"below": 1.0}, "supported", 1 / 8, ""),  # met before training: counts as one update
        ([2], [None], {"below": 1.0}, "supported", 0.2, "6 of 6 seeds of b never reached 5"),
        ([None], [None], {"below": 1.0}, "not_run", np.nan, "No seed of a or b reached 5"),
        ([2], [4], {"within": [0.4, 0.6]}, "supported", 0.5, ""),
        # half of the seeds may lie beyond any bound
        ([2, None], [4], {"within": [1e-3, 1e3]}, "inconclusive", (1 / 2 * 10 / 4) ** 0.5, "of a never"),
    ],
)
def test_updates_to_target(helpers, verdict, a, b, expect, wanted, estimate, note):
    rows = pd.concat([descents(helpers, "a", a), descents(helpers, "b", b)])
    found = verdict(rows, written("updates_to_target", expect, a="a", b="b", target=5.0))
    assert found["verdict"] == wanted
    assert found["estimate"] == pytest.approx(estimate, nan_ok=True)
    assert note in found["note"] and ("reached 5" in found["note"]) == bool(note)


def test_a_lower_bound_does_not_support_what_it_flatters(helpers, verdict):
    # a stops after 2 epochs without reaching the target: its 16 updates are no result
    rows = pd.concat([descents(helpers, "a", [None], epochs=2), descents(helpers, "b", [4])])
    found = verdict(rows, written("updates_to_target", {"below": 1.0}, a="a", b="b", target=5.0))
    assert found["verdict"] == "inconclusive"
    assert "bound" in found["note"]


def test_one_seed_that_never_arrives_does_not_undo_many_that_do(helpers, verdict):
    rows = pd.concat([descents(helpers, "a", [2] * 9 + [None], 10), descents(helpers, "b", [8], 10)])
    found = verdict(rows, written("updates_to_target", {"below": 1.0}, a="a", b="b", target=5.0))
    assert found["verdict"] == "supported"
    assert "1 of 10 seeds of a never reached 5" in found["note"]
