"""What is done to a batch, against loops over single seeds; whole runs are in test_train.py."""

import pytest
import torch

from largebatch.training import mitigations


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_ascent_has_length_rho_along_each_seeds_own_gradient():
    gradients = [random(3, 4, 2), random(3, 1, 5, seed=1)]
    before = [g.clone() for g in gradients]
    way = mitigations.ascent(gradients, 0.3)
    for index in range(3):
        whole = torch.cat([g[index].flatten() for g in gradients])
        expected = 0.3 * whole / whole.norm()
        torch.testing.assert_close(torch.cat([w[index].flatten() for w in way]), expected)
    assert all(torch.equal(g, b) for g, b in zip(gradients, before, strict=True))


def test_a_gradient_of_zero_leads_nowhere():
    (way,) = mitigations.ascent([torch.zeros(2, 3)], 0.3)
    assert torch.equal(way, torch.zeros(2, 3))


def test_weights_are_moved_and_come_back_to_the_bit_even_from_an_error():
    weights = [random(2, 3).float(), random(2, 4, seed=1).float()]
    before, way = [w.clone() for w in weights], [torch.full_like(w, 1e6) for w in weights]
    with pytest.raises(KeyError), mitigations.moved(weights, way):
        assert all(torch.equal(w, b + 1e6) for w, b in zip(weights, before, strict=True))
        raise KeyError
    assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))


def test_fast_gradient_sign_moves_every_pixel_uphill_by_size():
    images, gradient = random(2, 3, 1, 2, 2), random(2, 3, 1, 2, 2, seed=1)
    gradient[0, 0] = 0.0
    moved = mitigations.fast_gradient_sign(images, gradient, 0.25)
    torch.testing.assert_close(moved - images, 0.25 * gradient.sign())
    assert torch.equal(moved[0, 0], images[0, 0])


def test_the_pull_is_the_gradient_of_its_square():
    weights = [random(2, 3).requires_grad_(), random(2, 4, seed=1).requires_grad_()]
    centre = [random(2, 3, seed=2), random(2, 4, seed=3)]
    loss = sum((w - c).square().sum() for w, c in zip(weights, centre, strict=True)) * 0.7 / 2
    expected = torch.autograd.grad(loss, weights)
    gradients = [torch.ones(2, 3, dtype=torch.float64), torch.ones(2, 4, dtype=torch.float64)]
    with torch.no_grad():
        mitigations.add_pull(gradients, weights, centre, 0.7)
    for got, pull in zip(gradients, expected, strict=True):
        torch.testing.assert_close(got, 1.0 + pull)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # of torch's own second derivatives
@pytest.mark.parametrize(("step", "error"), [(1e-1, 1e-1), (1e-3, 1e-3), (1e-5, 1e-5)])
def test_the_penalty_nears_the_hessian_times_the_gradient(step, error):
    """On a cubic of each seed: H g exact by autograd, the difference quotient off by its step."""
    matrices = [random(5, 5, seed=s) for s in (0, 1)]

    def loss(w, matrix):
        return (matrix @ w).pow(3).sum() / 6 + (w @ w) / 2

    def gradients(at):
        found = [torch.autograd.grad(loss(w, m), w)[0] for w, m in zip(at, matrices, strict=True)]
        return torch.stack(found)

    weights = random(2, 5, seed=2).requires_grad_()
    g = gradients(weights)
    way = mitigations.ascent([g], step)[0]
    got = [g.clone()]
    mitigations.add_penalty(got, [gradients((weights + way).detach().requires_grad_())], 0.5, step)
    for index, matrix in enumerate(matrices):
        hessian = torch.func.hessian(loss)(weights[index].detach(), matrix)
        expected = 0.5 * hessian @ g[index]
        assert (got[0][index] - g[index] - expected).norm() < error * 20 * expected.norm()


def test_a_seed_without_gradient_has_no_penalty_and_leaves_the_others_theirs():
    gradients = [torch.zeros(2, 3)]
    gradients[0][1, 0] = 2.0
    moved = [torch.zeros(2, 3)]
    moved[0][1] = torch.tensor([2.5, 0.0, 1.0])
    mitigations.add_penalty(gradients, moved, 0.5, 0.01)
    # strength / step ‖g‖ = 100 times the difference of gradients
    assert torch.equal(gradients[0], torch.tensor([[0.0] * 3, [52.0, 0.0, 100.0]]))
