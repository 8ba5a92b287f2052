"""Sharpness against quadratic losses, whose maxima and means are known, and against brute force."""

import math

import pytest
import torch

from largebatch.measures.landscape import Landscape
from largebatch.measures.sharpness import (
    adaptive,
    average,
    keskar,
    keskar_relative,
    keskar_subspace,
    of_seed,
    sam,
)
from largebatch.nets import models
from tests.shared.nets import left_as_found, on_forty_images, quadratic, streams


@pytest.fixture(scope="module")
def nets(dataset):
    """Three small ReLU nets with BatchNorm, untrained, on 40 examples."""
    plain = [models.build(seed, "mlp", (1, 4, 4), 3, hidden=[6, 5], batch_norm=True) for seed in range(3)]
    return on_forty_images(plain, dataset)


CASES = {
    "keskar": lambda at, g: keskar(at, 1e-2, g),
    "keskar_subspace": lambda at, g: keskar_subspace(at, 1e-2, g, dimensions=5),
    "keskar_relative": lambda at, g: keskar_relative(at, 1e-2, g),
    "sam": lambda at, g: sam(at, 0.1, 5, g),
    "adaptive": lambda at, g: adaptive(at, 0.1, 5, g),
    "average": lambda at, g: torch.stack(average(at, 0.1, 4, g)),
}


# Metric 2.1


def test_keskar_at_the_minimum_of_a_diagonal_quadratic_is_any_corner():
    landscape, hessian = quadratic()
    reach = 1e-3 * (landscape.weights.abs() + 1)
    rise = 0.5 * (hessian.diagonal(dim1=1, dim2=2) * reach.square()).sum(1)
    torch.testing.assert_close(keskar(landscape, 1e-3, streams()), 100 * rise, rtol=1e-9, atol=0)


def test_keskar_beside_the_minimum_is_the_corner_uphill():
    landscape, hessian = quadratic(offset=0.3)
    loss, gradient = landscape.gradient(landscape.weights)
    reach = 1e-3 * (landscape.weights.abs() + 1)
    rise = (gradient.abs() * reach + 0.5 * hessian.diagonal(dim1=1, dim2=2) * reach.square()).sum(1)
    torch.testing.assert_close(keskar(landscape, 1e-3, streams()), 100 * rise / (1 + loss), rtol=1e-9, atol=0)


def test_keskar_finds_what_many_restarts_find_and_stays_in_the_box(nets, monkeypatch):
    epsilon, tried = 2e-2, []
    reach = epsilon * (nets.weights.abs() + 1)
    base = best = nets.loss(nets.weights)
    stream = torch.Generator().manual_seed(0)
    for _ in range(100):  # from corner to corner, each the highest of the tangent plane
        z = reach * torch.randn(reach.shape, generator=stream, dtype=torch.float64).sign()
        for _ in range(10):
            loss, gradient = nets.gradient(nets.weights + z)
            best = torch.maximum(best, loss)
            z = reach * gradient.sign()
    gradient_of = Landscape.gradient

    def watched(self, at):
        tried.append(((at - self.weights).abs() / (epsilon * (self.weights.abs() + 1))).max().item())
        return gradient_of(self, at)

    monkeypatch.setattr(Landscape, "gradient", watched)
    found = keskar(nets, epsilon, streams())
    assert max(tried) <= 1 + 1e-5  # in single precision
    assert (found >= 0.95 * 100 * (best - base) / (1 + base)).all()


def test_keskar_needs_no_steep_gradient():
    """Ten steps of a gradient's length would hardly leave the start, in a valley so flat for its width."""
    landscape, hessian = quadratic(inputs=1e-4)
    reach = 1e-3 * (landscape.weights.abs() + 1)
    rise = 0.5 * (hessian.diagonal(dim1=1, dim2=2) * reach.square()).sum(1)
    torch.testing.assert_close(keskar(landscape, 1e-3, streams()), 100 * rise, rtol=1e-6, atol=0)


def test_subspace_of_one_dimension_is_a_parabola():
    landscape, hessian = quadratic(dense=True)
    found = keskar_subspace(landscape, 1e-3, streams(), dimensions=1)
    for seed in range(3):
        a = torch.randn((10, 1), generator=streams()[seed], dtype=torch.float64)[:, 0]
        reach = 1e-3 * ((a @ landscape.weights[seed]).abs() / (a @ a) + 1)
        expected = 100 * 0.5 * reach**2 * (a @ hessian[seed] @ a)
        assert found[seed].item() == pytest.approx(expected.item(), rel=1e-6)


def test_keskar_relative_at_the_minimum_of_a_diagonal_quadratic_is_any_corner():
    landscape, hessian = quadratic()
    reach = 2e-2 * landscape.weights.abs()
    rise = 0.5 * (hessian.diagonal(dim1=1, dim2=2) * reach.square()).sum(1)
    torch.testing.assert_close(keskar_relative(landscape, 2e-2, streams()), 100 * rise, rtol=1e-9, atol=0)


