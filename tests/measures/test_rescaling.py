"""Rescaling leaves the function and moves what is not invariant (Dinh et al. 2017)."""

import pytest
import torch
from torch import nn

from largebatch.measures.landscape import Landscape
from largebatch.measures.rescaling import rescaled
from largebatch.measures.sharpness import adaptive, average, keskar, keskar_relative, sam
from largebatch.measures.surface import move
from largebatch.nets import models
from largebatch.nets.stack import stack
from tests.shared.nets import by_products, on_forty_images, streams

ALPHA = 20.0


@pytest.fixture(scope="module")
def net(dataset):
    """Two small ReLU nets after some gradient descent, on 40 examples."""
    plain = [models.build(seed, "mlp", (1, 4, 4), 3, hidden=[6, 5]) for seed in range(2)]
    start = on_forty_images(plain, dataset)
    at = start.weights
    for _ in range(20):
        at = at - 0.3 * start.gradient(at)[1]
    move(start, at)
    return Landscape(start.model, start.images, start.labels)


@pytest.fixture(scope="module")
def moved(net):
    return Landscape(rescaled(net.model, ALPHA), net.images, net.labels)


def top_eigenvalue(landscape):
    """Of each seed, from its dense Hessian."""
    dense = by_products(landscape.hessian_vector_product, landscape.weights)
    return torch.linalg.eigvalsh(dense)[:, -1]


def test_the_function_stays(net, moved):
    assert not torch.allclose(net.weights, moved.weights, rtol=0.5)
    torch.testing.assert_close(moved.model(net.images), net.model(net.images), rtol=1e-12, atol=1e-13)


def test_weights_are_multiplied_and_divided(net, moved):
    before, after = net.model.plain(), moved.model.plain()
    factors = {"1.weight": ALPHA, "1.bias": ALPHA, "3.weight": 1 / ALPHA}
    assert set(factors) < set(before)
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight * factors.get(name, 1.0))


def test_top_eigenvalue_and_sharpness_move_but_the_adaptive_stays(net, moved):
    for measure in (
        top_eigenvalue,
        lambda at: keskar(at, 1e-3, streams(2)),
        lambda at: sam(at, 0.1, 20, streams(2)),
        lambda at: average(at, 0.1, 20, streams(2))[0],
    ):
        assert (measure(moved) / measure(net) > 1.5).all()
    there, here = (adaptive(at, 0.5, 20, streams(2)) for at in (moved, net))
    torch.testing.assert_close(there, here, rtol=1e-9, atol=0)


def test_sharpness_in_a_relative_box_stays(net, moved):
    # The search is in single precision.
    there, here = (keskar_relative(at, 2e-2, streams(2)) for at in (moved, net))
    torch.testing.assert_close(there, here, rtol=1e-4, atol=0)


def test_back_and_forth_is_where_it_was_and_nothing_given_is_changed(net):
    before = {key: tensor.clone() for key, tensor in net.model.state_dict().items()}
    back = rescaled(rescaled(net.model, 4.0), 0.25)
    assert not back.training
    for key, tensor in back.state_dict().items():
        assert torch.equal(tensor, before[key])  # powers of two are exact
        assert torch.equal(net.model.state_dict()[key], before[key])


def test_a_net_without_biases():
    net = stack([nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2))])
    x = torch.rand(1, 6, 1, 2, 2)
    torch.testing.assert_close(rescaled(net, 8.0)(x), net(x))


@pytest.mark.parametrize(
    ("layers", "got"),
    [
        ([nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)], r"2 StackedLinear and \['StackedTanh'\]"),
        ([nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)], "'StackedBatchNorm'"),
        ([nn.Linear(4, 3), nn.ReLU()], r"1 StackedLinear and \[\]"),
    ],
    ids=["tanh", "batch norm", "one layer"],
)
def test_other_nets_are_refused(layers, got):
    with pytest.raises(ValueError, match=f"at least two StackedLinear .*got .*{got}"):
        rescaled(stack([nn.Sequential(*layers)]), 2.0)


def test_a_bare_layer_and_alpha_below_zero_are_refused(net):
    with pytest.raises(ValueError, match="got 1 StackedLinear"):
        rescaled(stack([nn.Linear(4, 3)]), 2.0)
    with pytest.raises(ValueError, match=r"alpha above 0; got -2\.0"):
        rescaled(net.model, -2.0)
