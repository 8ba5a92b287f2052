"""Arms of every loss, and of targets that are numbers, against a plain loop and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.preprocessing import StandardScaler

from largebatch.config.losses import SCORES
from largebatch.data.splits import Splits
from largebatch.nets import models
from largebatch.training import engine
from tests.conftest import SMALL, small_arm
from tests.shared.numbers import LOSSES, NUMBERS, arm_and_data, huber, vectors
from tests.shared.own import imported, write
from tests.shared.plain_loop import plain_loop
from tests.shared.trained import train

ADAM = {"optimiser": {"name": "adam"}, "lr": 0.01}
MITIGATED = {"adversarial": {"size": 0.1}, "sharpness_aware": {}, "micro_batch_size": 4}


def history(trained, seed):
    """(metric, epoch) -> value"""
    return {(row.metric, row.at): row.value for row in trained.history if row.seed == seed}


@pytest.mark.parametrize(
    "settings", [{"last_batch": "weigh", "batch_size": 10}, ADAM, MITIGATED], ids=["sgd", "adam", "mitigated"]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_all_seeds_together_train_as_a_plain_loop_does(loss, settings, dataset, tmp_path):
    arm, data = arm_and_data(loss, tmp_path, dataset, **settings)
    trained = train(arm, [0, 3], data)
    for index, seed in enumerate([0, 3]):
        for name, tensor in plain_loop(arm, seed, data).state_dict().items():
            np.testing.assert_allclose(trained.weights[name][index], tensor, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("targets", [1, 2])
def test_the_history_of_numbers_is_scored_in_their_own_units(targets):
    """Each seed's net beside scikit-learn's scaler, fitted on the seed's own training part."""
    arm, data = small_arm(loss="squared_error", data=NUMBERS, epochs=4), vectors(targets)
    trained, splits = train(arm, [0, 1], data), Splits(data, [0, 1], 48, 16, 16)
    for index, seed in enumerate([0, 1]):
        net = models.initial(arm, seed, data).double()
        net.load_state_dict({n: torch.as_tensor(w[index]) for n, w in trained.weights.items()})
        rows = {part: of[index].numpy() for part, of in splits.rows.items()}
        x, y = (each.numpy() for each in (data.images, data.labels))
        of_x, of_y = (StandardScaler().fit(each[rows["train"]]) for each in (x, y))
        found = history(trained, seed)
        for part, places in rows.items():
            outputs = net(torch.as_tensor(of_x.transform(x[places]))).detach().numpy()
            true, guessed = y[places], of_y.inverse_transform(outputs)
            half = ((outputs - of_y.transform(true)) ** 2).sum(1).mean() / 2
            assert found[f"{part}_squared_error", 4] == pytest.approx(half)
            assert found[f"{part}_rmse", 4] == pytest.approx(metrics.root_mean_squared_error(true, guessed))
            assert found[f"{part}_mae", 4] == pytest.approx(metrics.mean_absolute_error(true, guessed))
            assert found[f"{part}_r_squared", 4] == pytest.approx(metrics.r2_score(true, guessed))
        assert found["train_r_squared", 4] > 0.1 > found["train_r_squared", 0]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_history_has_the_metrics_of_its_arm(loss, dataset, tmp_path):
    arm, data = arm_and_data(loss, tmp_path, dataset)
    found = {metric for metric, _ in history(train(arm, [0], data), 0)}
    parts = ("train_", "validation_", "test_")
    assert {metric for metric in found if metric.startswith(parts)} == set(arm.part_metrics)
    others = SCORES["classes" if arm.data.targets == "numbers" else "numbers"]
    assert not [metric for metric in found if metric.endswith(others)]


FOCAL = """
import torch.nn.functional as F


def focal(outputs, labels, gamma=0.0):
    nats = F.cross_entropy(outputs, labels, reduction="none")
    return (1 - (-nats).exp()) ** gamma * nats
"""


