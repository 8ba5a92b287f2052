"""Each loss's gradient and curvature by the logits against autograd's."""

import pytest
import torch
import torch.nn.functional as F

from largebatch.training.losses import LOSSES

LOGITS = 3 * torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([[0, 1, 2, 1], [2, 2, 0, 1]])


def test_cross_entropy_is_pytorchs():
    expected = F.cross_entropy(LOGITS.flatten(0, 1), LABELS.flatten(), reduction="none").view(2, 4)
    assert torch.allclose(LOSSES["cross_entropy"].each(LOGITS, LABELS), expected)


def test_squared_error_is_half_the_squared_distance():
    each = LOSSES["squared_error"].each(LOGITS, LABELS)
    assert torch.allclose(each, F.mse_loss(LOGITS, F.one_hot(LABELS).double(), reduction="none").sum(2) / 2)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradient_and_factors(loss):
    gradient = torch.func.grad(lambda logits: loss.each(logits, LABELS).sum())(LOGITS)
    assert torch.allclose(loss.gradient(LOGITS, LABELS), gradient)
    factors = torch.stack(list(loss.factors(LOGITS)))
    for s, b in torch.cartesian_prod(torch.arange(2), torch.arange(4)):
        label = LABELS[s, b].view(1, 1)
        hessian = torch.autograd.functional.hessian(
            lambda z, label=label: loss.each(z[None, None], label).sum(), LOGITS[s, b]
        )
        assert torch.allclose(factors[:, s, b].T @ factors[:, s, b], hessian)


def test_smoothed_gradient():
    gradient = torch.func.grad(
        lambda z: F.cross_entropy(z.flatten(0, 1), LABELS.flatten(), label_smoothing=0.2, reduction="sum")
    )(LOGITS)
    assert torch.allclose(LOSSES["cross_entropy"].gradient(LOGITS, LABELS, smoothing=0.2), gradient)
