"""Lanczos against spectra that are known."""

import math

import pytest
import torch

from largebatch.lab.lanczos import bottom_eigenvalues, gaussian, spectral_density, top_eigenvalues
from tests.lab.nets import streams, with_spectrum


def operator(matrices):
    return lambda v: torch.einsum("spq,sq->sp", matrices.to(v.dtype), v)


def found(values, function=top_eigenvalues, seeds=1, **options):
    matrices = torch.cat([with_spectrum(values, seed) for seed in range(seeds)])
    start = gaussian(torch.empty(seeds, len(values), dtype=torch.float64), streams(seeds))
    return function(operator(matrices), start, streams(seeds, 50), **options)


DECAYING = [100.0 / 1.2**i for i in range(60)]
SPECTRA = {
    "decaying": DECAYING,
    "indefinite": [*DECAYING, -500.0, -3.0],  # the largest is not the largest in magnitude
    "negative definite": [-1.0 - v for v in DECAYING],
    "nearly degenerate": [10.0, 10.0 - 1e-6, *DECAYING[40:]],
    "degenerate": [10.0] * 5 + [1.0] * 30,
    "zero": [0.0] * 20,
    "of rank one": [3.0] + [0.0] * 40,
}


# With room for five vectors, a cluster at one end is found slowly.
@pytest.mark.parametrize(("room", "share"), [(5, 1e-4), (64, 1e-7)])
@pytest.mark.parametrize("name", SPECTRA)
def test_top_and_bottom_eigenvalues(name, room, share):
    values = SPECTRA[name]
    scale = max(map(abs, values)) or 1.0
    top = found(values, tolerance=1e-8, room=room, most_products=500)
    assert top.values[0, 0].item() == pytest.approx(max(values), abs=share * scale)
    bottom = found(values, bottom_eigenvalues, tolerance=1e-8, room=room, most_products=500)
    assert bottom.values[0, 0].item() == pytest.approx(min(values), abs=share * scale)


def test_the_largest_few_in_order():
    top = found(DECAYING, count=4, tolerance=1e-10, room=12)
    assert top.values[0].tolist() == pytest.approx(DECAYING[:4], rel=1e-8)


def test_the_claimed_error_covers_the_true_one():
    top = found(DECAYING, seeds=8, tolerance=1e-3)
    error = (top.values[:, 0] - DECAYING[0]).abs()
    assert (error <= 1e-3 * DECAYING[0]).all()
    assert (error <= 1.01 * top.errors[:, 0]).all()


def test_seeds_do_not_depend_on_each_other():
    """Also where one needs more products than another, and at a coarse tolerance."""
    easy, hard = with_spectrum(DECAYING), with_spectrum(SPECTRA["nearly degenerate"] + [0.0] * 38)
    start = gaussian(torch.empty(2, 60, dtype=torch.float64), streams(2))
    together = top_eigenvalues(operator(torch.cat([easy, hard])), start, streams(2), tolerance=1e-2)
    for lane, matrix in enumerate((easy, hard)):
        one = slice(lane, lane + 1)
        alone = top_eigenvalues(operator(matrix), start[one], streams(2)[one], tolerance=1e-2)
        assert together.values[lane].item() == pytest.approx(alone.values.item(), rel=1e-10)
        assert together.products[lane] == alone.products[0]
    assert together.products[0] != together.products[1]


def test_products_are_counted_and_bounded():
    assert found(DECAYING, tolerance=1e-300, most_products=7).products == 7
    # A space of three dimensions needs no more than three products.
    assert found([3.0, 2.0, 1.0], tolerance=1e-300).products <= 3


def test_single_precision_is_enough_for_its_digits():
    matrices = with_spectrum(DECAYING).float()
    start = gaussian(torch.empty(1, len(DECAYING)), streams(1))
    top = top_eigenvalues(operator(matrices), start, streams(1), tolerance=1e-4)
    assert top.values[0, 0].item() == pytest.approx(DECAYING[0], rel=1e-4)


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="count between 1 and the 3 weights; got 4"):
        found([1.0, 2.0, 3.0], count=4)
    with pytest.raises(ValueError, match="room for at least"):
        found(DECAYING, count=3, room=4)
    with pytest.raises(ValueError, match="a start of positive length"):
        top_eigenvalues(lambda v: v, torch.zeros(1, 5), streams(1))


def test_density_of_a_known_spectrum():
    """With as many steps as weights the quadrature is exact but for the weights of the probes."""
    values = torch.tensor([0.0] * 30 + [1.0] * 9 + [4.0] * 1, dtype=torch.float64)
    like = torch.empty(1, 40, dtype=torch.float64)
    grid, width = torch.linspace(-1, 5, 601, dtype=torch.float64), 0.05
    density = spectral_density(
        operator(with_spectrum(values)), like, streams(1), grid, width, probes=300, steps=6
    )[0]
    step = grid[1] - grid[0]
    assert (density.sum() * step).item() == pytest.approx(1.0, abs=1e-6)
    bell = 1 / (width * math.sqrt(2 * math.pi))
    for value, share in ((0.0, 30 / 40), (1.0, 9 / 40), (4.0, 1 / 40)):
        at = density[(grid - value).abs().argmin()].item()
        # A probe's share scatters like sqrt(2 share (1 - share) / 40).
        scatter = math.sqrt(2 * share * (1 - share) / 40 / 300)
        assert at == pytest.approx(share * bell, abs=4 * scatter * bell)
    mean = (density * grid).sum() * step
    assert mean.item() == pytest.approx(values.mean().item(), abs=0.02)


def test_density_wants_a_width():
    with pytest.raises(ValueError, match="width above 0; got 0"):
        spectral_density(lambda v: v, torch.empty(1, 5), streams(1), torch.zeros(3), 0.0, 1, 2)
