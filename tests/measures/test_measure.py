"""Measures as a whole: each writes the metrics it promises, of each seed's own weights and images."""

import numpy as np
import pytest
import torch

from largebatch.config.measures import Measures
from largebatch.data.splits import Splits
from largebatch.measures import curvature, nets
from largebatch.measures.measure import (
    measure,
    measure_by_epoch,
    measure_path,
    path_points,
)
from largebatch.metrics import BETWEEN, METRICS_OF, PLANE, PLANE_LOSSES
from tests.conftest import SMALL, small_arm
from tests.shared.nets import dense_hessian
from tests.shared.trained import train

MEASURES = [name for name in METRICS_OF if not name.endswith("_by_epoch")]
EXAMPLES = 40
SETTINGS = {
    "curvature": {"examples": EXAMPLES, "top": 2, "bottom": True, "per_layer": True, "probes": 4},
    "density": {"examples": EXAMPLES, "low": -1.0, "high": 5.0, "points": 7, "width": 0.5, "steps": 5},
    "agreement": {"examples": EXAMPLES, "trace_probes": 10},
    "keskar": {"examples": EXAMPLES, "iterations": 2},
    "keskar_subspace": {"examples": EXAMPLES, "dimensions": 3, "iterations": 2},
    "keskar_relative": {"examples": EXAMPLES, "iterations": 2},
    "scaled_curvature": {"examples": EXAMPLES},
    "ball": {"examples": EXAMPLES, "steps": 2, "directions": 3},
    "surface": {"examples": EXAMPLES, "points": 3, "plane_points": 3, "directions": 2},
    "noise": {"examples": EXAMPLES, "batch_sizes": [1, 4], "draws": 3, "small": 2, "large": 8},
    "rescaling": {"examples": EXAMPLES, "alpha": [0.5, 1.0]},
    "excess": {"examples": EXAMPLES},
    "equivalence": {"updates": 4},
    "path": {"points": 25},
}
# Measures of nets of their own, and what they write of these.
NETS = {
    "excess": {"model": {"name": "mlp", "hidden": []}, "loss": "squared_error", "lr": 0.01},
    "equivalence of BatchNorm": {"model": SMALL["model"] | {"batch_norm": True}},
}
STATISTICS = {"worker_statistics_difference", "whole_statistics_difference"}
WRITTEN = {
    "equivalence": set(METRICS_OF["equivalence"]) - STATISTICS,
    "equivalence of BatchNorm": STATISTICS,
}


def options(name):
    """The settings of a measure with their defaults, as a job gets them."""
    name = name.split()[0]
    return getattr(Measures.model_validate({name: SETTINGS.get(name, {})}), name).model_dump()


@pytest.fixture(scope="module")
def arm():
    return small_arm(batch_size=48, epochs=3, snapshots_at_epochs=[0, 1, 3])


@pytest.fixture(scope="module")
def trained(arm, dataset):
    return train(arm, [3, 5], dataset)


@pytest.fixture(scope="module")
def run_for(arm, trained, dataset):
    """A measure's name -> an arm that it can measure, trained."""

    def run(name):
        if name not in NETS:
            return arm, trained
        own = small_arm(**{"batch_size": 48, "epochs": 3} | NETS[name])
        return own, train(own, [3, 5], dataset)

    return run


def by_metric(rows):
    found = {}
    for row in rows:
        found.setdefault((row.metric, row.at), {})[row.seed] = row.value
    return found


@pytest.mark.parametrize("name", [*MEASURES, "equivalence of BatchNorm"])
def test_a_measure_writes_what_it_promises_for_every_seed(name, run_for, dataset):
    arm, trained = run_for(name)
    rows = measure(name.split()[0], options(name), arm, trained.seeds, trained.weights, dataset)
    found = by_metric(rows)
    assert {metric for metric, _ in found} == WRITTEN.get(name, set(METRICS_OF.get(name, ())))
    assert all(list(values) == [3, 5] for values in found.values())
    assert np.isfinite([row.value for row in rows]).all()


