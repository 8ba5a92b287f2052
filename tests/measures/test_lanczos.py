"""Lanczos against spectra that are known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from largebatch.measures.lanczos import LEAST_TOLERANCE, bottom_eigenvalues, spectral_density, top_eigenvalues
from tests.shared.nets import streams, with_spectrum


def operator(matrices):
    return lambda v: torch.einsum("spq,sq->sp", matrices.to(v.dtype), v)


def found(values, function=top_eigenvalues, seeds=1, **options):
    """By dense matrices with these eigenvalues, each seed's in another basis."""
    matrices = torch.cat([with_spectrum(values, seed) for seed in range(seeds)])
    like = torch.empty(seeds, len(values), dtype=torch.float64)
    return function(operator(matrices), like, streams(seeds), **options)


def on_diagonals(spectra, function=top_eigenvalues, dtype=torch.float64, first=0, **options):
    """By diagonal matrices, one for each seed; spectra: (s, p)."""
    diagonals = torch.as_tensor(np.asarray(spectra)).to(dtype)
    return function(lambda v: diagonals * v, diagonals, streams(len(diagonals), first), **options)


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
CLUSTERED = [1.0, 0.999, 0.998, 0.5, *np.linspace(0, 0.1, 300)]
SMALL_NEGATIVE_TAIL = [
    3.65,
    1.97,
    1.4,
    1,
    0.6,
    0.3,
    *np.linspace(0.05, 0, 590) ** 2,
    -2e-4,
    -5e-4,
    -1e-3,
    -2.3e-3,
]


def kinds_of_spectra(kind, size, draw):
    """(size,) eigenvalues of a kind, from a NumPy generator."""
    size, wanted = max(size, 9), size
    bulk = draw.uniform(-0.2, 0.5, size)
    if kind == "clustered top":
        top = [1.0, *1 - 10.0 ** -draw.uniform(2, 6, draw.integers(1, 5))]
    elif kind == "multiple":
        top = np.repeat(draw.uniform(0.6, 1, 2), draw.integers(2, 6, 2))
    elif kind == "small negative tail":
        top, bulk = draw.uniform(1, 4, 5), np.linspace(0.2, 0, size) ** 2
        bulk[-3:] = -(10.0 ** -draw.uniform(2, 4, 3))
    elif kind == "pairs":
        top, bulk = [], np.repeat(draw.normal(size=size), 2)
    elif kind == "low rank":
        top, bulk = draw.normal(size=draw.integers(1, 4)), np.zeros(size)
    elif kind == "zero":
        top, bulk = [], np.zeros(size)
    elif kind == "identity":
        top, bulk = [], np.full(size, draw.normal())
    elif kind == "two values":
        top, bulk = [], draw.choice([1.0, 0.3], size)
    elif kind == "negative definite":
        top, bulk = [], -1 - draw.exponential(size=size)
    elif kind == "decaying":
        top, bulk = [], 1.3 ** -np.arange(size) * draw.choice([-1, 1], size)
    else:
        top, bulk = [], draw.normal(size=size)
    values = np.concatenate([top, bulk[::-1]])[::-1][-wanted:]
    return draw.permutation(values) * 10.0 ** draw.uniform(-6, 6)


KINDS = (
    *("clustered top", "multiple", "small negative tail", "pairs", "low rank", "zero", "identity"),
    *("two values", "negative definite", "decaying", "random"),
)
# Kinds that even chains of a few vectors resolve.
EASY = ("low rank", "zero", "identity", "two values")


def check(spectra, function, count, result, tolerance, rounding):
    """Every value is the eigenvalue of its rank, to the tolerance, or NaN with a reason."""
    expected = np.linalg.eigvalsh(np.stack([np.diag(values) for values in spectra]))
    expected = expected[:, ::-1][:, :count] if function is top_eigenvalues else expected[:, :count]
    scale = np.abs(spectra).max(1, keepdims=True)
    values, known = result.values.numpy(), ~result.values.isnan().numpy()
    errors = np.abs(values - expected)
    assert (errors[known] <= ((tolerance + rounding) * np.broadcast_to(scale, known.shape))[known]).all()
    assert set(result.reasons) == set(np.flatnonzero(~known.all(1)))
    return known


