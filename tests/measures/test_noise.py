"""Gradient noise against closed forms, a loop over examples, and the law of the mini-batch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from largebatch.measures import noise
from largebatch.measures.landscape import Landscape
from largebatch.measures.noise import exact_noise, example_gradients, gradient_variance, two_batch_noise
from largebatch.measures.sharpness import lane
from largebatch.nets import models
from largebatch.nets.stack import stack
from tests.shared.modules import Recurrent
from tests.shared.nets import squared_error

EXAMPLES = 12


def streams(seeds=2, first=0):
    return [torch.Generator().manual_seed(first + seed) for seed in range(seeds)]


NETS = {
    "relu": lambda seed: models.build(seed, "mlp", (1, 4, 4), 3, hidden=[6, 5]),
    "cnn": lambda seed: models.build(seed, "cnn", (1, 4, 4), 3, channels=[4], batch_norm=True),
    "gru": lambda seed: seeded_gru(seed),
}


def seeded_gru(seed):
    """A net that is not stacked."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Recurrent(nn.GRU)


def nets(dataset, kind="relu", loss="cross_entropy"):
    images, labels = (
        torch.stack([t[:EXAMPLES], t[EXAMPLES : 2 * EXAMPLES]]) for t in (dataset.images, dataset.labels)
    )
    model = stack([NETS[kind](seed) for seed in range(2)]).double().eval()
    return Landscape(model, images, labels, loss)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("kind", NETS)
def test_example_gradients_equal_those_of_plain_nets(dataset, kind, loss):
    found = list(example_gradients(landscape := nets(dataset, kind, loss)))
    of = {"cross_entropy": F.cross_entropy, "squared_error": squared_error}[loss]
    for seed in range(2):
        net = NETS[kind](seed).double().eval()
        for example in range(EXAMPLES):
            one = slice(example, example + 1)
            value = of(net(landscape.images[seed, one]), landscape.labels[seed, one])
            gradient = torch.autograd.grad(value, list(net.parameters()))
            norm = torch.cat([g.flatten() for g in gradient]).norm()
            assert found[example][seed].norm().item() == pytest.approx(norm.item(), rel=1e-10)
    assert len(found) == EXAMPLES


def test_exact_noise_of_linear_regression():
    """An example's gradient is x (xᵀW - y)ᵀ."""
    stream = torch.Generator().manual_seed(3)
    x = torch.randn(2, 9, 4, generator=stream, dtype=torch.float64)
    labels = torch.randint(3, (2, 9), generator=stream)
    model = (
        stack([nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False)) for _ in range(2)]).double().eval()
    )
    found = exact_noise(Landscape(model, x[:, :, None, None], labels, "squared_error"))
    residuals = x @ model.layers[1].weight.detach() - F.one_hot(labels, 3)
    gradients = torch.einsum("sni,snc->snic", x, residuals).flatten(2)
    torch.testing.assert_close(found.variance, gradients.var(1).sum(1))
    torch.testing.assert_close(found.squared_norm, gradients.mean(1).square().sum(1))
    torch.testing.assert_close(found.scale, gradients.var(1).sum(1) / gradients.mean(1).square().sum(1))


def test_two_batch_noise_is_right_on_average(dataset):
    net = nets(dataset)
    exact = exact_noise(net)
    found = two_batch_noise(net, 2, 8, 1500, streams())
    population = exact.variance * (EXAMPLES - 1) / EXAMPLES
    torch.testing.assert_close(found.variance, population, rtol=0.1, atol=0)
    torch.testing.assert_close(found.squared_norm, exact.squared_norm, rtol=0.1, atol=0)


def test_two_batch_noise_is_the_papers_formula(dataset, monkeypatch):
    """With |G_small|² = 3 and |G_large|² = 1 at 2 and 8 examples: |G|² = (8 - 6)/6, tr Σ = 2/(1/2 - 1/8)."""
    net = nets(dataset)
    monkeypatch.setattr(
        noise, "batch_gradient", lambda _net, size, _g: torch.full((2, 1), {2: 3.0, 8: 1.0}[size]).sqrt()
    )
    found = two_batch_noise(net, 2, 8, 2, streams())
    torch.testing.assert_close(found.squared_norm, torch.full((2,), 1 / 3).double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.variance, torch.full((2,), 16 / 3).double(), rtol=1e-6, atol=0)


def test_variance_falls_as_one_over_the_batch_size(dataset):
    net = nets(dataset)
    sizes = [1, 4, 16]
    found = gradient_variance(net, sizes, 600, streams())
    assert found.shape == (3, 2)
    population = exact_noise(net).variance * (EXAMPLES - 1) / EXAMPLES
    for size, row in zip(sizes, found, strict=True):
        torch.testing.assert_close(size * row, population, rtol=0.15, atol=0)


CASES = {
    "exact": lambda net, g: exact_noise(net).scale,
    "two batches": lambda net, g: two_batch_noise(net, 2, 4, 3, g).scale,
    "variance": lambda net, g: gradient_variance(net, [2, 4], 3, g),
}


@pytest.mark.parametrize("name", CASES)
def test_twice_is_equal_and_everything_is_as_found(dataset, name):
    net = nets(dataset, "cnn")
    before = {key: tensor.clone() for key, tensor in net.model.state_dict().items()}
    weights, random = net.weights.clone(), torch.random.get_rng_state()
    first, second = (CASES[name](net, streams()) for _ in range(2))
    assert torch.equal(first, second) and first.dtype == torch.float64
    assert torch.equal(net.weights, weights)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert not net.model.training and all(p.grad is None for p in net.model.parameters())
    assert all(torch.equal(t, before[key]) for key, t in net.model.state_dict().items())


@pytest.mark.parametrize("name", CASES)
def test_company_changes_nothing(dataset, name):
    net = nets(dataset, "cnn")
    alone = CASES[name](lane(net, 1), streams(1, first=1))
    torch.testing.assert_close(CASES[name](net, streams())[..., 1:], alone, rtol=1e-9, atol=0)


def test_bad_arguments_are_refused(dataset):
    net = nets(dataset)
    with pytest.raises(ValueError, match="1 <= small < large; got 8 and 8"):
        two_batch_noise(net, 8, 8, 2, streams())
    with pytest.raises(ValueError, match="draws from 1; got 0"):
        two_batch_noise(net, 2, 8, 0, streams())
    with pytest.raises(ValueError, match=r"batch sizes from 1; got \[2, 0\]"):
        gradient_variance(net, [2, 0], 2, streams())
    with pytest.raises(ValueError, match="each of 2 seeds; got 1"):
        gradient_variance(net, [2], 2, streams(1))
    with pytest.raises(ValueError, match="at least 2 examples; got 1"):
        exact_noise(Landscape(net.model, net.images[:, :1], net.labels[:, :1]))
