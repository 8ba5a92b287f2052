"""Gradients written by hand against autograd; drawing and scaling of examples against NumPy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from largebatch.primer.problems import (
    SOFTMAX,
    SQUARED,
    Linear,
    Mlp,
    accuracy_percent,
    digits,
    softmax,
    with_ones,
)

STREAM = np.random.default_rng(0)
INPUTS = STREAM.standard_normal((9, 5))
LABELS = STREAM.integers(0, 3, 9)
ROWS = np.array([7, 1, 1, 4])  # a row may come twice
HEADS = {"squared": (SQUARED, STREAM.standard_normal((9, 3))), "softmax": (SOFTMAX, np.eye(3)[LABELS])}


def torch_loss(z, targets, kind):
    """Mean over the examples, by PyTorch's own functions."""
    if kind == "softmax":
        return F.cross_entropy(z, targets)
    return F.mse_loss(z, targets, reduction="sum") / 2 / len(z)


def by_autograd(outputs, w, rows, targets, kind):
    w = torch.from_numpy(w).requires_grad_()
    loss = torch_loss(outputs(w, torch.from_numpy(INPUTS[rows])), torch.from_numpy(targets[rows]), kind)
    (gradient,) = torch.autograd.grad(loss, w)
    return loss.item(), gradient.numpy()


def linear_outputs(w, x):
    return x @ w


def mlp_outputs(w, x):
    first, shift, second, offset = w.split([5 * 4, 4, 4 * 3, 3])
    return torch.tanh(x @ first.view(5, 4) + shift) @ second.view(4, 3) + offset


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_loss_and_gradient_are_those_of_autograd(model, kind):
    head, targets = HEADS[kind]
    problem = Linear(INPUTS, targets, head) if model == "linear" else Mlp(INPUTS, targets, head, hidden=4)
    outputs = linear_outputs if model == "linear" else mlp_outputs
    w = STREAM.standard_normal((5, 3) if model == "linear" else 4 * 5 + 4 + 4 * 3 + 3)
    loss, _ = by_autograd(outputs, w, np.arange(9), targets, kind)
    _, gradient = by_autograd(outputs, w, ROWS, targets, kind)
    assert problem.loss(w) == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(problem.gradient(w, ROWS), gradient, rtol=1e-12, atol=1e-14)


def test_softmax_of_huge_outputs_is_finite():
    np.testing.assert_allclose(softmax(np.array([1000.0, 0.0, -1000.0])), [1, 0, 0])


def test_starts_have_their_shapes_and_the_nets_depends_on_the_stream():
    assert not Linear(INPUTS, HEADS["softmax"][1], SOFTMAX).start().any()
    net = Mlp(INPUTS, HEADS["softmax"][1], SOFTMAX, hidden=4)
    one, again, other = (net.start(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == (39,) and (one == again).all() and (one != other).any()
    _, shift, _, offset = net.layers(one)
    assert not shift.any() and not offset.any()


def test_digits_are_drawn_apart_and_scaled_on_the_training_part():
    (x, targets), (held_out, labels) = digits(np.random.default_rng(3), 100, 40)
    assert x.shape == (100, 64) and held_out.shape == (40, 64) and labels.shape == (40, 10)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-12)
    assert (targets.sum(1) == 1).all()
    again = digits(np.random.default_rng(3), 100, 40)
    assert (again[0][0] == x).all()
    assert (digits(np.random.default_rng(4), 100, 40)[0][0] != x).any()
    with pytest.raises(ValueError, match="1 to 1757 digits to train on; got 1758"):
        digits(np.random.default_rng(3), 1758, 40)


def test_accuracy_is_counted():
    problem = Linear(np.eye(4), np.eye(4)[[0, 1, 2, 0]], SOFTMAX)
    assert accuracy_percent(problem, np.eye(4)) == 75.0


def test_ones_are_the_bias():
    np.testing.assert_array_equal(with_ones(np.array([[2.0, 3.0]])), [[2.0, 3.0, 1.0]])
