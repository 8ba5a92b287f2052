"""Memory against arrays that must be held, throughput against its definition."""

import tracemalloc

import numpy as np
import pytest

from largebatch.primer.problems import SOFTMAX, Mlp
from largebatch.primer.speed import first_at_share, peak_mib, predicted, searched
from tests.shared.exhibits import exhibit

NET = Mlp(np.zeros((256, 64)), np.zeros((256, 10)), SOFTMAX, hidden=32)
START = NET.start(np.random.default_rng(0))


def test_the_first_batch_at_nine_tenths():
    assert first_at_share({1: 1.0, 2: 8.9, 4: 9.0, 8: 10.0, 16: 9.5}) == 4


def test_memory_is_at_least_the_arrays_of_a_batch_and_not_many_times_that():
    """Of an example: 64 inputs, then 32 active units and twice their gradients."""
    small, large = (peak_mib(NET, START, size) * 2**20 for size in (64, 256))
    held = (64 + 2 * 32) * 8
    assert held < (large - small) / 192 < 4 * held
    assert peak_mib(NET, START, 64) == pytest.approx(small / 2**20, rel=0.05)


@pytest.mark.parametrize(
    ("memory", "batch"), [(9.9, 2), (10, 3), (11.9, 3), (12, 4), (203, 99), (204, 100), (999, 100)]
)
def test_the_largest_batch_that_fits_is_searched_for_and_predicted(memory, batch):
    """4 MiB and 2 for each example: both ways agree where memory is a line."""

    def taken(size):
        return 4 + 2 * size

    assert searched(taken, memory, 100) == predicted(taken, memory, 100) == batch


def test_the_search_is_not_misled_where_memory_is_no_line():
    assert searched(lambda size: size**2, 50, 100) == 7
    assert predicted(lambda size: size**2, 50, 100) != 7


def test_memory_that_no_batch_fits_is_refused():
    with pytest.raises(ValueError, match="wanted memory_mib from what a batch of 1 takes, 6; got 5"):
        searched(lambda size: 4 + 2 * size, 5, 100)


def test_tracing_is_left_as_found():
    assert not tracemalloc.is_tracing()
    peak_mib(NET, START, 4)
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        peak_mib(NET, START, 4)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_the_numbers_of_a_batch_size_agree():
    found = list(exhibit("speed", [0, 1], examples=32, hidden=8, rounds=2))
    of = {(o.metric, o.at): o.value for arm, o in found if o.seed == 1 and arm == "machine"}
    for size in (1, 2, 4, 8, 16, 32):
        seconds = of["epoch_seconds", size]
        assert seconds > 0
        assert of["update_seconds", size] == pytest.approx(seconds / (32 / size))
        assert of["examples_per_second", size] == pytest.approx(32 / seconds)
        assert of["peak_memory_mib", size] > 0
    assert of["saturating_batch_size", None] in (1, 2, 4, 8, 16, 32)
    assert ("memory_growth", None) in of and {arm for arm, _ in found} == {"machine", "line"}


@pytest.mark.parametrize("options", [{"examples": 3}, {"examples": 8, "rounds": 0}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match="examples from 4, rounds from 1"):
        next(exhibit("speed", [0], **options))
