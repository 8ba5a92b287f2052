"""Training for tests, which want to see every part along the run."""

from functools import partial

import numpy as np

from largebatch.config.images import PARTS
from largebatch.training import train as module

train = partial(module.train, followed=PARTS)


def assert_same_snapshots(one, other):
    assert list(one) == list(other)
    for epoch, (seeds, weights) in one.items():
        assert seeds == other[epoch][0]
        assert weights.keys() == other[epoch][1].keys()
        assert all(np.array_equal(weights[n], other[epoch][1][n]) for n in weights)
