"""Orthonormal vectors of one seed, a symmetric operator A in them, and how large A can be outside them.

The vectors are locked ones V, then a Lanczos chain W in the complement of V, with full
reorthogonalisation. With C the compression of A to that complement,

    A V = V diag(θ) + outside,    C W = W T + coupling * following * eᵀ

and thick restarts (Wu and Simon 2000) bound how long W grows.
"""

import math
from collections.abc import Callable, Generator

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import betaincinv

Operator = Callable[[torch.Tensor], torch.Tensor]
# What asks for products: yields a vector (p,), is sent A times it, and returns what it found.
Asking = Generator[torch.Tensor, torch.Tensor, object]

# A new direction shorter than so many roundings of the largest product is rounding: nothing is coupled.
ROUNDINGS = 20


def answer(operator: Operator, askings: list[Asking]) -> list:
    """What each seed's asking returns; one product of (s, p) answers all that still ask."""
    found, wanted = [None] * len(askings), [next(asking) for asking in askings]
    open_ = set(range(len(askings)))
    while open_:
        products = operator(torch.stack(wanted) if len(wanted) > 1 else wanted[0][None])
        for seed in sorted(open_):
            try:
                wanted[seed] = askings[seed].send(products[seed])
            except StopIteration as end:
                found[seed] = end.value
                wanted[seed] = torch.zeros_like(wanted[seed])
                open_.remove(seed)
        del products  # before the next ones are made: of a large net each is large
    return found


