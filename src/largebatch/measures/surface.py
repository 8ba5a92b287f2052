"""The loss along random directions through given weights, as Li et al. 2018 draw it."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy

import numpy as np
import torch

from largebatch.config.flatness import LossSurface
from largebatch.files import Observation
from largebatch.measures.landscape import Landscape
from largebatch.measures.nets import Nets
from largebatch.measures.sharpness import normal, of_length
from largebatch.nets.layers import Stacked, StackedLinear
from largebatch.nets.stack import POPULATION_BATCH, estimate_population_statistics

# Directions


def filter_normalised(landscape: Landscape, generators: list[torch.Generator]) -> torch.Tensor:
    """A Gaussian direction with each filter as long as that filter of the weights; (s, p).

    Li et al. 2018, section 4. A filter is what leads to one output: the incoming weights of a neuron, one
    output channel of a convolution. Biases and BatchNorm's parameters stay where they are.
    """
    spared = {id(p) for m in landscape.model.modules() if isinstance(m, Stacked) for p in m.spared()}
    drawn = landscape.tensors(normal(landscape, generators))
    parts = []
    for (name, weight), noise in zip(landscape.model.named_parameters(), drawn, strict=True):
        if id(weight) in spared:
            parts.append(torch.zeros_like(noise))
        else:
            within = filter_dimensions(landscape, name)
            length, drawn_length = (
                torch.linalg.vector_norm(t.detach(), dim=within, keepdim=True) for t in (weight, noise)
            )
            parts.append(noise * (length / drawn_length))
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def filter_dimensions(landscape: Landscape, name: str) -> tuple[int, ...]:
    """The dimensions of a stacked weight that run within a filter."""
    layer = landscape.model.get_submodule(name.rpartition(".")[0])
    if isinstance(layer, StackedLinear):
        return (1,)  # (s, in, out)
    return tuple(range(2, landscape.model.get_parameter(name).ndim))  # (s, out, ...)


def plain_direction(landscape: Landscape, generators: list[torch.Generator]) -> torch.Tensor:
    """A Gaussian direction of length 1 over all weights, (s, p), whatever the weights; the baseline.

    Uniform on the sphere: Li et al.'s raw N(0, I) has length sqrt(p) to within a percent or so. A distance
    along it is one between weights, and means less the larger the weights are.
    """
    return of_length(normal(landscape, generators), 1.0)


# Losses


def along(
    landscape: Landscape, direction: torch.Tensor, distances: Sequence[float], renormalise: bool = False
) -> torch.Tensor:
    """Mean loss at x + distance * direction; direction (s, p) -> (points, s).

    renormalise: BatchNorm's population statistics are re-estimated at each point, on the landscape's
    images; else they stay those of x.
    """
    moving = own_copy(landscape)
    batches = landscape.images.split(POPULATION_BATCH, dim=1) if renormalise else None
    points = (landscape.weights + float(distance) * direction for distance in distances)
    return torch.stack([moving.loss(point) for point in visited(moving, points, batches)])


def plane(
    landscape: Landscape, first: torch.Tensor, second: torch.Tensor, distances: Sequence[float]
) -> torch.Tensor:
    """Mean loss at x + distances[i] * first + distances[j] * second; (i, j, s)."""
    losses = [landscape.loss(point) for point in grid(landscape, first, second, distances)]
    return torch.stack(losses).unflatten(0, (len(distances),) * 2)


def grid(
    landscape: Landscape, first: torch.Tensor, second: torch.Tensor, distances: Sequence[float]
) -> Iterator[torch.Tensor]:
    """The points x + distances[i] * first + distances[j] * second, j the faster; (s, p) each."""
    for u, v in itertools.product(map(float, distances), repeat=2):
        yield landscape.weights + u * first + v * second


def rise(landscape: Landscape, directions: Iterable[torch.Tensor], radius: float) -> torch.Tensor:
    """Mean of f(x ± radius * direction) - f(x) over directions (s, p) and both signs; (s,)."""
    if radius <= 0:
        raise ValueError(f"surface: radius above 0; got {radius}")
    both = [along(landscape, direction, [-radius, radius]).mean(0) for direction in directions]
    if not both:
        raise ValueError("surface: at least one direction; got none")
    return torch.stack(both).mean(0) - landscape.loss(landscape.weights)


# Models that go along


def own_copy(landscape: Landscape) -> Landscape:
    """The same landscape on a copy of its model, which may then be changed."""
    return Landscape(deepcopy(landscape.model), landscape.images, landscape.labels, landscape.kind)


@torch.no_grad()
def move(landscape: Landscape, point: torch.Tensor) -> None:
    """Give the landscape's model the weights of a point (s, p); `landscape.weights` stay what they were."""
    for weight, values in zip(landscape.model.parameters(), landscape.tensors(point), strict=True):
        weight.copy_(values)


def visited(
    moving: Landscape, points: Iterable[torch.Tensor], batches: Sequence[torch.Tensor] | None
) -> Iterator[torch.Tensor]:
    """The same points, one after another, the landscape's model with its statistics moved to each.

    batches: images (s, b, c, h, w) on which BatchNorm's population statistics are re-estimated; with None
    they stay as they are.
    """
    for point in points:
        if batches is not None:
            move(moving, point)
            estimate_population_statistics(moving.model, batches)
        yield point


# As a measure


def measure_surface(nets: Nets, settings: LossSurface) -> Iterator[Observation]:
    """The loss along random directions and on a plane of two.

    Filter-normalised directions are measured in the lengths of the weights' own filters, plain ones in
    the length of the seed's initial weights, which all arms of an experiment share.
    """
    landscape, streams = nets.landscape(settings.examples), nets.streams("surface")
    start = lengths_at_start(nets).to(landscape.weights)
    count = settings.directions
    drawn = {
        "": [filter_normalised(landscape, streams) for _ in range(count)],
        "plain_": [plain_direction(landscape, streams) * start for _ in range(count)],
    }
    distances = np.linspace(-settings.reach, settings.reach, settings.points).tolist()
    for kind, found in drawn.items():
        losses = along(landscape, found[0], distances, settings.renormalise)
        for distance, values in zip(distances, losses, strict=True):
            yield from nets.rows(f"{kind}surface_loss_nats", distance, values)
        for size in settings.radius:
            yield from nets.rows(f"{kind}surface_rise_nats", size, rise(landscape, found, size))
    sides = np.linspace(-settings.reach, settings.reach, settings.plane_points).tolist()
    losses = plane(landscape, *(filter_normalised(landscape, streams) for _ in range(2)), sides)
    for index, (i, j) in enumerate(itertools.product(range(len(sides)), repeat=2)):
        yield from nets.rows("plane_x", index, nets.each(sides[i]))
        yield from nets.rows("plane_y", index, nets.each(sides[j]))
        yield from nets.rows("plane_loss_nats", index, losses[i, j])


def lengths_at_start(nets: Nets) -> torch.Tensor:
    """Length of each seed's initial weights; (s, 1)."""
    starts = [nets.untrained(seed).parameters() for seed in nets.seeds]
    trained = [torch.cat([p.detach().flatten() for p in start if p.requires_grad]) for start in starts]
    return torch.stack([start.norm() for start in trained])[:, None]
