"""Eigenvalues and spectral density of symmetric operators known by their products, of all seeds at once.

An operator takes (s, p) to (s, p), seed by seed; each seed asks for products as it needs them, and one
product answers all.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from largebatch.lab.krylov import Asking, Operator, Space, answer

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
    start: torch.Tensor,
    generators: list[torch.Generator],
    count: int = 1,
    tolerance: float = 1e-4,
    most_products: int = 200,
    room: int = 64,
    guessed: bool = False,
) -> Eigenvalues:
    """The algebraically largest eigenvalues of each seed's operator, multiple ones as often as they occur.

    start: (s, p), at random, or with `guessed` anything; of a guess only what lies in the wanted directions
    helps. generators: one for each seed. room: vectors held at most, at least 2 count + 4. A value is at
    most the eigenvalue of its rank, and less by at most `tolerance` times the largest magnitude, except with
    a probability of CHANCE for each random start (most searches make one or two); what is not known so well
    after `most_products` is NaN. To rounding, of some units in the last place of the largest magnitude.
    """
    parameters = start.shape[1]
    if not 1 <= count <= parameters:
        raise ValueError(f"lanczos: count between 1 and the {parameters} weights; got {count}")
    if room < 2 * count + 4:
        raise ValueError(f"lanczos: room for at least 2 count + 4 = {2 * count + 4} vectors; got {room}")
    least = LEAST_TOLERANCE * torch.finfo(start.dtype).eps
    if tolerance < least:
        raise ValueError(f"lanczos: tolerance from {least:.2g} with {start.dtype}; got {tolerance:g}")
    searches = [
        Search(first, generator, count, tolerance, most_products, room, guessed)
        for first, generator in zip(start, generators, strict=True)
    ]
    answer(operator, [search.ask() for search in searches])
    numbers = {"dtype": torch.float64, "device": start.device}
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
    cannot bound the wanted values, as more than one lies there, the vectors it finds are locked and another
    chain begins. From a guess a chain makes few products but bounds nothing: its vectors are locked once its
    Ritz values seem to be converged, which shows neither that they are the largest, nor how often each
    occurs.
    """

    def __init__(self, start, generator, count, tolerance, most_products, room, guessed):
        self.generator, self.count = generator, count
        self.tolerance, self.most_products = tolerance, most_products
        self.space, self.most_locked = Space(start, room), max(count, (room - 3) // 4)
        # -log δ of the chain's start, None of a guess.
        self.share = None if guessed else self.space.log_inverse_share(CHANCE)
        self.lower, self.upper = np.full(count, -math.inf), np.full(count, math.inf)
        self.scale, self.products, self.finite = 0.0, 0, True

    def ask(self) -> Asking:
        """Ask for products until every value is known, or there were enough."""
        while True:
            product = yield self.space.following
            self.products += 1
            self.finite = bool(product.isfinite().all())
            if not self.finite:
                return
            self.space.grow(product)
            values, coordinates = self.space.ritz()
            self._bound(values)
            if self.known.all() or self.products >= self.most_products:
                return
            self._go_on(values, *self.space.residuals(coordinates))

    def _bound(self, values: np.ndarray) -> None:
        """Sharpen the bounds on either side by what the last product has told; values: all Ritz values."""
        self.scale = max(self.scale, np.abs(values).max())
        found = values[: self.count]
        self.lower[: len(found)] = np.maximum(self.lower[: len(found)], found)
        if self.space.whole:
            self.upper = self.lower.copy()
        elif self.share is not None:
            outside = self.space.largest_outside(self.share)
            self.upper = np.minimum(self.upper, self.space.upper_bounds(outside, self.count))

    def _go_on(self, values: np.ndarray, along_locked: np.ndarray, along_chain: np.ndarray) -> None:
        """Keep to the chain, or begin another where it leads no further; residual norms by Ritz value."""
        space, residuals = self.space, along_locked + along_chain
        if self.share is None:
            ready = self._ready(values, residuals)
            if ready or not space.coupling:
                self._begin(np.arange(min(ready or self.most_locked, len(values))))
        elif self._is_hopeless():
            converged = residuals <= SHARE * self.tolerance * self.scale
            loose = np.sqrt(space.gram.diagonal()) > SHARE * self.tolerance * self.scale
            if converged[: self.count].all() or loose.any() or not space.coupling:
                self._begin(np.flatnonzero(converged)[: self.most_locked])
        if space.full:
            chain = space.size - space.locked
            space.restart(max(1, min(chain - 1, self.count + (chain - self.count) // 2)))

    def _begin(self, kept: np.ndarray) -> None:
        """Lock these Ritz vectors, and go on from a random start outside."""
        self.space.lock(kept)
        self.space.begin(gaussian(self.space.vectors[:1], [self.generator])[0])
        self.share = self.space.log_inverse_share(CHANCE)

    @property
    def errors(self) -> np.ndarray:
        return np.maximum(self.upper - self.lower, 0.0)

    @property
    def known(self) -> np.ndarray:
        """Which of the eigenvalues are known well enough; (count,)."""
        return self.finite & (self.errors <= self.tolerance * self.scale)

    def values(self) -> np.ndarray:
        return np.where(self.known, self.lower, math.nan)

    def reason(self) -> str:
        """Why a value is not known."""
        if not self.finite:
            return f"product {self.products} with the Hessian is not finite"
        rank = int(np.argmin(self.known))
        return (
            f"eigenvalue {rank + 1} lies between {self.lower[rank]:.6g} and {self.upper[rank]:.6g} after "
            f"{self.products} products; wanted within {self.tolerance * self.scale:.2g}"
        )

    def _is_hopeless(self) -> bool:
        """Whether the chain cannot bound the values closely enough, however long it grows."""
        least = self.space.upper_bounds(self.space.chain()[0][0], self.count)
        return bool((np.minimum(self.upper, least) - self.lower > self.tolerance * self.scale).any())

    def _ready(self, values: np.ndarray, residuals: np.ndarray) -> int:
        """How many of the largest Ritz vectors may be locked; 0 where the wanted are not converged.

        So many that the bounds will do, if the rest lies below the next Ritz value, and at worst all
        residuals along one vector.
        """
        for locked in range(min(self.most_locked, len(values)), self.count - 1, -1):
            rest = values[min(locked, len(values) - 1)]
            arrow = np.diag([*values[:locked], rest])
            arrow[-1, :-1] = arrow[:-1, -1] = residuals[:locked]
            excess = np.linalg.eigvalsh(arrow)[::-1][: self.count] - values[: self.count]
            if (excess <= SHARE * self.tolerance * self.scale).all():
                return locked
        return 0

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
    """Nodes and weights (j,) of the eigenvalues that `start` has a part of; j: steps, or less if it has fewer."""
    space = Space(start, steps + 1)
    while True:
        product = yield space.following
        space.grow(product)
        if space.full or not space.coupling:
            nodes, coordinates = space.ritz()
            return nodes, np.square(coordinates[0])
