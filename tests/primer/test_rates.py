"""Rates on convex problems against stationary variances, derivatives and eigenvalues."""

import numpy as np
import pytest

from largebatch.primer.rates import (
    CURVATURES,
    PROBLEMS,
    centred,
    largest_rate,
    noisy_path,
    quadratic,
    quadratic_losses,
)
from tests.shared.exhibits import exhibit


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradients_are_those_of_the_values(name):
    problem = PROBLEMS[name](3)
    w = np.random.default_rng(0).standard_normal((5, 3)) * 1.5
    h = 1e-6
    moves = h * np.eye(3)
    numeric = [(problem.value(w + m) - problem.value(w - m)) / (2 * h) for m in moves]
    np.testing.assert_allclose(problem.gradient(w), np.stack(numeric, 1), atol=1e-8)
    assert problem.value(np.zeros(3)) == 0


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems_are_convex(name):
    problem = PROBLEMS[name](3)
    a, b = np.random.default_rng(1).standard_normal((2, 200, 3)) * 2
    assert (problem.value((a + b) / 2) <= (problem.value(a) + problem.value(b)) / 2 + 1e-12).all()


def test_the_floor_is_the_stationary_variance():
    """w <- (1 - rate h) w - rate e: variance rate² Var(e) / (1 - (1 - rate h)²) of each weight."""
    dimensions, rate = 4, 0.1
    pulls = centred(np.random.default_rng(0), 64, dimensions)
    path = noisy_path(PROBLEMS[""](dimensions), pulls, lambda _: rate, 4000, 8, np.random.default_rng(1))
    h = np.geomspace(*CURVATURES, dimensions)
    variance = rate**2 * pulls.var(0) / (1 - (1 - rate * h) ** 2)
    found = PROBLEMS[""](dimensions).value(path[2000:]).mean()
    assert found == pytest.approx(0.5 * (h * variance).sum(), rel=0.05)


def test_without_noise_the_path_is_the_closed_form():
    path = noisy_path(PROBLEMS[""](3), np.zeros((4, 3)), lambda _: 0.1, 20, 2, np.random.default_rng(0))
    h = np.geomspace(*CURVATURES, 3)
    np.testing.assert_allclose(path[-1], np.tile((1 - 0.1 * h) ** 20, (2, 1)), rtol=1e-12)


def test_rates_arms_and_averages():
    found = list(exhibit("rates", [4], dimensions=3, examples=16, updates=50, repeats=2))
    names = ("constant", "constant_half", "constant_quarter")
    floors = {arm for arm, o in found if o.metric == "noise_floor"}
    assert floors == {p + n for p in ("", "flat_") for n in names}
    of = {(a, o.metric, o.at): o.value for a, o in found}
    assert of["constant", "excess_loss", 1] == of["constant", "excess_loss_of_average", 1]
    assert of["constant", "excess_loss", 50] != of["constant", "excess_loss_of_average", 50]


def test_a_seed_has_the_quadratic_it_says():
    h = quadratic(np.random.default_rng(0), 6, 25.0)
    values = np.linalg.eigvalsh(h)
    assert values[0] == pytest.approx(1) and values[-1] == pytest.approx(25)


def test_quadratic_losses_are_the_closed_form():
    h, start = quadratic(np.random.default_rng(0), 4, 10.0), np.array([1.0, -2.0, 0.5, 3.0])
    step = np.eye(4) - 0.05 * h
    ends = [np.linalg.matrix_power(step, t) @ start for t in range(8)]
    np.testing.assert_allclose(quadratic_losses(h, start, 0.05, 7), [e @ h @ e / 2 for e in ends])


@pytest.mark.parametrize("condition", [3.0, 10.0, 40.0])
def test_the_edge_is_two_over_the_top_eigenvalue(condition):
    draw = np.random.default_rng(3)
    h, start = quadratic(draw, 5, condition), draw.standard_normal(5)
    found = largest_rate(h, start, 4 / condition, 40)
    assert found == pytest.approx(2 / np.linalg.eigvalsh(h)[-1], rel=1e-9)


def test_edge_exhibit():
    found = list(exhibit("edge", [0, 1], updates=20))
    of = {(a, o.at): o.value for a, o in found if o.seed == 1}
    assert of["edge", None] == pytest.approx(1, abs=1e-9)
    assert of["about_right", 20] < of["too_small", 20] < of["too_small", 0] < of["too_large", 20]
    with pytest.raises(ValueError, match=r"condition above 1, dimensions from 2; got 1.0, 10"):
        next(exhibit("edge", [0], condition=1.0))
