"""Seeds that train modules as people write them."""

import pytest

from largebatch.nets import models
from largebatch.training import train as train_module
from tests.conftest import small_arm

SEEDS = [0, 3]
SGD = {"optimiser": {"name": "sgd", "momentum": 0.9}, "lr": 0.05, "weight_decay": 0.01}
DATA = {"data": {"name": "digits", "train": 24, "validation": 16, "test": 16}}

# The warnings that PyTorch has for its older ways, and for a layer's first call with a hook.
OLDER_WAYS = [
    pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*spectral_norm.*is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning"),
]


def group_of(build, dataset, monkeypatch, seeds=SEEDS, **settings):
    """Seeds that train the modules that `build` makes."""
    monkeypatch.setitem(models.MODELS, "mlp", lambda shape, classes, **_: build())
    arm = small_arm(**DATA | settings)
    return train_module.group_of(arm, list(seeds), dataset, {})
