"""BatchNorm of many seeds against the plain layer, and of several workers against one."""

import pytest
import torch
from torch import nn

from largebatch.nets.batch_norm import moments_of, moments_of_all
from largebatch.nets.stack import stack
from largebatch.training.optimise import Collected

SEEDS = 3  # as of the images


def test_ghost_batches_are_normalised_each_for_itself(images):
    plain = [nn.BatchNorm2d(1).double() for _ in range(SEEDS)]
    together = stack(plain).train()
    together.ghost = 4  # of 10: the last ghost batch is of 2
    out = together(images)
    for index in range(SEEDS):
        parts = [plain[index].train()(part) for part in images[index].split(4)]
        torch.testing.assert_close(out[index], torch.cat(parts))


def test_moments_of_all_workers_of_whom_there_is_one(images):
    x, others = images[:, None], [2, 4, 5]
    count, variance, centred = moments_of_all(x, others, lambda tensors: tensors)
    _, *expected = moments_of(x, others)
    assert count == x.shape[2] * x.shape[4] * x.shape[5]
    torch.testing.assert_close([variance, centred], expected)


@pytest.mark.parametrize("dense", [True, False])
def test_one_batch_norm_of_all_workers_is_the_plain_one(dense, images):
    """Two workers with the same examples: all sums double, and nothing else changes."""
    x = images.flatten(2) if dense else images
    channels = x.shape[2]
    plain = [(nn.BatchNorm1d if dense else nn.BatchNorm2d)(channels).double() for _ in range(SEEDS)]
    together = stack(plain).train()
    together.summed = lambda tensors: [2 * tensor for tensor in tensors]
    g = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    out = together.push(x)
    by_input = together.pull(g, Collected())
    for index, layer in enumerate(plain):
        seen = x[index].clone().requires_grad_()
        expected = layer.train()(seen)
        torch.testing.assert_close(out[index], expected)
        expected.backward(g[index])
        torch.testing.assert_close(by_input[index], seen.grad)
        torch.testing.assert_close(together.weight.grad[index], layer.weight.grad)