@settings(max_examples=64, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    size=st.sampled_from([1, 2, 7, 40]),
    count=st.integers(1, 4),
    function=st.sampled_from([top_eigenvalues, bottom_eigenvalues]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    tight=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_the_spectrum_a_value_meets_its_tolerance(kind, size, count, function, dtype, tight, seed):
    """Eight spectra at a time, holding all vectors or so few that chains restart."""
    draw, count = np.random.default_rng(seed), min(count, size)
    spectra = np.stack([kinds_of_spectra(kind, size, draw) for _ in range(8)])
    spectra = torch.from_numpy(spectra).to(dtype).double().numpy()  # as the operator has them
    limits = {"most_vectors": 2 * count + 4 if tight else 64, "most_products": 150}
    result = on_diagonals(spectra, function, dtype, seed % 1000, count=count, **limits)
    known = check(spectra, function, count, result, 1e-4, 30 * torch.finfo(dtype).eps)
    assert known.all() or (tight and kind not in EASY)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("values", "function", "count", "most"),
    [
        (SMALL_NEGATIVE_TAIL, bottom_eigenvalues, 1, 40),
        (SMALL_NEGATIVE_TAIL, top_eigenvalues, 1, 15),
        (CLUSTERED, top_eigenvalues, 1, 25),
        (CLUSTERED, top_eigenvalues, 3, 35),
        (CLUSTERED, top_eigenvalues, 4, 35),
    ],
    ids=["bottom", "top", "cluster", "three of a cluster", "the cluster and one more"],
)
def test_where_residuals_mislead_no_value_is_off(values, function, count, most, dtype):
    """Of a hundred starts, with the products that this may cost at most."""
    spectra = np.tile(values, (100, 1))
    result = on_diagonals(spectra, function, dtype, count=count)
    assert check(spectra[:1], function, count, result, 1e-4, 30 * torch.finfo(dtype).eps).all()
    assert result.products.max() <= most


def test_too_few_products_give_nan_and_the_reason():
    spectra = np.stack([SMALL_NEGATIVE_TAIL, [0.0] * 600])
    result = on_diagonals(spectra, bottom_eigenvalues, most_products=10)
    assert result.values[0].isnan().all() and result.errors[0] > 1e-4 * 3.65
    assert result.values[1] == 0 and list(result.reasons) == [0]
    assert "after 10 products" in result.reasons[0]


def test_of_several_values_those_that_are_known_are_given():
    """The second lies in a bulk that ten products do not resolve."""
    result = on_diagonals([[9.0, *np.linspace(0, 1, 500)]], count=2, most_products=10)
    assert result.values[0, 0].item() == pytest.approx(9.0, rel=1e-4)
    assert result.values[0, 1].isnan() and result.reasons[0].startswith("eigenvalue 2 ")


def test_a_product_that_is_not_finite_costs_its_seed_alone():
    diagonals = torch.tensor([[3.0, 2.0, 1.0], [1.0, math.nan, 2.0]], dtype=torch.float64)
    result = top_eigenvalues(lambda v: diagonals * v, diagonals, streams(2))
    assert result.values[0].item() == pytest.approx(3.0) and result.values[1].isnan()
    assert result.reasons == {1: "product 1 is not finite"}


@pytest.mark.parametrize("name", SPECTRA)
def test_top_and_bottom_eigenvalues_of_dense_matrices(name):
    values = SPECTRA[name]
    scale = max(map(abs, values)) or 1.0
    top = found(values, tolerance=1e-8)
    assert top.values[0, 0].item() == pytest.approx(max(values), abs=1e-8 * scale)
    bottom = found(values, bottom_eigenvalues, tolerance=1e-8)
    assert bottom.values[0, 0].item() == pytest.approx(min(values), abs=1e-8 * scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("count", "most_vectors", "most"), [(1, 8, 30), (3, 10, 100)])
def test_with_few_vectors_outliers_are_found(count, most_vectors, most, dtype):
    """As of a net that is too large for its basis: 300 weights stand for millions."""
    spectra = np.tile([1.0, 0.7, 0.54, 0.4, 0.29, 0.24, *np.linspace(0, 0.1, 300)], (20, 1))
    result = on_diagonals(spectra, dtype=dtype, count=count, most_vectors=most_vectors)
    assert check(spectra, top_eigenvalues, count, result, 1e-4, 30 * torch.finfo(dtype).eps).all()
    assert result.products.max() <= most


def test_the_largest_few_in_order():
    top = found(DECAYING, count=4, tolerance=1e-10, most_vectors=12)
    assert top.values[0].tolist() == pytest.approx(DECAYING[:4], rel=1e-8)


def test_the_claimed_error_covers_the_true_one():
    top = found(DECAYING, seeds=8, tolerance=1e-3)
    error = DECAYING[0] - top.values[:, 0]
    assert (error >= -1e-12).all() and (error <= top.errors[:, 0] + 1e-12).all()
    assert (top.errors <= 1e-3 * DECAYING[0]).all()


def test_seeds_do_not_depend_on_each_other():
    """Also where one needs more products than another, and at a coarse tolerance."""
    easy, hard = with_spectrum(DECAYING), with_spectrum(SPECTRA["nearly degenerate"] + [0.0] * 38)
    like = torch.empty(2, 60, dtype=torch.float64)
    together = top_eigenvalues(operator(torch.cat([easy, hard])), like, streams(2), 2, tolerance=1e-2)
    for lane, matrix in enumerate((easy, hard)):
        alone = top_eigenvalues(operator(matrix), like[:1], streams(2)[lane : lane + 1], 2, tolerance=1e-2)
        assert together.values[lane].tolist() == pytest.approx(alone.values[0].tolist(), rel=1e-10)
        assert together.products[lane] == alone.products[0]
    assert together.products[0] != together.products[1]


def test_products_are_counted_and_bounded():
    assert found(DECAYING, tolerance=1e-12, most_products=7).products == 7
    # A space of three dimensions needs no more than three products.
    assert found([3.0, 2.0, 1.0], tolerance=1e-12).products <= 3


@pytest.mark.parametrize("size", [1e-20, 1e20])
def test_single_precision_is_enough_for_its_digits_at_any_size(size):
    top = on_diagonals(size * np.array([DECAYING]), dtype=torch.float32, tolerance=2e-5)
    assert top.values.item() == pytest.approx(size * DECAYING[0], rel=3e-5)


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="count between 1 and the 3 weights; got 4"):
        found([1.0, 2.0, 3.0], count=4)
    with pytest.raises(ValueError, match="most_vectors of at least"):
        found(DECAYING, count=3, most_vectors=9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tolerance_below_rounding_is_refused(dtype):
    least = LEAST_TOLERANCE * torch.finfo(dtype).eps
    assert on_diagonals([DECAYING], dtype=dtype, tolerance=least).values.item() == pytest.approx(100.0)
    with pytest.raises(ValueError, match=f"tolerance from .* with {dtype}; got"):
        on_diagonals([DECAYING], dtype=dtype, tolerance=0.9 * least)


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
