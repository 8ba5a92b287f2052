"""The regression study: 5000 examples of 20 inputs with noise 20. Statements P3, P4 and P14.

The loss is half the mean squared error, so that its gradient is Xᵀ(Xw - y)/B.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from largebatch.files import Observation
from largebatch.primer.clock import ROUNDS, update_times
from largebatch.primer.descent import descend
from largebatch.primer.problems import SQUARED, Linear, with_ones
from largebatch.primer.randomness import stream
from largebatch.primer.runs import epochs_of, thinned

TEST_SHARE = 0.2
MINI = (32, 256, 1024)
LEAKAGE_SIZE = 32
SCALED = {"scaled_64": (64, 1), "scaled_128": (128, 2), "scaled_256": (256, 4), "lagging_256": (256, 1)}
POINTS = 60


@dataclass(frozen=True)
class Study:
    """Standardised training and test part of one seed's data."""

    train: Linear
    test: Linear

    @property
    def count(self) -> int:
        """Examples to train on."""
        return len(self.train.inputs)

    def updates_per_epoch(self, size: int) -> int:
        """Batches of this size, the last of which may be short."""
        return math.ceil(self.count / size)

    def least_squares(self) -> np.ndarray:
        """The weights that minimise the training loss; (p, 1)."""
        return np.linalg.lstsq(self.train.inputs, self.train.targets)[0]

    def losses(self, path: np.ndarray) -> np.ndarray:
        """Training loss at each of (t, p, 1) weights, exactly: L is quadratic around least squares."""
        x, best = self.train.inputs, self.least_squares()
        away = (path - best)[..., 0]  # (t, p)
        return self.train.loss(best) + 0.5 * ((away @ (x.T @ x / len(x))) * away).sum(1)

    def test_r2(self, w: np.ndarray) -> float:
        """Explained share of the test part's variance; (p, 1)."""
        from sklearn.metrics import r2_score

        return float(r2_score(self.test.targets, self.test.inputs @ w))


def study(seed: int, examples: int, features: int, noise: float, scaled_on_all: bool = False) -> Study:
    """scikit-learn's make_regression, a fifth of it to test on.

    scaled_on_all: the mistake of P14; the scaler has seen the test part.
    """
    from sklearn.datasets import make_regression
    from sklearn.preprocessing import StandardScaler

    draw = stream(seed, "data")
    state = int(draw.integers(2**31))  # scikit-learn needs its own kind of generator
    x, y = make_regression(examples, features, noise=noise, random_state=state)
    order = draw.permutation(examples)
    test, train = np.split(order, [round(TEST_SHARE * examples)])
    scaled = with_ones(StandardScaler().fit(x if scaled_on_all else x[train]).transform(x))
    parts = (Linear(scaled[rows], y[rows, None], SQUARED) for rows in (train, test))
    return Study(*parts)


def run(study: Study, size: int, rate: float, epochs: int, order: np.random.Generator) -> np.ndarray:
    """Weights at the start, which are zero, and after each update, (t + 1, p, 1)."""
    start, rows = study.train.start(), epochs_of(study.count, min(size, study.count), epochs, order)
    return np.array([start, *descend(study.train.gradient, start, rows, lambda _: rate)])


def regression(
    seeds: list[int],
    examples: int,
    features: int,
    noise: float,
    rate: float,
    online_rate: float,
    epochs: int,
    updates: int,
    goal_percent: float,
    scaling_rate: float,
    scaling_epochs: int,
    small_examples: int,
) -> Iterator[tuple[str, Observation]]:
    """Convergence, linear scaling and leakage; see the three functions below. P3, P4, P14."""
    for seed in seeds:
        data = study(seed, examples, features, noise)
        yield from convergence(seed, data, rate, online_rate, epochs, updates, goal_percent)
        yield from scaling(seed, data, scaling_rate, scaling_epochs)
        for prefix, count in (("", examples), ("small_", small_examples)):
            yield from leakage(seed, prefix, count, features, noise, rate, epochs, updates)


