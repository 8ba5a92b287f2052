"""Every setting counts, and no seed counts for another."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from largebatch.config.images import Data
from largebatch.config.settings import Settings
from largebatch.config.spec import Arm
from largebatch.nets import models
from largebatch.nets.stack import stack
from largebatch.training import engine
from largebatch.training import train as train_module
from largebatch.training.engine import seeds_at_once
from largebatch.training.train import train
from tests.conftest import SMALL, small_arm
from tests.shared.settings import ADAM, CROPS, EVERYTHING, LARS, SGD

BATCH_NORM = SMALL["model"] | {"batch_norm": True}
# Each a change of one setting.
CHANGES = [
    {"data": SMALL["data"] | {"train": 40}},
    {"data": SMALL["data"] | {"validation": 15}},
    {"data": SMALL["data"] | {"test": 15}},
    {"model": {"name": "resmlp"}},
    {"optimiser": ADAM},
    {"optimiser": LARS},
    {"batch_size": 16},
    {"lr": 0.2},
    {"lr_rule": "linear", "base_batch_size": 4},
    {"lr_rule": "sqrt", "base_batch_size": 4},
    {"epochs": 1},
    {"stop": {"patience_epochs": 1, "tolerance": 1.0}},
    {"goal": {"error_percent": 99.0}},
    {"schedule": {"name": "linear"}},
    {"warmup": {"kind": "gradual", "epochs": 1.0, "start": 0.0}},
    {"weight_decay": 0.1},
    {"clip_norm": 0.1},
    {"loss": "squared_error"},
    {"label_smoothing": 0.1},
    {"augment": CROPS},
    {"sharpness_aware": {}},
    {"gradient_penalty": {"strength": 0.5}},
    {"proximal": {}},
    {"adversarial": {"size": 0.1}},
    {"evaluate_every_epochs": 2},
    {"snapshots_at_epochs": [1]},
    {"snapshots_at_loss": 2.0},
    {"precision": "float32"},
]
# For nets that take long.
BRIEF = {
    "data": {"name": "digits", "train": 4, "test": 4},
    **{"batch_size": 4, "epochs": 1, "precision": "float32"},
}


def varied(part, like, *changes, **beside):
    """Pairs of arms that differ within one part, in one change each."""
    return [({part: like} | beside, {part: like | change} | beside) for change in changes]


# Settings that show only beside another one.
PAIRS = [
    ({"batch_size": 10}, {"batch_size": 10, "last_batch": "weigh"}),
    ({"weight_decay": 0.1}, {"weight_decay": 0.1, "decay_norm_and_bias": False}),
    ({"model": BATCH_NORM}, {"model": BATCH_NORM, "ghost_batch_size": 4}),
    # Accumulation differs with BatchNorm, whose statistics are then those of the micro-batch.
    ({"model": BATCH_NORM}, {"model": BATCH_NORM, "micro_batch_size": 4}),
    ({"lr_rule": "linear", "base_batch_size": 4}, {"lr_rule": "linear", "base_batch_size": 2}),
    ({"precision": "float32"}, {"precision": "bfloat16"}),
    ({"snapshots_at_epochs": [1]}, {"snapshots_at_epochs": [0, 1]}),
    *varied("model", SMALL["model"], {"hidden": [12, 9]}, {"activation": "tanh"}, {"dropout": 0.5}),
    *varied("model", SMALL["model"], {"batch_norm": True}),
    *varied("model", {"name": "cnn", "channels": [3]}, {"channels": [4]}, {"batch_norm": True}),
    *varied("model", {"name": "cnn", "channels": [3]}, {"dropout": 0.5}),
    *varied("model", {"name": "resmlp"}, {"width": 8}, {"blocks": 1}, {"zero_gamma": True}),
    *varied("model", {"name": "keskar_cnn"}, {"dropout": 0.0}),
    *varied("model", {"name": "resnet", "depth": 8}, {"depth": 14}, {"zero_gamma": True}),
    *varied("model", {"name": "vgg"}, {"dropout": False}, **BRIEF),
    *varied("model", {"name": "resnet50"}, {"zero_gamma": True}, **BRIEF),
    *varied("optimiser", {"name": "sgd", "momentum": 0.9}, {"momentum": 0.8}, {"nesterov": True}),
    *varied("optimiser", ADAM, {"beta1": 0.5}, {"beta2": 0.5}, {"epsilon": 0.1}),
    *varied("optimiser", LARS, {"trust": 0.1}, {"momentum": 0.5}),
    *varied("stop", {"patience_epochs": 1, "tolerance": 1.0}, {"patience_epochs": 2}, {"tolerance": 0.0}),
    *varied("stop", {"patience_epochs": 9}, {"floor_nats": 9.0}),
    *varied("goal", {"error_percent": 99.0}, {"error_percent": 40.0}),
    *varied("schedule", {"name": "step", "at": [0.5]}, {"at": [0.25]}, {"at": None, "at_epochs": [1.5]}),
    *varied("schedule", {"name": "step", "at": [0.5]}, {"factor": 0.2}),
    *varied("schedule", {"name": "exponential"}, {"final": 0.1}),
    *varied("schedule", {"name": "inverse_sqrt"}, {"scale": 0.1}),
    *varied("schedule", {"name": "inverse_time"}, {"scale": 0.1}),
    *varied("schedule", {"name": "cosine"}, {"floor": 0.1}),
    *varied("schedule", {"name": "linear"}, {"floor": 0.1}),
    *varied("schedule", {"name": "triangular"}, {"low": 0.2}, {"cycles": 1}),
    *varied("schedule", {"name": "cosine_restarts"}, {"cycles": 2}, {"growth": 1.0}, {"floor": 0.1}),
    *varied("schedule", {"name": "batch_growth", "at": [0.5]}, {"factor": 2.0}, {"at": [1.0]}),
    *varied("schedule", {"name": "batch_growth", "at": [0.5]}, {"at": None, "at_epochs": [2.0]}),
    *varied("warmup", {"kind": "gradual", "epochs": 1.0, "start": 0.0}, {"kind": "constant"}),
    *varied("warmup", {"kind": "gradual", "epochs": 1.0, "start": 0.0}, {"epochs": 2.0}, {"start": 0.5}),
    *varied("augment", {"name": "shifts", "pixels": 1}, {"pixels": 2}, {"flip": True}),
    *varied("augment", CROPS, {"low": 0.5}, {"flip": False}),
    *varied("sharpness_aware", {}, {"rho": 0.1}),
    *varied("gradient_penalty", {"strength": 0.5}, {"strength": 0.1}, {"step": 0.1}),
    *varied("proximal", {}, {"strength": 0.1}, {"steps": 2}),
    *varied("adversarial", {"size": 0.1}, {"size": 0.2}, {"share": 0.2}),
]


@pytest.mark.parametrize(("one", "other"), [({}, change) for change in CHANGES] + PAIRS, ids=str)
def test_no_setting_lies(one, other, dataset):
    """Changing any setting changes a run."""
    runs = []
    for settings in (one, other):
        arm = small_arm(**settings)
        trained = train(arm, [0], as_trained_by(dataset, arm))
        weights = {n: w.tobytes() for n, w in trained.weights.items()}
        runs.append((trained.history, weights, sorted(trained.snapshots)))
    assert runs[0] != runs[1]


# Models that do not take images of 4 x 4 pixels and one channel, and how many of them they take instead.
REPEATS = {"vgg": (1, 8, 8), "resnet50": (3, 1, 1)}


def as_trained_by(dataset, arm):
    """In the arm's precision, with images its model takes."""
    dtype = getattr(torch, arm.dtype)
    images = dataset.images.to(dtype).repeat(1, *REPEATS.get(arm.model.name, (1, 1, 1)))
    return type(dataset)(images, dataset.labels, dtype)


