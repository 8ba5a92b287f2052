"""Moré and Thuente's line search (1994): a step that lowers a function enough, by cubics and parabolas."""

import math
from collections.abc import Generator
from typing import NamedTuple

# A step is long enough where the slope has fallen to this share, and lowers enough from this one on.
SLOPE_SHARE, DECREASE_SHARE = 0.9, 1e-3
# The bracket's length, as a share of its end, below which the search is over.
BRACKET_SHARE = 0.1
# How far beyond its best step a search without a bracket goes, in the last stride.
LEAST_STRIDE, MOST_STRIDE = 1.1, 4.0
# A bracket shrinks to this share in two trials, or is halved.
SHRINKING = 0.66


class Trial(NamedTuple):
    """A step, the function's value there, and its slope along the line."""

    step: float
    value: float
    slope: float

    def less(self, slope: float) -> "Trial":
        """The same of the function less a line of this slope."""
        return Trial(self.step, self.value - slope * self.step, self.slope - slope)


# Yields a step, is sent (value, slope) there; ends where the last step will do, or nothing better is found.
Steps = Generator[float, tuple[float, float], None]


def steps(value: float, slope: float, longest: float) -> Steps:
    """Steps to try, the first 1, none beyond `longest`, which is at least 1.

    value, slope: at 0, where the slope is negative.
    """
    wanted = DECREASE_SHARE * slope
    best = other = Trial(0.0, value, slope)
    bracketed, lowering = False, True  # lowering: no step yet that lowers enough and leads uphill
    low, high, step = 0.0, 1.0 + MOST_STRIDE, 1.0
    width, width_before = longest, 2 * longest
    while True:
        trial = Trial(step, *(yield step))
        enough = value + step * wanted
        if lowering and trial.value <= enough and trial.slope >= 0:
            lowering = False
        if is_over(trial, bracketed, (low, high), enough, wanted, longest):
            return
        if trial.value <= enough and abs(trial.slope) <= -SLOPE_SHARE * slope:
            return
        line = wanted if lowering and enough < trial.value <= best.value else 0.0
        three = (each.less(line) for each in (best, other, trial))
        best, other, step, bracketed = following(*three, bracketed, low, high)
        best, other = best.less(-line), other.less(-line)
        if bracketed:
            if abs(other.step - best.step) >= SHRINKING * width_before:
                step = best.step + 0.5 * (other.step - best.step)
            width, width_before = abs(other.step - best.step), width
            low, high = sorted((best.step, other.step))
        else:
            low = step + LEAST_STRIDE * (step - best.step)
            high = step + MOST_STRIDE * (step - best.step)
        step = min(max(step, 0.0), longest)
        if bracketed and (not low < step < high or high - low <= BRACKET_SHARE * high):
            step = best.step


def is_over(
    trial: Trial,
    bracketed: bool,
    bracket: tuple[float, float],
    enough: float,
    wanted: float,
    longest: float,
) -> bool:
    """Whether no better step can be found than this one."""
    low, high = bracket
    if bracketed and (not low < trial.step < high or high - low <= BRACKET_SHARE * high):
        return True
    if trial.step == longest and trial.value <= enough and trial.slope <= wanted:
        return True
    return trial.step == 0 and (trial.value > enough or trial.slope >= wanted)


def following(
    best: Trial, other: Trial, trial: Trial, bracketed: bool, low: float, high: float
) -> tuple[Trial, Trial, float, bool]:
    """The best trial, the other end of the bracket, the step to try next, and whether there is a bracket."""
    turned = trial.slope * math.copysign(1.0, best.slope) < 0
    if trial.value > best.value:
        cubic, parabola = cubic_minimum(best, trial), parabola_by_value(best, trial)
        near = abs(cubic - best.step) < abs(parabola - best.step)
        step = cubic if near else cubic + (parabola - cubic) / 2
        return best, trial, step, True
    if turned:
        cubic, secant = cubic_minimum(trial, best), parabola_by_slope(best, trial)
        step = cubic if abs(cubic - trial.step) > abs(secant - trial.step) else secant
        return trial, best, step, True
    if abs(trial.slope) < abs(best.slope):
        step = between_slopes(best, other, trial, bracketed, low, high)
    elif bracketed:
        step = cubic_minimum(trial, other)
    else:
        step = high if trial.step > best.step else low
    return trial, other, step, bracketed


def between_slopes(
    best: Trial, other: Trial, trial: Trial, bracketed: bool, low: float, high: float
) -> float:
    """The step after one that is lower and less steep in the same direction."""
    cubic, secant = (
        cubic_beyond(trial, best, high if trial.step > best.step else low),
        parabola_by_slope(best, trial),
    )
    cubic_is_nearer = abs(cubic - trial.step) < abs(secant - trial.step)
    if not bracketed:
        return min(max(secant if cubic_is_nearer else cubic, low), high)
    step, most = cubic if cubic_is_nearer else secant, trial.step + SHRINKING * (other.step - trial.step)
    return min(most, step) if trial.step > best.step else max(most, step)


def cubic_terms(a: Trial, b: Trial) -> tuple[float, float]:
    """θ and γ of the cubic through two trials."""
    theta = 3 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope
    scale = max(abs(theta), abs(a.slope), abs(b.slope))
    square = (theta / scale) ** 2 - (a.slope / scale) * (b.slope / scale)
    gamma = scale * math.sqrt(max(0.0, square))
    return theta, -gamma if b.step < a.step else gamma


def cubic_minimum(a: Trial, b: Trial) -> float:
    """Where the cubic through two trials is least, told from a."""
    theta, gamma = cubic_terms(a, b)
    return a.step + (gamma - a.slope + theta) / (gamma - a.slope + gamma + b.slope) * (b.step - a.step)


def cubic_beyond(trial: Trial, best: Trial, end: float) -> float:
    """The same beyond `trial`, or the end where the cubic falls without end."""
    theta, gamma = cubic_terms(trial, best)
    ratio = (gamma - trial.slope + theta) / (gamma + (best.slope - trial.slope) + gamma)
    return trial.step + ratio * (best.step - trial.step) if ratio < 0 and gamma != 0 else end


def parabola_by_value(best: Trial, trial: Trial) -> float:
    """Least point of the parabola through both values and the first slope."""
    stride = trial.step - best.step
    return best.step + best.slope / ((best.value - trial.value) / stride + best.slope) / 2 * stride


def parabola_by_slope(best: Trial, trial: Trial) -> float:
    """Where a straight line through both slopes is zero."""
    return trial.step + trial.slope / (trial.slope - best.slope) * (best.step - trial.step)
