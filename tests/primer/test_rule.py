"""The rule against the engine, and both against PyTorch's own optimiser."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from largebatch.primer.descent import descend
from largebatch.primer.problems import SOFTMAX, Linear
from largebatch.primer.rule import both
from tests.shared.exhibits import exhibit


def test_the_rule_is_the_engines_to_rounding():
    found = list(exhibit("rule", [3, 5], examples=20, updates=20))
    assert [(arm, o.seed) for arm, o in found] == [(a, s) for a in ("full", "mini", "online") for s in (3, 5)]
    assert all(o.metric == "rule_difference" and o.value <= 1e-12 for _, o in found)


def test_the_weights_have_moved_and_differ_between_seeds_and_batches():
    mini, _ = both([3, 5], 20, 2, 20, 0.1)
    online, _ = both([3, 5], 20, 1, 20, 0.1)
    start, _ = both([3, 5], 20, 20, 1, 1e-9)
    assert np.abs(mini - start).max() > 1e-2
    assert np.abs(mini - online).max() > 1e-3
    assert np.abs(mini[0] - mini[1]).max() > 1e-2


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_rule_is_that_of_torchs_optimiser(momentum):
    stream = np.random.default_rng(2)
    x, labels = stream.standard_normal((12, 4)), stream.integers(0, 3, 12)
    rows = [stream.permutation(12)[:5] for _ in range(30)]
    problem = Linear(x, np.eye(3)[labels], SOFTMAX)
    *_, found = descend(problem.gradient, problem.start(), rows, lambda _: 0.3, momentum)
    weights = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([weights], lr=0.3, momentum=momentum)
    for batch in rows:
        optimiser.zero_grad()
        F.cross_entropy(torch.from_numpy(x[batch]) @ weights, torch.from_numpy(labels[batch])).backward()
        optimiser.step()
    np.testing.assert_allclose(found, weights.detach().numpy(), rtol=1e-12, atol=1e-13)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="ten batches share evenly; got 15"):
        next(exhibit("rule", [0], examples=15))
    with pytest.raises(ValueError, match="updates that fill epochs of 10; got 15"):
        both([0], 50, 5, 15, 0.1)
