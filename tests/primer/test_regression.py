"""The regression study against scikit-learn and closed forms."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from largebatch.primer.regression import SCALED, run, study
from tests.shared.exhibits import exhibit

SMALL = {"examples": 200, "features": 4, "updates": 20, "epochs": 2, "small_examples": 20}


@pytest.fixture(scope="module")
def data():
    return study(2, 200, 4, 20.0)


@pytest.fixture(scope="module")
def found():
    return list(exhibit("regression", [0, 1], **SMALL))


def of(found, arm, metric, seed=0):
    return {o.at: o.value for a, o in found if (a, o.metric, o.seed) == (arm, metric, seed)}


def test_the_parts_share_nothing_and_the_scaler_knows_the_training_part_alone(data):
    assert data.train.inputs.shape == (160, 5) and data.test.inputs.shape == (40, 5)
    np.testing.assert_allclose(data.train.inputs[:, :-1].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(data.train.inputs[:, :-1].std(0), 1)
    assert not set(data.train.targets.ravel()) & set(data.test.targets.ravel())
    leaked = study(2, 200, 4, 20.0, scaled_on_all=True)
    both = np.vstack([leaked.train.inputs, leaked.test.inputs])[:, :-1]
    np.testing.assert_allclose(both.mean(0), 0, atol=1e-12)
    assert (leaked.train.targets == data.train.targets).all()


def test_losses_along_a_path_are_those_one_by_one(data):
    path = np.random.default_rng(0).standard_normal((7, 5, 1)) * 50
    np.testing.assert_allclose(data.losses(path), [data.train.loss(w) for w in path], rtol=1e-10)


def test_least_squares_and_r2_are_scikit_learns(data):
    x, y = data.train.inputs[:, :-1], data.train.targets
    model = LinearRegression().fit(x, y)
    w = data.least_squares()
    np.testing.assert_allclose(w[:-1].T, model.coef_, rtol=1e-10)
    predicted = model.predict(data.test.inputs[:, :-1])
    left, spread = data.test.targets - predicted, data.test.targets - data.test.targets.mean()
    assert data.test_r2(w) == pytest.approx(1 - (left**2).sum() / (spread**2).sum(), rel=1e-12)


def test_full_batches_follow_the_closed_form(data):
    """w_t - w* = (I - rate H)^t (w_0 - w*)."""
    x, best = data.train.inputs, data.least_squares()
    found = run(data, data.count, 0.1, 12, np.random.default_rng(0))
    step = np.linalg.matrix_power(np.eye(5) - 0.1 * x.T @ x / len(x), 12)
    np.testing.assert_allclose(found[-1], best - step @ best, rtol=1e-10)
    assert len(found) == 13


def test_batches_that_leave_a_rest_count_it_as_an_update(data):
    found = run(data, 64, 0.1, 2, np.random.default_rng(0))
    assert data.updates_per_epoch(64) == 3 and len(found) == 7


def test_arms_and_positions(found):
    arms = {"full", "mini_1024", "mini_256", "mini_32", "online", *SCALED}
    leaks = {p + a for p in ("", "small_") for a in ("scaler_train", "scaler_all")}
    with_loss = {a for a, o in found if o.metric == "regression_loss"}
    assert with_loss == arms
    assert {a for a, _ in found} == arms | leaks
    losses = of(found, "full", "regression_loss")
    assert list(losses) == list(of(found, "full", "regression_seconds")) and max(losses) == 20
    assert of(found, "full", "regression_loss_by_update") == losses
    assert max(of(found, "online", "regression_loss_by_update")) == 2 * 160
    assert of(found, "full", "test_r2").keys() == {None}
    assert of(found, "scaled_64", "loss_gap_percent") == {None: 0.0}


def test_the_goal_is_the_first_update_within_it():
    found = list(exhibit("regression", [0], **SMALL | {"updates": 400, "rate": 0.1}))
    data = study(0, 200, 4, 20.0)
    updates = of(found, "full", "updates_to_goal")[None]
    assert of(found, "full", "epochs_to_goal")[None] == updates
    losses = data.losses(run(data, 160, 0.1, 400, np.random.default_rng(0)))
    least = 1.01 * data.train.loss(data.least_squares())
    assert losses[int(updates)] <= least < losses[int(updates) - 1]


def test_who_never_reaches_the_goal_has_no_number(found):
    assert of(found, "full", "updates_to_goal") == {}


def test_leakage_is_a_difference_of_scores(found):
    for prefix in ("", "small_"):
        scores = [of(found, prefix + a, "test_r2")[None] for a in ("scaler_train", "scaler_all")]
        assert of(found, f"{prefix}scaler_all", "r2_change")[None] == pytest.approx(abs(np.diff(scores)[0]))


def test_batches_larger_than_the_data_are_the_data(found):
    assert of(found, "mini_1024", "test_r2") == of(found, "full", "test_r2")