def test_a_relative_box_holds_weights_of_zero(nets):
    at_zero = of_seed(nets, 0)
    at_zero.model.load_state_dict({k: torch.zeros_like(t) for k, t in at_zero.model.state_dict().items()})
    at_zero = Landscape(at_zero.model, at_zero.images, at_zero.labels)
    assert keskar_relative(at_zero, 2e-2, streams(1)).item() == 0


# Balls and noise


def test_sam_at_the_minimum_is_half_the_top_eigenvalue_times_rho_squared():
    landscape, hessian = quadratic(dense=True)
    expected = 0.5 * torch.linalg.eigvalsh(hessian)[:, -1] * 0.3**2
    torch.testing.assert_close(sam(landscape, 0.3, 40, streams()), expected, rtol=1e-4, atol=0)


def test_sam_beside_the_minimum_equals_the_trust_region_solution():
    landscape, hessian = quadratic(offset=0.2, dense=True)
    gradient = landscape.gradient(landscape.weights)[1]
    for seed, found in enumerate(sam(landscape, 0.3, 40, streams())):
        values, vectors = torch.linalg.eigh(hessian[seed])
        along = vectors.T @ gradient[seed]
        # (λ - H) d = g with ‖d‖ = rho and λ above the top eigenvalue (Nocedal and Wright 2006, theorem 4.1).
        low, high = values[-1].item(), values[-1].item() + along.norm().item() / 0.3
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if (along / (middle - values)).norm() > 0.3 else (low, middle)
        d = along / (high - values)
        assert found.item() == pytest.approx((along @ d + 0.5 * values @ d**2).item(), rel=1e-4)


def test_adaptive_at_the_minimum_is_the_top_eigenvalue_between_scaled_weights():
    landscape, hessian = quadratic(dense=True)
    scale = landscape.weights.abs()
    expected = 0.5 * torch.linalg.eigvalsh(scale[:, :, None] * hessian * scale[:, None])[:, -1] * 0.3**2
    torch.testing.assert_close(adaptive(landscape, 0.3, 40, streams()), expected, rtol=1e-4, atol=0)


def test_average_is_half_sigma_squared_times_the_trace():
    landscape, hessian = quadratic(offset=0.5, dense=True)
    mean, error = average(landscape, 0.1, 400, streams())
    trace = hessian.diagonal(dim1=1, dim2=2).sum(1)
    assert ((mean - 0.005 * trace).abs() < 4 * error).all()
    # Of a Gaussian quadratic form zᵀHz, the variance is 2 ‖H‖².
    spread = 0.005 * math.sqrt(2 / 400) * hessian.flatten(1).norm(dim=1)
    torch.testing.assert_close(error, spread, rtol=0.2, atol=0)


# House rules


@pytest.mark.parametrize("name", CASES)
def test_twice_is_equal_and_everything_is_as_found(nets, name):
    with left_as_found(nets):
        first, second = (CASES[name](nets, streams()) for _ in range(2))
    assert torch.equal(first, second)
    assert (first > 0).all() and first.dtype == torch.float64


@pytest.mark.parametrize("name", CASES)
def test_one_generator_a_seed(nets, name):
    with pytest.raises(ValueError, match="each of 3 seeds; got 1"):
        CASES[name](nets, streams(1))


def test_of_seed_is_the_seed_alone(nets):
    one = of_seed(nets, 2)
    assert one.seeds == 1 and nets.seeds == 3
    assert torch.equal(one.weights, nets.weights[2:])
    torch.testing.assert_close(one.loss(one.weights), nets.loss(nets.weights)[2:], rtol=1e-12, atol=0)


def test_metric_2_1_refuses_single_precision(nets):
    single = Landscape(of_seed(nets, 0).model.float(), nets.images[:1].float(), nets.labels[:1])
    with pytest.raises(ValueError, match=r"wanted a landscape in torch\.float64; got torch\.float32"):
        keskar(single, 1e-3, streams(1))
    with pytest.raises(ValueError, match=r"torch\.float64; got torch\.float32"):
        keskar_subspace(single, 1e-3, streams(1), dimensions=2)
    with pytest.raises(ValueError, match=r"torch\.float64; got torch\.float32"):
        keskar_relative(single, 1e-3, streams(1))
    assert sam(single, 0.1, 3, streams(1)).item() > 0


def test_settings_out_of_range_are_refused(nets):
    with pytest.raises(ValueError, match=r"epsilon above 0, iterations from 1; got epsilon 0\.0"):
        keskar(nets, 0.0, streams())
    with pytest.raises(ValueError, match=r"iterations 0"):
        keskar(nets, 1e-3, streams(), iterations=0)
    with pytest.raises(ValueError, match=rf"dimensions between 1 and the {nets.parameters} weights; got 0"):
        keskar_subspace(nets, 1e-3, streams(), dimensions=0)
    with pytest.raises(ValueError, match="radius above 0, steps from 1; got radius -1, steps 3"):
        sam(nets, -1, 3, streams())
    with pytest.raises(ValueError, match="steps 0"):
        adaptive(nets, 0.1, 0, streams())
    with pytest.raises(ValueError, match="directions from 2; got sigma 1, directions 1"):
        average(nets, 1, 1, streams())
