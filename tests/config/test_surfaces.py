import numpy as np
import pytest
import torch

from largebatch.config.surfaces import SURFACES, batch_gradient, examples


@pytest.mark.parametrize("name", SURFACES)
def test_gradients_are_autograds(name):
    surface = SURFACES[name]
    w = np.random.default_rng(0).uniform(-2, 2, (20, 2))
    x = torch.from_numpy(w).requires_grad_()
    value = sum(c * x[:, 0] ** i * x[:, 1] ** j for c, i, j in surface.powers)
    for a, p, q, s in surface.bumps:
        value = value + a * torch.exp(-((x[:, 0] - p) ** 2 + (x[:, 1] - q) ** 2) / (2 * s * s))
    value.sum().backward()
    np.testing.assert_allclose(surface.value(w), value.detach().numpy(), atol=1e-13)
    np.testing.assert_allclose(surface.gradient(w), x.grad.numpy(), atol=1e-13)


@pytest.mark.parametrize("name", SURFACES)
def test_a_start_is_drawn(name):
    low, high, bottom, top = SURFACES[name].bounds
    x, y = SURFACES[name].start
    assert low < x < high and bottom < y < top


def test_the_mean_over_all_examples_is_the_surface():
    surface, pulls = SURFACES["trap"], examples(np.random.default_rng(1))
    gradient, w = batch_gradient(surface, pulls, noise=3.0), np.array([0.3, -0.7])
    np.testing.assert_allclose(gradient(w, np.arange(len(pulls))), surface.gradient(w), atol=1e-14)
    alone = [gradient(w, np.array([i])) for i in range(len(pulls))]
    np.testing.assert_allclose(np.mean(alone, 0), surface.gradient(w), atol=1e-14)
    assert np.std(alone, 0).min() > 1.0


def test_the_saddle_is_entered_on_its_ridge_and_the_trap_is_shallow():
    saddle, trap = SURFACES["saddle"], SURFACES["trap"]
    assert saddle.gradient(np.array([0.0, 1.0]))[0] == 0.0 and not saddle.gradient(np.zeros(2)).any()
    assert trap.value(np.array([-1.5, 0.0])) > trap.value(np.array([1.5, 0.0])) + 0.5
    assert trap.value(np.array([-0.7, 0.0])) > trap.value(np.array([-1.5, 0.0])) + 0.2
