"""Exact and estimated traces against dense Hessians and known matrices."""

import pytest
import torch
from torch import nn

from largebatch.measures.trace import exact_by_tensor, hutchinson, is_exact_for, is_linear, sketch
from largebatch.nets.stack import stack
from tests.shared.nets import (
    PIECEWISE_LINEAR,
    by_products,
    dense_of,
    operator,
    streams,
    with_spectrum,
)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_the_exact_trace_is_that_of_the_dense_hessian(name, loss, dataset):
    hessians, landscape = dense_of(name, dataset, loss)
    assert is_exact_for(landscape)
    by_tensor = exact_by_tensor(landscape)
    for s, dense in enumerate(hessians):
        assert by_tensor[:, s].sum().item() == pytest.approx(dense.trace().item(), rel=1e-12)


@pytest.mark.parametrize("name", ["relu", "cnn_batch_norm"])
def test_the_exact_trace_by_tensor_sums_the_diagonal_of_each(name, dataset):
    _, landscape = dense_of(name, dataset)
    dense = by_products(landscape.hessian_vector_product, landscape.weights)
    diagonal = dense.diagonal(dim1=1, dim2=2)
    expected = torch.stack([part.sum(1) for part in diagonal.split(landscape.sizes, 1)])
    assert torch.allclose(exact_by_tensor(landscape), expected, rtol=1e-9, atol=1e-12)


def test_with_tanh_the_traces_differ_and_the_exact_one_is_refused(dataset):
    hessians, landscape = dense_of("tanh", dataset)
    assert not is_exact_for(landscape)
    with pytest.raises(ValueError, match=r"piecewise linear in each weight; got layers .*Tanh"):
        exact_by_tensor(landscape)
    found = sketch(landscape.hessian_vector_product, landscape.weights, streams(2), 20).trace()
    for s, dense in enumerate(hessians):
        assert abs(found.value[s] - dense.trace()) <= 5 * found.error[s]


@pytest.mark.parametrize("layer", [nn.GELU(), nn.Softplus(), nn.Sigmoid()], ids=str)
def test_no_exact_trace_with_a_curved_or_an_unknown_layer(layer):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), layer, nn.Linear(3, 2))
    assert not is_linear(stack([net]).eval())


SPECTRUM = torch.tensor([100.0 / 1.3**i for i in range(40)] + [0.01] * 160, dtype=torch.float64)


def test_xtrace_is_unbiased_and_its_error_honest():
    matrix = with_spectrum(SPECTRUM).expand(200, -1, -1)
    like = torch.empty(200, 200, dtype=torch.float64)
    made = sketch(operator(matrix), like, streams(200), 8)
    for found, truth in ((made.trace(), SPECTRUM.sum()), (made.squared_norm(), SPECTRUM.square().sum())):
        assert found.products == 16
        misses = found.value - truth
        assert abs(misses.mean()) < 4 * misses.std() / 200**0.5
        claimed, true = found.error.square().mean().sqrt(), misses.square().mean().sqrt()
        assert 0.6 < claimed / true < 1.4


def test_xtrace_needs_far_fewer_products_than_hutchinson():
    matrix = with_spectrum(SPECTRUM).expand(100, -1, -1)
    like = torch.empty(100, 200, dtype=torch.float64)
    truth = SPECTRUM.sum()
    ours = sketch(operator(matrix), like, streams(100), 15).trace()
    theirs, _ = hutchinson(operator(matrix), like, streams(100), 30)
    assert ours.products == theirs.products
    error = [(found.value - truth).square().mean().sqrt() for found in (ours, theirs)]
    assert error[0] < 0.1 * error[1]


def test_hutchinson_is_unbiased_with_an_honest_error():
    matrix = with_spectrum(SPECTRUM).expand(200, -1, -1)
    like = torch.empty(200, 200, dtype=torch.float64)
    trace, norm = hutchinson(operator(matrix), like, streams(200), 10)
    for found, truth in ((trace, SPECTRUM.sum()), (norm, SPECTRUM.square().sum())):
        misses = found.value - truth
        assert abs(misses.mean()) < 4 * misses.std() / 200**0.5
        assert 0.7 < found.error.square().mean().sqrt() / misses.square().mean().sqrt() < 1.3


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_matrix_of_low_rank_is_found_exactly(rank):
    values = torch.tensor([5.0, 3.0, 1.0][:rank] + [0.0] * (50 - rank), dtype=torch.float64)
    found = sketch(operator(with_spectrum(values)), torch.empty(1, 50, dtype=torch.float64), streams(1), 8)
    assert found.trace().value.item() == pytest.approx(values.sum().item(), abs=1e-9)
    assert found.squared_norm().value.item() == pytest.approx(values.square().sum().item(), abs=1e-9)


@pytest.mark.parametrize("probes", [1, 101])
def test_probes_have_bounds(probes):
    with pytest.raises(ValueError, match=f"probes between 2 and half of the 200 weights; got {probes}"):
        sketch(operator(with_spectrum(SPECTRUM)), torch.empty(1, 200), streams(1), probes)
