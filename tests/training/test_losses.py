"""Each loss's gradient and curvature by the outputs against autograd's, its values against PyTorch's."""

import pickle

import pytest
import torch
import torch.nn.functional as F

from largebatch.config.losses import FACTS, ImportedLoss
from largebatch.training.losses import LOSSES, loss_of
from tests.shared.own import HUBER, imported, write

STREAM = torch.Generator().manual_seed(0)
LOGITS = 3 * torch.randn(2, 4, 3, dtype=torch.float64, generator=STREAM)
LABELS = torch.tensor([[0, 1, 2, 1], [2, 2, 0, 1]])
NUMBERS = torch.randn(2, 4, 3, dtype=torch.float64, generator=STREAM)
# What each loss takes: (outputs, targets).
TAKEN = {
    "cross_entropy": (LOGITS, LABELS),
    "binary_cross_entropy": (LOGITS[:, :, :1], LABELS % 2),
    "squared_error": (LOGITS, LABELS),
    "squared_error of numbers": (LOGITS, NUMBERS),
}


def taken(name):
    return (LOSSES[name.partition(" ")[0]], *TAKEN[name])


def test_losses_that_can_be_asked_for_are_there():
    assert LOSSES.keys() == FACTS.keys() == {name.partition(" ")[0] for name in TAKEN}


def test_cross_entropy_is_pytorchs():
    expected = F.cross_entropy(LOGITS.flatten(0, 1), LABELS.flatten(), reduction="none").view(2, 4)
    assert torch.allclose(LOSSES["cross_entropy"].each(LOGITS, LABELS), expected)


def test_binary_cross_entropy_is_pytorchs():
    loss, outputs, labels = taken("binary_cross_entropy")
    options = {"reduction": "none"}
    expected = F.binary_cross_entropy_with_logits(outputs[:, :, 0], labels.double(), **options)
    assert torch.allclose(loss.each(outputs, labels), expected)


def test_squared_error_is_half_the_squared_distance():
    each = LOSSES["squared_error"].each
    onehot = F.one_hot(LABELS).double()
    assert torch.allclose(each(LOGITS, LABELS), F.mse_loss(LOGITS, onehot, reduction="none").sum(2) / 2)
    assert torch.allclose(each(LOGITS, NUMBERS), F.mse_loss(LOGITS, NUMBERS, reduction="none").sum(2) / 2)


@pytest.mark.parametrize("name", TAKEN)
def test_gradient_and_factors(name):
    loss, outputs, targets = taken(name)
    gradient = torch.func.grad(lambda outputs: loss.each(outputs, targets).sum())(outputs)
    assert torch.allclose(loss.gradient(outputs, targets), gradient)
    factors = torch.stack(list(loss.factors(outputs)))
    for s, b in torch.cartesian_prod(torch.arange(2), torch.arange(4)):
        one = targets[s, b][None, None]
        hessian = torch.autograd.functional.hessian(
            lambda z, one=one: loss.each(z[None, None], one).sum(), outputs[s, b]
        )
        assert torch.allclose(factors[:, s, b].T @ factors[:, s, b], hessian)


@pytest.mark.parametrize("large", [-800.0, 800.0])
def test_binary_cross_entropy_of_a_large_logit_is_finite(large):
    loss, outputs = LOSSES["binary_cross_entropy"], torch.full((1, 1, 1), large)
    found = loss.each(outputs, torch.tensor([[0]])).item()
    assert found == pytest.approx(max(large, 0.0)) and next(loss.factors(outputs)).item() == 0.0


def test_smoothed_gradient():
    gradient = torch.func.grad(
        lambda z: F.cross_entropy(z.flatten(0, 1), LABELS.flatten(), label_smoothing=0.2, reduction="sum")
    )(LOGITS)
    assert torch.allclose(LOSSES["cross_entropy"].gradient(LOGITS, LABELS, smoothing=0.2), gradient)


def test_smoothed_binary_gradient():
    """Of labels that are pulled towards 1/2."""
    loss, outputs, labels = taken("binary_cross_entropy")
    smooth = (labels.double() * 0.8 + 0.1)[:, :, None]
    gradient = torch.func.grad(lambda z: F.binary_cross_entropy_with_logits(z, smooth, reduction="sum"))(
        outputs
    )
    assert torch.allclose(loss.gradient(outputs, labels, smoothing=0.2), gradient)


# Losses of the user's


def own(folder, what="my_loss.py:huber", source=HUBER, **options):
    write(folder, source, "my_loss.py")
    return ImportedLoss.model_validate(imported(folder, what, **options) | {"name": "imported"})


@pytest.mark.parametrize("what", ["huber", "Huber"])
def test_a_function_or_a_class_of_the_users_is_a_loss(what, tmp_path):
    loss = loss_of(own(tmp_path, f"my_loss.py:{what}", delta=0.7))
    expected = F.huber_loss(LOGITS, NUMBERS, reduction="none", delta=0.7).sum(2)
    assert torch.equal(loss.each(LOGITS, NUMBERS), expected) and loss.factors is None
    gradient = torch.func.grad(lambda z: F.huber_loss(z, NUMBERS, reduction="sum", delta=0.7))(LOGITS)
    with torch.no_grad():  # as updates are made
        assert torch.allclose(loss.gradient(LOGITS, NUMBERS), gradient)
    # in the precision of the outputs, whatever that of the targets is
    assert loss.each(LOGITS, NUMBERS.float()).dtype == torch.float64


def test_a_gradient_can_be_written_into(tmp_path):
    loss = loss_of(own(tmp_path, "my_loss.py:f", "def f(outputs, targets):\n    return outputs.sum(1)\n"))
    assert torch.equal(loss.gradient(LOGITS, LABELS).div_(2), torch.full_like(LOGITS, 0.5))


def test_a_loss_of_the_users_travels_to_other_processes(tmp_path):
    assert pickle.loads(pickle.dumps(kind := own(tmp_path))) == kind


@pytest.mark.parametrize(
    ("returned", "got"),
    [("F.huber_loss(outputs, targets)", r"\(\)"), ("outputs", r"\(8, 3\)"), ("None", "NoneType")],
)
def test_what_is_no_loss_of_each_example_is_refused(returned, got, tmp_path):
    source = f"import torch.nn.functional as F\n\n\ndef huber(outputs, targets):\n    return {returned}\n"
    loss = loss_of(own(tmp_path, source=source))
    wanted = rf"loss.import my_loss.py:huber: wanted the loss of each example, \(8,\); got {got}"
    with pytest.raises(ValueError, match=wanted):
        loss.each(LOGITS, NUMBERS)
