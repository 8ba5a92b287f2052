"""Whole runs: what is recorded, divergence, stopping, goals and snapshots."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from largebatch.config.images import PARTS
from largebatch.data.splits import Splits
from largebatch.nets import models
from largebatch.training import train as train_module
from largebatch.training.engine import SeedGroup
from tests.conftest import SMALL, small_arm
from tests.shared.plain_loop import plain_loop
from tests.shared.settings import EVERYTHING
from tests.shared.trained import assert_same_snapshots, train


def final(trained, metric):
    """Last value of a metric for each seed."""
    values = {row.seed: row.value for row in trained.history if row.metric == metric}
    return [values[seed] for seed in trained.seeds]


def test_arms_share_split_and_initial_weights(dataset):
    small, large = (train(small_arm(batch_size=b, lr=1e-12), [0, 1], dataset) for b in (4, 48))
    for name in small.weights:
        np.testing.assert_allclose(small.weights[name], large.weights[name], atol=1e-9)


@pytest.fixture
def seed_1_explodes(monkeypatch):
    """In its second epoch."""
    original = SeedGroup.train_epoch

    def explode(group):
        if group.epoch == 1 and 1 in group.seeds:
            group.weights[0].data[group.seeds.index(1)] = float("inf")
        original(group)

    monkeypatch.setattr(SeedGroup, "train_epoch", explode)


@pytest.mark.parametrize("model", [SMALL["model"], {"name": "cnn", "channels": [3]}], ids=["mlp", "cnn"])
def test_one_diverging_seed_leaves_the_others_alone(model, dataset, seed_1_explodes, monkeypatch):
    monkeypatch.setattr(train_module, "seed_groups", lambda arm, seeds, *_: [seeds])  # of a cnn, too
    arm = small_arm(epochs=3, model=model)
    expected = train(arm, [0, 2], dataset)
    trained = train(arm, [0, 1, 2], dataset)
    assert final(trained, "diverged") == [0.0, 1.0, 0.0]
    assert np.isfinite([row.value for row in trained.history]).all()
    assert all(np.isfinite(w).all() for w in trained.weights.values())
    assert max(row.at for row in trained.history if row.seed == 1 and row.metric == "train_loss_nats") == 1
    for name in expected.weights:
        np.testing.assert_allclose(
            trained.weights[name][[0, 2]], expected.weights[name], rtol=1e-10, atol=1e-12
        )


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
    for index in range(2):
        model = (
            models.build(index, "mlp", (1, 4, 4), 3, hidden=[12, 8], batch_norm=True, dropout=0.5)
            .double()
            .eval()
        )
        state = {n: torch.from_numpy(w[index]) for n, w in trained.weights.items()}
        model.load_state_dict(state, strict=False)
        logits = model(images[index])
        assert final(trained, "test_loss_nats")[index] == pytest.approx(
            F.cross_entropy(logits, labels[index]).item()
        )
        error = 100 * (logits.argmax(1) != labels[index]).double().mean().item()
        assert final(trained, "test_error_percent")[index] == pytest.approx(error)


def test_too_few_images_are_told(dataset):
    with pytest.raises(ValueError, match=r"at most the 80 images of the data; got 86"):
        train(small_arm(data={"name": "digits", "train": 70, "validation": 8, "test": 8}), [0], dataset)


def test_evaluation_sees_images_as_they_are(dataset):
    """At the start, whatever the training does to a batch."""
    start = [row for row in train(small_arm(), [0], dataset).history if row.at == 0.0]
    altered = train(small_arm(**EVERYTHING), [0], dataset).history
    assert [row for row in altered if row.at == 0.0 and row.metric != "train_squared_error"] == start


def test_every_proximal_step_is_an_update(dataset):
    assert final(train(small_arm(proximal={"steps": 4}), [0], dataset), "updates") == [2 * 6 * 4]


def test_squared_error_is_recorded_beside_the_cross_entropy(dataset):
    arm = small_arm(loss="squared_error", epochs=6)
    trained = train(arm, [0, 1], dataset)
    images, labels = (s := Splits(dataset, [0, 1], 48, 16, 16)).examples(s.rows["train"])
    for index in range(2):
        model = plain_loop(arm, index, dataset)
        logits, targets = model(images[index]), F.one_hot(labels[index], 3)
        error = (logits - targets).square().sum(1).mean().item() / 2
        assert final(trained, "train_squared_error")[index] == pytest.approx(error)
        nats = F.cross_entropy(logits, labels[index]).item()
        assert final(trained, "train_loss_nats")[index] == pytest.approx(nats)
    rows = [row for row in trained.history if row.metric.endswith("squared_error") and row.seed == 0]
    assert [row.at for row in rows] == list(range(7))
    assert "train_squared_error" not in {row.metric for row in train(small_arm(), [0], dataset).history}


def test_a_seed_stops_by_the_loss_it_trains_on(dataset):
    """Cross-entropy goes on falling long after the squared error has ceased to."""
    arm = small_arm(loss="squared_error", epochs=60, lr=0.2, stop={"patience_epochs": 3, "tolerance": 0.5})
    trained = train(arm, [0], dataset)
    errors = [row.value for row in trained.history if row.metric == "train_squared_error"]
    ceased = [at for at in range(3, 61) if min(errors[: at + 1]) > 0.5 * min(errors[: at - 2])]
    assert ceased[0] == len(errors) - 1 < 60


def overflowing(**settings):
    """An arm at a rate that no configuration may have."""
    return small_arm(epochs=4, **settings).model_copy(update={"lr": 1e160})


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_a_loss_that_overflows_is_divergence(loss, dataset):
    trained = train(overflowing(loss=loss), [0, 1], dataset)
    assert final(trained, "diverged") == [1.0, 1.0]
    assert np.isfinite([row.value for row in trained.history]).all()


@pytest.mark.parametrize("epoch", [2, 4, 5])
def test_a_snapshot_is_the_weights_of_a_shorter_run(epoch, dataset):
    """With BatchNorm's population statistics; evaluated every 2 epochs and at the end."""
    settings = {"model": SMALL["model"] | {"batch_norm": True}, "evaluate_every_epochs": 2}
    trained = train(small_arm(**settings, epochs=5, snapshots_at_epochs=[0, 2, 4, 5]), [3, 1], dataset)
    assert list(trained.snapshots) == [0, 2, 4, 5]
    shorter = train(small_arm(**settings, epochs=epoch), [3, 1], dataset)
    assert "2.running_mean" in shorter.weights
    assert_same_snapshots({epoch: trained.snapshots[epoch]}, {epoch: ([3, 1], shorter.weights)})


