"""L-BFGS-B against SciPy's: the points that both try, one by one."""

import itertools

import numpy as np
import pytest
import scipy.optimize
import torch

from largebatch.measures import box


def quadratic(matrix, linear):
    return lambda x: (0.5 * x @ matrix @ x + linear @ x, matrix @ x + linear)


def symmetric(stream, size):
    matrix = stream.standard_normal((size, size)) / size**0.5
    return matrix + matrix.T


def waves(stream, size):
    inner, shift = 2 * stream.standard_normal((size, size)), stream.standard_normal(size)
    return lambda x: (np.sin(inner @ x + shift).sum(), inner.T @ np.cos(inner @ x + shift))


def rosenbrock(stream, size):
    return lambda x: (scipy.optimize.rosen(1.5 * x), 1.5 * scipy.optimize.rosen_der(1.5 * x))


def square(stream, size):
    matrix = symmetric(stream, size)
    return matrix @ matrix.T


# By name: random stream, size -> function (n,) -> value, gradient.
FUNCTIONS = {
    "convex": lambda r, n: quadratic(square(r, n), 2 * r.standard_normal(n)),
    "concave": lambda r, n: quadratic(-square(r, n), 0.3 * r.standard_normal(n)),
    "indefinite": lambda r, n: quadratic(2 * symmetric(r, n), r.standard_normal(n)),
    "rosenbrock": rosenbrock,
    "waves": waves,
}


def tried_by_scipy(function, start, iterations):
    tried = []

    def watched(x):
        tried.append(x.copy())
        return function(x)

    bounds = [(-1.0, 1.0)] * len(start)
    scipy.optimize.fmin_l_bfgs_b(
        watched, start, bounds=bounds, maxiter=iterations, maxfun=10_000, factr=0.0, pgtol=0.0
    )
    return tried


def tried_by_us(function, start, iterations):
    tried = []

    def watched(x):
        tried.append(x.numpy().copy())
        value, gradient = function(x.numpy())
        return float(value), torch.from_numpy(gradient)

    box.minimise(watched, torch.from_numpy(start), iterations)
    return tried


def until_settled(function, tried):
    """The points before the first that rounding leaves beside a bound, or no lower than one before."""
    lowest, kept = np.inf, []
    for x in tried:
        value = function(x)[0]
        beside = (np.abs(x) < 1) & (np.abs(x) > 1 - 1e-12)
        if beside.any() or abs(lowest - value) <= 1e-9 * (1 + abs(value)):
            return kept
        lowest = min(lowest, value)
        kept.append(x)
    return kept


@pytest.mark.parametrize(
    ("name", "size", "seed"), [*itertools.product(FUNCTIONS, (2, 5, 40, 300), (0, 1, 2))]
)
def test_it_tries_the_points_that_scipy_tries(name, size, seed):
    stream = np.random.default_rng(seed)
    function = FUNCTIONS[name](stream, size)
    start = stream.uniform(-1, 1, size) * (1e-3 if seed == 0 else 1.0)
    expected = until_settled(function, tried_by_scipy(function, start, 12))
    found = tried_by_us(function, start, 12)
    assert len(found) >= len(expected) >= 2
    for ours, theirs in zip(found, expected, strict=False):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_breakpoints_passed_a_few_at_a_time_change_nothing(monkeypatch):
    function = FUNCTIONS["indefinite"](np.random.default_rng(3), 300)
    start = np.random.default_rng(4).uniform(-1, 1, 300)
    together = tried_by_us(function, start, 12)
    monkeypatch.setattr(box, "BREAKPOINTS_AT_ONCE", 7)
    apart = tried_by_us(function, start, 12)
    np.testing.assert_allclose(apart, together, rtol=0, atol=1e-9)


@pytest.mark.parametrize("every", [1, 2, 5])
def test_a_singular_system_makes_it_forget_the_pairs_and_go_on(monkeypatch, every):
    """As SciPy's does; the minimum is found all the same."""
    stream = np.random.default_rng(7)
    function = quadratic(square(stream, 6) + np.eye(6), 2 * stream.standard_normal(6))
    solve, asked = torch.linalg.solve, itertools.count(1)

    def sometimes_singular(matrix, vectors):
        if len(matrix) and next(asked) % every == 0:
            raise torch.linalg.LinAlgError("singular")
        return solve(matrix, vectors)

    monkeypatch.setattr(torch.linalg, "solve", sometimes_singular)
    found = tried_by_us(function, np.zeros(6), 200)
    least = scipy.optimize.minimize(function, np.zeros(6), jac=True, bounds=[(-1, 1)] * 6, tol=1e-14).fun
    assert next(asked) > 5
    assert min(function(x)[0] for x in found) == pytest.approx(least, abs=1e-9)


def test_pairs_that_rounding_spoils_are_told():
    pairs = box.Pairs(torch.zeros(3, dtype=torch.float64))
    assert pairs.add(torch.tensor([1.0, 0.0, 0.0]).double(), torch.tensor([2.0, 1.0, 0.0]).double())
    assert not pairs.add(torch.tensor([torch.nan, 0.0, 0.0]).double(), torch.ones(3).double())


def test_every_point_lies_in_the_box():
    function = FUNCTIONS["waves"](np.random.default_rng(5), 50)
    tried = tried_by_us(function, np.random.default_rng(6).uniform(-1, 1, 50), 30)
    assert len(tried) > 30 and np.abs(tried).max() <= 1


def test_a_corner_with_no_way_down_is_left_alone():
    tried = tried_by_us(lambda x: (x.sum(), np.ones_like(x)), -np.ones(4), 10)
    assert len(tried) == 1


def test_level_ground_is_left_alone():
    assert len(tried_by_us(lambda x: (1.0, np.zeros_like(x)), np.zeros(4), 10)) == 1


def test_it_ends_where_the_function_is_not_finite():
    tried = tried_by_us(lambda x: (x.sum() if x.max() < 0.5 else np.nan, -np.ones_like(x)), np.zeros(4), 10)
    assert len(tried) == 2


def test_a_start_outside_the_box_is_refused():
    with pytest.raises(ValueError, match=r"wanted a start with all \|x_i\| <= 1; got up to 1\.5"):
        box.minimise(lambda x: (0.0, x), torch.tensor([0.0, 1.5]), 1)
    with pytest.raises(ValueError, match="wanted a start"):
        box.minimise(lambda x: (0.0, x), torch.tensor([0.0, float("nan")]), 1)
