"""Directions by their definition, losses along them against closed forms and nets moved by hand."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from largebatch.measures.landscape import Landscape
from largebatch.measures.rescaling import rescaled
from largebatch.measures.sharpness import of_seed
from largebatch.measures.surface import along, filter_normalised, plain_direction, plane, rise
from largebatch.nets import models
from largebatch.nets.stack import estimate_population_statistics
from tests.shared.nets import left_as_found, on_forty_images, quadratic, streams


@pytest.fixture(scope="module")
def cnns(dataset):
    plain = [models.build(s, "cnn", (1, 4, 4), 3, channels=[4], batch_norm=True) for s in range(3)]
    return on_forty_images(plain, dataset)


@pytest.fixture(scope="module")
def mlps(dataset):
    return on_forty_images([models.build(s, "mlp", (1, 4, 4), 3, hidden=[6, 5]) for s in range(3)], dataset)


@pytest.fixture(scope="module")
def parabola():
    return quadratic(dense=True)


def plain_parts(landscape, direction):
    """The direction of each seed by the names and shapes of the plain net."""
    model = deepcopy(landscape.model)
    for parameter, values in zip(model.parameters(), landscape.tensors(direction), strict=True):
        parameter.data.copy_(values)
    return model.plain()


def test_each_filter_is_as_long_as_the_nets(cnns):
    drawn = plain_parts(cnns, filter_normalised(cnns, streams()))
    filters = 0
    for name, weight in cnns.model.plain().items():
        if weight.ndim >= 3:  # (s, out, in, ...): a convolution or a linear layer
            filters += weight.shape[1]
            assert not torch.equal(drawn[name], weight)
            torch.testing.assert_close(drawn[name].flatten(2).norm(dim=2), weight.flatten(2).norm(dim=2))
        elif "running" not in name:
            assert (drawn[name] == 0).all(), name
    assert filters == 4 + 3


def test_filters_of_a_module_without_a_twin(dataset):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(16, 3)

        def forward(self, x):
            return self.inner(x.flatten(1))

    landscape = on_forty_images([Odd(), Odd()], dataset)
    weight, bias = landscape.tensors(filter_normalised(landscape, streams(2)))
    torch.testing.assert_close(weight.norm(dim=2), landscape.tensors(landscape.weights)[0].norm(dim=2))
    assert (bias == 0).all()


def test_filter_normalised_losses_do_not_see_a_rescaling_but_plain_ones_do(mlps):
    other = Landscape(rescaled(mlps.model, 4.0), mlps.images, mlps.labels)
    distances = [-1.0, 0.5, 1.0]
    by_filter, by_length = (
        [along(net, direction(net, streams()), distances) for net in (mlps, other)]
        for direction in (filter_normalised, plain_direction)
    )
    torch.testing.assert_close(*by_filter, rtol=1e-10, atol=0)
    assert ((by_length[0] - by_length[1]).abs().mean(0) > 1e-3).all()


def test_plain_direction_has_its_length_whatever_the_weights(mlps):
    lengths = plain_direction(mlps, streams()).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(3).double())
    doubled = Landscape(rescaled(mlps.model, 2.0), mlps.images, mlps.labels)
    assert torch.equal(plain_direction(doubled, streams()), plain_direction(mlps, streams()))


def test_losses_of_a_parabola(parabola):
    landscape, hessian = parabola
    u, v = (plain_direction(landscape, streams(first=first)) for first in (0, 10))
    losses = along(landscape, u, [-2.0, 0.0, 1.5])
    curvature = torch.einsum("sp,spq,sq->s", u, hessian, u)
    for row, distance in zip(losses, (-2.0, 0.0, 1.5), strict=True):
        torch.testing.assert_close(row, 0.5 * distance**2 * curvature, rtol=1e-10, atol=1e-15)
    grid = plane(landscape, u, v, [-1.0, 0.5])
    both = 0.5 * u - 1.0 * v
    assert grid.shape == (2, 2, 3)
    torch.testing.assert_close(grid[1, 0], 0.5 * torch.einsum("sp,spq,sq->s", both, hessian, both))
    expected = sum(0.5 * 0.3**2 * torch.einsum("sp,spq,sq->s", d, hessian, d) for d in (u, v)) / 2
    torch.testing.assert_close(rise(landscape, [u, v], 0.3), expected)


def test_statistics_are_of_the_start_or_of_each_point(cnns):
    direction = filter_normalised(cnns, streams())
    moved = deepcopy(cnns.model)
    for parameter, values in zip(
        moved.parameters(), cnns.tensors(cnns.weights + 0.7 * direction), strict=True
    ):
        parameter.data.copy_(values)
    kept = Landscape(deepcopy(moved), cnns.images, cnns.labels)
    estimate_population_statistics(moved, [cnns.images])
    anew = Landscape(moved, cnns.images, cnns.labels)
    for renormalise, net in ((False, kept), (True, anew)):
        loss = along(cnns, direction, [0.7], renormalise)[0]
        torch.testing.assert_close(loss, net.loss(net.weights), rtol=1e-12, atol=0)
    assert not torch.allclose(kept.loss(kept.weights), anew.loss(anew.weights), rtol=1e-3)


def test_without_batch_norm_nothing_is_renormalised(mlps):
    direction = filter_normalised(mlps, streams())
    points = [-0.5, 0.5]
    assert torch.equal(along(mlps, direction, points, True), along(mlps, direction, points))


def test_twice_is_equal_and_everything_is_as_found(cnns):
    def everything():
        u, v = filter_normalised(cnns, streams()), plain_direction(cnns, streams(first=5))
        return [u, v, along(cnns, u, [0.5], True), plane(cnns, u, v, [0.0, 0.5]), rise(cnns, [u, v], 0.1)]

    with left_as_found(cnns):
        assert all(torch.equal(a, b) for a, b in zip(everything(), everything(), strict=True))


@pytest.mark.parametrize("direction", [filter_normalised, plain_direction])
def test_company_changes_nothing(cnns, direction):
    together, alone = direction(cnns, streams()), direction(of_seed(cnns, 1), streams(1, first=1))
    torch.testing.assert_close(together[1:2], alone, rtol=1e-12, atol=0)
    losses, expected = along(cnns, together, [0.5], True), along(of_seed(cnns, 1), alone, [0.5], True)
    torch.testing.assert_close(losses[:, 1:2], expected, rtol=1e-9, atol=0)


def test_bad_arguments_are_refused(mlps):
    with pytest.raises(ValueError, match="each of 3 seeds; got 2"):
        filter_normalised(mlps, streams(2))
    with pytest.raises(ValueError, match="radius above 0; got -1"):
        rise(mlps, [mlps.weights], -1)
    with pytest.raises(ValueError, match="at least one direction; got none"):
        rise(mlps, [], 1)
