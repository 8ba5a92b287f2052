"""Batches over epochs, and the updates that are recorded."""

import numpy as np
import pytest

from largebatch.primer.runs import epochs_of, thinned


def test_every_epoch_has_every_row_once_in_an_order_of_its_own():
    found = list(epochs_of(7, 3, 2, np.random.default_rng(0)))
    assert [len(rows) for rows in found] == [3, 3, 1, 3, 3, 1]
    first, second = np.concatenate(found[:3]), np.concatenate(found[3:])
    assert sorted(first) == sorted(second) == list(range(7))
    assert (first != second).any()


@pytest.mark.parametrize("size", [0, 8])
def test_batches_that_do_not_fit_are_refused(size):
    with pytest.raises(ValueError, match=f"batch of 1 to 7 examples; got {size}"):
        next(epochs_of(7, size, 1, np.random.default_rng(0)))


def test_thinned_has_both_ends_and_no_place_twice():
    assert thinned(1, 60) == [0, 1]
    assert thinned(5, 60) == [0, 1, 2, 3, 4, 5]
    found = thinned(16000, 60)
    assert found[:2] == [0, 1] and found[-1] == 16000 and 40 < len(found) <= 61
    assert found == sorted(set(found))
    with pytest.raises(ValueError, match="at least one update; got 0"):
        thinned(0, 60)
