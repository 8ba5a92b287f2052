"""How far the mean loss rises around given weights: at worst in a box or a ball, on average under noise.

Everything is in nats but Metric 2.1, which is in percent of 1 + loss. Rises below about 1e-5 nats need a
Landscape in double precision: in single precision each loss is rounded at 1e-7 of its size.
"""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy

import torch

from largebatch.config.flatness import Ball, Keskar, KeskarRelative, KeskarSubspace
from largebatch.files import Observation
from largebatch.measures import box
from largebatch.measures.lanczos import gaussian
from largebatch.measures.landscape import Landscape
from largebatch.measures.nets import Nets
from largebatch.measures.sizes import sizes_of
from largebatch.nets.stack import keep_seeds

# L-BFGS-B starts at random points of the box shrunk to these shares of its width. At its very centre a
# minimum has no gradient, and close by only what training left of it; anywhere else, that of the curvature.
STARTS = (1e-3, 1.0)
# Root mean square of the first gradient in half-widths of the box: the first step reaches its walls.
STEEPNESS = 100.0


def of_seed(landscape: Landscape, index: int) -> Landscape:
    """The landscape of one of its seeds alone, with weights of its own: s = 1."""
    model = deepcopy(landscape.model)
    keep_seeds(model, torch.tensor([index], device=landscape.weights.device))
    one = slice(index, index + 1)
    return Landscape(model, landscape.images[one], landscape.labels[one], landscape.kind)


def normal(landscape: Landscape, generators: list[torch.Generator]) -> torch.Tensor:
    """Standard normal numbers shaped like the weights, (s, p), each seed's from its own stream."""
    if len(generators) != landscape.seeds:
        raise ValueError(f"wanted a generator for each of {landscape.seeds} seeds; got {len(generators)}")
    return gaussian(landscape.weights, generators)


# Metric 2.1


def keskar(
    landscape: Landscape, epsilon: float, generators: list[torch.Generator], iterations: int = 10
) -> torch.Tensor:
    """Sharpness in percent in the whole space; (s,). Keskar et al. 2017, Metric 2.1 with A = identity.

    100 (max f(x + z) - f(x)) / (1 + f(x)) over |z_i| <= epsilon (|x_i| + 1), by `iterations` of L-BFGS-B.
    A lower bound of the maximum: the highest point seen, on converged nets of digits between half and all
    of what a dozen longer runs find. Only a landscape in double precision will do.
    """
    return in_boxes(landscape, landscape.weights.abs() + 1, epsilon, generators, iterations)


def keskar_relative(
    landscape: Landscape, epsilon: float, generators: list[torch.Generator], iterations: int = 10
) -> torch.Tensor:
    """As `keskar`, over |z_i| <= epsilon |x_i|: Metric 2.1 without the 1 that it adds; (s,).

    That is the ball of `adaptive`, with the largest entry as its norm, and no less invariant.
    """
    return in_boxes(landscape, sizes_of(landscape), epsilon, generators, iterations)


def in_boxes(
    landscape: Landscape,
    sizes: torch.Tensor,
    epsilon: float,
    generators: list[torch.Generator],
    iterations: int,
) -> torch.Tensor:
    """Sharpness in percent over |z_i| <= epsilon sizes_i, seed by seed; sizes: (s, p) -> (s,)."""
    require_box(landscape, epsilon, generators, iterations)
    return torch.stack(
        [
            box_sharpness(of_seed(landscape, index), None, epsilon * sizes[index], generator, iterations)
            for index, generator in enumerate(generators)
        ]
    )


def keskar_subspace(
    landscape: Landscape,
    epsilon: float,
    generators: list[torch.Generator],
    dimensions: int = 100,
    iterations: int = 10,
) -> torch.Tensor:
    """Sharpness in percent in a random subspace; (s,). Keskar et al. 2017, Metric 2.1 with a random A.

    As `keskar`, over z = A y with |y_i| <= epsilon (|(A⁺x)_i| + 1). Each seed draws its own A (p, d), with
    standard normal entries. The paper does not say how long its columns are: with columns of length 1 the
    box would be so small that the answer were the gradient that training left.
    """
    require_box(landscape, epsilon, generators, iterations)
    if not 1 <= dimensions <= landscape.parameters:
        raise ValueError(
            f"sharpness: dimensions between 1 and the {landscape.parameters} weights; got {dimensions}"
        )
    found = []
    for index, generator in enumerate(generators):
        one = of_seed(landscape, index)
        shape = (one.parameters, dimensions)
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64, device=generator.device)
        matrix = drawn.to(one.weights.device)
        # A⁺x; a random A is well conditioned
        coordinates = torch.linalg.solve(matrix.T @ matrix, matrix.T @ one.weights[0])
        half_widths = epsilon * (coordinates.abs() + 1)
        found.append(box_sharpness(one, matrix, half_widths, generator, iterations))
    return torch.stack(found)


