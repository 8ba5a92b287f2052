"""Measures as on a GPU, on a machine that need not have one: see tests/shared/placed.py."""

import numpy as np
import pytest

from largebatch.config.measures import Measures
from largebatch.data.splits import Dataset
from largebatch.measures.measure import measure, measure_by_epoch, measure_path
from largebatch.metrics import METRICS_OF
from largebatch.nets import products
from tests.conftest import SMALL, small_arm
from tests.shared.placed import placed
from tests.shared.settings import as_trained_by
from tests.shared.trained import train

FEW = {"examples": 40}
SETTINGS = {
    "curvature": FEW | {"top": 2, "bottom": True, "per_layer": True, "probes": 4},
    "density": FEW | {"low": -1.0, "high": 5.0, "points": 7, "width": 0.5, "steps": 5},
    "agreement": FEW | {"trace_probes": 10},
    "keskar": FEW | {"iterations": 2},
    "keskar_relative": FEW | {"iterations": 2},
    "scaled_curvature": FEW,
    "keskar_subspace": FEW | {"dimensions": 3, "iterations": 2},
    "ball": FEW | {"steps": 2, "directions": 3},
    "surface": FEW | {"points": 3, "plane_points": 3, "directions": 2, "renormalise": True},
    "noise": FEW | {"batch_sizes": [1, 4], "draws": 3, "small": 2, "large": 8},
    "rescaling": FEW | {"alpha": [0.5, 1.0]},
    "excess": FEW,
    "equivalence": {"updates": 4},
}
LINEAR = {"model": {"name": "mlp", "hidden": []}, "loss": "squared_error", "lr": 0.01}
BATCH_NORM_ONLY = {"model": SMALL["model"] | {"batch_norm": True}}
BATCH_NORM = {"model": SMALL["model"] | {"batch_norm": True, "dropout": 0.3}}
CNN = {"model": {"name": "cnn", "channels": [3], "batch_norm": True}, "precision": "float32"}
TANH = {"model": SMALL["model"] | {"activation": "tanh"}, "precision": "float32"}
RESNET = {"model": {"name": "resnet", "depth": 8}, "precision": "float32"}
PYHESSIAN = FEW | {"backend": "pyhessian", "probes": 4}
CASES = {
    **{name: (name, settings, LINEAR if name == "excess" else {}) for name, settings in SETTINGS.items()},
    **{
        f"{name} of {kind}": (name, SETTINGS[name], arm)
        for name in (
            "curvature",
            "scaled_curvature",
            "density",
            "keskar",
            "keskar_subspace",
            "ball",
            "surface",
            "noise",
        )
        for kind, arm in (("a cnn", CNN), ("tanh", TANH))
    },
    "agreement of a cnn": ("agreement", SETTINGS["agreement"], CNN),
    "PyHessian": ("curvature", PYHESSIAN, BATCH_NORM),
    "equivalence of BatchNorm": (
        "equivalence",
        {"updates": 4},
        {"model": SMALL["model"] | {"batch_norm": True}},
    ),
    "curvature of a residual net": ("curvature", FEW | {"most_products": 5, "probes": 2}, RESNET),
    "keskar of a residual net": ("keskar", FEW | {"iterations": 1, "epsilon": [1e-3]}, RESNET),
}


@pytest.fixture(autouse=True)
def products_as_off_a_cpu(monkeypatch):
    """A CPU alone computes products by NumPy, with other rounding."""
    monkeypatch.setattr(products, "LARGE", 1 << 62)


def options(name, settings):
    """The settings of a measure with their defaults, as a job gets them."""
    return getattr(Measures.model_validate({name: settings}), name).model_dump()


def on_gpu(dataset):
    return Dataset(dataset.images.to("cuda"), dataset.labels.to("cuda"), dataset.dtype)


def require_same(ours, theirs):
    assert [row[:3] for row in ours] == [row[:3] for row in theirs]
    np.testing.assert_array_equal([row.value for row in ours], [row.value for row in theirs])


@pytest.fixture(scope="module")
def run_of(dataset):
    """An arm's settings -> the arm, its run and data."""
    made = {}

    def run(settings):
        key = str(settings)
        if key not in made:
            arm = small_arm(**{"batch_size": 48, "epochs": 2, "snapshots_at_epochs": [0, 1, 2]} | settings)
            data = as_trained_by(dataset, arm)
            made[key] = arm, train(arm, [3, 5], data), data
        return made[key]

    return run


def test_all_measures_are_here():
    names = {name.removesuffix("_by_epoch") for name in METRICS_OF}
    assert names - {"path"} <= {name for name, _, _ in CASES.values()}


@pytest.mark.parametrize("case", CASES)
def test_a_measure_gives_what_it_gives_elsewhere(case, run_of, monkeypatch):
    name, settings, of_arm = CASES[case]
    arm, trained, data = run_of(of_arm)
    given = name, options(name, settings), arm, trained.seeds, trained.weights
    expected = measure(*given, data)
    with placed(monkeypatch):
        found = measure(*given, on_gpu(data))
    require_same(found, expected)


def test_measures_of_snapshots_too(run_of, monkeypatch):
    arm, trained, data = run_of({})
    given = "curvature", options("curvature", FEW), arm, trained.snapshots
    expected = measure_by_epoch(*given, data)
    with placed(monkeypatch):
        found = measure_by_epoch(*given, on_gpu(data))
    require_same(found, expected)


@pytest.mark.parametrize("of_arm", [{}, BATCH_NORM, CNN], ids=str)
@pytest.mark.parametrize("renormalise", [True, False])
def test_paths_and_planes_too(of_arm, renormalise, run_of, monkeypatch):
    arm, trained, data = run_of(of_arm)
    other = run_of(of_arm | {"batch_size": 24})[1]
    given = (arm, arm), trained.seeds, (trained.weights, other.weights)
    ways = trained.snapshots, other.snapshots
    settings = {"points": 25, "plane_points": 5, "renormalise": renormalise}
    expected = measure_path(*given, data, ways, **settings)
    with placed(monkeypatch):
        found = measure_path(*given, on_gpu(data), ways, **settings)
    require_same(found, expected)