class Space:
    """V, W and A in them.

    most_vectors: held at a time: V, its images outside, W, and the one that follows.
    """

    def __init__(self, start: torch.Tensor, most_vectors: int):
        self.most_vectors = most_vectors
        self.vectors = start.new_empty(min(most_vectors, len(start) + 1), len(start))
        self.projected = np.zeros((len(self.vectors),) * 2)
        self._remember(start.new_zeros(0, len(start)))
        self.locked = self.size = 0
        self.largest = 0.0  # length of the longest product so far
        self.begin(start)

    @property
    def full(self) -> bool:
        """Whether no vector more can be held."""
        return self.locked + self.size + 1 >= self.most_vectors

    @property
    def whole(self) -> bool:
        """Whether nothing is left outside."""
        return self.size == self.vectors.shape[1]

    @property
    def following(self) -> torch.Tensor:
        """The vector whose product is wanted next; (p,)."""
        return self.vectors[self.size]

    def begin(self, start: torch.Tensor) -> None:
        """A new chain, from what of `start` lies outside V, the only vectors there are."""
        self.size = self.locked
        self.discarded: list[float] = []
        self.log_couplings = 0.0
        start, _ = self._split(start, self.size)
        length = length_of(start)
        if not length > 0:
            raise ValueError(f"lanczos: a start of positive length for each seed; got {length}")
        self.vectors[self.size] = start / length

    def grow(self, product: torch.Tensor) -> None:
        """Take in A times `following`.

        Then `ritz` are the Ritz values of A in V and W, the largest first, and their coordinates in columns;
        `chain` the same of C in W alone.
        """
        self.largest = max(self.largest, length_of(product))
        product, inside = self._split(product, self.size + 1)
        self.size += 1
        self.projected[: self.size, self.size - 1] = self.projected[self.size - 1, : self.size] = inside
        length = length_of(product)
        rounding = ROUNDINGS * torch.finfo(product.dtype).eps * self.largest
        self.coupling = 0.0 if self.whole or length <= rounding else length
        if self.coupling:
            self.vectors[self.size] = product / length
            self.log_couplings += math.log(length)
        inside = slice(self.locked, self.size)
        self.ritz = descending(self.projected[: self.size, : self.size])
        self.chain = descending(self.projected[inside, inside]) if self.locked else self.ritz

    def _split(self, vector: torch.Tensor, size: int) -> tuple[torch.Tensor, np.ndarray]:
        """What of a vector lies outside the first vectors, and its coefficients inside; twice is enough."""
        vectors = self.vectors[:size]
        inside = vector.new_zeros(len(vectors))
        for _ in range(2):  # Kahan's rule, in Parlett 1998, section 6.9
            found = vectors @ vector
            vector = vector - found @ vectors
            inside += found
        return vector, inside.double().cpu().numpy()

    def residuals(self) -> np.ndarray:
        """Bounds of the residual norms of the Ritz pairs."""
        coordinates = self.ritz[1]
        of_locked = coordinates[: self.locked]
        across = self.projected[: self.locked, self.locked : self.size]
        squares = np.einsum("ij,ik,kj->j", of_locked, self.gram - across @ across.T, of_locked)
        return np.sqrt(squares.clip(min=0.0)) + self.coupling * np.abs(coordinates[-1])

    def lock(self, kept: np.ndarray) -> None:
        """Make the Ritz vectors of these places the new V; the chain ends."""
        values, coordinates = self.ritz
        values, coordinates = values[kept], coordinates[:, kept]
        chain = self.vectors[self.locked : self.size]
        outside = self.outside - self.outside @ chain.T @ chain
        outside = self._like(coordinates[: self.locked].T) @ outside
        if self.coupling:
            outside += self.coupling * torch.outer(self._like(coordinates[-1]), self.following)
        self.vectors[: len(values)] = self._like(coordinates.T) @ self.vectors[: self.size]
        self._remember(outside)
        self.projected[:] = 0.0
        self.projected[range(len(values)), range(len(values))] = values
        self.locked = self.size = len(values)

    def _remember(self, outside: torch.Tensor) -> None:
        """The images of V outside V, and their inner products."""
        self.outside = outside
        self.gram = (outside.double() @ outside.double().T).cpu().numpy()

    def restart(self, keep: int) -> None:
        """Keep of the chain its `keep` largest Ritz vectors and what follows."""
        values, coordinates = self.chain
        self.discarded += values[keep:].tolist()
        kept, following = coordinates[:, :keep], self.following.clone()
        inside, end = slice(self.locked, self.size), self.locked + keep
        across = self.projected[: self.locked, inside] @ kept
        self.vectors[self.locked : end] = self._like(kept.T) @ self.vectors[inside]
        self.vectors[end] = following
        self.projected[:, self.locked :] = self.projected[self.locked :] = 0.0
        self.projected[: self.locked, self.locked : end] = across
        self.projected[self.locked : end, : self.locked] = across.T
        self.projected[range(self.locked, end), range(self.locked, end)] = values[:keep]
        self.size = end

    def _like(self, numbers: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(numbers).to(self.vectors)

    def log_inverse_share(self, chance: float) -> float:
        """-log δ: a random unit vector outside V has a component below δ with probability `chance`."""
        dimensions = self.vectors.shape[1] - self.locked
        if dimensions == 1:
            return 0.0
        return -0.5 * math.log(betaincinv(0.5, (dimensions - 1) / 2, chance))

    def largest_outside(self, log_inverse_share: float) -> float:
        """What the eigenvalues of C are not above, if the start had more than δ of each eigenvector.

        The chain's next vector is p(C) times its start, with p(t) = Π(t - θ) / Π couplings over the Ritz
        values θ, those that restarts have discarded included. It has length 1, so δ |p(λ)| <= 1 at every
        eigenvalue λ. Hochstenbach 2013, J. Sci. Comput. 57, section 3.
        """
        roots = self.chain[0]
        top = roots[0]
        if not self.coupling:
            return top  # the start has no part outside, and so has no eigenvector
        below = top - np.concatenate([roots[1:], self.discarded]).clip(max=top)

        def log_excess(log_above: float) -> float:
            above = math.exp(log_above)
            with np.errstate(divide="ignore"):
                return log_above + np.log(above + below).sum() - self.log_couplings - log_inverse_share

        high = (log_inverse_share + self.log_couplings) / (len(below) + 1)
        low = high - 100.0
        if log_excess(low) >= 0:
            return top + math.exp(low)
        return top + math.exp(brentq(log_excess, low, high + 1e-9, xtol=1e-6))

    def upper_bounds(self, outside: float, count: int) -> np.ndarray:
        """Bounds of A's `count` largest eigenvalues, given what those of C are not above.

        A <= [[diag(θ), Rᵀ], [R, outside I]] in the order of symmetric matrices, with R the images of V
        outside V, and eigenvalues are monotone in that order.
        """
        if not self.locked:
            return np.full(count, outside)
        squares, directions = np.linalg.eigh(self.gram)
        images = directions * np.sqrt(squares.clip(min=0.0))
        theta = self.projected[: self.locked, : self.locked]
        above = np.block([[theta, images], [images.T, outside * np.eye(self.locked)]])
        return np.sort([*np.linalg.eigvalsh(above), *[outside] * count])[::-1][:count]


def length_of(vector: torch.Tensor) -> float:
    """Euclidean length; in double precision, as in single the squares of small numbers vanish."""
    return vector.norm(dtype=torch.float64).item()


def descending(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of a symmetric matrix, the largest first, and eigenvectors in columns."""
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1].copy(), vectors[:, ::-1].copy()  # torch takes no negative strides