def classes_of(annotation):
    """The classes of settings that a field may hold, theirs included."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
        for field in annotation.model_fields.values():
            yield from classes_of(field.annotation)
    for part in get_args(annotation):
        yield from classes_of(part)


def differing(one, other):
    """(class, field) of every setting in which two of one class differ, theirs included."""
    for name in type(one).model_fields:
        parts = getattr(one, name), getattr(other, name)
        if parts[0] != parts[1]:
            yield type(one), name
            if isinstance(parts[0], Settings) and type(parts[0]) is type(parts[1]):
                yield from differing(*parts)


def test_every_setting_is_covered_by_the_test_above():
    tried = set()
    for one, other in [({}, change) for change in CHANGES] + PAIRS:
        tried.update(differing(small_arm(**one), small_arm(**other)))
    every = {(cls, name) for cls in classes_of(Arm) for name in cls.model_fields} - {(Data, "name")}
    told_by_class = {(cls, "name") for cls, _ in every}
    assert not {(cls.__name__, name) for cls, name in every - told_by_class - tried}


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
    decayed, spared = engine.decay_groups(model, everything=False)
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert [shapes[i] for i in decayed] == [(2, 4, 3), (2, 3, 3)]
    assert sorted(shapes[i] for i in spared) == [(2, 1, 3), (2, 1, 3), (2, 3), (2, 3)]
    assert engine.decay_groups(model, everything=True)[1] == []