def test_a_loss_of_the_users_of_classes_trains_as_the_same_of_ours(dataset, tmp_path):
    write(tmp_path, FOCAL, "my_loss.py")
    theirs = train(small_arm(), [0, 1], dataset)
    ours = train(small_arm(loss=imported(tmp_path, "my_loss.py:focal")), [0, 1], dataset)
    for name, weights in theirs.weights.items():
        np.testing.assert_allclose(ours.weights[name], weights, rtol=1e-9, atol=1e-11)
    rows = history(ours, 0)
    assert rows["train_own_loss", 2] == pytest.approx(rows["train_loss_nats", 2])
    focused = train(small_arm(loss=imported(tmp_path, "my_loss.py:focal", gamma=2.0)), [0, 1], dataset)
    assert history(focused, 0)["train_own_loss", 0] < rows["train_own_loss", 0]


def test_a_goal_of_numbers_is_in_their_units():
    settings = {"loss": "squared_error", "data": NUMBERS, "epochs": 30}
    free = history(train(small_arm(**settings), [0], vectors()), 0)
    goal = float(np.median([value for (metric, _), value in free.items() if metric == "test_rmse"]))
    found = history(train(small_arm(**settings, goal={"rmse": goal}), [0], vectors()), 0)
    first = next(at for at in range(31) if free["test_rmse", at] <= goal)
    assert 6 * (first - 1) < found["updates_to_test_goal", None] <= 6 * first


def test_seeds_that_leave_take_their_targets_along(monkeypatch):
    """The others go on with their own, standardised by their own training part."""
    settings = {"loss": "squared_error", "data": NUMBERS, "epochs": 40, "lr": 0.05}
    arm = small_arm(**settings, stop={"patience_epochs": 2, "tolerance": 0.05})
    together = train(arm, [0, 1, 2, 3], vectors())
    ends = {s: max(r.at for r in together.history if (r.seed, r.metric) == (s, "updates")) for s in range(4)}
    assert len(set(ends.values())) > 1
    monkeypatch.setattr(engine, "CACHE_BYTES", 1)
    alone = train(arm, [0, 1, 2, 3], vectors())
    for seed in range(4):
        ours, theirs = history(together, seed), history(alone, seed)
        assert ours.keys() == theirs.keys()
        assert all(ours[key] == pytest.approx(theirs[key], rel=1e-9, abs=1e-9) for key in ours)


def test_binary_cross_entropy_wants_two_classes(dataset):
    arm = small_arm(loss="binary_cross_entropy", data=SMALL["data"] | {"name": "mine"})
    with pytest.raises(ValueError, match="loss binary_cross_entropy: wanted data of two classes; got 3"):
        train(arm, [0], dataset)


NET = """
from torch import nn


def net(size):
    return nn.Sequential(nn.Flatten(), nn.Linear(size, 7))
"""


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [
        ("squared_error", r"outputs \(b, 2\), one per number of a target; got \('b', 7\)"),
        ("binary_cross_entropy", r"outputs \(b, 1\), one per example; got \('b', 7\)"),
    ],
)
def test_outputs_of_another_number_are_refused(loss, wanted, dataset, tmp_path):
    write(tmp_path, NET)
    size = {"squared_error": 5, "binary_cross_entropy": 16}[loss]
    model = imported(tmp_path, "my_net.py:net", size=size)
    arm, data = arm_and_data(loss, tmp_path, dataset, model=model)
    with pytest.raises(ValueError, match=wanted):
        train(arm, [0], data)


def test_numbers_are_learnt_with_a_loss_of_the_users(tmp_path):
    arm = small_arm(loss=huber(tmp_path), data=NUMBERS, epochs=20)
    rows = history(train(arm, [0], vectors()), 0)
    assert rows["train_own_loss", 20] < 0.5 * rows["train_own_loss", 0]
    assert rows["diverged", None] == 0.0
