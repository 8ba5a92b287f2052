"""Curvature of a landscape at its own weights: of the Hessian of the mean loss, all seeds at once."""

import torch

from largebatch.lab import trace as traces
from largebatch.lab.lanczos import (
    Eigenvalues,
    Operator,
    bottom_eigenvalues,
    gaussian,
    spectral_density,
    top_eigenvalues,
)
from largebatch.lab.landscape import Landscape
from largebatch.lab.trace import Estimate

Streams = list[torch.Generator]

# What the Lanczos vectors, and what the blocks of a sketch, may take of one seed: by seed, so that how a
# number is found does not depend on its company.
BASIS_BYTES, SKETCH_BYTES = 256 << 20, 512 << 20
FEWEST_VECTORS, MOST_VECTORS = 6, 32
# Share of a random direction in the start: at an exact minimum the gradient alone would be nothing.
RANDOM_SHARE = 0.1


def start(landscape: Landscape, streams: Streams) -> torch.Tensor:
    """A first guess of the top eigenvector, (s, p): the gradient, and a little of a random direction.

    Gradients of trained nets lie mostly in the space of the top eigenvectors (Gur-Ari et al. 2018), so
    this saves products.
    """
    random = gaussian(landscape.weights, streams)
    gradient = landscape.gradient(landscape.weights)[1]
    length = gradient.norm(dim=1, keepdim=True)
    unit = torch.where(length > 0, gradient / length.clamp_min(torch.finfo(length.dtype).tiny), 0.0)
    return unit + RANDOM_SHARE * random / random.norm(dim=1, keepdim=True)


def room(like: torch.Tensor, count: int) -> int:
    """How many Lanczos vectors to keep: as many as BASIS_BYTES hold, within limits."""
    fitting = BASIS_BYTES // (like.shape[1] * like.element_size())
    return max(count + 3, min(MOST_VECTORS, max(FEWEST_VECTORS, fitting)))


def top(
    landscape: Landscape, streams: Streams, count: int = 1, tolerance: float = 1e-4, most_products: int = 200
) -> Eigenvalues:
    """The `count` algebraically largest eigenvalues, to a relative error of about `tolerance`."""
    return top_eigenvalues(
        landscape.hessian_vector_product,
        start(landscape, streams),
        streams,
        count,
        tolerance,
        most_products,
        room(landscape.weights, count),
    )


def bottom(
    landscape: Landscape, streams: Streams, tolerance: float = 1e-4, most_products: int = 200
) -> Eigenvalues:
    """The algebraically smallest eigenvalue; its error is at most about `tolerance` of the largest one."""
    return bottom_eigenvalues(
        landscape.hessian_vector_product,
        gaussian(landscape.weights, streams),
        streams,
        1,
        tolerance,
        most_products,
        room(landscape.weights, 1),
    )


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
    return known or found, Estimate(norm, square.error / (2 * norm), square.products, square.method)


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
) -> torch.Tensor:
    """Largest eigenvalue of each weight tensor's own block of the Hessian; (tensors, s)."""
    first = start(landscape, streams)
    found = []
    for where, block in blocks(landscape):
        guess = first[:, where]
        keep = room(guess, 1)
        found.append(top_eigenvalues(block, guess, streams, 1, tolerance, most_products, keep).values[:, 0])
    return torch.stack(found)


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
