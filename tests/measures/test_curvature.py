"""Curvature of real nets against dense Hessians and another library."""

import numpy as np
import pytest
import torch
from torch import nn

from largebatch.measures import curvature
from largebatch.measures.lanczos import spectral_density
from tests.shared.nets import (
    NETS,
    PIECEWISE_LINEAR,
    Quadratic,
    by_products,
    dense_of,
    landscape_of,
    streams,
    with_spectrum,
)


@pytest.mark.parametrize("name", NETS)
def test_eigenvalues_equal_the_dense_ones(name, dataset):
    hessians, landscape = dense_of(name, dataset)
    top = curvature.top(landscape, streams(2), count=3, tolerance=1e-9)
    bottom = curvature.bottom(landscape, streams(2), tolerance=1e-9)
    for s, dense in enumerate(hessians):
        values = torch.linalg.eigvalsh(dense)
        assert top.values[s].tolist() == pytest.approx(values[-3:].flip(0).tolist(), rel=1e-6)
        assert bottom.values[s].item() == pytest.approx(values[0].item(), abs=1e-6 * values[-1].item())


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_trace_is_exact_and_the_norm_within_its_error(name, dataset):
    hessians, landscape = dense_of(name, dataset)
    trace, norm = curvature.trace_and_norm(landscape, streams(2), probes=20)
    assert trace.products == 0 and norm.products == 40
    for s, dense in enumerate(hessians):
        assert trace.value[s].item() == pytest.approx(dense.trace().item(), rel=1e-12)
        assert trace.error[s] == 0
        assert abs(norm.value[s] - dense.norm()) <= 6 * norm.error[s] + 1e-12


def test_without_an_exact_trace_probes_are_needed(dataset):
    hessians, landscape = dense_of("tanh", dataset)
    assert curvature.trace_and_norm(landscape, streams(2), probes=0) == (None, None)
    trace, _ = curvature.trace_and_norm(landscape, streams(2), probes=30)
    for s, dense in enumerate(hessians):
        assert abs(trace.value[s] - dense.trace()) <= 6 * trace.error[s]


def test_without_room_for_a_sketch_plain_means_are_taken(dataset, monkeypatch):
    hessians, landscape = dense_of("tanh", dataset)
    monkeypatch.setattr(curvature, "SKETCH_BYTES", 0)
    trace, norm = curvature.trace_and_norm(landscape, streams(2), probes=40)
    assert trace.products == 80
    for s, dense in enumerate(hessians):
        assert abs(trace.value[s] - dense.trace()) <= 5 * trace.error[s]
        assert abs(norm.value[s] - dense.norm()) <= 5 * norm.error[s]


@pytest.mark.parametrize(("probes", "sketch_bytes"), [(4, 10**9), (4, 0), (400, 10**9)])
def test_the_norm_of_a_hessian_that_is_zero_has_no_error(probes, sketch_bytes, dataset, monkeypatch):
    _, landscape = landscape_of("tanh", dataset)
    monkeypatch.setattr(landscape, "hessian_vector_product", torch.zeros_like)
    monkeypatch.setattr(curvature, "SKETCH_BYTES", sketch_bytes)
    for estimate in curvature.trace_and_norm(landscape, streams(2), probes):
        assert estimate.value.tolist() == estimate.error.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_blocks_of_the_weight_tensors(name, dataset):
    _, landscape = landscape_of(name, dataset)
    top = curvature.layer_top_eigenvalues(landscape, streams(2), tolerance=1e-9)
    traces = curvature.layer_traces(landscape, streams(2), probes=2)
    assert len(top) == len(traces) == len(landscape.sizes)
    for row, (where, block) in enumerate(curvature.blocks(landscape)):
        dense = by_products(block, landscape.weights[:, where])
        assert torch.allclose(top[row].values[:, 0], torch.linalg.eigvalsh(dense)[:, -1], rtol=1e-6)
        if name == "relu" or where.stop - where.start <= 4:
            expected = dense.diagonal(dim1=1, dim2=2).sum(1)
            assert torch.allclose(traces[row].value, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # of what curvlinops imports
def test_curvlinops_agrees(dataset):
    import curvlinops

    nets, landscape = landscape_of("batch_norm", dataset)
    ours, _ = curvature.trace_and_norm(landscape, streams(2), probes=0)
    top = curvature.top(landscape, streams(2), tolerance=1e-9).values[:, 0]
    for s, net in enumerate(nets):
        data = [(landscape.images[s], landscape.labels[s])]
        operator = curvlinops.HessianLinearOperator(net, nn.CrossEntropyLoss(), list(net.parameters()), data)
        dense = np.stack([np.asarray(operator @ unit) for unit in torch.eye(operator.shape[0]).double()])
        assert np.trace(dense) == pytest.approx(ours.value[s].item(), rel=1e-8)
        assert np.linalg.eigvalsh(dense)[-1] == pytest.approx(top[s].item(), rel=1e-6)


def test_an_exact_minimum_is_measured_too():
    at_minimum = Quadratic(with_spectrum([4.0, 2.0, -1.0, 0.5, 0.1]), torch.zeros(1, 5))
    assert curvature.top(at_minimum, streams(1), tolerance=1e-10).values.item() == pytest.approx(4.0)
    assert curvature.bottom(at_minimum, streams(1), tolerance=1e-10).values.item() == pytest.approx(-1.0)


def test_vectors_kept_fit_the_memory_whatever_the_company():
    for seeds in (1, 20):
        digits = torch.empty(seeds, 26122, device="meta")
        assert curvature.most_vectors(digits, 1) == curvature.MOST_VECTORS
    ten_million = torch.empty(1, 10_000_000, device="meta")
    assert curvature.most_vectors(ten_million, 1) == curvature.FEWEST_VECTORS
    assert curvature.most_vectors(ten_million, 5) == 14


def test_density_is_that_of_the_dense_hessian(dataset):
    hessians, landscape = dense_of("relu", dataset)
    grid = torch.linspace(-5, 40, 400, dtype=torch.float64)
    asked = (landscape.hessian_vector_product, landscape.weights, streams(2), grid)
    found = spectral_density(*asked, width=1.0, probes=60, steps=30)
    for s, dense in enumerate(hessians):
        values = torch.linalg.eigvalsh(dense)
        bells = torch.exp(-0.5 * (grid[:, None] - values).square()) / (2 * torch.pi) ** 0.5
        expected = bells.mean(1)
        assert (found[s] - expected).abs().sum() < 0.1 * expected.sum()


def test_measuring_twice_is_equal(dataset):
    _, landscape = landscape_of("relu", dataset)
    first, second = (curvature.top(landscape, streams(2), tolerance=1e-12).values for _ in range(2))
    assert torch.equal(first, second)
