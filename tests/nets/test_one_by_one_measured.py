"""Gradients, Hessians and measures of modules of any kind against plain autograd, one seed after another."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from largebatch.data.splits import Dataset
from largebatch.measures.landscape import Landscape
from largebatch.measures.measure import measure
from largebatch.measures.trace import is_exact_for
from largebatch.nets import models
from largebatch.nets.stack import stack
from tests.conftest import small_arm
from tests.shared.groups import DATA, OLDER_WAYS, SEEDS, SGD, group_of
from tests.shared.modules import MODULES
from tests.shared.trained import train

pytestmark = OLDER_WAYS


def landscape_of(name, dataset):
    """Plain nets in evaluation mode, and their landscape on 20 images, others for each seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = [MODULES[name]().double() for _ in SEEDS]
    images = torch.stack([dataset.images[10 * s : 10 * s + 20] for s in range(2)])
    labels = torch.stack([dataset.labels[10 * s : 10 * s + 20] for s in range(2)])
    plain = [copy.deepcopy(net) if name not in NOT_COPIED else net for net in nets]
    return [net.eval() for net in plain], Landscape(stack(nets).eval(), images, labels)


# Tensors that they compute cannot be copied.
NOT_COPIED = ("old weight norm", "pruned")


def trained(net):
    return [p for p in net.parameters() if p.requires_grad]


def gradient_of(net, images, labels, create_graph=False):
    loss = F.cross_entropy(net(images), labels)
    found = torch.autograd.grad(loss, trained(net), create_graph=create_graph, materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


CURVED = [
    "gru",
    "shared layer",
    "tied weights",
    "weight norm",
    "spectral norm",
    "orthogonal",
    "pruned",
    "forward hook",
]
FROZEN = [
    "frozen layer",
    "frozen bias and scale",
    "frozen backbone",
    "own forward",
    "acts by its mode",
    "buffers",
]


@pytest.mark.parametrize("name", [*CURVED, *FROZEN])
def test_gradients_and_products_are_those_of_the_dense_hessian(name, dataset):
    nets, landscape = landscape_of(name, dataset)
    assert landscape.parameters == sum(p.numel() for p in trained(nets[0]))
    state = copy.deepcopy(landscape.model.state_dict())
    loss, gradient = landscape.gradient(landscape.weights)
    some = torch.arange(0, landscape.parameters, 7)
    units = torch.eye(landscape.parameters, dtype=torch.float64)[some]
    products = [landscape.hessian_vector_product(unit.expand(2, -1)) for unit in units]
    assert not is_exact_for(landscape)
    for s, net in enumerate(nets):
        images, labels = landscape.images[s], landscape.labels[s]
        expected = gradient_of(net, images, labels, create_graph=True)
        torch.testing.assert_close(gradient[s], expected.detach(), rtol=1e-10, atol=1e-13)
        assert loss[s].item() == pytest.approx(F.cross_entropy(net(images), labels).item(), rel=1e-12)
        for i, product in zip(some, products, strict=True):
            row = torch.autograd.grad(expected[i], trained(net), retain_graph=True, materialize_grads=True)
            row = torch.cat([g.flatten() for g in row])
            torch.testing.assert_close(product[s], row, rtol=1e-9, atol=1e-12)
    assert all(torch.equal(tensor, state[key]) for key, tensor in landscape.model.state_dict().items())


@pytest.mark.parametrize("name", ["transformer with dropout", "lstm"])
def test_products_through_fused_layers_equal_differences_of_gradients(name, dataset):
    _, landscape = landscape_of(name, dataset)
    way = torch.randn(
        landscape.weights.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    ahead, behind = (landscape.gradient(landscape.weights + step * way)[1] for step in (1e-5, -1e-5))
    torch.testing.assert_close(
        landscape.hessian_vector_product(way), (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-6
    )


CURVATURE = {
    **{"backend": "lanczos", "examples": 24, "top": 1, "tolerance": 1e-4, "most_products": 100, "probes": 2},
    **{"bottom": False, "per_layer": True},
}
OTHERS = {
    "keskar": {"examples": 24, "epsilon": [1e-3], "iterations": 2},
    "surface": {
        **{"examples": 24, "reach": 0.5, "points": 3, "plane_points": 2, "directions": 1},
        **{"radius": [0.1], "renormalise": True},
    },
    "noise": {"examples": 24, "batch_sizes": [4], "draws": 2, "small": 2, "large": 8},
}
AGREEMENT = {"examples": 24, "trace_probes": 2, "eigenvalue_iterations": 200, "eigenvalue_tolerance": 1e-5}


@pytest.mark.parametrize("name", ["tied weights", "frozen layer", "own forward"])
def test_trained_modules_are_measured(name, dataset, monkeypatch):
    monkeypatch.setitem(models.MODELS, "mlp", lambda *_, **__: MODULES[name]())
    arm = small_arm(**DATA | SGD)
    trained = train(arm, SEEDS, dataset)
    rows = measure("curvature", CURVATURE, arm, SEEDS, trained.weights, dataset)
    top = {row.seed: row.value for row in rows if row.metric == "hessian_top_eigenvalue"}
    rows = measure("agreement", AGREEMENT, arm, SEEDS, trained.weights, dataset)
    theirs = {row.seed: row.value for row in rows if row.metric == "pyhessian_top_eigenvalue"}
    assert theirs == pytest.approx(top, rel=1e-2)
    for kind, options in OTHERS.items():
        rows = measure(kind, options, arm, SEEDS, trained.weights, dataset)
        assert np.isfinite([row.value for row in rows]).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; found none")
@pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk:UserWarning")
@pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS, but there was no current:UserWarning")
@pytest.mark.parametrize("name", ["own forward", "transformer with dropout", "gru", "buffers"])
def test_a_gpu_trains_and_measures_them_too(name, dataset, monkeypatch):
    there = Dataset(dataset.images.cuda(), dataset.labels.cuda(), dataset.dtype)
    found = []
    for _ in range(2):
        group = group_of(MODULES[name], there, monkeypatch, **SGD)
        group.train_epoch()
        found.append(group.model.plain())
    assert all(torch.equal(found[1][key], tensor) for key, tensor in found[0].items())
    ours, theirs = (landscape_of(name, data)[1] for data in (there, dataset))
    ours = Landscape(ours.model.cuda(), ours.images, ours.labels)
    assert not any(p.is_cuda for p in theirs.model.parameters())
    v = torch.ones_like(theirs.weights)
    product = ours.hessian_vector_product(v.cuda()).cpu()
    torch.testing.assert_close(product, theirs.hessian_vector_product(v), rtol=1e-6, atol=1e-8)
