"""The ring against a plain mean and a count by hand; three ways against each other and against a step."""

import numpy as np
import pytest

from largebatch.primer.problems import SQUARED, Linear
from largebatch.primer.workers import accumulated, in_workers, ring_mean
from tests.shared.exhibits import exhibit

STREAM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(12,), (7,), (2,), (3, 5)])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_worker_ends_with_the_mean(count, shape):
    vectors = list(STREAM.standard_normal((count, *shape)))
    before = [v.copy() for v in vectors]
    means, _ = ring_mean([v.ravel() for v in vectors])
    for mean in means:
        np.testing.assert_allclose(mean, np.mean(vectors, 0).ravel(), rtol=1e-12, atol=1e-15)
    assert all((v == b).all() for v, b in zip(vectors, before, strict=True))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_each_sends_twice_all_chunks_but_one(count):
    """12 values in equal chunks: K - 1 messages of 12/K, twice."""
    _, sent = ring_mean(list(STREAM.standard_normal((count, 12))))
    assert sent == [2 * (count - 1) * 12 // count] * count


def test_what_is_sent_altogether_does_not_depend_on_how_the_chunks_fall():
    _, sent = ring_mean(list(STREAM.standard_normal((4, 10))))
    assert sum(sent) == 2 * 3 * 10


def test_whole_numbers_are_averaged_as_numbers():
    means, _ = ring_mean([np.array([1, 2]), np.array([2, 2])])
    np.testing.assert_array_equal(means, [[1.5, 2.0]] * 2)


def test_ring_exhibit():
    found = list(exhibit("ring", [0], values=720))
    of = {(arm, o.metric, o.at): o.value for arm, o in found}
    for workers in (2, 3, 4, 6, 8, 12, 16):
        sent, theory = (of[arm, "ring_sent_share", workers] for arm in ("ring", "theory"))
        assert sent == pytest.approx(theory, rel=1e-12)
        assert of["ring", "ring_error", workers] < 1e-14
    assert of["theory", "ring_sent_share", 4] == 1.5


def test_ways_are_the_gradient_by_hand():
    """Half the squared error of one weight at 0: the gradient is the mean of -x y."""
    x, y = STREAM.standard_normal((2, 8, 1))
    problem = Linear(x, y, SQUARED)
    for way in (accumulated(problem.gradient, 4), in_workers(problem.gradient, 4)):
        assert way(problem.start(), np.arange(8)).item() == pytest.approx(-(x * y).mean())


def test_three_ways_to_one_update():
    ((arm, found),) = exhibit("three_ways", [3])
    assert (arm, found.metric) == ("ways", "ways_difference")
    assert found.value < 1e-15


@pytest.mark.parametrize("vectors", [[], [np.zeros(2), np.zeros(3)]])
def test_vectors_that_do_not_fit_are_refused(vectors):
    with pytest.raises(ValueError, match="vectors of one shape"):
        ring_mean(vectors)


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="values from 1; got 0"):
        next(exhibit("ring", [0], values=0))