def test_the_snapshot_at_epoch_0_is_the_start(dataset):
    trained = train(small_arm(snapshots_at_epochs=[0]), [3, 1], dataset)
    seeds, weights = trained.snapshots[0]
    for index, seed in enumerate(seeds):
        start = models.build(seed, "mlp", (1, 4, 4), 3, hidden=[12, 8]).double().state_dict()
        assert_same_snapshots({0: ([seed], {n: w[index] for n, w in weights.items()})}, {0: ([seed], start)})


def test_a_seed_that_has_left_has_no_later_snapshots(dataset, seed_1_explodes):
    arm = small_arm(epochs=3, snapshots_at_epochs=[0, 1, 2, 3])
    trained = train(arm, [0, 1, 2], dataset)
    assert {epoch: seeds for epoch, (seeds, _) in trained.snapshots.items()} == {
        0: [0, 1, 2],
        1: [0, 1, 2],
        2: [0, 2],
        3: [0, 2],
    }
    assert all(len(w) == 2 for w in trained.snapshots[3][1].values())


def test_snapshots_end_where_a_seed_stops(dataset):
    """The last one is of the evaluation at which it stopped; epochs that nobody reached have none."""
    settings = {"lr": 1e-9, "stop": {"patience_epochs": 2}, "snapshots_at_epochs": [1, 2, 3]}
    trained = train(small_arm(epochs=4, **settings), [0, 1], dataset)
    assert [(epoch, seeds) for epoch, (seeds, _) in trained.snapshots.items()] == [(1, [0, 1]), (2, [0, 1])]


def test_snapshots_at_a_loss_are_those_between_which_it_is_passed(dataset):
    settings = {"lr": 0.3, "epochs": 12}
    trained = train(small_arm(**settings, snapshots_at_loss=0.5), [0, 1, 2], dataset)
    everything = train(small_arm(**settings, snapshots_at_epochs=list(range(13))), [0, 1, 2], dataset)
    for seed in (0, 1, 2):
        losses = [r.value for r in trained.history if (r.seed, r.metric) == (seed, "train_loss_nats")]
        below = next(epoch for epoch, loss in enumerate(losses) if loss <= 0.5)
        assert below > 1  # else the test says little
        kept = {epoch: seeds.index(seed) for epoch, (seeds, _) in trained.snapshots.items() if seed in seeds}
        assert list(kept) == [below - 1, below]
        for epoch, index in kept.items():
            for name, weights in trained.snapshots[epoch][1].items():
                assert np.array_equal(weights[index], everything.snapshots[epoch][1][name][seed])


