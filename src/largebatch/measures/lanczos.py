"""Eigenvalues and spectral density of symmetric operators known by their products, of all seeds at once.

An operator takes (s, p) to (s, p), seed by seed; each seed asks for products as it needs them, and one
product answers all.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from largebatch.measures.krylov import Asking, Operator, Space, answer

# A bound from a random start fails with at most this probability, whatever the operator.
CHANCE = 1e-4
# A tolerance is at least so many roundings.
LEAST_TOLERANCE = 100
# What residuals may take of the tolerance; the rest is left for what lies outside the locked vectors.
SHARE = 0.2


@dataclass
class Eigenvalues:
    """values, errors: (s, k), from the largest down (bottom: from the smallest up); products: (s,).

    errors bound what the eigenvalue may lie above (bottom: below) the value. Where that is more than the
    tolerance the value is NaN, and reasons says why, by the seed's place: one line.
    """

    values: torch.Tensor
    errors: torch.Tensor
    products: torch.Tensor
    reasons: dict[int, str] = field(default_factory=dict)


def top_eigenvalues(
    operator: Operator,
    like: torch.Tensor,
    generators: list[torch.Generator],
    count: int = 1,
    tolerance: float = 1e-4,
    most_products: int = 200,
    most_vectors: int = 64,
) -> Eigenvalues:
    """The algebraically largest eigenvalues of each seed's operator, multiple ones as often as they occur.

    like: (s, p), what the operator takes. generators: one for each seed. most_vectors: held at a time, at
    least 2 count + 4. A value is at most the eigenvalue of its rank, and less by at most `tolerance` times
    the largest magnitude, but for rounding (some units in the last place of that magnitude) and for a
    probability of CHANCE for each random start (one where count is 1, else few). What is not known so well
    after `most_products` is NaN.
    """
    parameters = like.shape[1]
    if not 1 <= count <= parameters:
        raise ValueError(f"lanczos: count between 1 and the {parameters} weights; got {count}")
    if most_vectors < 2 * count + 4:
        wanted = f"most_vectors of at least 2 count + 4 = {2 * count + 4}"
        raise ValueError(f"lanczos: {wanted}; got {most_vectors}")
    least = LEAST_TOLERANCE * torch.finfo(like.dtype).eps
    if tolerance < least:
        raise ValueError(f"lanczos: tolerance from {least:.2g} with {like.dtype}; got {tolerance:g}")
    searches = [
        Search(one, generator, count, tolerance, most_products, most_vectors)
        for one, generator in zip(like, generators, strict=True)
    ]
    answer(operator, [search.ask() for search in searches])
    numbers = {"dtype": torch.float64, "device": like.device}
    return Eigenvalues(
        torch.tensor(np.stack([search.values() for search in searches]), **numbers),
        torch.tensor(np.stack([search.errors for search in searches]), **numbers),
        torch.tensor([search.products for search in searches], **numbers),
        {seed: search.reason() for seed, search in enumerate(searches) if not search.known.all()},
    )


def bottom_eigenvalues(operator: Operator, *arguments, **options) -> Eigenvalues:
    """The algebraically smallest eigenvalues; arguments as of top_eigenvalues."""
    found = top_eigenvalues(lambda v: -operator(v), *arguments, **options)
    return Eigenvalues(-found.values, found.errors, found.products, found.reasons)


class Search:
    """One seed's search for the `count` largest eigenvalues.

    A chain from a random start bounds what is left outside the locked vectors, at first none. Where it
    cannot bound the wanted values, as more than one of them lies outside, the vectors it has found are
    locked and another chain begins.
    """

    def __init__(
        self,
        like: torch.Tensor,
        generator: torch.Generator,
        count: int,
        tolerance: float,
        most_products: int,
        most_vectors: int,
    ):
        self.generator, self.count = generator, count
        self.tolerance, self.most_products = tolerance, most_products
        self.space = Space(self._random(like), most_vectors)
        self.most_locked = max(count, (most_vectors - 3) // 4)
        self.log_inverse_share = self.space.log_inverse_share(CHANCE)
        self.lower, self.upper = np.full(count, -math.inf), np.full(count, math.inf)
        self.scale, self.products, self.finite = 0.0, 0, True

    def _random(self, like: torch.Tensor) -> torch.Tensor:
        return gaussian(like[None], [self.generator])[0]

    def ask(self) -> Asking:
        """Ask for products until every value is known, or there were enough."""
        while True:
            self._take((yield self.space.following))
            if not self.finite:
                return
            self._bound()
            if self.known.all() or self.products >= self.most_products:
                return
            if self._is_refuted():
                self.upper[:] = math.inf
                self._begin(np.arange(0))
            else:
                self._go_on()

    def _take(self, product: torch.Tensor) -> None:
        self.products += 1
        self.finite = bool(product.isfinite().all())
        if self.finite:
            self.space.grow(product)

    def _is_refuted(self) -> bool:
        """Whether a value is above its bound, which shows that the start was one of the unlucky ones."""
        return bool((self.lower - self.upper > self._small).any())

    def _bound(self) -> None:
        """Sharpen the bounds on either side by what the last product has told."""
        values, _ = self.space.ritz
        self.scale = max(self.scale, np.abs(values).max())
        found = values[: self.count]
        self.lower[: len(found)] = np.maximum(self.lower[: len(found)], found)
        if self.space.whole:
            self.upper = self.lower.copy()
            return
        outside = self.space.largest_outside(self.log_inverse_share)
        self.upper = np.minimum(self.upper, self.space.upper_bounds(outside, self.count))

    def _go_on(self) -> None:
        """Keep to the chain, or lock what it has found and begin another where it leads no further."""
        space = self.space
        if self._is_hopeless():
            converged = space.residuals() <= self._small
            if not space.coupling or (space.size >= self.count and converged[: self.count].all()):
                self._begin(np.flatnonzero(converged)[: self.most_locked])
        if space.full:
            chain = space.size - space.locked
            space.restart(max(1, min(chain - 1, self.count + (chain - self.count) // 2)))

    def _begin(self, kept: np.ndarray) -> None:
        """Lock the Ritz vectors of these places, and go on from a random start outside."""
        self.space.lock(kept)
        self.space.begin(self._random(self.space.vectors[0]))
        self.log_inverse_share = self.space.log_inverse_share(CHANCE)

    @property
    def _small(self) -> float:
        return SHARE * self.tolerance * self.scale

    @property
    def errors(self) -> np.ndarray:
        return np.maximum(self.upper - self.lower, 0.0)

    @property
    def known(self) -> np.ndarray:
        """Which of the eigenvalues are known well enough; (count,)."""
        near = self.errors <= self.tolerance * self.scale
        return near & (self.finite and not self._is_refuted())

    def values(self) -> np.ndarray:
        return np.where(self.known, self.lower, math.nan)

    def reason(self) -> str:
        """Why a value is not known."""
        if not self.finite:
            return f"product {self.products} is not finite"
        rank = int(np.argmin(self.known))
        return (
            f"eigenvalue {rank + 1} lies between {self.lower[rank]:.6g} and {self.upper[rank]:.6g} after "
            f"{self.products} products; wanted within {self.tolerance * self.scale:.2g}"
        )

    def _is_hopeless(self) -> bool:
        """Whether the chain cannot bound the values closely enough, however long it grows."""
        least = self.space.upper_bounds(self.space.chain[0][0], self.count)
        return bool((np.minimum(self.upper, least) - self.lower > self.tolerance * self.scale).any())


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
    vectors gives up to `steps` nodes and weights, blurred by a Gaussian of standard deviation `width`.
    """
    if width <= 0:
        raise ValueError(f"density: width above 0; got {width}")
    total = torch.zeros(len(like), len(grid), dtype=torch.float64)
    for _ in range(probes):
        rules = answer(operator, [quadrature(start, steps) for start in gaussian(like, generators)])
        for seed, (nodes, weights) in enumerate(rules):
            distance = (grid.cpu()[:, None] - torch.from_numpy(nodes)) / width
            bells = torch.exp(-0.5 * distance.square()) / (width * math.sqrt(2 * math.pi))
            total[seed] += bells @ torch.from_numpy(weights)
    return total.to(like.device) / probes


def quadrature(start: torch.Tensor, steps: int) -> Asking:
    """Nodes and weights (j,) of one random vector; j: steps, or as many eigenvalues as it has a part of."""
    space = Space(start, steps + 1)
    while True:
        product = yield space.following
        space.grow(product)
        if space.full or not space.coupling:
            nodes, coordinates = space.ritz
            return nodes, np.square(coordinates[0])
