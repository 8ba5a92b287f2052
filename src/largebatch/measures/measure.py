"""Measure trained weights: each measure gives observations for every seed of an arm."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from largebatch.config.spec import Arm
from largebatch.data.randomness import generator, stream_seed
from largebatch.data.splits import Dataset, Splits
from largebatch.files import Observation
from largebatch.measures import curvature, equivalence, noise, paths, reference, sharpness, surface
from largebatch.measures.convex import least_squared_error
from largebatch.measures.descents import Snapshots, descents, way_of
from largebatch.measures.lanczos import Eigenvalues
from largebatch.measures.landscape import Landscape
from largebatch.measures.rescaling import rescaled
from largebatch.measures.trace import METHODS
from largebatch.metrics import BY_EPOCH
from largebatch.nets import models
from largebatch.nets.stack import POPULATION_BATCH, Stacked, stack

Weights = dict[str, np.ndarray]  # plain name -> (s, ...)

# Weights of so many seeds are measured together: of small nets all, of large ones one after another.
TOGETHER_BYTES = 16 << 20
# Relative error of the top eigenvalue that others are compared with.
TOLERANCE = 1e-4
# Gradients of each ascent to a rescaled net's adaptive sharpness.
RESCALED_STEPS = 20


@dataclass
class Nets:
    """What a measure is given: an arm's nets of some seeds, at given weights, in evaluation mode."""

    arm: Arm
    seeds: list[int]
    weights: Weights
    dataset: Dataset

    def __post_init__(self):
        data = self.arm.data
        self.splits = Splits(self.dataset, self.seeds, data.train, data.validation, data.test)

    def plain(self, lane: int) -> torch.nn.Module:
        """The plain net of one seed, in the mode it is built in."""
        net = self.untrained(self.seeds[lane]).to(self.dataset.device, self.dataset.dtype)
        # Nothing depends on BatchNorm's counters, which stacked nets do not have, nor is other state kept.
        unkept = {
            name: value
            for name, value in net.state_dict().items()
            if name.endswith("num_batches_tracked") or not isinstance(value, torch.Tensor)
        }
        net.load_state_dict(unkept | {n: torch.as_tensor(w[lane]) for n, w in self.weights.items()})
        return net

    def plain_problem(self, lane: int, examples: int):
        """Net, images (n, c, h, w) and labels (n,) of one seed, as other libraries want them."""
        images, labels = (part[lane] for part in self.examples(examples))
        return self.plain(lane).eval(), images, labels

    def untrained(self, seed: int) -> torch.nn.Module:
        """The plain net of one seed with its initial weights, in the mode it is built in."""
        options = self.arm.model.model_dump(exclude={"name"})
        return models.build(seed, self.arm.model.name, self.dataset.shape, self.dataset.classes, **options)

    def stacked(self) -> Stacked:
        """All nets as one module."""
        return stack([self.plain(lane) for lane in range(len(self.seeds))]).eval()

    def examples(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The first training images (s, n, c, h, w) and labels (s, n): `count`, or all there are."""
        return self.splits.examples(self.splits.rows["train"][:, :count])

    def tested(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The test images (s, n, c, h, w) and labels (s, n)."""
        return self.splits.examples(self.splits.rows["test"])

    def landscape(self, examples: int, dtype: torch.dtype | None = None) -> Landscape:
        """The mean loss on the first training examples as a function of the weights."""
        images, labels = self.examples(examples)
        dtype = dtype or images.dtype
        return Landscape(self.stacked().to(dtype), images.to(dtype), labels, self.arm.loss)

    def streams(self, purpose: str) -> list[torch.Generator]:
        return [generator(seed, purpose) for seed in self.seeds]

    def each(self, value: float) -> torch.Tensor:
        """The same value for every seed; (s,)."""
        return torch.full((len(self.seeds),), float(value), dtype=torch.float64)

    def rows(self, metric: str, at: float | None, values: torch.Tensor) -> Iterator[Observation]:
        """One observation a seed; values: (s,)."""
        for seed, value in zip(self.seeds, values.tolist(), strict=True):
            yield Observation(seed, metric, at, value)

    def known(self, metric: str, found: Eigenvalues) -> torch.Tensor:
        """The eigenvalues (s, k), NaN where one is not known well enough; the job's log then says why."""
        for place, reason in found.reasons.items():
            print(f"{metric} of seed {self.seeds[place]} is left out: {reason}", file=sys.stderr)
        return found.values


def measure_curvature(nets: Nets, backend: str, **options) -> Iterator[Observation]:
    """Eigenvalues, trace and Frobenius norm of the Hessian."""
    yield from CURVATURES[backend](nets, **options)


def by_lanczos(
    nets: Nets,
    examples: int,
    top: int,
    tolerance: float,
    most_products: int,
    probes: int,
    bottom: bool,
    per_layer: bool,
) -> Iterator[Observation]:
    landscape, streams = nets.landscape(examples), nets.streams("curvature")
    found = curvature.top(landscape, streams, top, tolerance, most_products)
    values = nets.known("hessian_top_eigenvalue", found)
    yield from nets.rows("hessian_top_eigenvalue", None, values[:, 0])
    yield from nets.rows("hessian_top_eigenvalue_products", None, found.products)
    if top > 1:
        for rank, of_rank in enumerate(values.T, start=1):
            yield from nets.rows("hessian_eigenvalue", rank, of_rank)
    if bottom:
        metric = "hessian_bottom_eigenvalue"
        lowest = nets.known(metric, curvature.bottom(landscape, streams, tolerance, most_products))
        yield from nets.rows(metric, None, lowest[:, 0])
    trace, norm = curvature.trace_and_norm(landscape, streams, probes)
    for metric, estimate in (("hessian_trace", trace), ("hessian_frobenius_norm", norm)):
        if estimate is not None:
            yield from nets.rows(metric, None, estimate.value)
            yield from nets.rows(f"{metric}_se", None, estimate.error)
            yield from nets.rows(f"{metric}_products", None, nets.each(estimate.products))
            yield from nets.rows(f"{metric}_method", None, nets.each(METHODS.index(estimate.method)))
    if per_layer:
        for number, trace in enumerate(curvature.layer_traces(landscape, streams, probes)):
            yield from nets.rows("layer_trace", number, trace.value)
            yield from nets.rows("layer_trace_se", number, trace.error)
        tops = curvature.layer_top_eigenvalues(landscape, streams, tolerance, most_products)
        for number, found in enumerate(tops):
            values = nets.known(f"layer_top_eigenvalue {number}", found)
            yield from nets.rows("layer_top_eigenvalue", number, values[:, 0])


def by_pyhessian(
    nets: Nets,
    examples: int,
    top: int,
    tolerance: float,
    most_products: int,
    probes: int,
    bottom: bool,
    per_layer: bool,
) -> Iterator[Observation]:
    """What PyHessian knows: the eigenvalue largest in magnitude, and the trace by Hutchinson's estimator."""
    if top > 1 or bottom or per_layer:
        raise ValueError("curvature: PyHessian knows top: 1, bottom: false, per_layer: false; got others")
    for lane, seed in enumerate(nets.seeds):
        problem = nets.plain_problem(lane, examples)
        stream = stream_seed(seed, "curvature")
        found = reference.top_eigenvalue(*problem, most_products, tolerance, stream, nets.arm.loss)
        yield Observation(seed, "hessian_top_eigenvalue", None, found)
        if probes:
            value, error = reference.trace(*problem, probes, stream, nets.arm.loss)
            yield Observation(seed, "hessian_trace", None, value)
            yield Observation(seed, "hessian_trace_se", None, error)
            yield Observation(seed, "hessian_trace_products", None, probes)
            yield Observation(seed, "hessian_trace_method", None, METHODS.index("hutchinson"))


CURVATURES: dict[str, Callable[..., Iterator[Observation]]] = {
    "lanczos": by_lanczos,
    "pyhessian": by_pyhessian,
}


def measure_agreement(
    nets: Nets, examples: int, eigenvalue_iterations: int, eigenvalue_tolerance: float, trace_probes: int
) -> Iterator[Observation]:
    """PyHessian's eigenvalue and trace, how far they lie from ours, and how far they may.

    Power iteration stops when two steps differ by less than its tolerance, which bounds no error: where the
    two largest eigenvalues are 0.5 % apart, a hundred times that is left. So much is allowed, and our own
    tolerance. Of the trace, four standard errors of the difference.
    """
    landscape, streams = nets.landscape(examples), nets.streams("curvature")
    tops = nets.known("agreement", curvature.top(landscape, streams, tolerance=TOLERANCE))[:, 0].tolist()
    exact, _ = curvature.trace_and_norm(landscape, streams, 0)
    traces = exact or curvature.trace_and_norm(landscape, streams, trace_probes)[0]
    for lane, seed in enumerate(nets.seeds):
        problem, stream = nets.plain_problem(lane, examples), stream_seed(seed, "curvature")
        settings = (eigenvalue_iterations, eigenvalue_tolerance, stream, nets.arm.loss)
        top = reference.top_eigenvalue(*problem, *settings)
        value, error = reference.trace(*problem, trace_probes, stream, nets.arm.loss)
        trace, own_error = traces.value[lane].item(), traces.error[lane].item()
        differences = (abs(top - tops[lane]) / abs(tops[lane]), abs(value - trace) / abs(trace))
        tolerances = (100 * eigenvalue_tolerance + TOLERANCE, 4 * math.hypot(error, own_error) / abs(trace))
        outside = any(d > t for d, t in zip(differences, tolerances, strict=True))
        missed = math.nan if math.isnan(tops[lane]) else float(outside)
        for metric, number in (
            ("pyhessian_top_eigenvalue", top),
            ("eigenvalue_difference_percent", 100 * differences[0]),
            ("eigenvalue_tolerance_percent", 100 * tolerances[0]),
            ("pyhessian_trace", value),
            ("trace_difference_percent", 100 * differences[1]),
            ("trace_tolerance_percent", 100 * tolerances[1]),
            ("agreement_missed", missed),
        ):
            yield Observation(seed, metric, None, number)


def measure_density(
    nets: Nets, examples: int, low: float, high: float, points: int, width: float, probes: int, steps: int
) -> Iterator[Observation]:
    """Density of the Hessian's eigenvalues on an even grid."""
    grid = torch.linspace(low, high, points, dtype=torch.float64)
    landscape, streams = nets.landscape(examples), nets.streams("curvature")
    found = curvature.density(landscape, streams, grid, width, probes, steps)
    for eigenvalue, values in zip(grid.tolist(), found.T, strict=True):
        yield from nets.rows("hessian_density", eigenvalue, values)


def measure_keskar(
    nets: Nets, examples: int, epsilon: Sequence[float], iterations: int
) -> Iterator[Observation]:
    """Keskar's Metric 2.1 in the whole space."""
    landscape = nets.landscape(examples, torch.float64)
    for size in epsilon:
        found = sharpness.keskar(landscape, size, nets.streams("sharpness"), iterations)
        yield from nets.rows("sharpness_percent", size, found)


def measure_keskar_subspace(
    nets: Nets, examples: int, epsilon: Sequence[float], iterations: int, dimensions: int
) -> Iterator[Observation]:
    """Keskar's Metric 2.1 in a random subspace."""
    landscape = nets.landscape(examples, torch.float64)
    for size in epsilon:
        streams = nets.streams("sharpness")
        found = sharpness.keskar_subspace(landscape, size, streams, dimensions, iterations)
        yield from nets.rows("subspace_sharpness_percent", size, found)


def measure_ball(
    nets: Nets,
    examples: int,
    rho: Sequence[float],
    adaptive_rho: Sequence[float],
    sigma: Sequence[float],
    steps: int,
    directions: int,
) -> Iterator[Observation]:
    """Worst rise in a ball, in one scaled by the weights, and mean rise under noise."""
    landscape = nets.landscape(examples)
    for radius in rho:
        worst = sharpness.sam(landscape, radius, steps, nets.streams("sharpness"))
        yield from nets.rows("sam_sharpness_nats", radius, worst)
    for radius in adaptive_rho:
        worst = sharpness.adaptive(landscape, radius, steps, nets.streams("sharpness"))
        yield from nets.rows("adaptive_sharpness_nats", radius, worst)
    for size in sigma:
        mean, error = sharpness.average(landscape, size, directions, nets.streams("sharpness"))
        yield from nets.rows("average_sharpness_nats", size, mean)
        yield from nets.rows("average_sharpness_nats_se", size, error)


def measure_surface(
    nets: Nets,
    examples: int,
    reach: float,
    points: int,
    plane_points: int,
    directions: int,
    radius: Sequence[float],
    renormalise: bool,
) -> Iterator[Observation]:
    """The loss along random directions and on a plane of two.

    Filter-normalised directions are measured in the lengths of the weights' own filters, plain ones in
    the length of the seed's initial weights, which all arms of an experiment share.
    """
    landscape, streams = nets.landscape(examples), nets.streams("surface")
    start = lengths_at_start(nets).to(landscape.weights)
    drawn = {
        "": [surface.filter_normalised(landscape, streams) for _ in range(directions)],
        "plain_": [surface.plain_direction(landscape, streams) * start for _ in range(directions)],
    }
    distances = np.linspace(-reach, reach, points).tolist()
    for kind, found in drawn.items():
        losses = surface.along(landscape, found[0], distances, renormalise)
        for distance, values in zip(distances, losses, strict=True):
            yield from nets.rows(f"{kind}surface_loss_nats", distance, values)
        for size in radius:
            rise = surface.rise(landscape, found, size)
            yield from nets.rows(f"{kind}surface_rise_nats", size, rise)
    sides = np.linspace(-reach, reach, plane_points).tolist()
    first, second = (surface.filter_normalised(landscape, streams) for _ in range(2))
    losses = surface.plane(landscape, first, second, sides)
    for i, x in enumerate(sides):
        for j, y in enumerate(sides):
            index = i * plane_points + j
            yield from nets.rows("plane_x", index, nets.each(x))
            yield from nets.rows("plane_y", index, nets.each(y))
            yield from nets.rows("plane_loss_nats", index, losses[i, j])


def lengths_at_start(nets: Nets) -> torch.Tensor:
    """Length of each seed's initial weights; (s, 1)."""
    starts = [nets.untrained(seed).parameters() for seed in nets.seeds]
    trained = [torch.cat([p.detach().flatten() for p in start if p.requires_grad]) for start in starts]
    return torch.stack([start.norm() for start in trained])[:, None]


def measure_noise(
    nets: Nets, examples: int, batch_sizes: Sequence[int], draws: int, small: int, large: int
) -> Iterator[Observation]:
    """Variance of the gradient over examples and mini-batches, and the gradient noise scale."""
    landscape = nets.landscape(examples)
    exact = noise.exact_noise(landscape)
    yield from nets.rows("per_example_gradient_variance", None, exact.variance)
    yield from nets.rows("gradient_noise_scale", None, exact.scale)
    estimated = noise.two_batch_noise(landscape, small, large, draws, nets.streams("noise"))
    yield from nets.rows("gradient_noise_scale_two_batch", None, estimated.scale)
    variances = noise.gradient_variance(landscape, batch_sizes, draws, nets.streams("noise"))
    for size, values in zip(batch_sizes, variances, strict=True):
        yield from nets.rows("gradient_variance", size, values)


def measure_rescaling(
    nets: Nets, examples: int, alpha: Sequence[float], epsilon: float, rho: float
) -> Iterator[Observation]:
    """Measures of sharpness of the same function at rescaled weights."""
    images, labels = nets.examples(examples)
    images = images.double()
    model = nets.stacked().double()
    with torch.no_grad():
        logits = model(images)
    for factor in alpha:
        twin = rescaled(model, factor)
        landscape = Landscape(twin, images, labels, nets.arm.loss)
        with torch.no_grad():
            change = (twin(images) - logits).abs().amax((1, 2))
        found = curvature.top(landscape, nets.streams("curvature"))
        top = nets.known(f"rescaled_top_eigenvalue at {factor:g}", found)[:, 0]
        box = sharpness.keskar(landscape, epsilon, nets.streams("sharpness"))
        ball = sharpness.adaptive(landscape, rho, RESCALED_STEPS, nets.streams("sharpness"))
        yield from nets.rows("rescaled_logit_change", factor, change)
        yield from nets.rows("rescaled_top_eigenvalue", factor, top)
        yield from nets.rows("rescaled_sharpness_percent", factor, box)
        yield from nets.rows("rescaled_adaptive_sharpness_nats", factor, ball)


def measure_excess(nets: Nets, examples: int) -> Iterator[Observation]:
    """Mean squared error of a linear net above the least that any such net has."""
    model, loss = nets.arm.model, nets.arm.loss
    if loss != "squared_error" or model.name != "mlp" or model.hidden:
        wanted = "wanted loss: squared_error and a net that is linear (mlp with hidden: [])"
        raise ValueError(f"excess: {wanted}; got {loss} and {model.name} with {model.chosen()}")
    landscape = nets.landscape(examples, torch.float64)
    images, labels = nets.examples(examples)
    least = least_squared_error(images.double(), labels, nets.dataset.classes)
    yield from nets.rows("excess_squared_error", None, landscape.loss(landscape.weights).cpu() - least)


def measure_equivalence(nets: Nets, **options) -> Iterator[Observation]:
    """Differences between ways to make the same updates from the initial weights."""
    arm = nets.arm
    if arm.optimiser.name != "sgd":
        raise ValueError(f"equivalence: wanted optimiser: sgd; got {arm.optimiser.name}")
    sgd = {"lr": arm.peak_lr, "weight_decay": arm.weight_decay, **arm.optimiser.model_dump(exclude={"name"})}
    images, labels = (part.cpu() for part in nets.examples(arm.data.train))
    problems = [
        equivalence.Problem(nets.untrained(seed).double(), images[lane].double(), labels[lane], arm.loss, sgd)
        for lane, seed in enumerate(nets.seeds)
    ]
    found = equivalence.differences(problems, nets.streams("order"), arm.batch_size, **options)
    for metric, values in found:
        yield from nets.rows(metric, None, torch.tensor(values, dtype=torch.float64))


MEASURES: dict[str, Callable[..., Iterator[Observation]]] = {
    "curvature": measure_curvature,
    "density": measure_density,
    "agreement": measure_agreement,
    "keskar": measure_keskar,
    "keskar_subspace": measure_keskar_subspace,
    "ball": measure_ball,
    "surface": measure_surface,
    "noise": measure_noise,
    "rescaling": measure_rescaling,
    "excess": measure_excess,
    "equivalence": measure_equivalence,
}


def measure(
    name: str, settings: dict, arm: Arm, seeds: list[int], weights: Weights, dataset: Dataset
) -> list[Observation]:
    """One measure of all seeds of an arm; weights: plain name -> (s, ...) in the order of `seeds`."""
    found = []
    for lanes in groups_of(seeds, weights, dataset):
        of_group = {n: w[lanes] for n, w in weights.items()}
        found += MEASURES[name](Nets(arm, [seeds[lane] for lane in lanes], of_group, dataset), **settings)
    return found


def groups_of(seeds: list[int], weights: Weights, dataset: Dataset) -> list[np.ndarray]:
    """The places in `seeds` of those that are measured together."""
    if not seeds:
        return []
    size = sum(w[0].size for w in weights.values()) * dataset.dtype.itemsize
    return np.array_split(np.arange(len(seeds)), -(-len(seeds) // max(1, TOGETHER_BYTES // size)))


def measure_by_epoch(
    name: str, settings: dict, arm: Arm, snapshots: dict[int, tuple[list[int], Weights]], dataset: Dataset
) -> list[Observation]:
    """A measure of the snapshots of an arm's weights; snapshots: epoch -> (seeds, weights).

    Metrics end in _by_epoch, with the epoch in place of their own position.
    """
    found = []
    for epoch, (seeds, weights) in snapshots.items():
        for row in measure(name, settings, arm, seeds, weights, dataset):
            if f"{row.metric}_by_epoch" in BY_EPOCH:
                found.append(row._replace(metric=f"{row.metric}_by_epoch", at=epoch))
    return found + against_stability(arm, found)


def against_stability(arm: Arm, rows: list[Observation]) -> list[Observation]:
    """Top eigenvalues along training over the stability threshold, and the threshold itself."""
    threshold = stability_threshold(arm)
    tops = [row for row in rows if row.metric == "hessian_top_eigenvalue_by_epoch"]
    if threshold is None:
        return []
    ratios = [r._replace(metric="stability_ratio_by_epoch", value=r.value / threshold) for r in tops]
    seeds = sorted({row.seed for row in tops})
    return ratios + [Observation(seed, "stability_threshold", None, threshold) for seed in seeds]


def stability_threshold(arm: Arm) -> float | None:
    """The curvature above which gradient descent on a quadratic diverges; None where it is not known.

    (2 + 2β) / η, with Nesterov's momentum (2 + 2β) / ((1 + 2β) η). Cohen et al. 2021, equation 1. Of the
    full batch at a constant rate, and nothing else.
    """
    others = (arm.warmup, arm.sharpness_aware, arm.gradient_penalty, arm.proximal)
    plain = arm.schedule.name == "constant" and not any(others)
    if arm.optimiser.name != "sgd" or arm.batch_size < arm.data.train or not plain:
        return None
    beta = arm.optimiser.momentum
    return (2 + 2 * beta) / ((1 + 2 * beta * arm.optimiser.nesterov) * arm.peak_lr)


def measure_path(
    arms: tuple[Arm, Arm],
    seeds: list[int],
    weights: tuple[Weights, Weights],
    dataset: Dataset,
    snapshots: tuple[Snapshots, Snapshots] = ({}, {}),
    plane_points: int | None = None,
    **settings,
) -> list[Observation]:
    """Loss and accuracy between the minima of two runs, seed by seed, on the line and on the arc.

    With plane_points, also the losses on the plane through their start and ends, and their ways on it.
    """
    found = []
    for lanes in groups_of(seeds, weights[0], dataset):
        of_group = [seeds[lane] for lane in lanes]
        ends = [
            Nets(arm, of_group, {n: w[lanes] for n, w in of_end.items()}, dataset)
            for arm, of_end in zip(arms, weights, strict=True)
        ]
        found += path_between(*ends, **settings)
        ways = [way_of(nets, kept) for nets, kept in zip(ends, snapshots, strict=True)]
        if plane_points and all(0 in way for way in ways):
            found += descents(*ends, *ways, settings["examples"], plane_points, settings["renormalise"])
    return found


def path_between(
    start: Nets, end: Nets, examples: int | None, points: int, low: float, high: float, renormalise: bool
) -> Iterator[Observation]:
    """The same of some seeds together."""
    ends = [nets.landscape(examples or nets.arm.data.train) for nets in (start, end)]
    alphas = path_points(points, low, high)
    batches = ends[0].images.split(POPULATION_BATCH, dim=1) if renormalise else None
    apart = paths.distance(ends[0].weights, ends[1].weights)
    yield from start.rows("distance_between_minima", None, apart)
    for kind, prefix in (("line", "path"), ("arc", "arc")):
        profile = paths.evaluate_path(*ends, kind, alphas, start.tested(), batches)
        for metric, values in profile.items():
            for alpha, of_alpha in zip(alphas, values, strict=True):
                yield from start.rows(f"{prefix}_{metric}", alpha, of_alpha)
        before, behind = paths.rises(profile["loss_nats"], alphas)
        yield from start.rows(f"{prefix}_rise_before_nats", None, before)
        yield from start.rows(f"{prefix}_rise_behind_nats", None, behind)


def path_points(points: int, low: float, high: float) -> list[float]:
    """Even values of alpha from low to high, with both ends of the path, 0 and 1, among them."""
    even = np.linspace(low, high, points)
    return np.unique(np.round([*even, 0.0, 1.0], 12)).tolist()