@pytest.mark.parametrize("name", MEASURES)
def test_company_does_not_change_a_measure(name, run_for, dataset, monkeypatch):
    arm, trained = run_for(name)
    together = measure(name, options(name), arm, trained.seeds, trained.weights, dataset)
    monkeypatch.setattr(nets, "TOGETHER_BYTES", 0)  # one seed after another
    alone = measure(name, options(name), arm, trained.seeds, trained.weights, dataset)
    order = [(row.metric, row.at, row.seed) for row in together]
    assert sorted(order, key=str) == sorted(((r.metric, r.at, r.seed) for r in alone), key=str)
    values = {(r.metric, r.at, r.seed): r.value for r in alone}
    for row in together:
        expected = values[row.metric, row.at, row.seed]
        assert row.value == pytest.approx(expected, rel=1e-9, abs=1e-15), row


def test_curvature_is_of_each_seeds_weights_and_first_training_images(arm, trained, dataset):
    found = by_metric(measure("curvature", options("curvature"), arm, [3, 5], trained.weights, dataset))
    splits = Splits(dataset, [3, 5], 48, 16, 16)
    images, labels = splits.examples(splits.rows["train"])
    of_both = nets.Nets(arm, [3, 5], trained.weights, dataset)
    for index, seed in enumerate((3, 5)):
        dense = dense_hessian(of_both.plain(index), images[index, :EXAMPLES], labels[index, :EXAMPLES])
        values = torch.linalg.eigvalsh(dense)
        assert found["hessian_top_eigenvalue", None][seed] == pytest.approx(values[-1].item(), rel=1e-4)
        assert found["hessian_eigenvalue", 2][seed] == pytest.approx(values[-2].item(), rel=1e-4)
        lowest = pytest.approx(values[0].item(), abs=1e-4 * values[-1].item())
        assert found["hessian_bottom_eigenvalue", None][seed] == lowest
        assert found["hessian_trace", None][seed] == pytest.approx(dense.trace().item(), rel=1e-9)
        assert found["hessian_trace_products", None][seed] == 0
        layers = [v[seed] for (metric, _), v in found.items() if metric == "layer_trace"]
        assert sum(layers) == pytest.approx(dense.trace().item(), rel=1e-9)


def test_a_kind_of_ball_or_an_eigenvalue_can_be_left_out(arm, trained, dataset):
    ball = options("ball") | {"rho": [], "sigma": []}
    rows = measure("ball", ball, arm, [3, 5], trained.weights, dataset)
    assert {row.metric for row in rows} == {"adaptive_sharpness_nats"}
    scaled = options("scaled_curvature") | {"eigenvalue": False}
    rows = measure("scaled_curvature", scaled, arm, [3, 5], trained.weights, dataset)
    left_out = {"scaled_top_eigenvalue", "scaled_top_eigenvalue_products"}
    assert {row.metric for row in rows} == set(METRICS_OF["scaled_curvature"]) - left_out


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_pyhessian_as_backend_agrees(loss, dataset):
    arm = small_arm(epochs=3, loss=loss)
    trained = train(arm, [3, 5], dataset)
    ours = by_metric(measure("curvature", options("curvature"), arm, [3, 5], trained.weights, dataset))
    plain = Measures.model_validate({"curvature": {"examples": EXAMPLES, "backend": "pyhessian"}})
    theirs = plain.curvature.model_dump() | {"probes": 200, "tolerance": 1e-6, "most_products": 500}
    found = by_metric(measure("curvature", theirs, arm, [3, 5], trained.weights, dataset))
    for seed in (3, 5):
        top, trace = (found[metric, None][seed] for metric in ("hessian_top_eigenvalue", "hessian_trace"))
        assert top == pytest.approx(ours["hessian_top_eigenvalue", None][seed], rel=1e-2)
        error = found["hessian_trace_se", None][seed]
        assert abs(trace - ours["hessian_trace", None][seed]) < 5 * error


def test_the_agreement_is_within_its_tolerance(arm, trained, dataset):
    settings = options("agreement") | {"trace_probes": 100}
    found = by_metric(measure("agreement", settings, arm, [3, 5], trained.weights, dataset))
    for kind in ("eigenvalue", "trace"):
        difference, tolerance = (
            found[f"{kind}_{what}_percent", None] for what in ("difference", "tolerance")
        )
        assert all(difference[seed] <= tolerance[seed] for seed in (3, 5))


