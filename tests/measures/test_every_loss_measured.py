"""Every measure of nets of every loss, against dense Hessians, plain autograd and PyHessian."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from largebatch.config.measures import Measures
from largebatch.measures.measure import measure, measure_path
from largebatch.measures.nets import Nets
from largebatch.measures.noise import exact_noise
from largebatch.measures.trace import exact_by_tensor, is_exact_for
from largebatch.metrics import METRICS_OF
from tests.conftest import small_arm
from tests.shared.nets import by_products, dense_hessian, squared_error
from tests.shared.numbers import LOSSES, NUMBERS, arm_and_data, vectors
from tests.shared.own import imported, write
from tests.shared.trained import train

EXAMPLES = 30
SETTINGS = {
    "curvature": {"examples": EXAMPLES, "bottom": True, "per_layer": True, "probes": 4},
    "density": {"examples": EXAMPLES, "low": -1.0, "high": 5.0, "points": 5, "width": 0.5, "steps": 5},
    "agreement": {"examples": EXAMPLES, "trace_probes": 4},
    "keskar": {"examples": EXAMPLES, "iterations": 2},
    "keskar_subspace": {"examples": EXAMPLES, "dimensions": 3, "iterations": 2},
    "keskar_relative": {"examples": EXAMPLES, "iterations": 2},
    "scaled_curvature": {"examples": EXAMPLES},
    "ball": {"examples": EXAMPLES, "steps": 2, "directions": 3},
    "surface": {"examples": EXAMPLES, "points": 3, "plane_points": 3, "directions": 2},
    "noise": {"examples": EXAMPLES, "batch_sizes": [4], "draws": 3, "small": 2, "large": 8},
    "rescaling": {"examples": EXAMPLES, "alpha": [0.5]},
    "equivalence": {"updates": 2, "workers": 2},
}
# Of mean losses, by PyTorch.
PLAIN = {
    "cross_entropy": F.cross_entropy,
    "binary_cross_entropy": lambda z, y: F.binary_cross_entropy_with_logits(z[:, 0], y.double()),
    "squared_error of classes": squared_error,
    "squared_error": lambda z, y: (z - y).square().sum(1).mean() / 2,
    "own_loss": lambda z, y: F.huber_loss(z, y, delta=0.5, reduction="none").sum(1).mean(),
}


@pytest.fixture(params=LOSSES)
def nets(request, dataset, tmp_path):
    """(nets of two trained seeds, their loss by PyTorch)"""
    arm, data = arm_and_data(request.param, tmp_path, dataset, epochs=3)
    return Nets(arm, [0, 1], train(arm, [0, 1], data).weights, data), PLAIN[request.param]


def options(name):
    return getattr(Measures.model_validate({name: SETTINGS[name]}), name).model_dump()


def test_every_measure_gives_finite_numbers(nets):
    nets, _ = nets
    for name in SETTINGS:
        rows = measure(name, options(name), nets.arm, nets.seeds, nets.weights, nets.dataset)
        assert {row.metric for row in rows} <= set(METRICS_OF[name])
        assert rows and np.isfinite([row.value for row in rows]).all(), name


def test_products_and_traces_are_those_of_the_dense_hessian(nets):
    nets, plain = nets
    landscape = nets.landscape(EXAMPLES)
    found = by_products(landscape.hessian_vector_product, landscape.weights)
    exact = exact_by_tensor(landscape).sum(0) if is_exact_for(landscape) else None
    assert (exact is None) == (not isinstance(nets.arm.loss, str))
    for index in range(2):
        net, *examples = nets.plain_problem(index, EXAMPLES)
        dense = dense_hessian(net, *examples, plain)
        # Stacked weights lie in another order.
        eigenvalues = [torch.linalg.eigvalsh(matrix) for matrix in (found[index], dense)]
        assert torch.allclose(*eigenvalues, atol=1e-10) and torch.allclose(found[index], found[index].T)
        assert landscape.loss(landscape.weights)[index].item() == pytest.approx(
            plain(net(examples[0]), examples[1]).item()
        )
        if exact is not None:
            assert exact[index].item() == pytest.approx(dense.trace().item())


def test_noise_is_that_of_each_examples_gradient_by_autograd(nets):
    nets, plain = nets
    found = exact_noise(nets.landscape(EXAMPLES))
    for index in range(2):
        net, images, labels = nets.plain_problem(index, EXAMPLES)
        gradients = []
        for image, label in zip(images, labels, strict=True):
            each = torch.autograd.grad(plain(net(image[None]), label[None]), list(net.parameters()))
            gradients.append(torch.cat([g.flatten() for g in each]))
        variance = torch.stack(gradients).var(0).sum()
        assert found.variance[index].item() == pytest.approx(variance.item())


def test_a_path_has_an_accuracy_only_between_nets_of_classes(nets):
    nets, _ = nets
    weights = (nets.weights, {name: w[::-1].copy() for name, w in nets.weights.items()})
    rows = measure_path((nets.arm, nets.arm), [0, 1], weights, nets.dataset, points=25)
    found = {row.metric for row in rows}
    assert {"path_loss_nats", "arc_test_loss_nats", "path_rise_before_nats"} <= found
    assert ("path_accuracy_percent" in found) == (nets.arm.data.targets == "classes")


def test_the_excess_of_numbers_is_above_least_squares():
    from sklearn.linear_model import LinearRegression

    linear = {"model": {"name": "mlp", "hidden": []}, "epochs": 3, "lr": 0.01}
    arm, data = arm_and_data("squared_error", None, None, **linear)
    nets = Nets(arm, [0, 1], train(arm, [0, 1], data).weights, data)
    rows = measure("excess", {"examples": 48}, arm, [0, 1], nets.weights, data)
    for index, row in enumerate(rows):
        net, x, y = nets.plain_problem(index, 48)
        best = LinearRegression().fit(x, y).predict(x)
        least = ((best - y.numpy()) ** 2).sum(1).mean() / 2
        assert row.value == pytest.approx(PLAIN["squared_error"](net(x), y).item() - least)


def test_a_loss_with_kinks_has_no_curvature_in_a_linear_net(tmp_path):
    """|x - y| of a linear net: its gradient has no derivative that autograd knows of."""
    text = "def absolute(outputs, targets):\n    return (outputs - targets).abs().sum(1)\n"
    write(tmp_path, text, "my_loss.py")
    linear = {"model": {"name": "mlp", "hidden": []}, "data": NUMBERS}
    arm, data = small_arm(loss=imported(tmp_path, "my_loss.py:absolute"), **linear), vectors()
    trained = train(arm, [0, 1], data)
    rows = measure("curvature", options("curvature"), arm, [0, 1], trained.weights, data)
    values = {row.metric: row.value for row in rows}
    assert values["hessian_trace"] == values["hessian_frobenius_norm"] == 0.0
    assert values["hessian_top_eigenvalue"] == 0.0
