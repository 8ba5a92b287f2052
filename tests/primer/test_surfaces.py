"""Paths on surfaces: sums without rounding, several runs at once against single runs, and which escape."""

import numpy as np
import pytest

from largebatch.config.surfaces import SURFACES, batch_gradient
from largebatch.primer.descent import descend
from largebatch.primer.surfaces import ESCAPED, escaped_percent, pulls_on_a_grid, side_by_side, walk
from tests.shared.exhibits import exhibit

PULLS = pulls_on_a_grid(np.random.default_rng(0))


def test_pulls_sum_to_zero_without_rounding_in_any_order():
    stream = np.random.default_rng(1)
    for _ in range(20):
        assert (PULLS[stream.permutation(64)].mean(0) == 0).all()
    assert PULLS.std() == pytest.approx(1, abs=0.2)


def test_the_full_batch_never_leaves_the_ridge_and_others_do():
    full, mini = (
        walk(SURFACES["saddle"], PULLS, 2.0, size, 0.1, 1000, np.random.default_rng(2)) for size in (64, 8)
    )
    assert (full[:, 0] == 0).all() and len(full) == 1001
    assert np.abs(full[-1]).max() < 1e-12
    assert np.abs(mini[-1, 0]) > 0.5


def test_the_full_batch_comes_to_rest_in_the_trap():
    path = walk(SURFACES["trap"], PULLS, 2.0, 64, 0.1, 400, np.random.default_rng(2))
    surface = SURFACES["trap"]
    assert np.abs(surface.gradient(path[-1])).max() < 1e-8 and path[-1, 0] < -1
    assert (np.diff(surface.value(path)) <= 1e-15).all()
    assert surface.value(path[-1]) > surface.value(np.array([1.5, 0.0])) + 0.5


def test_the_full_batch_on_the_bowl_is_the_closed_form():
    path = walk(SURFACES["bowl"], PULLS, 2.0, 64, 0.1, 9, np.random.default_rng(2))
    np.testing.assert_allclose(path[-1], np.array(SURFACES["bowl"].start) * 0.9**9, rtol=1e-12)


def test_runs_side_by_side_are_runs_alone():
    rows = list(side_by_side(64, 8, 20, 3, np.random.default_rng(4)))
    surface = SURFACES["trap"]
    gradient = batch_gradient(surface, PULLS, 1.0)
    *_, together = descend(gradient, np.tile(surface.start, (3, 1)), rows, lambda _: 0.1)
    for run in range(3):
        batches = [batch[:, run] for batch in rows]
        *_, alone = descend(gradient, np.array(surface.start), batches, lambda _: 0.1)
        np.testing.assert_allclose(together[run], alone, rtol=1e-12)
        assert sorted(np.concatenate(batches[:8])) == list(range(64))
        assert sorted(np.concatenate(batches[8:16])) == list(range(64))
    assert (rows[0][:, 0] != rows[0][:, 1]).any()


def test_no_noise_escapes_nothing_and_the_share_is_of_runs():
    for name in ESCAPED:
        assert escaped_percent(name, PULLS, 0.0, 1, 0.1, 50, 4, np.random.default_rng(0)) == 0
        assert escaped_percent(name, PULLS, 2.0, 64, 0.1, 50, 4, np.random.default_rng(0)) == 0
    assert escaped_percent("saddle", PULLS, 2.0, 8, 0.1, 300, 4, np.random.default_rng(0)) in (75.0, 100.0)


def test_arms_and_positions():
    found = list(exhibit("surfaces", [0, 1], updates=20, every=10, runs=3, escape_updates=5))
    paths = {arm for arm, o in found if o.metric == "path_x"}
    assert paths == {f"{s}_{k}" for s in SURFACES for k in ("full", "mini", "online")} | {"ravine_thrash"}
    assert {o.at for _, o in found if o.metric == "path_y"} == {0, 10, 20}
    assert {(a, o.at) for a, o in found if o.metric == "escaped_percent"} == {
        (name, 2**k) for name in ESCAPED for k in range(7)
    }
    assert [a for a, o in found if o.metric == "thrash_ratio"] == ["ravine_thrash"] * 2
