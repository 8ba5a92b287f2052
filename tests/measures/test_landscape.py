"""Loss, gradient and products of stacked nets against plain ones and dense Hessians."""

import pytest
import torch
import torch.nn.functional as F

from largebatch.measures import landscape as module
from tests.shared.nets import NETS, by_products, dense_of, landscape_of, left_as_found, squared_error


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("name", NETS)
def test_loss_and_gradient_equal_those_of_plain_nets(name, loss, dataset):
    nets, landscape = landscape_of(name, dataset, loss=loss)
    of = {"cross_entropy": F.cross_entropy, "squared_error": squared_error}[loss]
    losses, gradients = landscape.gradient(landscape.weights)
    evaluated, accuracy = landscape.evaluate(landscape.weights)
    for s, net in enumerate(nets):
        logits = net(landscape.images[s])
        expected = of(logits, landscape.labels[s])
        expected.backward()
        assert losses[s] == pytest.approx(expected.item(), rel=1e-12)
        assert evaluated[s] == pytest.approx(expected.item(), rel=1e-12)
        right = (logits.argmax(1) == landscape.labels[s]).double().mean()
        assert accuracy[s] == pytest.approx(100 * right.item())
        norm = torch.cat([p.grad.flatten() for p in net.parameters()]).norm()
        assert gradients[s].norm().item() == pytest.approx(norm.item(), rel=1e-10)


@pytest.mark.parametrize("name", NETS)
def test_products_span_the_dense_hessian(name, dataset):
    hessians, landscape = dense_of(name, dataset)
    found = by_products(landscape.hessian_vector_product, landscape.weights)
    for ours, dense in zip(found, hessians, strict=True):
        assert torch.allclose(ours, ours.T, atol=1e-10)
        # The order of weights differs; the eigenvalues do not.
        assert torch.allclose(torch.linalg.eigvalsh(ours), torch.linalg.eigvalsh(dense), atol=1e-9)


@pytest.mark.parametrize("kept", [0, 1 << 30])
def test_chunks_and_kept_graphs_change_nothing(kept, dataset, monkeypatch):
    _, whole = landscape_of("cnn_batch_norm", dataset)
    v = torch.randn(whole.weights.shape, dtype=torch.float64)
    expected = whole.loss(v), whole.gradient(v)[1], whole.hessian_vector_product(v)
    monkeypatch.setattr(module, "CHUNK", 7)
    monkeypatch.setattr(module, "KEPT_GRAPH_BYTES", kept)
    _, chunked = landscape_of("cnn_batch_norm", dataset)
    for _ in range(2):
        found = chunked.loss(v), chunked.gradient(v)[1], chunked.hessian_vector_product(v)
        for ours, theirs in zip(found, expected, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_products_seed_after_seed_are_the_same_and_zeros_cost_none(dataset, monkeypatch):
    _, together = landscape_of("relu", dataset)
    v = torch.randn(together.weights.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    v[1] = 0.0
    expected = together.hessian_vector_product(v)
    monkeypatch.setattr(module, "APART_ACTIVATIONS", 1)
    _, apart = landscape_of("relu", dataset)
    asked, grad = [], torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **o: (asked.append(len(a)), grad(*a, **o))[1])
    torch.testing.assert_close(apart.hessian_vector_product(v), expected, rtol=1e-12, atol=1e-14)
    assert asked.count(3) == apart.seeds - 1


def test_the_model_stays_as_it_was(dataset):
    _, landscape = landscape_of("cnn_batch_norm", dataset)
    v = torch.randn(landscape.weights.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with left_as_found(landscape):
        landscape.gradient(v), landscape.hessian_vector_product(v), landscape.evaluate(v)


def test_bad_models_are_refused(dataset):
    _, landscape = landscape_of("relu", dataset)
    with pytest.raises(ValueError, match="evaluation mode"):
        module.Landscape(landscape.model.train(), landscape.images, landscape.labels)
    landscape.model.eval()
    next(landscape.model.parameters()).data[1, 0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"finite weights; got NaN or infinity in 1\.weight"):
        module.Landscape(landscape.model, landscape.images, landscape.labels)
