"""XOR's table, and curves equal to a plain loop's."""

import itertools

import numpy as np
import pytest
import torch

from largebatch.primer.problems import SQUARED, Mlp
from largebatch.primer.randomness import stream
from largebatch.primer.xor import INPUTS, TARGETS
from tests.shared.exhibits import exhibit


def test_the_examples_are_exclusive_or():
    found = {tuple(x): y for x, (y,) in zip(INPUTS > 0, TARGETS > 0, strict=True)}
    assert found == {(a, b): a != b for a in (False, True) for b in (False, True)}


def test_the_full_batch_is_torchs_descent():
    found = [
        o.value for arm, o in exhibit("xor", [3], epochs=30) if (arm, o.metric) == ("batch_4", "xor_loss")
    ]
    start = torch.from_numpy(Mlp(INPUTS, TARGETS, SQUARED, 4).start(stream(3, "start")))
    parts = [p.clone().requires_grad_() for p in start.split([8, 4, 4, 1])]
    optimiser = torch.optim.SGD(parts, lr=0.1)
    x, y = torch.from_numpy(INPUTS), torch.from_numpy(TARGETS)
    losses = []
    for _ in range(31):
        first, shift, second, offset = parts
        out = torch.tanh(x @ first.view(2, 4) + shift) @ second.view(4, 1) + offset
        loss = (out - y).square().mean() / 2
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    np.testing.assert_allclose(found, losses, rtol=1e-10)


def test_equal_epochs_from_equal_weights_and_counted_rises():
    found = list(exhibit("xor", [0, 1], epochs=10))
    curves = {
        (arm, seed): np.array([o.value for a, o in found if (a, o.seed, o.metric) == (arm, seed, "xor_loss")])
        for arm in ("batch_4", "batch_2", "batch_1")
        for seed in (0, 1)
    }
    assert [len(curves[arm, 0]) for arm in ("batch_4", "batch_2", "batch_1")] == [11, 21, 41]
    assert len({curve[0] for (_, seed), curve in curves.items() if seed == 1}) == 1
    for arm, o in found:
        if o.metric == "rises_percent":
            curve = curves[arm, o.seed]
            rises = sum(after > before for before, after in itertools.pairwise(curve))
            assert o.value == pytest.approx(100 * rises / (len(curve) - 1))
