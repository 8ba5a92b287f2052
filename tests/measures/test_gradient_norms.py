"""Squared norms of single examples' gradients against the gradients themselves, one by one."""

import pytest
import torch
from torch import nn

from largebatch.measures import gradient_norms
from largebatch.measures.gradient_norms import has_norms, summed_squares
from largebatch.measures.landscape import Landscape
from largebatch.nets.stack import stack
from largebatch.training.losses import LOSSES
from tests.shared.nets import NETS, landscape_of


def gradient_of(kind):
    return lambda logits, labels: iter([LOSSES[kind].gradient(logits, labels)])


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", NETS)
def test_squared_norms_are_those_of_the_gradients(name, kind, dataset, monkeypatch):
    nets, landscape = landscape_of(name, dataset, loss=kind)
    monkeypatch.setattr(gradient_norms, "BLOCK_BYTES", 20_000)  # several blocks
    found = summed_squares(landscape, gradient_of(kind))
    expected = torch.zeros(2, dtype=torch.float64)
    for s, net in enumerate(nets):
        for image, label in zip(landscape.images[s], landscape.labels[s], strict=True):
            loss = LOSSES[kind].each(net(image[None])[None], label.view(1, 1)).sum()
            expected[s] += sum(g.square().sum() for g in torch.autograd.grad(loss, net.parameters()))
    assert torch.allclose(found.sum(0), expected, rtol=1e-9)


def test_a_grouped_convolution_is_refused(dataset):
    net = nn.Sequential(nn.Conv2d(2, 2, 3, groups=2), nn.Flatten(), nn.Linear(8, 3)).double().eval()
    landscape = Landscape(stack([net]).eval(), torch.zeros(1, 3, 2, 4, 4).double(), torch.zeros(1, 3).long())
    assert not has_norms(landscape.model)
    with pytest.raises(ValueError, match=r"wanted layers with weights among .*; got .*StackedConv2d"):
        summed_squares(landscape, gradient_of("cross_entropy"))
