"""The step that a line search ends with: low enough, and where the slope has fallen enough."""

import math

import pytest

from largebatch.measures import line_search

# By name: a function of the step, and its slope.
LINES = {
    "short parabola": (lambda t: (t - 0.01) ** 2, lambda t: 2 * (t - 0.01)),
    "long parabola": (lambda t: (t - 30) ** 2, lambda t: 2 * (t - 30)),
    "quartic": (lambda t: (t - 0.3) ** 4 - t, lambda t: 4 * (t - 0.3) ** 3 - 1),
    "wave": (lambda t: -math.sin(3 * t) - 0.2 * t, lambda t: -3 * math.cos(3 * t) - 0.2),
    "moré and thuente 1": (lambda t: -t / (t**2 + 2), lambda t: (t**2 - 2) / (t**2 + 2) ** 2),
    "cliff": (lambda t: math.exp(8 * t) - 20 * t, lambda t: 8 * math.exp(8 * t) - 20),
}


def tried(line, longest, most=30):
    """The steps until it ends."""
    value, slope = line
    search, found = line_search.steps(value(0.0), slope(0.0), longest), []
    step = next(search)
    for _ in range(most):
        found.append(step)
        try:
            step = search.send((value(step), slope(step)))
        except StopIteration:
            return found
    raise AssertionError(f"wanted an end within {most} steps; got {found}")


@pytest.mark.parametrize("name", LINES)
def test_it_ends_at_a_step_that_satisfies_the_strong_wolfe_conditions(name):
    value, slope = LINES[name]
    end = tried(LINES[name], 1e10)[-1]
    assert value(end) <= value(0.0) + 1e-3 * end * slope(0.0)
    assert abs(slope(end)) <= 0.9 * abs(slope(0.0))


def test_downhill_without_end_it_goes_to_the_longest_step():
    steps = tried((lambda t: -t * t, lambda t: -2 * t - 1e-9), 20.0)
    assert steps[0] == 1.0 and steps[-1] == 20.0 and steps == sorted(steps)


def test_no_step_is_longer_than_the_longest():
    assert tried(LINES["long parabola"], 1.0) == [1.0]


def test_from_a_higher_point_it_goes_between_the_minima_of_a_cubic_and_a_parabola():
    cubic = (lambda t: 4 * t**3 - 3 * t, lambda t: 12 * t**2 - 3)  # least at 0.5; the parabola: at 0.375
    assert tried(cubic, 10.0)[1] == pytest.approx((0.5 + 0.375) / 2)
