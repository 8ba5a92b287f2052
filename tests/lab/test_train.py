"""Whole runs against a plain PyTorch loop, and the promises about company, repeats and resuming."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from largebatch.lab import engine, models
from largebatch.lab import train as train_module
from largebatch.lab.data import Splits
from largebatch.lab.engine import Lanes, lanes_at_once
from largebatch.lab.randomness import generator
from largebatch.lab.stack import stack
from largebatch.lab.train import train
from largebatch.spec import Arm
from tests.conftest import SMALL, small_arm

SGD = {"name": "sgd", "momentum": 0.9, "nesterov": True}
ADAM = {"name": "adam"}


def final(trained, metric):
    """Last value of a metric for each seed."""
    values = {row.seed: row.value for row in trained.history if row.metric == metric}
    return [values[seed] for seed in trained.seeds]


def plain_loop(arm, seed, dataset):
    """What anybody would write: one seed, torch.optim, a batch at a time."""
    options = arm.model.model_dump(exclude={"name"})
    model = models.build(seed, arm.model.name, dataset.shape, dataset.classes, **options).double()
    rows = Splits(dataset, [seed], arm.data.train, arm.data.validation, arm.data.test).rows["train"][0]
    images, labels = dataset.images[rows], dataset.labels[rows]
    images = (images - images.mean()) / images.std(correction=0)
    if arm.optimiser.name == "adam":
        optimiser = torch.optim.Adam(model.parameters(), lr=arm.lr, weight_decay=arm.weight_decay)
    else:
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=arm.lr,
            momentum=arm.optimiser.momentum,
            nesterov=arm.optimiser.nesterov,
            weight_decay=arm.weight_decay,
        )
    order = generator(seed, "order")
    for _ in range(arm.epochs):
        for batch in torch.randperm(len(rows), generator=order).split(arm.batch_size):
            if len(batch) < arm.batch_size and arm.last_batch == "drop":
                continue
            loss = F.cross_entropy(model(images[batch]), labels[batch], label_smoothing=arm.label_smoothing)
            optimiser.zero_grad()
            (loss * len(batch) / arm.batch_size).backward()
            if arm.clip_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), arm.clip_norm)
            optimiser.step()
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimiser": SGD, "weight_decay": 1e-2},
        {"optimiser": ADAM, "lr": 0.01},
        {"label_smoothing": 0.1},
        {"weight_decay": 1e-2},
        {"clip_norm": 0.5},
        {"batch_size": 10, "last_batch": "weigh"},
        {"batch_size": 10, "last_batch": "drop"},
        {"batch_size": 48},
        {"model": {"name": "mlp", "hidden": [8], "batch_norm": True}},
        {"model": {"name": "cnn", "channels": [3, 4]}},
        {"model": {"name": "cnn", "channels": [3], "batch_norm": True}},
    ],
    ids=str,
)
def test_weights_equal_those_of_a_plain_loop(settings, dataset):
    arm = small_arm(**settings)
    trained = train(arm, [0, 3, 1], dataset)
    for lane, seed in enumerate(trained.seeds):
        for name, parameter in plain_loop(arm, seed, dataset).named_parameters():
            np.testing.assert_allclose(
                trained.weights[name][lane], parameter.detach().numpy(), rtol=1e-5, atol=1e-7, err_msg=name
            )


# Each a change of one setting; together they name every field of Arm.
CHANGES = [
    {"data": SMALL["data"] | {"train": 40}},
    {"model": {"name": "mlp", "hidden": [12, 9]}},
    {"model": SMALL["model"] | {"activation": "tanh"}},
    {"model": SMALL["model"] | {"batch_norm": True}},
    {"model": SMALL["model"] | {"dropout": 0.5}},
    {"optimiser": ADAM},
    {"optimiser": {"name": "sgd", "momentum": 0.9}},
    {"batch_size": 16},
    {"lr": 0.2},
    {"lr_rule": "linear", "base_batch_size": 4},
    {"lr_rule": "sqrt", "base_batch_size": 4},
    {"epochs": 1},
    {"schedule": {"name": "linear"}},
    {"schedule": {"name": "batch_growth", "at": [0.5], "factor": 2.0}},
    {"warmup": {"kind": "gradual", "epochs": 1.0, "start": 0.0}},
    {"warmup": {"kind": "constant", "epochs": 1.0, "start": 0.5}},
    {"weight_decay": 0.1},
    {"clip_norm": 0.1},
    {"label_smoothing": 0.1},
    {"stop": {"patience_epochs": 1, "tolerance": 1.0}},
    {"evaluate_every_epochs": 2},
    {"precision": "float32"},
]
# Settings that show only beside another one.
PAIRS = [
    ({"batch_size": 10}, {"batch_size": 10, "last_batch": "weigh"}),
    ({"weight_decay": 0.1}, {"weight_decay": 0.1, "decay_norm_and_bias": False}),
    (
        {"model": SMALL["model"] | {"batch_norm": True}},
        {"model": SMALL["model"] | {"batch_norm": True}, "ghost_batch_size": 4},
    ),
    # Accumulation differs with BatchNorm, whose statistics are then those of the micro-batch.
    (
        {"model": SMALL["model"] | {"batch_norm": True}},
        {"model": SMALL["model"] | {"batch_norm": True}, "micro_batch_size": 4},
    ),
    ({"lr_rule": "linear", "base_batch_size": 4}, {"lr_rule": "linear", "base_batch_size": 2}),
    ({"optimiser": {"name": "sgd", "momentum": 0.9}}, {"optimiser": SGD}),
    ({"optimiser": ADAM}, {"optimiser": ADAM | {"beta1": 0.5}}),
    ({"optimiser": ADAM}, {"optimiser": ADAM | {"beta2": 0.5}}),
    ({"optimiser": ADAM}, {"optimiser": ADAM | {"epsilon": 0.1}}),
]


@pytest.mark.parametrize(("one", "other"), [({}, change) for change in CHANGES] + PAIRS, ids=str)
def test_no_setting_lies(one, other, dataset):
    """Changing any setting changes a run."""
    runs = []
    for settings in (one, other):
        arm = small_arm(**settings)
        trained = train(arm, [0], Dataset_as(dataset, arm))
        runs.append((trained.history, {n: w.tolist() for n, w in trained.weights.items()}))
    assert runs[0] != runs[1]


def Dataset_as(dataset, arm):
    return type(dataset)(dataset.images.to(getattr(torch, arm.precision)), dataset.labels)


def test_every_setting_is_covered_by_the_test_above():
    assert {key for change in CHANGES for key in change} | {k for p in PAIRS for k in p[1]} == set(
        Arm.model_fields
    )


@pytest.mark.parametrize(
    "settings",
    [{}, {"model": SMALL["model"] | {"dropout": 0.5, "batch_norm": True}}, {"optimiser": ADAM}],
    ids=str,
)
def test_a_seed_is_the_same_alone_and_in_company(settings, dataset):
    arm = small_arm(**settings)
    company, alone = train(arm, [0, 1, 2, 3], dataset), train(arm, [2], dataset)
    for name, weights in alone.weights.items():
        np.testing.assert_allclose(company.weights[name][2], weights[0], rtol=1e-10, atol=1e-12, err_msg=name)


def test_groups_of_lanes_change_nothing_but_rounding(dataset, monkeypatch):
    arm = small_arm()
    together = train(arm, [0, 1, 2, 3, 4], dataset)
    monkeypatch.setattr(
        engine, "CACHE_BYTES", 2 * 8 * 16 * 8
    )  # two lanes: 8 images of 16 pixels, 8 bytes each
    assert [len(g) for g in train_module.seed_groups(arm, [0, 1, 2, 3, 4], dataset)] == [2, 2, 1]
    grouped = train(arm, [0, 1, 2, 3, 4], dataset)
    assert [row[:3] for row in grouped.history] == [row[:3] for row in together.history]
    for name in together.weights:
        np.testing.assert_allclose(grouped.weights[name], together.weights[name], rtol=1e-10, atol=1e-12)


def test_lanes_at_once():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert lanes_at_once(128, False, 8, 4, cpu) >= 20
    assert lanes_at_once(128, False, 100_000, 4, cpu) == 1
    assert lanes_at_once(128, True, 8, 4, cpu) == 1
    assert lanes_at_once(128, True, 100_000, 4, gpu) >= 20


def test_the_same_arm_twice_is_bit_identical(dataset):
    arm = small_arm(precision="float32", optimiser=SGD)
    first, second = (train(arm, [0, 1], Dataset_as(dataset, arm)) for _ in range(2))
    assert first.history == second.history
    assert all(np.array_equal(first.weights[n], second.weights[n]) for n in first.weights)


def test_arms_share_split_and_initial_weights(dataset):
    small, large = (train(small_arm(batch_size=b, lr=1e-12), [0, 1], dataset) for b in (4, 48))
    for name in small.weights:
        np.testing.assert_allclose(small.weights[name], large.weights[name], atol=1e-9)


@pytest.mark.parametrize("last_batch", ["drop", "weigh"])
def test_accumulation_gives_the_same_update(last_batch, dataset):
    whole = train(small_arm(batch_size=20, last_batch=last_batch), [0, 1], dataset)
    parts = train(small_arm(batch_size=20, last_batch=last_batch, micro_batch_size=5), [0, 1], dataset)
    for name in whole.weights:
        np.testing.assert_allclose(parts.weights[name], whole.weights[name], rtol=1e-9, atol=1e-12)


def test_one_diverging_seed_leaves_the_others_alone(dataset, monkeypatch):
    arm = small_arm(epochs=3)
    expected = train(arm, [0, 2], dataset)
    original = Lanes.train_epoch

    def explode(lanes):
        if lanes.epoch == 1 and 1 in lanes.seeds:
            lanes.weights[0].data[lanes.seeds.index(1)] = float("inf")
        original(lanes)

    monkeypatch.setattr(Lanes, "train_epoch", explode)
    trained = train(arm, [0, 1, 2], dataset)
    assert final(trained, "diverged") == [0.0, 1.0, 0.0]
    assert np.isfinite([row.value for row in trained.history]).all()
    assert all(np.isfinite(w).all() for w in trained.weights.values())
    assert max(row.at for row in trained.history if row.seed == 1 and row.metric == "train_loss_nats") == 1
    for name in expected.weights:
        np.testing.assert_allclose(
            trained.weights[name][[0, 2]], expected.weights[name], rtol=1e-10, atol=1e-12
        )


def test_all_seeds_may_diverge(dataset):
    trained = train(small_arm(lr=1e200), [0, 1], dataset)
    assert final(trained, "diverged") == [1.0, 1.0]


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "settings",
    [
        {"optimiser": ADAM},
        {"optimiser": SGD, "model": SMALL["model"] | {"dropout": 0.3, "batch_norm": True}},
        {"stop": {"patience_epochs": 6, "floor_nats": 0.1}, "lr": 0.3, "epochs": 12},
    ],
    ids=str,
)
@pytest.mark.parametrize("groups", [1, 3])
def test_continuing_equals_never_having_stopped(settings, groups, dataset, tmp_path, monkeypatch):
    arm, seeds = small_arm(**{"epochs": 8} | settings), [0, 1, 2]
    if groups == 3:
        monkeypatch.setattr(engine, "CACHE_BYTES", 1)
    expected = train(arm, seeds, dataset)
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "checkpoint.pt"

    def killer(after):
        calls = iter(range(after))

        def report(_):
            if next(calls, None) is None:
                raise Killed

        return report

    for after in (2, 2):  # killed twice on the way
        with pytest.raises(Killed):
            train(arm, seeds, dataset, checkpoint, killer(after))
    trained = train(arm, seeds, dataset, checkpoint)
    assert trained.history == expected.history
    assert all(np.array_equal(trained.weights[n], expected.weights[n]) for n in expected.weights)
    assert not checkpoint.exists()


@pytest.mark.parametrize(("other", "seeds"), [({"lr": 0.05}, [0, 1]), ({}, [0, 1, 2, 3]), ({}, [0])], ids=str)
def test_a_checkpoint_of_another_run_is_not_used(other, seeds, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "checkpoint.pt"

    def kill(_):
        if checkpoint.exists():
            raise Killed

    with pytest.raises(Killed):
        train(small_arm(epochs=4, **other), seeds, dataset, checkpoint, kill)
    continued = train(small_arm(epochs=4), [0, 1], dataset, checkpoint)
    assert continued.history == train(small_arm(epochs=4), [0, 1], dataset).history


def test_a_seed_stops_once_its_loss_is_at_the_floor(dataset):
    arm = small_arm(epochs=60, lr=0.3, stop={"patience_epochs": 60, "floor_nats": 0.5})
    trained = train(arm, [0, 1, 2], dataset)
    for seed in trained.seeds:
        losses = [row.value for row in trained.history if (row.seed, row.metric) == (seed, "train_loss_nats")]
        below = [loss <= 0.5 for loss in losses]
        assert below[-2:] == [True, True]
        assert (True, True) not in itertools.pairwise(below[:-1])


def test_a_seed_stops_once_its_loss_improves_no_more(dataset):
    trained = train(small_arm(epochs=60, lr=1e-9, stop={"patience_epochs": 5}), [0], dataset)
    assert final(trained, "updates") == [5 * 6]


def test_history_says_what_it_should(dataset):
    arm = small_arm(batch_size=10, epochs=3, schedule={"name": "linear"})
    trained = train(arm, [0, 1], dataset)
    rows = [row for row in trained.history if row.seed == 1]
    assert [r.value for r in rows if r.metric == "updates"] == [0, 4, 8, 12]
    assert [r.at for r in rows if r.metric == "test_error_percent"] == [0, 1, 2, 3]
    assert next(r.value for r in rows if r.metric == "distance_from_start") == 0.0
    rates = {r.at: r.value for r in rows if r.metric == "learning_rate"}
    assert all(rate == pytest.approx(0.1 * (1 - at / 3)) for at, rate in rates.items())
    for part in ("train", "validation", "test"):
        error = [r.value for r in rows if r.metric == f"{part}_error_percent"]
        accuracy = [r.value for r in rows if r.metric == f"{part}_accuracy_percent"]
        assert np.allclose(np.add(error, accuracy), 100.0)


def test_reported_numbers_are_those_of_the_weights(dataset):
    """Loss and error of the last row, recomputed by a plain module in evaluation mode."""
    arm = small_arm(model=SMALL["model"] | {"batch_norm": True, "dropout": 0.5})
    trained = train(arm, [0, 1], dataset)
    splits = Splits(dataset, [0, 1], 48, 16, 16)
    images, labels = splits.examples(splits.rows["test"])
    for lane in range(2):
        model = (
            models.build(lane, "mlp", (1, 4, 4), 3, hidden=[12, 8], batch_norm=True, dropout=0.5)
            .double()
            .eval()
        )
        state = {n: torch.from_numpy(w[lane]) for n, w in trained.weights.items()}
        model.load_state_dict(state, strict=False)
        logits = model(images[lane])
        assert final(trained, "test_loss_nats")[lane] == pytest.approx(
            F.cross_entropy(logits, labels[lane]).item()
        )
        error = 100 * (logits.argmax(1) != labels[lane]).double().mean().item()
        assert final(trained, "test_error_percent")[lane] == pytest.approx(error)


def test_linear_scaling_with_warmup_traces_goyals_rate(dataset):
    warmup = {"kind": "gradual", "epochs": 2.0}
    arm = small_arm(batch_size=24, base_batch_size=8, lr_rule="linear", epochs=4, warmup=warmup)
    lanes = Lanes(arm, [0], Splits(dataset, [0], 48, 16, 16))
    assert [lanes.rate(e) for e in (0.0, 1.0, 2.0, 3.0)] == pytest.approx([0.1, 0.2, 0.3, 0.3])


def test_batch_growth_changes_rate_and_batch_together(dataset):
    """The batch can grow 3 times of the wanted 4: the rate takes the rest, in the same epoch."""
    schedule = {"name": "batch_growth", "at": [0.3], "factor": 4.0}
    arm = small_arm(batch_size=16, epochs=4, schedule=schedule)
    lanes = Lanes(arm, [0], Splits(dataset, [0], 48, 16, 16))
    assert [lanes.batch_size(e) for e in range(4)] == [16, 16, 48, 48]
    assert [lanes.rate(e) for e in (1.0, 1.9, 2.0, 3.9)] == pytest.approx([0.1, 0.1, 0.075, 0.075])


def test_weight_decay_spares_biases_and_normalisation_everywhere(dataset):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix, self.vector = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x @ self.matrix * self.vector

    net = [nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), Scaled()) for _ in range(2)]
    model = stack(net)
    decayed, spared = engine.decay_groups(model, everything=False)
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert [shapes[i] for i in decayed] == [(2, 4, 3), (2, 3, 3)]
    assert sorted(shapes[i] for i in spared) == [(2, 1, 3), (2, 3), (2, 3), (2, 3)]
    assert engine.decay_groups(model, everything=True)[1] == []


def test_batch_growth_counts_updates(dataset):
    arm = small_arm(
        batch_size=6, epochs=3, schedule={"name": "batch_growth", "at": [0.3, 0.6], "factor": 4.0}
    )
    trained = train(arm, [0], dataset)
    assert final(trained, "updates") == [48 // 6 + 48 // 24 + 48 // 48]


def test_too_few_images_are_told(dataset):
    with pytest.raises(ValueError, match=r"at most 80 images; got 70 \+ 8 \+ 8"):
        train(small_arm(data={"name": "digits", "train": 70, "validation": 8, "test": 8}), [0], dataset)
