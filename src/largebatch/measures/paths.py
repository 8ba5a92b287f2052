"""Loss and accuracy on the way from one minimum to another, as Keskar et al. 2017 draw it."""

import math
from collections.abc import Callable, Sequence

import torch

from largebatch.measures.landscape import Landscape
from largebatch.measures.surface import grid, move, own_copy, visited
from largebatch.nets.stack import estimate_population_statistics

# How far beyond its ends a path is looked at: at alpha = -0.5 and 1.5 an arc is nearly the zero function.
REACH = 0.25
# Values of alpha this close are the same.
CLOSE = 1e-9


def line(a: torch.Tensor, b: torch.Tensor, alpha: float) -> torch.Tensor:
    """(1 - alpha) a + alpha b: Keskar et al. 2017, figure 3."""
    return (1 - alpha) * a + alpha * b


def arc(a: torch.Tensor, b: torch.Tensor, alpha: float) -> torch.Tensor:
    """cos(alpha π/2) a + sin(alpha π/2) b: Keskar et al. 2017, figure 7."""
    angle = alpha * math.pi / 2
    return math.cos(angle) * a + math.sin(angle) * b


# From the start (alpha 0) to the end (alpha 1); points of weights (s, p).
PATHS: dict[str, Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {"line": line, "arc": arc}


def evaluate_path(
    start: Landscape,
    end: Landscape,
    kind: str,
    alphas: Sequence[float],
    held_out: tuple[torch.Tensor, torch.Tensor],
    statistics_batches: Sequence[torch.Tensor] | None = None,
) -> dict[str, torch.Tensor]:
    """Mean loss, and accuracy in percent of classes, at each alpha of a path; each (points, s).

    start, end: the same nets on the same training examples. held_out: images (s, n, c, h, w) and labels
    (s, n) of the test part. statistics_batches: training images (s, b, c, h, w), on which BatchNorm's
    population statistics are re-estimated at every point; with None they are those of the ends, mixed
    on the line whatever the path (a variance that is extrapolated below 0 counts as 0).
    """
    if kind not in PATHS:
        raise ValueError(f"path: kind one of {sorted(PATHS)}; got {kind!r}")
    if start.shapes != end.shapes:
        raise ValueError(f"path: wanted two nets of the same shapes; got {start.shapes} and {end.shapes}")
    train = own_copy(start)
    test = Landscape(train.model, *held_out, start.kind)
    names = ("loss_nats", "accuracy_percent", "test_loss_nats", "test_accuracy_percent")
    found: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    for alpha in map(float, alphas):
        point = PATHS[kind](start.weights, end.weights, alpha)
        move(train, point)
        if statistics_batches is None:
            mix_statistics(train, start, end, alpha)
        else:
            estimate_population_statistics(train.model, statistics_batches)
        for values, number in zip(
            found.values(), (*train.evaluate(point), *test.evaluate(point)), strict=True
        ):
            values.append(number)
    return {name: torch.stack(values) for name, values in found.items() if values[0] is not None}


def plane(
    origin: Landscape,
    first: torch.Tensor,
    second: torch.Tensor,
    places: Sequence[float],
    held_out: tuple[torch.Tensor, torch.Tensor],
    statistics_batches: Sequence[torch.Tensor] | None = None,
) -> dict[str, torch.Tensor]:
    """Mean losses at x + places[i] * first + places[j] * second, x the origin's weights; each (i, j, s).

    first, second: (s, p). held_out, statistics_batches: as of evaluate_path; with None for the latter they
    stay the origin's.
    """
    moving = own_copy(origin)
    parts = {"loss_nats": moving, "test_loss_nats": Landscape(moving.model, *held_out, origin.kind)}
    found: dict[str, list[torch.Tensor]] = {name: [] for name in parts}
    for point in visited(moving, grid(origin, first, second, places), statistics_batches):
        for name, part in parts.items():
            found[name].append(part.loss(point))
    shape = (len(places), len(places))
    return {name: torch.stack(losses).unflatten(0, shape) for name, losses in found.items()}


def shares(steps: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Of each step (s, p), its coordinates along first and second (s, p), least squares; (2, s) in double."""
    axes = torch.stack([first, second], dim=1).double()  # (s, 2, p)
    gram, along = axes @ axes.mT, axes @ steps.double()[:, :, None]
    return torch.linalg.solve(gram, along)[:, :, 0].T


@torch.no_grad()
def mix_statistics(mixed: Landscape, start: Landscape, end: Landscape, alpha: float) -> None:
    """Give a model the population statistics (1 - alpha) start + alpha end."""
    first, last = dict(start.model.named_buffers()), dict(end.model.named_buffers())
    for name, buffer in mixed.model.named_buffers():
        value = line(first[name], last[name], alpha)
        buffer.copy_(value.clamp_min(0) if name.endswith("running_var") else value)


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """‖a - b‖ of each seed's weights (s, p); (s,) in double precision."""
    return (a.double() - b.double()).norm(dim=1)


def rises(losses: torch.Tensor, alphas: Sequence[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """How much the loss rises before the start and behind the end of a path; (points, s) -> (s,) each.

    Mean over alpha in [-REACH, 0) above the loss at 0, and over (1, 1 + REACH] above that at 1.
    """
    at = torch.as_tensor(alphas, dtype=torch.float64, device=losses.device)
    before = mean_rise(losses, at, 0.0, (at >= -REACH - CLOSE) & (at < -CLOSE))
    behind = mean_rise(losses, at, 1.0, (at > 1 + CLOSE) & (at <= 1 + REACH + CLOSE))
    return before, behind


def mean_rise(losses: torch.Tensor, at: torch.Tensor, end: float, beyond: torch.Tensor) -> torch.Tensor:
    """Mean loss at the points `beyond` (points,) an end of the path over the loss there; (s,)."""
    here = (at - end).abs() <= CLOSE
    if here.sum() != 1 or not beyond.any():
        raise ValueError(
            f"path: wanted alpha = {end:g} once and some within {REACH:g} beyond; got {at.tolist()}"
        )
    return losses[beyond].mean(0) - losses[here][0]
