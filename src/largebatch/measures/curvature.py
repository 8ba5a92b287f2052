"""Curvature of a landscape at its own weights: of the Hessian of the mean loss, all seeds at once."""

import torch

from largebatch.measures import trace as traces
from largebatch.measures.krylov import Operator
from largebatch.measures.lanczos import Eigenvalues, bottom_eigenvalues, spectral_density, top_eigenvalues
from largebatch.measures.landscape import Landscape
from largebatch.measures.trace import Estimate

Streams = list[torch.Generator]

# What the Lanczos vectors, and what the blocks of a sketch, may take of one seed: by seed, so that how a
# number is found does not depend on its company.
BASIS_BYTES, SKETCH_BYTES = 256 << 20, 512 << 20
FEWEST_VECTORS, MOST_VECTORS = 6, 64


def room(like: torch.Tensor, count: int) -> int:
    """How many vectors to hold: as many as BASIS_BYTES hold, within limits."""
    fitting = BASIS_BYTES // (like.shape[1] * like.element_size())
    return max(2 * count + 4, min(MOST_VECTORS, max(FEWEST_VECTORS, fitting)))


def top(
    landscape: Landscape, streams: Streams, count: int = 1, tolerance: float = 1e-4, most_products: int = 200
) -> Eigenvalues:
    """The `count` algebraically largest eigenvalues, to `tolerance` of the largest magnitude, or NaN."""
    like = landscape.weights
    settings = (count, tolerance, most_products, room(like, count))
    return top_eigenvalues(landscape.hessian_vector_product, like, streams, *settings)


def bottom(
    landscape: Landscape, streams: Streams, tolerance: float = 1e-4, most_products: int = 200
) -> Eigenvalues:
    """The algebraically smallest eigenvalue, to `tolerance` of the largest magnitude, or NaN."""
    like = landscape.weights
    settings = (1, tolerance, most_products, room(like, 1))
    return bottom_eigenvalues(landscape.hessian_vector_product, like, streams, *settings)


def trace_and_norm(
    landscape: Landscape, streams: Streams, probes: int
) -> tuple[Estimate | None, Estimate | None]:
    """Trace of the Hessian, and its Frobenius norm √(Σ λ²); with 0 probes nothing is estimated.

    The trace is exact, with error and products 0, where the net allows it.
    """
    exact = traces.exact_by_tensor(landscape).sum(0) if traces.is_exact_for(landscape.model) else None
    known = None if exact is None else Estimate(exact, torch.zeros_like(exact), 0, "exact")
    if not probes:
        return known, None
    operator = landscape.hessian_vector_product
    found, square = trace_and_squared_norm(operator, landscape.weights, streams, probes)
    norm = square.value.sqrt()
    error = torch.where(square.error > 0, square.error / (2 * norm), 0.0)  # not 0/0 of a Hessian that is 0
    return known or found, Estimate(norm, error, square.products, square.method)


def trace_and_squared_norm(
    operator: Operator, like: torch.Tensor, streams: Streams, probes: int
) -> tuple[Estimate, Estimate]:
    """Estimates of trace A and trace A² from the same 2 * probes products; like: (s, p).

    By XTrace; where its blocks would take too much memory, by Hutchinson's plain mean; where there are
    no more weights than products, exactly.
    """
    if like.shape[1] <= 2 * probes:
        return traces.by_columns(operator, like)
    # Probes, their images, an orthonormal basis of these and its images.
    if 4 * probes * like.shape[1] * like.element_size() <= SKETCH_BYTES:
        sketched = traces.sketch(operator, like, streams, probes)
        return sketched.trace(), sketched.squared_norm()
    return traces.hutchinson(operator, like, streams, 2 * probes)


def layer_traces(landscape: Landscape, streams: Streams, probes: int) -> list[Estimate]:
    """Trace of each weight tensor's own block of the Hessian; with 0 probes nothing is estimated."""
    if traces.is_exact_for(landscape.model):
        found = traces.exact_by_tensor(landscape)
        return [Estimate(trace, torch.zeros_like(trace), 0, "exact") for trace in found]
    if not probes:
        return []
    return [
        trace_and_squared_norm(block, landscape.weights[:, where], streams, probes)[0]
        for where, block in blocks(landscape)
    ]


def layer_top_eigenvalues(
    landscape: Landscape, streams: Streams, tolerance: float = 1e-4, most_products: int = 200
) -> list[Eigenvalues]:
    """Largest eigenvalue of each weight tensor's own block of the Hessian, as in `top`."""
    found = []
    for where, block in blocks(landscape):
        like = landscape.weights[:, where]
        found.append(top_eigenvalues(block, like, streams, 1, tolerance, most_products, room(like, 1)))
    return found


def blocks(landscape: Landscape) -> list[tuple[slice, Operator]]:
    """Where each weight tensor lies in a flat vector, and its diagonal block of the Hessian."""
    found, offset = [], 0
    for size in landscape.sizes:
        where = slice(offset, offset + size)

        def block(v: torch.Tensor, where: slice = where) -> torch.Tensor:
            padded = torch.zeros_like(landscape.weights)
            padded[:, where] = v
            return landscape.hessian_vector_product(padded)[:, where]

        found.append((where, block))
        offset += size
    return found


def density(
    landscape: Landscape, streams: Streams, grid: torch.Tensor, width: float, probes: int, steps: int
) -> torch.Tensor:
    """Density of the Hessian's eigenvalues at the points of `grid` (m,); (s, m)."""
    return spectral_density(
        landscape.hessian_vector_product, landscape.weights, streams, grid, width, probes, steps
    )
