"""Twins of single layers against the plain layers, one seed after another."""

import pytest
import torch
from torch import nn

from largebatch.nets.layers import StackedBatchNorm
from largebatch.nets.stack import stack
from largebatch.training.optimise import Collected

SEEDS = 3


@pytest.fixture
def images():
    return torch.randn(SEEDS, 10, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_ghost_batches_are_normalised_each_for_itself(images):
    plain = [nn.BatchNorm2d(1).double() for _ in range(SEEDS)]
    together = stack(plain).train()
    together.ghost = 4  # of 10: the last ghost batch is of 2
    out = together(images)
    for lane in range(SEEDS):
        parts = [plain[lane].train()(part) for part in images[lane].split(4)]
        torch.testing.assert_close(out[lane], torch.cat(parts))


def test_population_statistics_are_those_of_all_examples(images):
    together = stack([nn.BatchNorm2d(1).double() for _ in range(SEEDS)]).train()
    together.moments = []
    for part in images.split(4, dim=1):
        together(part)
    together.settle()
    torch.testing.assert_close(together.running_mean[:, 0], images.mean((1, 2, 3, 4)))
    torch.testing.assert_close(together.running_var[:, 0], images.var((1, 2, 3, 4), correction=0))
    assert isinstance(together, StackedBatchNorm)


def test_batch_norm_is_pushed_and_pulled_by_the_mode_it_is_in(images):
    """In training by the statistics of the batch, in evaluation by those of the population."""
    plain = [nn.BatchNorm2d(1).double() for _ in range(SEEDS)]
    together = stack(plain)
    together.running_mean += 2.0
    together.running_var *= 3.0
    g = torch.randn(images.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for training in (True, False, True):
        together.train(training)
        out, by_input = together.push(images), together.pull(g, Collected())
        for lane, layer in enumerate(plain):
            layer.train(training)
            layer.running_mean.fill_(2.0)
            layer.running_var.fill_(3.0)
            x = images[lane].clone().requires_grad_()
            alone = layer(x)
            torch.testing.assert_close(out[lane], alone.detach())
            expected = torch.autograd.grad(alone, [x, layer.weight, layer.bias], g[lane])
            got = (by_input[lane], together.weight.grad[lane], together.bias.grad[lane])
            for one, other in zip(got, expected, strict=True):
                torch.testing.assert_close(one, other)
        together.zero_grad()


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
