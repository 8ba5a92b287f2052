"""Shares of a batch: all of it, each example once, and no unit is cut."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from largebatch.training.team import ALONE, Team

COUNTS = st.integers(1, 200)


@given(COUNTS, st.integers(1, 40), st.integers(1, 9))
def test_shares_are_all_of_a_batch_in_whole_units(count, unit, workers):
    shares = [Team(rank, workers).share(count, unit) for rank in range(workers)]
    assert [place for share in shares for place in range(count)[share]] == list(range(count))
    assert all(share.start % unit == 0 or share.start == count for share in shares)
    units = [-(-(share.stop - share.start) // unit) for share in shares]
    assert max(units) - min(units) <= 1


def test_alone_nothing_is_sent():
    tensors = [torch.ones(2), torch.zeros(3)]
    assert ALONE.summed(tensors) is tensors and ALONE.gathered("a") == ["a"]
    assert ALONE.in_turn(lambda: 3) == ALONE.from_first(lambda: 3) == 3
    assert ALONE.is_alone and ALONE.is_first and not Team(1, 2).is_first


@pytest.mark.parametrize("count", [1, 7])
def test_alone_one_has_all(count):
    assert ALONE.share(count) == slice(0, count)
