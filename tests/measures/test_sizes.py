"""Adaptive measures go by sizes that mean something: nothing that BatchNorm undoes changes them."""

import pytest
import torch

from largebatch.measures.sharpness import adaptive, keskar_relative
from largebatch.measures.sizes import sizes_of
from tests.shared.nets import NETS, landscape_of, streams
from tests.shared.rescaled import before_batch_norm

# Place of the bias before BatchNorm among a plain net's parameters.
IDLE = {"batch_norm": [1], "cnn_batch_norm": [1], "resmlp": [1, 5, 9, 13, 17]}


@pytest.mark.parametrize("name", NETS)
def test_sizes_are_absolute_values_but_of_biases_before_batch_norm(name, dataset):
    nets, landscape = landscape_of(name, dataset)
    names = [n for n, _ in nets[0].named_parameters()]
    found = sizes_of(landscape).split(landscape.sizes, dim=1)
    for number, (of_tensor, weights) in enumerate(
        zip(found, landscape.weights.split(landscape.sizes, dim=1), strict=True)
    ):
        held = number in IDLE.get(name, [])
        assert torch.equal(of_tensor, torch.zeros_like(weights) if held else weights.abs()), names[number]


@pytest.mark.parametrize(("factor", "shift"), [(0.05, 0.0), (7.0, 0.0), (1.0, 3.0), (3.0, -0.7)])
@pytest.mark.parametrize("name", ["batch_norm", "cnn_batch_norm"])
def test_what_batch_norm_undoes_changes_no_adaptive_measure(name, factor, shift, dataset):
    _, net = landscape_of(name, dataset)
    moved = before_batch_norm(net, factor, shift)
    there, here = (adaptive(at, 0.5, 20, streams(2)) for at in (moved, net))
    torch.testing.assert_close(there, here, rtol=1e-8, atol=0)
    # The search is in single precision.
    there, here = (keskar_relative(at, 2e-2, streams(2)) for at in (moved, net))
    torch.testing.assert_close(there, here, rtol=1e-4, atol=0)