def test_an_eigenvalue_that_is_not_known_is_left_out_and_the_log_says_why(arm, trained, dataset, capsys):
    settings = options("curvature") | {"most_products": 3}
    found = by_metric(measure("curvature", settings, arm, [3, 5], trained.weights, dataset))
    unknown = {metric for (metric, _), values in found.items() if np.isnan(list(values.values())).any()}
    assert {"hessian_top_eigenvalue", "hessian_eigenvalue", "hessian_bottom_eigenvalue"} <= unknown
    assert not any("trace" in metric or "products" in metric for metric in unknown)
    told = capsys.readouterr().err.splitlines()
    for metric in ("hessian_top_eigenvalue", "hessian_bottom_eigenvalue", "layer_top_eigenvalue 0"):
        for seed in (3, 5):
            assert any(f"{metric} of seed {seed} is left out" in line for line in told)


def test_without_our_own_eigenvalue_no_agreement_is_claimed(arm, trained, dataset, monkeypatch, capsys):
    top = curvature.top
    monkeypatch.setattr(curvature, "top", lambda *a, **options: top(*a, **options | {"most_products": 1}))
    found = by_metric(measure("agreement", options("agreement"), arm, [3, 5], trained.weights, dataset))
    assert np.isnan(list(found["agreement_missed", None].values())).all()
    assert "agreement of seed 5 is left out" in capsys.readouterr().err


def test_snapshots_are_measured_by_epoch(arm, trained, dataset):
    rows = measure_by_epoch("curvature", options("curvature"), arm, trained.snapshots, dataset)
    found = by_metric(rows)
    assert {metric for metric, _ in found} == set(METRICS_OF["curvature_by_epoch"])
    assert sorted(at for metric, at in found if metric == "hessian_trace_by_epoch") == [0, 1, 3]
    end = by_metric(measure("curvature", options("curvature"), arm, [3, 5], trained.weights, dataset))
    assert found["hessian_trace_by_epoch", 3] == end["hessian_trace", None]
    top = end["hessian_top_eigenvalue", None][5]
    assert found["stability_threshold", None][5] == 2 / arm.lr
    assert found["stability_ratio_by_epoch", 3][5] == pytest.approx(top * arm.lr / 2)


def test_a_seed_that_stopped_is_measured_while_it_ran(arm, trained, dataset):
    weights = {name: array[:1] for name, array in trained.weights.items()}
    snapshots = {0: ([3, 5], trained.weights), 3: ([3], weights), 9: ([], {})}
    found = by_metric(measure_by_epoch("noise", options("noise"), arm, snapshots, dataset))
    assert list(found["gradient_noise_scale_by_epoch", 0]) == [3, 5]
    assert list(found["gradient_noise_scale_by_epoch", 3]) == [3]
    assert not any(at == 9 for _, at in found)


def test_excess_is_that_over_the_least_squares_of_numpy(dataset):
    arm = small_arm(**NETS["excess"], snapshots_at_epochs=[0, 2])
    trained = train(arm, [3, 5], dataset)
    end = by_metric(measure("excess", options("excess"), arm, [3, 5], trained.weights, dataset))
    splits = Splits(dataset, [3, 5], 48, 16, 16)
    images, labels = (part[:, :EXAMPLES].numpy() for part in splits.examples(splits.rows["train"]))
    for index, seed in enumerate((3, 5)):
        inputs = np.hstack([images[index].reshape(EXAMPLES, -1), np.ones((EXAMPLES, 1))])
        targets = np.eye(3)[labels[index]]
        best = np.linalg.lstsq(inputs, targets, rcond=None)[0]
        weight, bias = (trained.weights[f"1.{part}"][index] for part in ("weight", "bias"))
        reached, least = (
            ((inputs @ w - targets) ** 2).sum() / 2 / EXAMPLES for w in (np.vstack([weight.T, bias]), best)
        )
        assert end["excess_squared_error", None][seed] == pytest.approx(reached - least, rel=1e-9)
        assert reached > least
    along = by_metric(measure_by_epoch("excess", options("excess"), arm, trained.snapshots, dataset))
    assert {metric for metric, _ in along} == set(METRICS_OF["excess_by_epoch"])
    assert along["excess_squared_error_by_epoch", 2] == end["excess_squared_error", None]
    assert along["excess_squared_error_by_epoch", 0][3] > end["excess_squared_error", None][3]


