"""The worked numbers, against arithmetic in fractions that shares nothing with the rule."""

import math
from fractions import Fraction

import pytest
import torch

from largebatch.primer.exhibits import rows_of
from largebatch.primer.worked import TEXT, X, Y

ROWS = rows_of("worked", [0, 1], {})


def values(arm, seed=0) -> dict[float, float]:
    return {
        row.at: row.value for name, row in ROWS if (name, row.seed, row.metric) == (arm, seed, "worked_value")
    }


@pytest.mark.parametrize(
    ("arm", "start", "gradients", "size"),
    [
        ("full", "1", (".4", "-.2", ".6", "-.8"), 4),
        ("pairs", "1", (".4", "-.2", ".6", "-.8"), 2),
        ("online", "1", (".4", "-.2", ".6", "-.8"), 1),
        ("other_pairs", ".5", (".3", "-.1", ".5", "-.7"), 2),
    ],
)
def test_an_epoch_is_exact(arm, start, gradients, size):
    w, g = Fraction(start), [Fraction(text) for text in gradients]
    exact = [w]
    for first in range(0, len(g), size):
        w -= Fraction("0.1") * sum(g[first : first + size]) / size
        exact.append(w)
    assert list(values(arm).values()) == pytest.approx([float(w) for w in exact], abs=1e-15)
    assert list(values(arm)) == list(range(len(exact)))


def test_the_batch_of_two_is_of_half_the_squared_error():
    """By automatic differentiation; without the half the gradient is twice the text's."""
    w, b = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    error = (w * torch.from_numpy(X) + b - torch.from_numpy(Y)).square().mean()
    dw, db = (g.item() for g in torch.autograd.grad(error / 2, (w, b), retain_graph=True))
    assert list(values("batch_of_two").values()) == pytest.approx([dw, db, -0.1 * dw, -0.1 * db], abs=1e-15)
    assert torch.autograd.grad(error, w)[0].item() == pytest.approx(2 * TEXT["batch_of_two"][1])


def test_the_last_short_batch_is_an_update_too():
    counted = [100, 20 * 100, math.ceil(100_000 / 256), math.ceil(1_000_000 / 256)]
    assert list(values("arithmetic").values()) == counted == [100, 2000, 391, 3907]


def test_errors_are_rounding_and_the_same_for_every_seed():
    errors = {(name, row.seed): row.value for name, row in ROWS if row.metric == "worked_error"}
    assert len(errors) == 2 * len(TEXT) and all(0 <= error < 1e-15 for error in errors.values())
    assert all(values(arm, 0) == values(arm, 1) for arm in TEXT)