def convergence(
    seed: int,
    data: Study,
    rate: float,
    online_rate: float,
    epochs: int,
    updates: int,
    goal_percent: float,
) -> Iterator[tuple[str, Observation]]:
    """P3: full, mini_1024, mini_256, mini_32, online: batches of all, 1024, 256, 32 examples and of one.

    All but online have the same rate; for single examples it would be near 2/|x|², where they diverge. Each
    arm runs for `epochs`, or until it has made `updates`. At epoch: regression_loss (training part),
    regression_seconds (the number of updates times the shortest time), time_spread (see clock.py). At update:
    regression_loss_by_update. At the end: test_r2. updates_to_goal, epochs_to_goal: until the loss is within
    goal_percent of least squares', for seeds that reach it.
    """
    goal = (1 + goal_percent / 100) * data.train.loss(data.least_squares())
    sizes = {"full": data.count} | {f"mini_{size}": size for size in MINI} | {"online": 1}
    whole = {arm: min(size, data.count) for arm, size in sizes.items()}
    start, order = data.train.start(), stream(seed, "clock")
    times = update_times(data.train.gradient, start, data.count, whole, ROUNDS, order)
    for arm, size in sizes.items():
        per_epoch = data.updates_per_epoch(size)
        wanted = max(epochs, math.ceil(updates / per_epoch))
        path = run(data, size, online_rate if size == 1 else rate, wanted, stream(seed, "order"))
        losses = data.losses(path)
        for epoch in thinned(wanted, POINTS):
            loss = losses[epoch * per_epoch]
            yield arm, Observation(seed, "regression_loss", epoch, float(loss))
            seconds = epoch * per_epoch * times[arm].seconds
            yield arm, Observation(seed, "regression_seconds", epoch, seconds)
            yield arm, Observation(seed, "time_spread", epoch, times[arm].spread)
        for update in thinned(len(losses) - 1, POINTS):
            yield arm, Observation(seed, "regression_loss_by_update", update, float(losses[update]))
        yield arm, Observation(seed, "test_r2", None, data.test_r2(path[-1]))
        reached = np.flatnonzero(losses <= goal)
        if len(reached):
            first = int(reached[0])
            yield arm, Observation(seed, "updates_to_goal", None, first)
            yield arm, Observation(seed, "epochs_to_goal", None, first / per_epoch)


def scaling(seed: int, data: Study, rate: float, epochs: int) -> Iterator[tuple[str, Observation]]:
    """P4: scaled_64, scaled_128, scaled_256 at 1, 2, 4 times the rate; lagging_256 at that of 64.

    regression_loss at epoch; loss_gap_percent: difference of the last loss from that of scaled_64.
    """
    last = {}
    for arm, (size, factor) in SCALED.items():
        path = run(data, size, factor * rate, epochs, stream(seed, "order"))
        losses = data.losses(path[:: data.updates_per_epoch(size)])
        for epoch, loss in enumerate(losses):
            yield arm, Observation(seed, "regression_loss", epoch, float(loss))
        last[arm] = losses[-1]
    for arm, loss in last.items():
        gap = 100 * (loss / last["scaled_64"] - 1)
        yield arm, Observation(seed, "loss_gap_percent", None, float(gap))


def leakage(
    seed: int,
    prefix: str,
    examples: int,
    features: int,
    noise: float,
    rate: float,
    epochs: int,
    updates: int,
) -> Iterator[tuple[str, Observation]]:
    """P14: scaler_train, scaler_all: the part that the scaler was fitted on; the batches are the same.

    test_r2; r2_change: absolute difference between the scores of scaler_all and scaler_train. Arms with the
    prefix small_ have few examples, so that the scaler depends on each.
    """
    scores = {}
    for arm, scaled_on_all in (("scaler_train", False), ("scaler_all", True)):
        data = study(seed, examples, features, noise, scaled_on_all)
        wanted = max(epochs, math.ceil(updates / data.updates_per_epoch(LEAKAGE_SIZE)))
        path = run(data, LEAKAGE_SIZE, rate, wanted, stream(seed, "order"))
        scores[arm] = data.test_r2(path[-1])
        yield prefix + arm, Observation(seed, "test_r2", None, scores[arm])
    change = abs(scores["scaler_all"] - scores["scaler_train"])
    yield f"{prefix}scaler_all", Observation(seed, "r2_change", None, change)
