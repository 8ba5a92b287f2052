"""Training for tests, which want to see every part along the run."""

from functools import partial

from largebatch.config.images import PARTS
from largebatch.training import train as module

train = partial(module.train, followed=PARTS)
