import numpy as np
import pytest
import torch

from largebatch.primer.descent import batches, descend


@pytest.mark.parametrize("size", [1, 3, 4, 10, 12])
def test_an_epoch_sees_every_row_once_in_batches_of_one_size(size):
    found = list(batches(10, size, np.random.default_rng(0)))
    assert sorted(np.concatenate(found)) == list(range(10))
    assert [len(batch) for batch in found[:-1]] == [size] * (len(found) - 1) and 0 < len(found[-1]) <= size


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_rule_is_pytorchs(momentum):
    """Linear regression, the same batches, a rate that falls."""
    draw = np.random.default_rng(2)
    x, y = draw.standard_normal((40, 3)), draw.standard_normal(40)
    rows = [batch for _ in range(5) for batch in batches(40, 8, draw)]

    def gradient(w, b):
        return x[b].T @ (x[b] @ w - y[b]) / len(b)

    path = list(descend(gradient, np.zeros(3), rows, lambda t: 0.1 / (1 + t), momentum))
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=0.1, momentum=momentum)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    for t, b in enumerate(rows):
        optimiser.param_groups[0]["lr"] = 0.1 / (1 + t)
        optimiser.zero_grad()
        (0.5 * (inputs[b] @ w - targets[b]).square().mean()).backward()
        optimiser.step()
        np.testing.assert_allclose(path[t], w.detach().numpy(), rtol=0, atol=1e-14)
