"""L-BFGS-B in the box |x_i| <= 1, on the device of its vectors (Byrd, Lu, Nocedal and Zhu 1995).

It tries the same points as SciPy's, but for rounding, which leaves SciPy beside a wall now and then; a test
compares them. SciPy goes through the bounds one by one in Python whenever it is called, which takes longer
than ten gradients of a net of 26,000 weights, and it works on a CPU alone.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from largebatch.measures.line_search import steps

# Pairs of steps and gradients kept; trials along one line; walls that are passed at a time.
MOST_PAIRS, MOST_TRIALS, AT_A_TIME = 10, 20, 1 << 14
EPSILON = torch.finfo(torch.float64).eps
ROUNDINGS = 10

# x (n,) -> value, gradient (n,)
Function = Callable[[torch.Tensor], tuple[float, torch.Tensor]]


class Pairs:
    """B = θ I - Wᵀ M W from the last steps and the changes of the gradient along them; equations 3.2 to 3.5.

    W: (2m, n), of m pairs the changes and then the steps times θ. M is the inverse of `inner`.
    """

    def __init__(self, like: torch.Tensor):
        self.steps = self.changes = like.new_zeros(0, len(like))
        self._build(1.0)

    def add(self, step: torch.Tensor, change: torch.Tensor) -> None:
        """Take in a pair whose inner product is positive; where rounding spoils B, forget all."""
        self.steps = torch.cat([self.steps, step[None]])[-MOST_PAIRS:]
        self.changes = torch.cat([self.changes, change[None]])[-MOST_PAIRS:]
        self._build((change @ change / (step @ change)).item())

    def _build(self, theta: float) -> None:
        self.theta, self.w = theta, torch.cat([self.changes, theta * self.steps])
        by_step = self.steps @ self.changes.T
        lower, scaled = by_step.tril(-1), theta * (self.steps @ self.steps.T)
        self.inner = torch.cat(
            [
                torch.cat([-torch.diag(by_step.diagonal()), lower.T], 1),
                torch.cat([lower, scaled], 1),
            ]
        )
        sound = torch.linalg.cholesky_ex(scaled + lower / by_step.diagonal() @ lower.T).info == 0
        if len(self.steps) and not sound:
            self.__init__(self.steps[0])

    def times_m(self, vectors: torch.Tensor) -> torch.Tensor:
        """M times a vector (2m,), or columns (2m, k)."""
        return torch.linalg.solve(self.inner, vectors)

    def __len__(self) -> int:
        return len(self.steps)


class CauchyPoint(NamedTuple):
    """The first minimum of the model on the way downhill, along the walls that it meets.

    moved: W (x - start), (2m,); free: what has not come to a wall.
    """

    x: torch.Tensor
    moved: torch.Tensor
    free: torch.Tensor


class Reached(NamedTuple):
    """Where the way downhill is, at a time.

    slope, bend: the model's first and second derivative by time; pull, moved: W way and W (x - start), (2m,).
    """

    time: torch.Tensor
    slope: torch.Tensor
    bend: torch.Tensor
    pull: torch.Tensor
    moved: torch.Tensor

    def on(self, seconds: torch.Tensor) -> "Reached":
        """The same a while later, with no wall in between."""
        return Reached(
            self.time + seconds,
            self.slope + seconds * self.bend,
            self.bend,
            self.pull,
            self.moved + seconds * self.pull,
        )


def minimise(function: Function, start: torch.Tensor, iterations: int) -> None:
    """Call the function at the points of so many iterations from `start` (n,) in the box.

    Fewer where there is no way down. Whoever wants a point or its value keeps it.
    """
    if not (start.abs() <= 1).all():
        raise ValueError(f"box: wanted a start with all |x_i| <= 1; got up to {start.abs().max().item():g}")
    x, pairs = start, Pairs(start)
    value, gradient = function(x)
    done = 0
    while done < iterations and ((x - gradient).clamp(-1.0, 1.0) != x).any():
        target = goal(x, gradient, pairs)
        found = along(function, x, target - x, value, gradient, bounded=done > 0)
        if found is None:
            if not len(pairs):
                return
            pairs = Pairs(start)
            continue
        done += 1
        step, change = found[0] - x, found[2] - gradient
        if not found[1] < value:
            return
        if step @ change > -EPSILON * (gradient @ step):
            pairs.add(step, change)
        x, value, gradient = found


def goal(x: torch.Tensor, gradient: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """About where the model is least in the box."""
    point = cauchy_point(x, gradient, pairs)
    if not len(pairs) or not point.free.any():
        return point.x
    return subspace_minimum(x, gradient, point, pairs)


def cauchy_point(x: torch.Tensor, gradient: torch.Tensor, pairs: Pairs) -> CauchyPoint:
    """Algorithm CP; what it adds up wall by wall are running sums here."""
    stuck = ((x <= -1) & (gradient >= 0)) | ((x >= 1) & (gradient <= 0))
    way = torch.where(stuck, 0.0, -gradient)
    moving = way.nonzero()[:, 0]
    times, order = ((way[moving].sign() - x[moving]) / way[moving]).sort()
    moving = moving[order]
    pull, square = pairs.w @ way, way @ way
    bend = pairs.theta * square - pull @ pairs.times_m(pull)
    reached = Reached(torch.zeros_like(square), -square, bend, pull, torch.zeros_like(pull))
    least_bend, passed = EPSILON * pairs.theta * square, 0
    for some in moving.split(AT_A_TIME):
        count, reached = pass_walls(
            reached,
            times[passed : passed + len(some)],
            way[some],
            x[some],
            pairs.w[:, some],
            pairs,
            least_bend,
        )
        passed += count
        if count < len(some):  # the model is least before the next wall
            reached = reached.on((-reached.slope / reached.bend).clamp_min(0.0))
            break
    free = ~stuck
    free[moving[:passed]] = False
    there = (x + reached.time * way).clamp(-1.0, 1.0)
    there[moving[:passed]] = way[moving[:passed]].sign()
    return CauchyPoint(there, reached.moved, free)


def pass_walls(
    reached: Reached,
    times: torch.Tensor,
    way: torch.Tensor,
    x: torch.Tensor,
    w: torch.Tensor,
    pairs: Pairs,
    least_bend: torch.Tensor,
) -> tuple[int, Reached]:
    """How many of these walls, (k,) in the order of their times, are passed, and what is reached behind them.

    way, x: (k,) and w: (2m, k) of the variables that come to a wall.
    """
    waits = times.diff(prepend=reached.time[None])
    left, by_m = way * w, pairs.times_m(w)
    pulls = reached.pull[:, None] - running(left)  # (2m, k + 1): before the first wall, behind each
    moved = reached.moved[:, None] + running(waits * pulls[:, :-1])
    turns = 2 * (pulls[:, :-1] * by_m).sum(0) - way * (pairs.theta + (w * by_m).sum(0))
    bends = (reached.bend + running(way * turns)).clamp_min(least_bend)
    losses = way - pairs.theta * (way.sign() - x) + (moved[:, 1:] * by_m).sum(0)
    slopes = reached.slope + running(waits * bends[:-1] + way * losses)
    over = (-slopes[:-1] < waits * bends[:-1]).nonzero()
    count = int(over[0, 0]) if len(over) else len(times)
    time = times[count - 1] if count else reached.time
    return count, Reached(time, slopes[count], bends[count], pulls[:, count], moved[:, count])


def running(terms: torch.Tensor) -> torch.Tensor:
    """Sums of the first 0 to k terms; (..., k) -> (..., k + 1)."""
    return torch.nn.functional.pad(terms.cumsum(-1), (1, 0))


def subspace_minimum(
    x: torch.Tensor, gradient: torch.Tensor, point: CauchyPoint, pairs: Pairs
) -> torch.Tensor:
    """The model's minimum over what is free, brought back into the box.

    By projection (Morales and Nocedal 2011); where that leads uphill, by stopping at the first wall.
    """
    free = point.free.nonzero()[:, 0]
    w, at = pairs.w[:, free], point.x[free]
    residual = w.T @ pairs.times_m(point.moved) - gradient[free] - pairs.theta * (at - x[free])
    inner = torch.linalg.solve(pairs.inner - w @ w.T / pairs.theta, w @ residual)
    way = (residual + w.T @ inner / pairs.theta) / pairs.theta
    found = point.x.clone()
    found[free] = (at + way).clamp(-1.0, 1.0)
    if (found - x) @ gradient > 0:
        found[free] = (at + way * first_wall(at, way).clamp_max(1.0)).clamp(-1.0, 1.0)
    return found


def first_wall(x: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    """The longest step along `way` that stays in the box; ()."""
    return torch.where(way == 0, math.inf, (way.sign() - x) / way).amin()


def on_walls(x: torch.Tensor) -> torch.Tensor:
    """x with what is at a wall, but for rounding, on it: else the next step would only go the rest."""
    return torch.where(x.abs() > 1 - ROUNDINGS * EPSILON, x.sign(), x)


def along(
    function: Function,
    x: torch.Tensor,
    way: torch.Tensor,
    value: float,
    gradient: torch.Tensor,
    bounded: bool,
) -> tuple[torch.Tensor, float, torch.Tensor] | None:
    """Point, value and gradient that a line search from x finds; None where it finds nothing.

    bounded: whether a step may be longer than 1, up to the first wall.
    """
    slope = (gradient @ way).item()
    if not slope < 0:
        return None
    longest = max(1.0, first_wall(x, way).item()) if bounded else 1.0
    search = steps(value, slope, longest)
    step = next(search)
    for _ in range(MOST_TRIALS):
        there = on_walls(x + step * way)
        height, uphill = function(there)
        if not math.isfinite(height):
            return None
        try:
            step = search.send((height, (uphill @ way).item()))
        except StopIteration:
            return there, height, uphill
    return None
