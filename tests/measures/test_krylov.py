"""Krylov spaces: what they hold, and what they say of what they do not hold."""

import math

import numpy as np
import pytest
import torch

from largebatch.measures.krylov import Space, answer
from tests.shared.nets import streams, with_spectrum


def vector(size, seed):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grown(space, matrix, products):
    for _ in range(products):
        space.grow(matrix @ space.following)
    return space


SPECTRUM = [9.0, 7.0, 5.0, *np.linspace(-1, 1, 37)]


@pytest.fixture
def matrix():
    return with_spectrum(SPECTRUM)[0]


def held(space, matrix):
    """The basis of V and W, and A in it, computed anew."""
    basis = space.vectors[: space.size]
    return basis, basis @ matrix @ basis.T


def test_the_projection_is_that_of_the_operator_through_locks_and_restarts(matrix):
    space = grown(Space(vector(40, 0), 14), matrix, 8)
    space.lock(np.array([0, 2]))
    space.begin(vector(40, 1))
    grown(space, matrix, 6)
    space.restart(3)
    grown(space, matrix, 4)
    basis, projected = held(space, matrix)
    assert torch.allclose(basis @ basis.T, torch.eye(space.size, dtype=torch.float64), atol=1e-12)
    assert np.allclose(space.projected[: space.size, : space.size], projected, atol=1e-10)
    images = basis[: space.locked] @ matrix
    outside = images - images @ basis[: space.locked].T @ basis[: space.locked]
    assert torch.allclose(space.outside, outside, atol=1e-10)


def test_residuals_bound_the_true_ones(matrix):
    space = grown(Space(vector(40, 0), 14), matrix, 8)
    space.lock(np.array([0, 2]))
    grown_again = grown_from(space, matrix)
    values, coordinates = grown_again.ritz
    ritz = torch.from_numpy(coordinates.T) @ grown_again.vectors[: grown_again.size]
    true = (ritz @ matrix - torch.from_numpy(values)[:, None] * ritz).norm(dim=1).numpy()
    assert (grown_again.residuals() >= true - 1e-10).all()
    assert (grown_again.residuals() <= 2 * true + 1e-10).all()


def grown_from(space, matrix):
    space.begin(vector(40, 1))
    return grown(space, matrix, 5)


@pytest.mark.parametrize("kept", [None, 2])
def test_the_next_vector_is_the_polynomial_of_the_start(kept, matrix):
    """p(C) times the start has length 1, with the roots and couplings that largest_outside goes by."""
    start = vector(40, 0)
    space = grown(Space(start, 12), matrix, 6)
    if kept:
        space.restart(kept)
        grown(space, matrix, 3)
    image, top = start / start.norm(), space.chain[0][0]
    for root in [*space.chain[0], *space.discarded]:
        image = matrix @ image - root * image
    assert image.norm().log().item() == pytest.approx(space.log_couplings, abs=1e-8)
    for wanted in (1.0, 20.0):
        outside = space.largest_outside(wanted)
        roots = np.array([*space.chain[0], *space.discarded])
        assert outside > top
        assert np.log(outside - roots).sum() - space.log_couplings == pytest.approx(wanted, abs=1e-5)


def test_bounds_hold_given_what_the_rest_is_not_above(matrix):
    space = grown(Space(vector(40, 0), 14), matrix, 6)
    space.lock(np.array([0, 1, 2]))
    locked = space.vectors[:3]
    others = torch.eye(40, dtype=torch.float64) - locked.T @ locked
    outside = torch.linalg.eigvalsh(others @ matrix @ others)[-1].item()
    bounds = space.upper_bounds(outside, 4)
    true = np.sort(SPECTRUM)[::-1][:4]
    assert (bounds >= true - 1e-10).all()
    assert (bounds >= space.upper_bounds(outside - 0.1, 4)).all()


def test_an_invariant_space_leaves_nothing_outside():
    space = Space(torch.ones(5, dtype=torch.float64), 8)
    space.grow(2 * space.following)
    assert space.coupling == 0 and space.largest_outside(10.0) == pytest.approx(2.0)


def test_a_bound_from_a_random_start_holds_as_often_as_it_says():
    """At chance 0.05 some of 2,000 bounds may fail, not many more; the operator is the hardest: one spike."""
    spike = torch.zeros(300, dtype=torch.float64)
    spike[0] = 1.0
    failed = 0
    for generator in streams(2000):
        space = Space(torch.randn(300, generator=generator, dtype=torch.float64), 8)
        space.grow(spike * space.following)
        failed += space.largest_outside(space.log_inverse_share(0.05)) < 1.0
    assert failed <= 0.05 * 2000 + 4 * math.sqrt(0.05 * 2000)


def test_a_start_without_length_is_refused():
    with pytest.raises(ValueError, match="a start of positive length"):
        Space(torch.zeros(5), 8)


def test_one_product_answers_all_that_ask():
    asked = []

    def asking(seed, times):
        total = 0.0
        for _ in range(times):
            total += (yield torch.full((3,), float(seed))).sum().item()
        return total

    def operator(v):
        asked.append(v[:, 0].tolist())
        return 2 * v

    assert answer(operator, [asking(1, 1), asking(2, 3)]) == [6.0, 36.0]
    assert asked == [[1.0, 2.0], [0.0, 2.0], [0.0, 2.0]]