@pytest.mark.parametrize(
    ("name", "settings", "wanted"),
    [
        (
            "excess",
            {"loss": "squared_error"},
            "a net that is linear .*; got squared_error and mlp .*12, 8",
        ),
        ("excess", {"model": {"name": "mlp", "hidden": []}}, "loss: squared_error and .*; got cross_entropy"),
        ("equivalence", {"optimiser": {"name": "adam"}}, "wanted optimiser: sgd; got adam"),
        ("equivalence", {"batch_size": 6}, "batch_size that 4 workers divide; got 6"),
    ],
)
def test_what_a_measure_cannot_say(name, settings, wanted, dataset):
    arm = small_arm(**settings)
    trained = train(arm, [0], dataset)
    with pytest.raises(ValueError, match=wanted):
        measure(name, options(name), arm, [0], trained.weights, dataset)


def test_equivalence_starts_from_the_initial_weights(arm, trained, dataset):
    rows = measure("equivalence", options("equivalence"), arm, [3, 5], trained.weights, dataset)
    others = {name: 2 * w for name, w in trained.weights.items()}
    assert measure("equivalence", options("equivalence"), arm, [3, 5], others, dataset) == rows


def test_a_path_runs_between_the_two_minima(arm, trained, dataset):
    other = small_arm(epochs=3, batch_size=24)
    far = train(other, [3, 5], dataset)
    rows = measure_path((arm, other), [3, 5], (trained.weights, far.weights), dataset, **options("path"))
    found = by_metric(rows)
    assert {metric for metric, _ in found} == set(BETWEEN.labels) - {*PLANE, *PLANE_LOSSES.values()}
    for alpha, run in ((0.0, trained), (1.0, far)):
        losses = {r.seed: r.value for r in run.history if r.metric == "train_loss_nats" and r.at == 3}
        accuracy = {r.seed: r.value for r in run.history if r.metric == "test_accuracy_percent" and r.at == 3}
        for kind in ("path", "arc"):
            assert found[f"{kind}_loss_nats", alpha] == pytest.approx(losses, rel=1e-9)
            assert found[f"{kind}_test_accuracy_percent", alpha] == pytest.approx(accuracy)
    squares = [
        sum(((trained.weights[n][index] - far.weights[n][index]) ** 2).sum() for n in trained.weights)
        for index in (0, 1)
    ]
    distances = dict(zip((3, 5), np.sqrt(squares), strict=True))
    assert found["distance_between_minima", None] == pytest.approx(distances)


@pytest.mark.parametrize("name", ["curvature", "keskar", "surface", "noise"])
@pytest.mark.parametrize("model", [{"batch_norm": True}, {"dropout": 0.5}], ids=str)
def test_other_nets_are_measured_too(model, name, dataset):
    arm = small_arm(model=SMALL["model"] | model)
    trained = train(arm, [0, 1], dataset)
    rows = measure(name, options(name), arm, [0, 1], trained.weights, dataset)
    assert {row.metric for row in rows} == set(METRICS_OF[name])
    assert np.isfinite([row.value for row in rows]).all()


def test_a_path_re_estimates_batch_norm_or_not(dataset):
    arms = [small_arm(model=SMALL["model"] | {"batch_norm": True}, batch_size=b) for b in (8, 24)]
    weights = tuple(train(a, [0], dataset).weights for a in arms)
    found = [
        by_metric(measure_path(tuple(arms), [0], weights, dataset, **options("path") | {"renormalise": r}))
        for r in (True, False)
    ]
    for alpha in (0.0, 1.0):  # at the ends the statistics are those that training estimated
        same = (f["path_loss_nats", alpha][0] for f in found)
        assert next(same) == pytest.approx(next(same), rel=1e-9)
    assert found[0]["path_loss_nats", 0.5] != found[1]["path_loss_nats", 0.5]


def test_path_points_hold_both_ends():
    assert path_points(25, -1.0, 2.0)[8] == 0.0 and path_points(25, -1.0, 2.0)[16] == 1.0
    points = path_points(30, -1.0, 2.0)
    assert {0.0, 1.0} <= set(points) and len(points) == 32 and points == sorted(points)
