"""Orders of sorted data, and metrics along the runs."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from largebatch.primer.problems import accuracy_percent, softmax
from largebatch.primer.randomness import stream
from largebatch.primer.shuffling import ORDERS, PROBLEMS, clouds
from tests.shared.exhibits import exhibit


@pytest.mark.parametrize("prefix", PROBLEMS)
def test_the_training_part_lies_sorted_by_class(prefix):
    learnt, tested = PROBLEMS[prefix](stream(1, "data"), 60, 30)
    classes = learnt.targets.argmax(1)
    assert (np.diff(classes) >= 0).all() and len(np.unique(classes)) > 2
    assert not (np.diff(tested.targets.argmax(1)) >= 0).all()


def test_clouds_lie_around_a_triangle_of_side_two():
    (x, targets), _ = clouds(np.random.default_rng(0), 30000, 1)
    means = np.stack([x[targets[:, k] == 1].mean(0) for k in range(3)])
    sides = np.linalg.norm(means - np.roll(means, 1, 0), axis=1)
    np.testing.assert_allclose(sides, 2, atol=0.06)


def test_orders_are_what_they_are_called():
    never, once, every = (
        list(ORDERS[name](9, 3, np.random.default_rng(0))) for name in ("never", "once", "every_epoch")
    )
    assert all((order == np.arange(9)).all() for order in never)
    assert (once[0] == once[1]).all() and (once[0] != np.arange(9)).any()
    assert (every[0] == once[0]).all() and (every[0] != every[1]).any()
    assert all(sorted(order) == list(range(9)) for order in every)


def test_what_is_read_along_a_run():
    found = list(exhibit("shuffling", [2], train=60, test=30, size=20, epochs=3, every=2))
    assert {arm for arm, _ in found} == {p + n for p in PROBLEMS for n in ORDERS}
    of = {}
    for arm, o in found:
        of.setdefault((arm, o.metric), {})[o.at] = o.value
    assert list(of["once", "shuffling_accuracy"]) == [0, 1, 2, 3]
    assert of["once", "final_accuracy_percent"][None] == of["once", "shuffling_accuracy"][3]
    losses = of["once", "shuffling_loss"]
    assert list(losses) == [0, 2, 4, 6, 7, 8, 9]
    assert of["once", "loss_oscillation"][None] == pytest.approx(np.std([losses[u] for u in (7, 8, 9)]))
    assert losses[0] == pytest.approx(np.log(3))  # all weights zero


def test_loss_and_accuracy_are_scikit_learns():
    learnt, _ = PROBLEMS[""](stream(1, "data"), 60, 30)
    w = np.random.default_rng(0).standard_normal((3, 3))
    probabilities = softmax(learnt.inputs @ w)
    labels = learnt.targets.argmax(1)
    assert learnt.loss(w) == pytest.approx(log_loss(labels, probabilities), rel=1e-12)
    assert accuracy_percent(learnt, w) == pytest.approx(100 * np.mean(probabilities.argmax(1) == labels))


def test_sizes_that_leave_a_rest_are_refused():
    with pytest.raises(ValueError, match="divides 60 examples; got 16"):
        next(exhibit("shuffling", [0], train=60, size=16))
