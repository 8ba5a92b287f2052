"""Measure trained weights: each measure gives observations for every seed of an arm."""

from collections.abc import Callable, Iterator
from importlib import import_module

import numpy as np

from largebatch.config.measures import Path, class_of, settings_of
from largebatch.config.spec import Arm
from largebatch.data.splits import Dataset
from largebatch.files import Observation
from largebatch.measures import paths
from largebatch.measures.descents import Snapshots, descents, way_of
from largebatch.measures.nets import Nets, Weights, groups_of
from largebatch.metrics import BY_EPOCH
from largebatch.nets.stack import POPULATION_BATCH


def maker_of(name: str) -> Callable[..., Iterator[Observation]]:
    """What makes a measure of some seeds' nets and the measure's settings; see config/measures.py."""
    return getattr(import_module(f"{__package__}.{class_of(name).module}"), f"measure_{name}")


def measure(
    name: str, settings: dict, arm: Arm, seeds: list[int], weights: Weights, dataset: Dataset
) -> list[Observation]:
    """One measure of all seeds of an arm; weights: plain name -> (s, ...) in the order of `seeds`.

    settings: those of the measure's class in config/measures.py.
    """
    found, made_by, checked = [], maker_of(name), settings_of(name, settings)
    for group in groups_of(seeds, weights, dataset):
        of_group = {n: w[group] for n, w in weights.items()}
        found += made_by(Nets(arm, [seeds[i] for i in group], of_group, dataset), checked)
    return found


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
    threshold = arm.stability_threshold
    tops = [row for row in rows if row.metric == "hessian_top_eigenvalue_by_epoch"]
    if threshold is None:
        return []
    ratios = [r._replace(metric="stability_ratio_by_epoch", value=r.value / threshold) for r in tops]
    seeds = sorted({row.seed for row in tops})
    return ratios + [Observation(seed, "stability_threshold", None, threshold) for seed in seeds]


def measure_path(
    arms: tuple[Arm, Arm],
    seeds: list[int],
    weights: tuple[Weights, Weights],
    dataset: Dataset,
    snapshots: tuple[Snapshots, Snapshots] = ({}, {}),
    **settings,
) -> list[Observation]:
    """Loss and accuracy between the minima of two runs, seed by seed, on the line and on the arc.

    With plane_points, also the losses on the plane through their start and ends, and their ways on it.
    """
    found, checked = [], settings_of("path", settings)
    for group in groups_of(seeds, weights[0], dataset):
        ends = [
            Nets(arm, [seeds[i] for i in group], {n: w[group] for n, w in of_end.items()}, dataset)
            for arm, of_end in zip(arms, weights, strict=True)
        ]
        found += path_between(*ends, checked)
        ways = [way_of(nets, kept) for nets, kept in zip(ends, snapshots, strict=True)]
        if checked.plane_points and all(0 in way for way in ways):
            found += descents(*ends, *ways, checked)
    return found


def path_between(start: Nets, end: Nets, settings: Path) -> Iterator[Observation]:
    """The same of some seeds together."""
    ends = [nets.landscape(settings.examples or nets.arm.data.train) for nets in (start, end)]
    alphas = path_points(settings.points, settings.low, settings.high)
    batches = ends[0].images.split(POPULATION_BATCH, dim=1) if settings.renormalise else None
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