def test_a_loss_that_is_never_passed_leaves_no_snapshot(dataset):
    assert train(small_arm(snapshots_at_loss=1e-9), [0], dataset).snapshots == {}
    assert list(train(small_arm(snapshots_at_loss=100.0), [0], dataset).snapshots) == [0]


def goals(trained, seed):
    return {r.metric: r.value for r in trained.history if r.seed == seed and r.metric.endswith("_goal")}


def test_a_goal_is_where_the_error_passes_it_and_ends_the_run(dataset):
    settings = {"lr": 0.3, "epochs": 30}
    trained = train(small_arm(**settings, goal={"error_percent": 20.0}), [0, 1, 2], dataset)
    free = train(small_arm(**settings), [0, 1, 2], dataset)
    for seed in (0, 1, 2):
        of = {
            part: [r for r in free.history if (r.seed, r.metric) == (seed, f"{part}_error_percent")]
            for part in ("validation", "test")
        }
        first = {part: next(i for i, r in enumerate(rows) if r.value <= 20.0) for part, rows in of.items()}
        for part, rows in of.items():
            above, below = rows[first[part] - 1].value, rows[first[part]].value
            updates = 6 * (first[part] - 1 + (above - 20.0) / (above - below))  # 48 images in batches of 8
            assert goals(trained, seed)[f"updates_to_{part}_goal"] == pytest.approx(updates)
        at_test = goals(trained, seed)["updates_to_test_goal"]
        assert goals(trained, seed)["examples_to_test_goal"] == pytest.approx(8 * at_test)
        ends = [r.at for r in trained.history if (r.seed, r.metric) == (seed, "updates")]
        assert max(ends) == max(first.values()) < 30
    assert goals(free, 0) == {}


def test_a_goal_that_is_not_reached_is_not_written_and_one_met_at_once_is_one_update(dataset):
    assert goals(train(small_arm(lr=1e-9, goal={"error_percent": 0.0}), [0], dataset), 0) == {}
    met = goals(train(small_arm(goal={"error_percent": 100.0}), [0], dataset), 0)
    assert met == {"updates_to_validation_goal": 1, "updates_to_test_goal": 1, "examples_to_test_goal": 8}


FOLLOWED = {
    "to its end": {},
    "until it stops": {"epochs": 60, "stop": {"patience_epochs": 3, "tolerance": 0.5, "floor_nats": 0.0}},
    "to a goal": {"epochs": 30, "lr": 0.3, "goal": {"error_percent": 20.0}},
    "with BatchNorm": {"model": SMALL["model"] | {"batch_norm": True}, "loss": "squared_error"},
}


@pytest.mark.parametrize("settings", FOLLOWED.values(), ids=FOLLOWED)
@pytest.mark.parametrize("followed", [[], ["test"]])
def test_what_is_not_followed_is_evaluated_at_the_start_and_the_end(
    settings, followed, dataset, seed_1_explodes
):
    """Also of a seed that diverges: its weights at its last finite evaluation."""
    arm = small_arm(**{"epochs": 3} | settings)
    full, some = (train(arm, [0, 1, 2], dataset, followed=parts) for parts in (PARTS, followed))
    there = {(row.seed, row.metric, row.at): row.value for row in full.history}
    kept = {(row.seed, row.metric, row.at): row.value for row in some.history}
    assert kept == {key: pytest.approx(there[key], rel=1e-12) for key in kept}
    ends = {
        (seed, metric): max(at for s, m, at in kept if (s, m) == (seed, metric))
        for seed, metric, at in kept
        if at
    }
    asked = {*followed, *(["train"] if arm.stop else []), *(["validation", "test"] if arm.goal else [])}
    for seed, metric, at in there.keys() - kept.keys():
        part = metric.partition("_")[0]
        assert part in PARTS and part not in asked
        assert 0 < at < ends[seed, metric]
    assert final(some, "diverged") == final(full, "diverged")
    for name, weights in full.weights.items():
        np.testing.assert_array_equal(some.weights[name], weights)


def test_an_end_that_overflows_is_divergence_though_nothing_was_followed(dataset):
    trained = train(overflowing(), [0, 1], dataset, followed=[])
    assert final(trained, "diverged") == [1.0, 1.0]
    assert np.isfinite([row.value for row in trained.history]).all()
