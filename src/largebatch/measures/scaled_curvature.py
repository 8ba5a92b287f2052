"""Curvature in units of each weight tensor's own length, which rescaling of layers does not change.

w_l are the weights of products (linear layers, convolutions), H_l their blocks of the Hessian H, and S is
the diagonal matrix with ‖w_l‖ for every weight of w_l and 0 for biases and normalisation. With d = S u,

    f(w + d) = f(w) + gradient + uᵀ S H S u / 2 + ...,   trace S H S = Σ_l ‖w_l‖² trace H_l

A factor α on w_l leaves S H S as it is, if 1/α elsewhere (Dinh et al. 2017) or BatchNorm behind w_l leaves
the function as it is. Rangamani et al. 2019 measure in these units. Biases and normalisation stand still:
a bias before BatchNorm can be moved at will while training, so its length means nothing.
"""

from collections.abc import Iterator

import torch

from largebatch.config.flatness import ScaledCurvature
from largebatch.files import Observation
from largebatch.measures import trace as traces
from largebatch.measures.curvature import Streams, most_vectors
from largebatch.measures.lanczos import Eigenvalues, gaussian, top_eigenvalues
from largebatch.measures.landscape import Landscape
from largebatch.measures.nets import Nets
from largebatch.nets.stack import decay_groups


def products_of(landscape: Landscape) -> list[int]:
    """The numbers of the weight tensors w_l among all."""
    numbers, _ = decay_groups(landscape.model, everything=False)
    if not numbers:
        raise ValueError("scaled curvature: wanted a linear layer or a convolution; got none")
    return numbers


def squared_lengths(landscape: Landscape) -> torch.Tensor:
    """‖w_l‖² of each weight tensor, 0 of biases and normalisation; (tensors, s) in double precision."""
    tensors = landscape.weights.split(landscape.sizes, dim=1)
    found = torch.stack([tensor.square().sum(1, dtype=torch.float64) for tensor in tensors])
    kept = torch.zeros(len(tensors), 1, dtype=found.dtype, device=found.device)
    kept[products_of(landscape)] = 1.0
    return kept * found


def scaled_top(
    landscape: Landscape, streams: Streams, tolerance: float = 1e-4, most_products: int = 200
) -> Eigenvalues:
    """Largest eigenvalue of S H S, to `tolerance` of the largest magnitude, or NaN."""
    like = landscape.weights
    sizes = torch.tensor(landscape.sizes, device=like.device)
    lengths = squared_lengths(landscape).sqrt().to(like.dtype).T.repeat_interleave(sizes, dim=1)

    def operator(v: torch.Tensor) -> torch.Tensor:
        return lengths * landscape.hessian_vector_product(lengths * v)

    return top_eigenvalues(operator, like, streams, 1, tolerance, most_products, most_vectors(like, 1))


def tensor_traces(landscape: Landscape, streams: Streams, probes: int) -> torch.Tensor:
    """trace H_l of every tensor: exact where the net allows it, else one estimate per probe; (m, tensors, s).

    A vector z of random signs serves all blocks: the mean of z_lᵀ (H z)_l is trace H_l (Hutchinson 1989).
    """
    if traces.is_exact_for(landscape):
        return traces.exact_by_tensor(landscape)[None]
    found = []
    for _ in range(probes):
        z = gaussian(landscape.weights, streams).sign()
        by_tensor = (z * landscape.hessian_vector_product(z)).split(landscape.sizes, dim=1)
        found.append(torch.stack([part.sum(1, dtype=torch.float64) for part in by_tensor]))
    return torch.stack(found)


def measure_scaled_curvature(nets: Nets, settings: ScaledCurvature) -> Iterator[Observation]:
    """Trace and top eigenvalue of S H S, the trace without S, and what lies between the two."""
    landscape, streams = nets.landscape(settings.examples), nets.streams("curvature")
    numbers, squares = products_of(landscape), squared_lengths(landscape)
    yield from nets.rows("weight_length", None, squares.sum(0).sqrt())
    each = tensor_traces(landscape, streams, settings.probes)[:, numbers]
    squares, plain = squares[numbers], each.mean(0)
    scaled = squares * plain
    yield from nets.rows("weight_hessian_trace", None, plain.sum(0))
    yield from nets.rows("scaled_hessian_trace", None, scaled.sum(0))
    yield from nets.rows("scaled_hessian_trace_se", None, standard_error((squares * each).sum(1)))
    yield from nets.rows("mean_squared_length", None, scaled.sum(0) / plain.sum(0))
    for number, square, trace in zip(numbers, squares, scaled, strict=True):
        yield from nets.rows("layer_squared_length", number, square)
        yield from nets.rows("layer_scaled_trace", number, trace)
    if settings.eigenvalue:
        found = scaled_top(landscape, streams, settings.tolerance, settings.most_products)
        values = nets.known("scaled_top_eigenvalue", found)
        yield from nets.rows("scaled_top_eigenvalue", None, values[:, 0])
        yield from nets.rows("scaled_top_eigenvalue_products", None, found.products)


def standard_error(each: torch.Tensor) -> torch.Tensor:
    """Of the mean of estimates (m, s) -> (s,); 0 of one that is exact."""
    return each.std(0) / len(each) ** 0.5 if len(each) > 1 else torch.zeros_like(each[0])
