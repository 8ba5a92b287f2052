"""Curvature in units of the layers' lengths: against dense Hessians, and unmoved where only lengths are."""

import pytest
import torch
from torch import nn

from largebatch.config.flatness import ScaledCurvature
from largebatch.measures.landscape import Landscape
from largebatch.measures.nets import Nets
from largebatch.measures.rescaling import rescaled
from largebatch.measures.scaled_curvature import (
    measure_scaled_curvature,
    scaled_top,
    squared_lengths,
    standard_error,
    tensor_traces,
)
from largebatch.nets.stack import stack
from tests.conftest import small_arm
from tests.shared.nets import (
    NETS,
    PIECEWISE_LINEAR,
    dense_hessian,
    dense_of,
    landscape_of,
    left_as_found,
    streams,
)
from tests.shared.rescaled import before_batch_norm
from tests.shared.trained import train

# Of every net here a layer's bias and BatchNorm's weights have one dimension, all others more.
BATCH_NORM = ["batch_norm", "cnn_batch_norm"]


def scales_of(net):
    """‖w_l‖ for each weight of a plain net's layers, 0 for all else; (p,)."""
    tensors = [p.detach() for p in net.parameters()]
    return torch.cat([torch.full_like(p, p.norm() if p.ndim > 1 else 0.0).flatten() for p in tensors])


def scaled_trace(landscape):
    return (squared_lengths(landscape) * tensor_traces(landscape, streams(2), 2).mean(0)).sum(0)


@pytest.mark.parametrize("name", NETS)
def test_eigenvalue_and_trace_are_those_of_the_dense_matrix(name, dataset):
    hessians, landscape = dense_of(name, dataset)
    nets, _ = landscape_of(name, dataset)
    found = scaled_top(landscape, streams(2), tolerance=1e-9).values[:, 0]
    for s, (net, dense) in enumerate(zip(nets, hessians, strict=True)):
        scales = scales_of(net)
        scaled = scales[:, None] * dense * scales
        assert found[s].item() == pytest.approx(torch.linalg.eigvalsh(scaled)[-1].item(), rel=1e-6)
        if name in PIECEWISE_LINEAR:
            assert scaled_trace(landscape)[s].item() == pytest.approx(scaled.trace().item(), rel=1e-10)


def test_without_an_exact_trace_probes_are_unbiased_within_their_error(dataset):
    hessians, landscape = dense_of("tanh", dataset)
    each = tensor_traces(landscape, streams(2), probes=400)
    assert each.shape == (400, len(landscape.sizes), 2)
    for s, dense in enumerate(hessians):
        expected = torch.stack([block.sum() for block in dense.diagonal().split(landscape.sizes)])
        error = each[:, :, s].std(0) / 20
        assert ((each[:, :, s].mean(0) - expected).abs() <= 4.5 * error).all()


@pytest.mark.parametrize("alpha", [0.03, 3.0, 20.0])
def test_rescaling_relu_layers_changes_nothing(alpha, dataset):
    _, net = landscape_of("relu", dataset)
    moved = Landscape(rescaled(net.model, alpha), net.images, net.labels)
    plain = [tensor_traces(at, streams(2), 2)[0].sum(0) for at in (net, moved)]
    assert not torch.allclose(*plain, rtol=0.5)
    torch.testing.assert_close(scaled_trace(moved), scaled_trace(net), rtol=1e-12, atol=0)
    tops = [scaled_top(at, streams(2), tolerance=1e-10).values for at in (moved, net)]
    torch.testing.assert_close(*tops, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("factor", "shift"), [(0.05, 0.0), (7.0, 0.0), (1.0, 3.0), (3.0, -0.7)])
@pytest.mark.parametrize("name", BATCH_NORM)
def test_what_batch_norm_undoes_changes_nothing(name, factor, shift, dataset):
    _, net = landscape_of(name, dataset)
    moved = before_batch_norm(net, factor, shift)
    torch.testing.assert_close(scaled_trace(moved), scaled_trace(net), rtol=1e-10, atol=0)
    tops = [scaled_top(at, streams(2), tolerance=1e-10).values for at in (moved, net)]
    torch.testing.assert_close(*tops, rtol=1e-8, atol=0)


