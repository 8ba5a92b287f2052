"""Our updates against torch.optim's classes, and clipping against torch.nn.utils."""

import pytest
import torch

from largebatch.training.optimise import OPTIMISERS, Collected, clip_by_norm

THEIRS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
CASES = [
    ("sgd", {}, {}),
    ("sgd", {"momentum": 0.9}, {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "nesterov": True}),
    ("adam", {"beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6}, {"betas": (0.8, 0.99), "eps": 1e-6}),
]


@pytest.mark.parametrize(("name", "ours", "theirs"), CASES)
def test_updates_equal_torch_optim(name, ours, theirs):
    stream = torch.Generator().manual_seed(0)
    shapes = [(3, 4, 2), (3, 1, 2)]
    weights = [torch.randn(s, generator=stream, dtype=torch.float64) for s in shapes]
    plain = [w.clone().requires_grad_() for w in weights]
    optimiser = OPTIMISERS[name](weights, **ours)
    groups = [{"params": plain[:1], "weight_decay": 0.1}, {"params": plain[1:], "weight_decay": 0.0}]
    expected = THEIRS[name](groups, lr=0.1, **theirs)
    for update in range(5):
        gradients = [torch.randn(s, generator=stream, dtype=torch.float64) for s in shapes]
        rate = 0.1 / (1 + update)  # a rate that changes, as under a schedule
        for group in expected.param_groups:
            group["lr"] = rate
        for w, g in zip(plain, gradients, strict=True):
            w.grad = g.clone()
        expected.step()
        optimiser.update(weights, gradients, [0], rate, 0.1)
        optimiser.update(weights, gradients, [1], rate, 0.0)
    for w, p in zip(weights, plain, strict=True):
        torch.testing.assert_close(w, p.detach())


def test_every_optimiser_is_covered_here_or_by_whole_runs():
    assert {*THEIRS, "lars"} == OPTIMISERS.keys()


def test_lars_moves_each_layer_by_its_own_length():
    """Without momentum and decay a step is lr trust of ‖w‖, whatever the gradient's length."""
    weights = [torch.ones(2, 3, 4), torch.ones(2, 1, 4)]
    before = [w.clone() for w in weights]
    gradients = [torch.ones(2, 3, 4), torch.ones(2, 1, 4)]
    gradients[0][1] *= 1000.0
    optimiser = OPTIMISERS["lars"](weights, spared=[1], momentum=0.0, trust=0.01)
    optimiser.update(weights, gradients, [0, 1], 2.0, 0.0)
    steps = [(w - b).flatten(1).norm(dim=1) for w, b in zip(weights, before, strict=True)]
    torch.testing.assert_close(steps[0], torch.full((2,), 0.02 * 12**0.5))
    torch.testing.assert_close(steps[1], torch.full((2,), 2.0 * 4**0.5))  # the plain rate


def test_lars_takes_the_plain_rate_where_a_norm_is_zero():
    weights, gradients = [torch.zeros(1, 2, 2)], [torch.ones(1, 2, 2)]
    OPTIMISERS["lars"](weights, spared=[]).update(weights, gradients, [0], 0.5, 0.1)
    torch.testing.assert_close(weights[0], torch.full((1, 2, 2), -0.5))


def test_clipping_is_by_seed_and_equals_torchs():
    stream = torch.Generator().manual_seed(0)
    gradients = [torch.randn(s, generator=stream, dtype=torch.float64) for s in ((3, 4, 2), (3, 5))]
    gradients = [g * torch.tensor([0.01, 1.0, 100.0]).view(3, *[1] * (g.ndim - 1)) for g in gradients]
    clipped = [g.clone() for g in gradients]
    clip_by_norm(clipped, 1.0)
    for index in range(3):
        parameters = [torch.zeros_like(g[index], requires_grad=True) for g in gradients]
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g[index].clone()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for p, g in zip(parameters, clipped, strict=True):
            # torch adds 1e-6 to the norm.
            torch.testing.assert_close(g[index], p.grad, rtol=1e-5, atol=1e-12)


def test_clipping_leaves_a_zero_gradient_zero():
    zero = [torch.zeros(2, 3)]
    clip_by_norm(zero, 1.0)
    assert torch.equal(zero[0], torch.zeros(2, 3))


def test_gradients_are_collected_by_their_shares():
    stream = torch.Generator().manual_seed(0)
    left, right, plain = (torch.randn(s, generator=stream) for s in ((2, 3, 4), (2, 4, 5), (2, 3, 5)))
    given = plain.clone()
    weight = torch.nn.Parameter(torch.zeros(2, 3, 5))
    Collected(0.25).take(weight, plain)
    Collected(0.5).take_product(weight, left, right)
    torch.testing.assert_close(weight.grad, 0.25 * given + 0.5 * left @ right)
    assert torch.equal(plain, given)


@pytest.mark.parametrize(("name", "options"), [("sgd", {"momentum": 0.9}), ("adam", {})])
def test_a_gradient_counts_as_it_reads_however_it_lies_in_memory(name, options):
    """Fused kernels pair weights and gradients by their place in memory."""
    strided = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    found = []
    for gradient in (strided, strided.clone(memory_format=torch.contiguous_format)):
        weight = torch.zeros(2, 3, 4)
        Collected().take(weight, gradient)
        OPTIMISERS[name]([weight], **options).update([weight], [weight.grad], [0], 0.1, 0.0)
        found.append(weight)
    assert torch.equal(*found) and found[0].any()
