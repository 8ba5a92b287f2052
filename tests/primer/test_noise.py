"""Variance and bias of mini-batch gradients against enumeration and closed forms."""

import itertools

import numpy as np
import pytest

from largebatch.primer import noise
from largebatch.primer.noise import PROBLEMS, bias, measured_variance, single_variance, variance_theory
from largebatch.primer.problems import SQUARED, Linear
from tests.shared.exhibits import exhibit


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return PROBLEMS[request.param](5, 16)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("replace", [True, False])
def test_theory_is_the_variance_over_all_batches(problem, size, replace):
    """Of a population of 6, over every ordered batch."""
    net, w = problem
    full = net.gradient(w, np.arange(6))
    orders = itertools.product(range(6), repeat=size) if replace else itertools.permutations(range(6), size)
    away = [np.square(net.gradient(w, np.array(rows)) - full).sum() for rows in orders]
    found = variance_theory(single_variance(net, w, 6), 6, size, replace)
    assert found == pytest.approx(np.mean(away), rel=1e-10)


def test_without_replacement_all_examples_leave_no_variance(problem):
    net, w = problem
    draw = np.random.default_rng(0)
    assert variance_theory(1.0, 16, 16, replace=False) == 0
    assert measured_variance(net, w, 16, 16, False, 3, draw) < 1e-25


@pytest.mark.parametrize("replace", [True, False])
def test_measured_variance_is_theory_on_average(problem, replace):
    net, w = problem
    found = measured_variance(net, w, 16, 4, replace, 4000, np.random.default_rng(1))
    assert found == pytest.approx(variance_theory(single_variance(net, w, 16), 16, 4, replace), rel=0.1)


def test_variance_of_a_single_input_in_closed_form():
    """At w = 0 the gradient of example i is -x_i y_i."""
    x, y = np.array([1.0, 2.0, -1.0, 3.0]), np.array([2.0, 1.0, 1.0, -1.0])
    net = Linear(x[:, None], y[:, None], SQUARED)
    assert single_variance(net, net.start(), 4) == pytest.approx(np.var(x * y))


@pytest.mark.parametrize("replace", [True, False])
def test_no_bias_but_rounding_and_a_biased_gradient_shows(problem, replace):
    net, w = problem
    assert bias(net, w, replace) < 1e-14

    class Skewed:
        def gradient(self, w, rows):
            return net.gradient(w, rows) * (1 + 1e-6 * (rows[0] == 0))

    assert bias(Skewed(), w, replace) > 1e-8


def test_with_replacement_the_mean_is_over_ordered_batches():
    """Two examples of 8 in every order, against a plain double loop; a gradient that is not additive."""

    class Odd:
        def gradient(self, w, rows):
            return np.array([float(len(set(rows.tolist())))])

    found = noise.mean_of_all_batches(Odd(), None, 2, replace=True)
    expected = np.mean([len({i, j}) for i in range(8) for j in range(8)])
    assert found == pytest.approx([expected])


def test_batch_sizes_and_biases_of_the_exhibit():
    found = list(exhibit("noise", [0, 3], examples=16, draws=3))
    assert {o.at for _, o in found if o.metric == "gradient_variance"} == {1, 2, 4, 8}
    assert sum(o.metric == "gradient_bias" for _, o in found) == 8


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="draws from 1, examples from 16; got 0, 16"):
        next(exhibit("noise", [0], examples=16, draws=0))
    with pytest.raises(ValueError, match="examples from 16; got 5, 15"):
        next(exhibit("noise", [0], examples=15, draws=5))