def test_lengths_are_of_the_layers_weights_alone(dataset):
    nets, landscape = landscape_of("cnn_batch_norm", dataset)
    found = squared_lengths(landscape)
    for s, net in enumerate(nets):
        expected = [p.detach().square().sum().item() if p.ndim > 1 else 0.0 for p in net.parameters()]
        assert found[:, s].tolist() == pytest.approx(expected, rel=1e-12)


@pytest.fixture(scope="module")
def made(dataset):
    """What the measure writes of a trained net, metric -> seed -> value, and its dense Hessians."""
    arm = small_arm(batch_size=48, epochs=3)
    trained = train(arm, [3, 5], dataset)
    nets = Nets(arm, [3, 5], trained.weights, dataset)
    found = {}
    for row in measure_scaled_curvature(nets, ScaledCurvature(examples=40)):
        found.setdefault((row.metric, row.at), {})[row.seed] = row.value
    images, labels = nets.examples(40)
    plain = [nets.plain(index) for index in range(2)]
    return found, plain, [dense_hessian(net, images[s], labels[s]) for s, net in enumerate(plain)]


def test_the_measure_of_each_seed_is_that_of_its_dense_hessian(made):
    found, plain, hessians = made
    for seed, net, dense in zip((3, 5), plain, hessians, strict=True):
        scales = scales_of(net)
        scaled = scales[:, None] * dense * scales
        value = {metric: values[seed] for (metric, at), values in found.items() if at is None}
        assert value["scaled_hessian_trace"] == pytest.approx(scaled.trace().item(), rel=1e-9)
        assert value["scaled_top_eigenvalue"] == pytest.approx(
            torch.linalg.eigvalsh(scaled)[-1].item(), rel=1e-4
        )
        blocks = dense.diagonal() * (scales > 0)
        assert value["weight_hessian_trace"] == pytest.approx(blocks.sum().item(), rel=1e-9)
        assert value["scaled_hessian_trace_se"] == 0


def test_the_scale_invariant_trace_is_the_plain_one_times_the_mean_squared_length(made):
    found, plain, _ = made
    for seed, net in zip((3, 5), plain, strict=True):
        value = {metric: values[seed] for (metric, at), values in found.items() if at is None}
        product = value["weight_hessian_trace"] * value["mean_squared_length"]
        assert product == pytest.approx(value["scaled_hessian_trace"], rel=1e-12)
        squares = [values[seed] for (metric, _), values in found.items() if metric == "layer_squared_length"]
        assert squares == pytest.approx(
            [p.detach().square().sum().item() for p in net.parameters() if p.ndim > 1]
        )
        assert min(squares) < value["mean_squared_length"] < max(squares)
        assert value["weight_length"] == pytest.approx(sum(squares) ** 0.5)
        layers = [values[seed] for (metric, _), values in found.items() if metric == "layer_scaled_trace"]
        assert sum(layers) == pytest.approx(value["scaled_hessian_trace"])


def test_places_of_layers_are_those_of_their_tensors(made):
    found, plain, _ = made
    places = [at for metric, at in found if metric == "layer_scaled_trace"]
    assert places == [number for number, p in enumerate(plain[0].parameters()) if p.ndim > 1]


def test_everything_is_left_as_found_and_twice_is_equal(dataset):
    _, landscape = landscape_of("batch_norm", dataset)
    with left_as_found(landscape):
        first, second = (scaled_top(landscape, streams(2)).values for _ in range(2))
    assert torch.equal(first, second)


def test_the_error_of_estimates_is_that_of_their_mean():
    each = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert standard_error(each).tolist() == [1.0, 0.0]
    assert standard_error(each[:1]).tolist() == [0.0, 0.0]


def test_a_net_without_layers_to_scale_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4)).double().eval()
    images = torch.rand(1, 6, 1, 2, 2, dtype=torch.float64)
    landscape = Landscape(stack([net]).eval(), images, torch.zeros(1, 6).long())
    with pytest.raises(ValueError, match="wanted a linear layer or a convolution; got none"):
        scaled_top(landscape, streams(1))
