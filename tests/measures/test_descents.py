"""The plane through the start and the ends of two runs, and their ways on it."""

import numpy as np
import pytest
import torch

from largebatch.measures.descents import PLANE_REACH
from largebatch.measures.measure import measure_path
from largebatch.metrics import PLANE, PLANE_LOSSES
from tests.conftest import small_arm
from tests.measures.test_measure import by_metric, options
from tests.shared.trained import train

POINTS = 5


@pytest.fixture
def runs(dataset):
    arms = tuple(small_arm(epochs=3, batch_size=b, snapshots_at_epochs=[0, 1, 3]) for b in (8, 24))
    return arms, tuple(train(arm, [3, 5], dataset) for arm in arms)


def rows_of(runs, dataset, **changes):
    arms, trained = runs
    weights, kept = (tuple(getattr(t, name) for t in trained) for name in ("weights", "snapshots"))
    settings = options("path") | {"plane_points": POINTS} | changes
    return measure_path(arms, [3, 5], weights, dataset, kept, **settings)


def test_start_and_ends_are_at_the_corners_of_the_plane_with_their_losses(runs, dataset):
    found = by_metric(rows_of(runs, dataset))
    places = np.linspace(*PLANE_REACH, POINTS).tolist()
    for run, corner in (("start", (1, 0)), ("end", (0, 1))):
        for axis, wanted in zip("xy", corner, strict=True):
            assert found[f"descent_{run}_{axis}", 0] == pytest.approx({3: 0, 5: 0}, abs=1e-9)
            assert found[f"descent_{run}_{axis}", 3] == pytest.approx({3: wanted, 5: wanted}, abs=1e-6)
    for trained, corner in zip((None, *runs[1]), ((0, 0), (1, 0), (0, 1)), strict=True):
        index = places.index(corner[0]) * POINTS + places.index(corner[1])
        assert found["descent_x", index] == {3: corner[0], 5: corner[0]}
        assert found["descent_y", index] == {3: corner[1], 5: corner[1]}
        epoch, run = (0, runs[1][0]) if trained is None else (3, trained)
        for part, metric in PLANE_LOSSES.items():
            of_part = [r for r in run.history if r.metric == f"{part}_loss_nats" and r.at == epoch]
            assert found[metric, index] == pytest.approx({r.seed: r.value for r in of_part}, rel=1e-6)


def test_a_way_is_where_its_snapshots_are_nearest_to_the_plane(runs, dataset):
    found = by_metric(rows_of(runs, dataset))
    (first, second) = runs[1]

    def flat(weights, index):
        return np.concatenate([weights[name][index].ravel() for name in sorted(weights)])

    for index, seed in enumerate((3, 5)):
        start = flat(first.snapshots[0][1], index)
        ends = np.stack([flat(run.weights, index) - start for run in (first, second)], axis=1)
        step = flat(second.snapshots[1][1], index) - start
        wanted, *_ = np.linalg.lstsq(ends, step, rcond=None)
        ours = [found[f"descent_end_{axis}", 1][seed] for axis in "xy"]
        assert ours == pytest.approx(wanted.tolist(), rel=1e-5)


@pytest.mark.parametrize("changes", [{"plane_points": None}, {"snapshots": False}], ids=str)
def test_without_snapshots_or_points_there_is_no_plane(runs, dataset, changes):
    if "snapshots" in changes:
        arms, trained = runs
        weights = tuple(t.weights for t in trained)
        found = measure_path(arms, [3, 5], weights, dataset, **options("path") | {"plane_points": POINTS})
    else:
        found = rows_of(runs, dataset, **changes)
    assert found and not {row.metric for row in found} & {*PLANE, *PLANE_LOSSES.values()}


def test_batch_norm_is_estimated_anew_on_the_plane(dataset):
    model = {"name": "mlp", "hidden": [8], "batch_norm": True}
    arms = tuple(small_arm(epochs=1, model=model, batch_size=b, snapshots_at_epochs=[0, 1]) for b in (8, 24))
    runs = arms, tuple(train(arm, [3, 5], dataset) for arm in arms)
    anew, kept = (by_metric(rows_of(runs, dataset, renormalise=r)) for r in (True, False))
    assert anew["descent_loss_nats", 0] != pytest.approx(kept["descent_loss_nats", 0])
    assert torch.tensor(list(anew["descent_loss_nats", 0].values())).isfinite().all()
