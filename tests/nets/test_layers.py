"""Twins of single layers against the plain layers, one seed after another."""

import pytest
import torch
from torch import nn

from largebatch.nets.stack import stack
from largebatch.training.optimise import Collected

SEEDS = 3  # as of the images


@pytest.mark.parametrize("name", ["linear", "convolution"])
def test_products_in_bfloat16_are_autocasts(name):
    """The gradients of PyTorch's own mixed precision, to what bfloat16 resolves."""
    torch.manual_seed(0)
    plain = nn.Linear(24, 16) if name == "linear" else nn.Conv2d(3, 8, 3, padding=1)
    x = torch.randn(32, 24) if name == "linear" else torch.randn(4, 3, 6, 6)
    twin = stack([plain])
    twin.products = torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        expected = plain(x)
    out = twin.push(x[None])
    assert out.dtype == torch.float32
    g = torch.randn_like(out)
    expected.backward(g[0].bfloat16())
    by_input = twin.pull(g, Collected())
    assert by_input.dtype == twin.weight.grad.dtype == torch.float32
    near = {"rtol": 0.02, "atol": 0.05}
    torch.testing.assert_close(out[0], expected.float(), **near)
    found = twin.weight.grad[0].T if name == "linear" else twin.weight.grad[0]
    torch.testing.assert_close(found, plain.weight.grad, **near)
    exact = stack([plain])
    assert not torch.equal(exact.push(x[None]), out)


@pytest.mark.parametrize("rows", [3, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_are_the_plain_ones(rows, bias):
    torch.manual_seed(0)
    plain = [nn.Linear(24, 5, bias=bias).double() for _ in range(SEEDS)]
    x, g = torch.randn(SEEDS, rows, 24).double(), torch.randn(SEEDS, 5, rows).double().mT
    together = stack(plain)
    torch.testing.assert_close(together(x), torch.stack([layer(x[i]) for i, layer in enumerate(plain)]))
    torch.testing.assert_close(together.push(x), together(x))
    by_input = together.pull(g, Collected())
    for index, layer in enumerate(plain):
        seen = x[index].clone().requires_grad_()
        layer(seen).backward(g[index])
        torch.testing.assert_close(by_input[index], seen.grad)
        torch.testing.assert_close(together.weight.grad[index].T, layer.weight.grad)
    # Fused optimisers go through weights and gradients without a look at their strides.
    assert together.weight.grad.is_contiguous()
