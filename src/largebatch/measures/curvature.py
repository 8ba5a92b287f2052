"""Curvature of a landscape at its own weights: of the Hessian of the mean loss, all seeds at once."""

from collections.abc import Callable, Iterator

import torch

from largebatch.config.flatness import Curvature, Density
from largebatch.data.randomness import stream_seed
from largebatch.files import Observation
from largebatch.measures import reference
from largebatch.measures import trace as traces
from largebatch.measures.krylov import Operator
from largebatch.measures.lanczos import Eigenvalues, bottom_eigenvalues, spectral_density, top_eigenvalues
from largebatch.measures.landscape import Landscape
from largebatch.measures.nets import Nets
from largebatch.measures.trace import Estimate

Streams = list[torch.Generator]

# What the Lanczos vectors, and what the blocks of a sketch, may take of one seed: by seed, so that how a
# number is found does not depend on its company.
BASIS_BYTES, SKETCH_BYTES = 256 << 20, 512 << 20
FEWEST_VECTORS, MOST_VECTORS = 6, 64


def most_vectors(like: torch.Tensor, count: int) -> int:
    """How many vectors to hold: as many as BASIS_BYTES hold, within limits."""
    fitting = BASIS_BYTES // (like.shape[1] * like.element_size())
    return max(2 * count + 4, min(MOST_VECTORS, max(FEWEST_VECTORS, fitting)))


def top(
    landscape: Landscape, streams: Streams, count: int = 1, tolerance: float = 1e-4, most_products: int = 200
) -> Eigenvalues:
    """The `count` algebraically largest eigenvalues, to `tolerance` of the largest magnitude, or NaN."""
    like = landscape.weights
    settings = (count, tolerance, most_products, most_vectors(like, count))
    return top_eigenvalues(landscape.hessian_vector_product, like, streams, *settings)


def bottom(
    landscape: Landscape, streams: Streams, tolerance: float = 1e-4, most_products: int = 200
) -> Eigenvalues:
    """The algebraically smallest eigenvalue, to `tolerance` of the largest magnitude, or NaN."""
    like = landscape.weights
    settings = (1, tolerance, most_products, most_vectors(like, 1))
    return bottom_eigenvalues(landscape.hessian_vector_product, like, streams, *settings)


def trace_and_norm(
    landscape: Landscape, streams: Streams, probes: int
) -> tuple[Estimate | None, Estimate | None]:
    """Trace of the Hessian, and its Frobenius norm √(Σ λ²); with 0 probes nothing is estimated.

    The trace is exact, without error or Hessian-vector products, where the net allows it.
    """
    exact = traces.exact_by_tensor(landscape).sum(0) if traces.is_exact_for(landscape) else None
    known = None if exact is None else traces.known(exact)
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
    """Estimates of trace A and trace A² from the same 2 * probes products with A; like: (s, p).

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
    if traces.is_exact_for(landscape):
        return [traces.known(trace) for trace in traces.exact_by_tensor(landscape)]
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
        settings = (1, tolerance, most_products, most_vectors(like, 1))
        found.append(top_eigenvalues(block, like, streams, *settings))
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


def measure_curvature(nets: Nets, settings: Curvature) -> Iterator[Observation]:
    """Eigenvalues, trace and Frobenius norm of the Hessian."""
    yield from BACKENDS[settings.backend](nets, settings)


def by_lanczos(nets: Nets, settings: Curvature) -> Iterator[Observation]:
    landscape, streams = nets.landscape(settings.examples), nets.streams("curvature")
    precision = settings.tolerance, settings.most_products
    found = top(landscape, streams, settings.top, *precision)
    values = nets.known("hessian_top_eigenvalue", found)
    yield from nets.rows("hessian_top_eigenvalue", None, values[:, 0])
    yield from nets.rows("hessian_top_eigenvalue_products", None, found.products)
    if settings.top > 1:
        for rank, of_rank in enumerate(values.T, start=1):
            yield from nets.rows("hessian_eigenvalue", rank, of_rank)
    if settings.bottom:
        metric = "hessian_bottom_eigenvalue"
        lowest = nets.known(metric, bottom(landscape, streams, *precision))
        yield from nets.rows(metric, None, lowest[:, 0])
    trace, norm = trace_and_norm(landscape, streams, settings.probes)
    for metric, estimate in (("hessian_trace", trace), ("hessian_frobenius_norm", norm)):
        if estimate is not None:
            yield from nets.rows(metric, None, estimate.value)
            yield from nets.rows(f"{metric}_se", None, estimate.error)
            yield from nets.rows(f"{metric}_products", None, nets.each(estimate.products))
            yield from nets.rows(f"{metric}_method", None, nets.each(traces.METHODS.index(estimate.method)))
    if settings.per_layer:
        yield from by_layer(nets, landscape, streams, settings)


def by_layer(
    nets: Nets, landscape: Landscape, streams: Streams, settings: Curvature
) -> Iterator[Observation]:
    for number, trace in enumerate(layer_traces(landscape, streams, settings.probes)):
        yield from nets.rows("layer_trace", number, trace.value)
        yield from nets.rows("layer_trace_se", number, trace.error)
    tops = layer_top_eigenvalues(landscape, streams, settings.tolerance, settings.most_products)
    for number, found in enumerate(tops):
        values = nets.known(f"layer_top_eigenvalue {number}", found)
        yield from nets.rows("layer_top_eigenvalue", number, values[:, 0])


def by_pyhessian(nets: Nets, settings: Curvature) -> Iterator[Observation]:
    """What PyHessian knows: the eigenvalue largest in magnitude, and the trace by Hutchinson's estimator."""
    for index, seed in enumerate(nets.seeds):
        problem = nets.plain_problem(index, settings.examples)
        stream = stream_seed(seed, "curvature")
        precision = settings.most_products, settings.tolerance
        found = reference.top_eigenvalue(*problem, *precision, stream, nets.arm.loss)
        yield Observation(seed, "hessian_top_eigenvalue", None, found)
        if settings.probes:
            value, error = reference.trace(*problem, settings.probes, stream, nets.arm.loss)
            yield Observation(seed, "hessian_trace", None, value)
            yield Observation(seed, "hessian_trace_se", None, error)
            yield Observation(seed, "hessian_trace_products", None, settings.probes)
            yield Observation(seed, "hessian_trace_method", None, traces.METHODS.index("hutchinson"))


BACKENDS: dict[str, Callable[[Nets, Curvature], Iterator[Observation]]] = {
    "lanczos": by_lanczos,
    "pyhessian": by_pyhessian,
}


def measure_density(nets: Nets, settings: Density) -> Iterator[Observation]:
    """Density of the Hessian's eigenvalues on an even grid."""
    grid = torch.linspace(settings.low, settings.high, settings.points, dtype=torch.float64)
    landscape, streams = nets.landscape(settings.examples), nets.streams("curvature")
    given = (landscape.hessian_vector_product, landscape.weights, streams, grid)
    found = spectral_density(*given, settings.width, settings.probes, settings.steps)
    for eigenvalue, values in zip(grid.tolist(), found.T, strict=True):
        yield from nets.rows("hessian_density", eigenvalue, values)