def require_box(
    landscape: Landscape, epsilon: float, generators: list[torch.Generator], iterations: int
) -> None:
    """Refuse what Metric 2.1 has no sound answer for."""
    if landscape.weights.dtype != torch.float64:
        raise ValueError(
            "sharpness: Metric 2.1 is a small difference of losses, wanted a landscape in torch.float64; "
            f"got {landscape.weights.dtype}"
        )
    if len(generators) != landscape.seeds:
        raise ValueError(f"wanted a generator for each of {landscape.seeds} seeds; got {len(generators)}")
    if epsilon <= 0 or iterations < 1:
        raise ValueError(
            f"sharpness: epsilon above 0, iterations from 1; got epsilon {epsilon}, iterations {iterations}"
        )


def box_sharpness(
    one: Landscape,
    matrix: torch.Tensor | None,
    half_widths: torch.Tensor,
    generator: torch.Generator,
    iterations: int,
) -> torch.Tensor:
    """Metric 2.1 of a single seed in this box, in percent; (). matrix: A (p, d), or None for the identity.

    The highest point is looked for in single precision; how high it is, is told in double.
    """
    at, loss = one.weights, one.loss(one.weights)[0]
    rough = in_single_precision(one)

    def step(y: torch.Tensor) -> torch.Tensor:
        return y if matrix is None else matrix @ y

    def rise(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, gradient = rough.gradient((at + step(y)).float())
        gradient = gradient[0].double()
        return value[0] - loss, gradient if matrix is None else matrix.T @ gradient

    highest = highest_in_box(rise, half_widths, generator, iterations)
    found = one.loss(at + step(highest))[0] - loss
    return 100 * found.clamp_min(0.0) / (1 + loss)  # x itself lies in the box


def in_single_precision(landscape: Landscape) -> Landscape:
    """The same landscape, faster and rounded."""
    model = deepcopy(landscape.model).float()
    return Landscape(model, landscape.images.float(), landscape.labels, landscape.kind)


def highest_in_box(
    function: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    half_widths: torch.Tensor,
    generator: torch.Generator,
    iterations: int,
) -> torch.Tensor:
    """The highest point seen of a function -> (value, gradient) in the box |y_i| <= half_widths_i; (m,).

    L-BFGS-B (Byrd et al. 1995), once from each of STARTS. Its first step is one gradient long, and uphill
    it meets no curvature from which to learn a better length. So with plain f and y (the paper says
    nothing of it) a gradient that is small against the box leaves the run near its start, however sharp
    the minimum. In units of half-widths and of the first gradient it reaches the walls.
    """
    highest, place = -math.inf, torch.full_like(half_widths, math.nan)  # where nothing is finite

    def downhill(units: torch.Tensor) -> tuple[float, torch.Tensor]:
        nonlocal highest, place
        y = half_widths * units
        value, gradient = function(y)
        if value.item() > highest:
            highest, place = value.item(), y
        return -value.item(), -half_widths * gradient

    for share in STARTS:
        units = torch.rand(
            half_widths.shape, generator=generator, dtype=torch.float64, device=generator.device
        )
        box.minimise(made_steep(downhill), (share * (2 * units - 1)).to(half_widths.device), iterations)
    return place


def made_steep(function: box.Function) -> box.Function:
    """The function scaled so that the root mean square of its first gradient is STEEPNESS, if it has any."""
    scale = None

    def scaled(units: torch.Tensor) -> tuple[float, torch.Tensor]:
        nonlocal scale
        value, gradient = function(units)
        if scale is None:
            steepness = gradient.square().mean().sqrt().item()
            scale = STEEPNESS / steepness if steepness else 0.0
        return scale * value, scale * gradient

    return scaled


# In a ball


def sam(landscape: Landscape, rho: float, steps: int, generators: list[torch.Generator]) -> torch.Tensor:
    """Worst rise max f(x + d) - f(x) over ‖d‖ <= rho; (s,), a lower bound. Foret et al. 2021, equation 1."""
    return highest_in_ball(landscape, torch.ones_like(landscape.weights), rho, steps, generators)


def adaptive(landscape: Landscape, rho: float, steps: int, generators: list[torch.Generator]) -> torch.Tensor:
    """Worst rise over d = |x| u (elementwise), ‖u‖ <= rho; (s,). Kwon et al. 2021, T_w = diag |w|.

    Unchanged when weights are rescaled without changing the net's function. Weights of 0 stay there, as do
    biases that BatchNorm takes away.
    """
    return highest_in_ball(landscape, sizes_of(landscape), rho, steps, generators)


def highest_in_ball(
    landscape: Landscape,
    scale: torch.Tensor,
    radius: float,
    steps: int,
    generators: list[torch.Generator],
) -> torch.Tensor:
    """Highest rise seen of f(x + scale u) over ‖u‖ <= radius; scale: (s, p) -> (s,).

    Projected ascent by steps of 2 radius, shrinking to 0 evenly: long ones act as power iteration on the
    Hessian, short ones settle on a curved rim. From SAM's point radius g/‖g‖ and from a random one, with
    `steps` gradients each.
    """
    if radius <= 0 or steps < 1:
        raise ValueError(f"sharpness: radius above 0, steps from 1; got radius {radius}, steps {steps}")

    def climb(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss, gradient = landscape.gradient(landscape.weights + scale * u)
        return loss, scale * gradient

    base, uphill = climb(torch.zeros_like(scale))
    highest = base
    for start in (uphill, normal(landscape, generators)):
        u = of_length(start, radius)
        for step in range(steps):
            loss, gradient = climb(u)
            highest = torch.maximum(highest, loss)
            u = u + of_length(gradient, 2 * radius * (1 - step / steps))
            u = u * (radius / u.norm(dim=1, keepdim=True).clamp_min(radius))
        highest = torch.maximum(highest, landscape.loss(landscape.weights + scale * u))
    return highest - base


def of_length(vectors: torch.Tensor, length: float) -> torch.Tensor:
    """Each of (s, p) at this Euclidean length; zeros stay."""
    norms = vectors.norm(dim=1, keepdim=True)
    return vectors * (length / norms.clamp_min(torch.finfo(vectors.dtype).tiny))


# Under noise


def average(
    landscape: Landscape, sigma: float, directions: int, generators: list[torch.Generator]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Expected rise of the loss under noise N(0, sigma² I) on the weights; (mean (s,), standard error (s,)).

    Each direction is taken both ways, which cancels the slope: what is left is sigma²/2 trace H and more.
    """
    if sigma <= 0 or directions < 2:
        raise ValueError(
            f"sharpness: sigma above 0, directions from 2; got sigma {sigma}, directions {directions}"
        )
    at, base = landscape.weights, landscape.loss(landscape.weights)
    rises = []
    for _ in range(directions):
        noise = sigma * normal(landscape, generators)
        rises.append((landscape.loss(at + noise) + landscape.loss(at - noise)) / 2 - base)
    found = torch.stack(rises)
    return found.mean(0), found.std(0) / directions**0.5


# As measures


def measure_keskar(nets: Nets, settings: Keskar) -> Iterator[Observation]:
    """Keskar's Metric 2.1 in the whole space."""
    landscape = nets.landscape(settings.examples, torch.float64)
    for size in settings.epsilon:
        found = keskar(landscape, size, nets.streams("sharpness"), settings.iterations)
        yield from nets.rows("sharpness_percent", size, found)


def measure_keskar_subspace(nets: Nets, settings: KeskarSubspace) -> Iterator[Observation]:
    """Keskar's Metric 2.1 in a random subspace."""
    landscape = nets.landscape(settings.examples, torch.float64)
    for size in settings.epsilon:
        streams = nets.streams("sharpness")
        found = keskar_subspace(landscape, size, streams, settings.dimensions, settings.iterations)
        yield from nets.rows("subspace_sharpness_percent", size, found)


def measure_keskar_relative(nets: Nets, settings: KeskarRelative) -> Iterator[Observation]:
    """The same in a box as wide as the weights are large."""
    landscape = nets.landscape(settings.examples, torch.float64)
    for size in settings.epsilon:
        found = keskar_relative(landscape, size, nets.streams("sharpness"), settings.iterations)
        yield from nets.rows("relative_sharpness_percent", size, found)


def measure_ball(nets: Nets, settings: Ball) -> Iterator[Observation]:
    """Worst rise in a ball, in one scaled by the weights, and mean rise under noise."""
    landscape = nets.landscape(settings.examples)
    for radius in settings.rho:
        worst = sam(landscape, radius, settings.steps, nets.streams("sharpness"))
        yield from nets.rows("sam_sharpness_nats", radius, worst)
    for radius in settings.adaptive_rho:
        worst = adaptive(landscape, radius, settings.steps, nets.streams("sharpness"))
        yield from nets.rows("adaptive_sharpness_nats", radius, worst)
    for size in settings.sigma:
        mean, error = average(landscape, size, settings.directions, nets.streams("sharpness"))
        yield from nets.rows("average_sharpness_nats", size, mean)
        yield from nets.rows("average_sharpness_nats_se", size, error)
