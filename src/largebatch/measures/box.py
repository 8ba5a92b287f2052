"""L-BFGS-B in the box |x_i| <= 1, on the device of its vectors (Byrd, Lu, Nocedal and Zhu 1995).

It tries the same points as SciPy's, up to rounding. SciPy's points may lie just beside a bound; ours lie on
it. A test compares them. SciPy goes through the bounds one by one in Python whenever it is called, which
takes longer than ten gradients of a net of 26,000 weights, and it works on a CPU alone.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from largebatch.measures.line_search import steps

# Pairs of steps and changes of the gradient kept; trials along one line.
MOST_PAIRS, MOST_TRIALS = 10, 20
BREAKPOINTS_AT_ONCE = 1 << 14
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

    def add(self, step: torch.Tensor, change: torch.Tensor) -> bool:
        """Take in a pair whose inner product is positive; whether B is sound, which rounding may spoil."""
        self.steps = torch.cat([self.steps, step[None]])[-MOST_PAIRS:]
        self.changes = torch.cat([self.changes, change[None]])[-MOST_PAIRS:]
        return self._build((change @ change / (step @ change)).item())

    def _build(self, theta: float) -> bool:
        """All that follows from the pairs; whether B is positive definite."""
        self.theta, self.w = theta, torch.cat([self.changes, theta * self.steps])
        by_step = self.steps @ self.changes.T
        lower, scaled = by_step.tril(-1), theta * (self.steps @ self.steps.T)
        self.inner = torch.cat(
            [
                torch.cat([-torch.diag(by_step.diagonal()), lower.T], 1),
                torch.cat([lower, scaled], 1),
            ]
        )
        return bool(torch.linalg.cholesky_ex(scaled + lower / by_step.diagonal() @ lower.T).info == 0)

    def times_m(self, vectors: torch.Tensor) -> torch.Tensor:
        """M times a vector (2m,), or columns (2m, k)."""
        return torch.linalg.solve(self.inner, vectors)

    def __len__(self) -> int:
        return len(self.steps)


class CauchyPoint(NamedTuple):
    """The first minimum of the model along the projected gradient.

    c: W (x - start), (2m,); free: the variables that are not at a bound.
    """

    x: torch.Tensor
    c: torch.Tensor
    free: torch.Tensor


class Reached(NamedTuple):
    """Where the path along the projected gradient is at t, with the names of algorithm CP.

    f1, f2: f' and f'', the model's derivatives by t; p, c: W d and W (x - start), (2m,).
    """

    t: torch.Tensor
    f1: torch.Tensor
    f2: torch.Tensor
    p: torch.Tensor
    c: torch.Tensor

    def advanced(self, by: torch.Tensor) -> "Reached":
        """The same at t + by, with no breakpoint in between."""
        return Reached(self.t + by, self.f1 + by * self.f2, self.f2, self.p, self.c + by * self.p)


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
        try:
            target = goal(x, gradient, pairs)
        except torch.linalg.LinAlgError:  # a singular system; without pairs there is none to solve
            pairs = Pairs(start)
            continue
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
        if step @ change > -EPSILON * (gradient @ step) and not pairs.add(step, change):
            pairs = Pairs(start)
        x, value, gradient = found


def goal(x: torch.Tensor, gradient: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """About where the model is least in the box."""
    point = cauchy_point(x, gradient, pairs)
    if not len(pairs) or not point.free.any():
        return point.x
    return subspace_minimum(x, gradient, point, pairs)


def cauchy_point(x: torch.Tensor, gradient: torch.Tensor, pairs: Pairs) -> CauchyPoint:
    """Algorithm CP; what it adds up breakpoint by breakpoint are running sums here."""
    stuck = ((x <= -1) & (gradient >= 0)) | ((x >= 1) & (gradient <= 0))
    d = torch.where(stuck, 0.0, -gradient)
    moving = d.nonzero()[:, 0]
    breakpoints, order = ((d[moving].sign() - x[moving]) / d[moving]).sort()
    moving = moving[order]
    p, square = pairs.w @ d, d @ d
    f2 = pairs.theta * square - p @ pairs.times_m(p)
    reached = Reached(torch.zeros_like(square), -square, f2, p, torch.zeros_like(p))
    least_f2, passed = EPSILON * pairs.theta * square, 0
    for some in moving.split(BREAKPOINTS_AT_ONCE):
        count, reached = pass_breakpoints(
            reached,
            breakpoints[passed : passed + len(some)],
            d[some],
            x[some],
            pairs.w[:, some],
            pairs,
            least_f2,
        )
        passed += count
        if count < len(some):  # the model is least before the next breakpoint
            reached = reached.advanced((-reached.f1 / reached.f2).clamp_min(0.0))
            break
    free = ~stuck
    free[moving[:passed]] = False
    there = (x + reached.t * d).clamp(-1.0, 1.0)
    there[moving[:passed]] = d[moving[:passed]].sign()
    return CauchyPoint(there, reached.c, free)


def pass_breakpoints(
    reached: Reached,
    breakpoints: torch.Tensor,
    d: torch.Tensor,
    x: torch.Tensor,
    w: torch.Tensor,
    pairs: Pairs,
    least_f2: torch.Tensor,
) -> tuple[int, Reached]:
    """How many of these breakpoints, (k,) ascending, are passed, and what is reached behind them.

    d, x: (k,) and w: (2m, k) of the variables that come to a bound there.
    """
    waits = breakpoints.diff(prepend=reached.t[None])
    left, by_m = d * w, pairs.times_m(w)
    ps = reached.p[:, None] - running(left)  # (2m, k + 1): before the first breakpoint, behind each
    cs = reached.c[:, None] + running(waits * ps[:, :-1])
    # With d_b = -g_b and z_b = x_b(t) - x_b, a breakpoint adds to f'' and to f' (algorithm CP):
    #   -θ g_b² - 2 g_b w_bᵀ M p - g_b² w_bᵀ M w_b = d_b (2 w_bᵀ M p - d_b (θ + w_bᵀ M w_b)),
    #   g_b² + θ g_b z_b - g_b w_bᵀ M c = d_b (d_b - θ z_b + w_bᵀ M c), beside waits times f''.
    turns = 2 * (ps[:, :-1] * by_m).sum(0) - d * (pairs.theta + (w * by_m).sum(0))
    f2s = (reached.f2 + running(d * turns)).clamp_min(least_f2)
    losses = d - pairs.theta * (d.sign() - x) + (cs[:, 1:] * by_m).sum(0)
    f1s = reached.f1 + running(waits * f2s[:-1] + d * losses)
    over = (-f1s[:-1] < waits * f2s[:-1]).nonzero()
    count = int(over[0, 0]) if len(over) else len(breakpoints)
    t = breakpoints[count - 1] if count else reached.t
    return count, Reached(t, f1s[count], f2s[count], ps[:, count], cs[:, count])


def running(terms: torch.Tensor) -> torch.Tensor:
    """Sums of the first 0 to k terms; (..., k) -> (..., k + 1)."""
    return torch.nn.functional.pad(terms.cumsum(-1), (1, 0))


def subspace_minimum(
    x: torch.Tensor, gradient: torch.Tensor, point: CauchyPoint, pairs: Pairs
) -> torch.Tensor:
    """The model's minimum over what is free, brought back into the box.

    By projection (Morales and Nocedal 2011); where that leads uphill, by stopping at the first bound.
    """
    free = point.free.nonzero()[:, 0]
    w, at = pairs.w[:, free], point.x[free]
    residual = w.T @ pairs.times_m(point.c) - gradient[free] - pairs.theta * (at - x[free])
    inner = torch.linalg.solve(pairs.inner - w @ w.T / pairs.theta, w @ residual)
    way = (residual + w.T @ inner / pairs.theta) / pairs.theta
    found = point.x.clone()
    found[free] = (at + way).clamp(-1.0, 1.0)
    if (found - x) @ gradient > 0:
        found[free] = (at + way * to_first_bound(at, way).clamp_max(1.0)).clamp(-1.0, 1.0)
    return found


def to_first_bound(x: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    """The longest step along `way` that stays in the box; ()."""
    return torch.where(way == 0, math.inf, (way.sign() - x) / way).amin()


def on_bounds(x: torch.Tensor) -> torch.Tensor:
    """x with what is at a bound, up to rounding, on it: else the next step would only go the rest."""
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

    bounded: whether a step may be longer than 1, up to the first bound.
    """
    slope = (gradient @ way).item()
    if not slope < 0:
        return None
    longest = max(1.0, to_first_bound(x, way).item()) if bounded else 1.0
    search = steps(value, slope, longest)
    step = next(search)
    for _ in range(MOST_TRIALS):
        there = on_bounds(x + step * way)
        height, uphill = function(there)
        if not math.isfinite(height):
            return None
        try:
            step = search.send((height, (uphill @ way).item()))
        except StopIteration:
            return there, height, uphill
    return None
