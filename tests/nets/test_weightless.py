"""Twins of layers without weights against the plain layers, one seed after another."""

import torch
from torch import nn

from largebatch.nets.stack import stack
from largebatch.nets.weightless import StackedDropout
from largebatch.training.optimise import Collected

SEEDS = 3  # as of the images


def test_dropout_pulls_by_the_masks_it_pushed_with_and_not_at_all_in_evaluation(images):
    together = stack([nn.Dropout(0.25)] * SEEDS).train()
    together.generators = [torch.Generator().manual_seed(s) for s in range(SEEDS)]
    out = together.push(images)
    torch.testing.assert_close(together.pull(torch.ones_like(images), Collected()) * images, out)
    assert not torch.equal(out, images)
    states = [stream.get_state() for stream in together.generators]
    together.eval()
    assert torch.equal(together.push(images), images)
    assert torch.equal(together.pull(images, Collected()), images)
    assert all(torch.equal(g.get_state(), s) for g, s in zip(together.generators, states, strict=True))


def test_dropout_keeps_its_share_scales_the_rest_and_ignores_company():
    x = torch.ones(2, 1000, 4, dtype=torch.float64)
    together = stack([nn.Dropout(0.25), nn.Dropout(0.25)]).train()
    together.generators = [torch.Generator().manual_seed(s) for s in range(2)]
    out = together(x)
    kept = (out != 0).double().mean((1, 2))
    torch.testing.assert_close(kept, torch.full((2,), 0.75, dtype=torch.float64), atol=0.03, rtol=0)
    assert set(out.unique().tolist()) == {0.0, 1 / 0.75}
    alone = stack([nn.Dropout(0.25)]).train()
    alone.generators = [torch.Generator().manual_seed(1)]
    torch.testing.assert_close(alone(x[1:])[0], out[1])
    assert torch.equal(together.eval()(x), x)
    assert isinstance(together, StackedDropout)


def test_dropout_of_nothing_draws_nothing(images):
    together = stack([nn.Dropout(0.0)] * SEEDS).train()  # without streams: asked for a mask it would fail
    assert torch.equal(together.push(images), images)
    assert torch.equal(together.pull(images, Collected()), images)
