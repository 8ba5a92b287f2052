"""Eigenvalues and spectral density of symmetric operators known by their products, of all seeds at once.

An operator takes (s, p) to (s, p), seed by seed. Lanczos's method with full reorthogonalisation; the
basis is bounded by thick restarts (Wu and Simon 2000), so memory is too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

Operator = Callable[[torch.Tensor], torch.Tensor]

# A new direction shorter than this share of the product is rounding: the space found is invariant.
INVARIANT = {torch.float32: 1e-5, torch.float64: 1e-12}


@dataclass
class Eigenvalues:
    """values, errors: (s, k), from the largest down (bottom: from the smallest up); products: (s,).

    errors are estimates of |value - eigenvalue|; products: what each seed needed, whatever its company.
    """

    values: torch.Tensor
    errors: torch.Tensor
    products: torch.Tensor


class Krylov:
    """An orthonormal basis V (s, j, p), and the operator in it, T = V A Vᵀ (s, j, j)."""

    def __init__(self, operator: Operator, start: torch.Tensor, room: int, generators: list[torch.Generator]):
        seeds, parameters = start.shape
        self.operator, self.generators, self.room = operator, generators, min(room, parameters)
        self.basis = start.new_empty(seeds, self.room + 1, parameters)
        self.projected = torch.zeros(seeds, self.room, self.room, dtype=torch.float64, device=start.device)
        self.size = self.products = 0
        length = start.norm(dim=1, keepdim=True)
        if not (length > 0).all():
            raise ValueError(f"lanczos: a start of positive length for each seed; got {length.min().item()}")
        self.basis[:, 0] = start / length

    def grow(self) -> None:
        """One product more. `residual` (s,) is then the coupling to what lies outside the basis."""
        new = self.operator(self.basis[:, self.size])
        scale = new.norm(dim=1)
        self.products += 1
        self.size += 1
        new, inside = self._outside(new)
        self.projected[:, : self.size, self.size - 1] = inside.double()
        self.projected[:, self.size - 1, : self.size] = inside.double()
        self.residual = new.norm(dim=1)
        self._append(new, self.residual <= INVARIANT[new.dtype] * scale)

    def _append(self, new: torch.Tensor, invariant: torch.Tensor) -> None:
        """The next direction; where the space is invariant, a random one, to which nothing couples."""
        self.residual = self.residual.double().masked_fill(invariant, 0.0)
        for lane in invariant.nonzero().flatten().tolist():
            new[lane] = gaussian(new[lane : lane + 1], self.generators[lane : lane + 1])[0]
        if invariant.any():
            new, _ = self._outside(new)
        # In a basis as large as the space nothing is left: then zeros, which no product can leave.
        length = new.norm(dim=1, keepdim=True)
        self.basis[:, self.size] = torch.where(length > 0, new / length.clamp_min(1e-300), 0.0)

    def _outside(self, new: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What of (s, p) lies outside the basis, and the coefficients inside; twice is enough (Kahan)."""
        basis = self.basis[:, : self.size]
        inside = new.new_zeros(len(new), self.size)
        for _ in range(2):
            found = torch.bmm(basis, new[:, :, None])
            new = torch.baddbmm(new[:, :, None], basis.transpose(1, 2), found, alpha=-1)[:, :, 0]
            inside += found[:, :, 0]
        return new, inside

    def ritz(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Ritz values (s, j), ascending, and their coordinates in the basis: columns of (s, j, j)."""
        return torch.linalg.eigh(self.projected[:, : self.size, : self.size])

    def vectors(self, coordinates: torch.Tensor) -> torch.Tensor:
        """Coordinates (s, j, k) -> vectors (s, k, p)."""
        return torch.bmm(coordinates.transpose(1, 2).to(self.basis.dtype), self.basis[:, : self.size])

    def restart(self, keep: int) -> None:
        """Keep the `keep` largest Ritz pairs and the direction that comes next."""
        values, coordinates = self.ritz()
        following = self.basis[:, self.size].clone()
        self.basis[:, :keep] = self.vectors(coordinates[:, :, -keep:])
        self.basis[:, keep] = following
        self.projected.zero_()
        self.projected[:, :keep, :keep] = torch.diag_embed(values[:, -keep:])
        self.size = keep


def top_eigenvalues(
    operator: Operator,
    start: torch.Tensor,
    generators: list[torch.Generator],
    count: int = 1,
    tolerance: float = 1e-4,
    most_products: int = 200,
    room: int = 32,
) -> Eigenvalues:
    """The algebraically largest eigenvalues of each seed's operator, to a relative error of `tolerance`.

    start: (s, p), a guess; of it only what lies in the wanted directions helps. generators: one a seed.
    room: vectors kept at most, at least count + 3. Stops when the error estimate of every wanted value
    of every seed is below tolerance times the largest magnitude, or after `most_products`.
    """
    parameters = start.shape[1]
    if not 1 <= count <= parameters:
        raise ValueError(f"lanczos: count between 1 and the {parameters} weights; got {count}")
    if room < count + 3:
        raise ValueError(f"lanczos: room for at least count + 3 = {count + 3} vectors; got {room}")
    krylov = Krylov(operator, start, room, generators)
    numbers = {"dtype": torch.float64, "device": start.device}
    values, errors = (torch.zeros(len(start), count, **numbers) for _ in range(2))
    products = torch.zeros(len(start), **numbers)
    running = torch.ones(len(start), dtype=torch.bool, device=start.device)
    while running.any():
        krylov.grow()
        if krylov.size >= count:
            ritz, coordinates = krylov.ritz()
            estimates = error_estimates(ritz, coordinates, krylov.residual, count)
            # A seed keeps what it had when it was done, so that its company does not change it.
            values[running], errors[running] = ritz[running, -count:].flip(1), estimates[running]
            products[running] = krylov.products
            running &= (estimates > tolerance * ritz.abs().amax(1, keepdim=True)).any(1)
            if krylov.products >= most_products or krylov.size == parameters:
                break
        if krylov.size == krylov.room:
            krylov.restart(count + (krylov.room - count) // 2)
    return Eigenvalues(values, errors, products)


def bottom_eigenvalues(operator: Operator, *arguments, **options) -> Eigenvalues:
    """The algebraically smallest eigenvalues; arguments as of top_eigenvalues."""
    found = top_eigenvalues(lambda v: -operator(v), *arguments, **options)
    return Eigenvalues(-found.values, found.errors, found.products)


def error_estimates(
    values: torch.Tensor, coordinates: torch.Tensor, residual: torch.Tensor, count: int
) -> torch.Tensor:
    """Estimates of |Ritz value - eigenvalue| of the `count` largest; (s, count), the largest first.

    The residual norm r bounds the error; r² / gap is the sharper bound (Parlett 1998, theorem 11.7.1),
    with the gap to the neighbouring Ritz values for the unknown one to the other eigenvalues.
    """
    norms = (residual[:, None] * coordinates[:, -1]).abs()  # (s, j)
    infinite = torch.full_like(values[:, :1], math.inf)
    below = torch.cat([infinite, values.diff(dim=1)], 1)
    above = torch.cat([values.diff(dim=1), infinite], 1)
    gap = torch.minimum(below, above)
    if values.shape[1] == 1:
        gap = torch.zeros_like(values)  # one value knows no neighbour
    sharp = torch.where(gap > 0, norms.square() / gap.clamp_min(1e-300), math.inf)
    return torch.minimum(norms, sharp)[:, -count:].flip(1)


def gaussian(like: torch.Tensor, generators: list[torch.Generator]) -> torch.Tensor:
    """Standard normal numbers (s, p), each seed's from its own stream, so that company changes nothing."""
    rows = [torch.randn(like.shape[1:], generator=g, dtype=like.dtype, device=g.device) for g in generators]
    return torch.stack(rows).to(like.device)


def spectral_density(
    operator: Operator,
    like: torch.Tensor,
    generators: list[torch.Generator],
    grid: torch.Tensor,
    width: float,
    probes: int,
    steps: int,
) -> torch.Tensor:
    """Density of the eigenvalues at the points of `grid` (m,), integrating to 1; (s, m).

    Stochastic Lanczos quadrature (Lin, Saad and Yang 2016; Ghorbani et al. 2019): each of `probes` random
    vectors gives `steps` nodes and weights, blurred by a Gaussian of standard deviation `width`.
    """
    if width <= 0:
        raise ValueError(f"density: width above 0; got {width}")
    grid = grid.to(like.device)
    total = torch.zeros(len(like), len(grid), dtype=torch.float64, device=like.device)
    for _ in range(probes):
        krylov = Krylov(operator, gaussian(like, generators), steps, generators)
        while krylov.size < krylov.room:
            krylov.grow()
        nodes, coordinates = krylov.ritz()
        weights = coordinates[:, 0].square()  # (s, steps)
        distance = (grid[None, None] - nodes[:, :, None]) / width
        bells = torch.exp(-0.5 * distance.square()) / (width * math.sqrt(2 * math.pi))
        total += (weights[:, :, None] * bells).sum(1)
    return total / probes
