"""No seed counts for another."""

import numpy as np
import pytest
import torch
from torch import nn

from largebatch.nets import models
from largebatch.nets.stack import decay_groups, stack
from largebatch.training import engine
from largebatch.training import train as train_module
from largebatch.training.engine import seeds_at_once
from tests.conftest import SMALL, small_arm
from tests.shared.settings import ADAM, CROPS, EVERYTHING, SGD, as_trained_by
from tests.shared.trained import train


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": SMALL["model"] | {"dropout": 0.5, "batch_norm": True}},
        {"optimiser": ADAM},
        EVERYTHING | {"model": SMALL["model"] | {"dropout": 0.5}},
        {"augment": {"name": "shifts", "pixels": 1, "flip": True}},
        {"augment": CROPS},
    ],
    ids=str,
)
def test_a_seed_is_the_same_alone_and_in_company(settings, dataset):
    arm = small_arm(**settings)
    company, alone = train(arm, [0, 1, 2, 3], dataset), train(arm, [2], dataset)
    for name, weights in alone.weights.items():
        np.testing.assert_allclose(company.weights[name][2], weights[0], rtol=1e-10, atol=1e-12, err_msg=name)


def test_groups_of_seeds_change_nothing_but_rounding(dataset, monkeypatch):
    arm = small_arm()
    together, net = train(arm, [0, 1, 2, 3, 4], dataset), models.initial(arm, 0, dataset)
    monkeypatch.setattr(
        engine, "CACHE_BYTES", 2 * 8 * 16 * 8
    )  # two seeds: 8 images of 16 pixels, 8 bytes each
    assert [len(g) for g in train_module.seed_groups(arm, [0, 1, 2, 3, 4], dataset, net)] == [2, 2, 1]
    grouped = train(arm, [0, 1, 2, 3, 4], dataset)
    assert [row[:3] for row in grouped.history] == [row[:3] for row in together.history]
    for name in together.weights:
        np.testing.assert_allclose(grouped.weights[name], together.weights[name], rtol=1e-10, atol=1e-12)


def test_seeds_at_once():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert seeds_at_once(128, False, 8, 4, cpu) >= 20
    assert seeds_at_once(128, False, 100_000, 4, cpu) == 1
    assert seeds_at_once(128, True, 8, 4, cpu) == 1
    assert seeds_at_once(128, False, 100_000, 4, gpu) >= 20
    assert seeds_at_once(128, True, 8, 4, gpu) == 1


def test_the_same_arm_twice_is_bit_identical(dataset):
    arm = small_arm(precision="float32", optimiser=SGD)
    first, second = (train(arm, [0, 1], as_trained_by(dataset, arm)) for _ in range(2))
    assert first.history == second.history
    assert all(np.array_equal(first.weights[n], second.weights[n]) for n in first.weights)


def test_weight_decay_spares_biases_and_normalisation_everywhere():
    net = [nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)) for _ in range(2)]
    model = stack(net)
    decayed, spared = decay_groups(model, everything=False)
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert [shapes[i] for i in decayed] == [(2, 4, 3), (2, 3, 3)]
    assert sorted(shapes[i] for i in spared) == [(2, 1, 3), (2, 1, 3), (2, 3), (2, 3)]
    assert decay_groups(model, everything=True)[1] == []
