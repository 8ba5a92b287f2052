"""The choices against a noisy quadratic in closed form, and against tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from largebatch.advise import reading
from largebatch.config.claims import Hyperbola
from largebatch.judging.claims import read_claims
from largebatch.judging.fits import hyperbola
from tests.conftest import REPOSITORY
from tests.shared import quadratic
from tests.shared.tables import arm_rows, write_rows

BATCHES, SEEDS, GOAL = [2, 8, 32, 128, 512], range(6), 0.2
FACTORS = [0.25, 0.5, 1.0, 2.0, 4.0]
UPDATES = "updates_to_validation_goal"
CRITICAL = Hyperbola(
    id="A.critical",
    says="It is near the noise scale.",
    source="McCandlish et al. 2018",
    kind="hyperbola",
    metric="updates_to_test_goal",
    arm="sweep",
    show="critical_batch",
    expect={"within": [2.0, 512.0]},
    no_control="none",
)


def cells(values, metric="validation_loss_nats", diverged=()):
    """Observations of tries. values: {(batch, rate): one value per seed}."""
    frames = []
    for (batch, rate), found in values.items():
        lost = [float((batch, rate) in diverged)] * len(found)
        metrics = {metric: found, "peak_learning_rate": [rate] * len(found), "diverged": lost}
        frames.append(arm_rows(f"cells[{batch},{rate:g}]", metrics, group="cells", batch_size=batch, lr=rate))
    return pd.concat(frames)


def table(values):
    found = pd.DataFrame(values).T.astype(float)
    return found.rename_axis(["batch_size", "rate"])


@pytest.fixture(scope="module")
def quadratic_tries(tmp_path_factory):
    """Updates to the goal at rates around a fixed one, as a scale file would have them."""
    values = {}
    for batch in BATCHES:
        for factor in FACTORS:
            rate = float(f"{0.1 * (batch / 8) ** 0.5 * factor:.4g}")
            found = [quadratic.updates_to(GOAL, batch, rate, seed) for seed in SEEDS]
            values[batch, rate] = [None if np.isnan(value) else value for value in found]
    path = tmp_path_factory.mktemp("tries") / "observations.parquet"
    return path, write_rows(path, cells(values, UPDATES))


def test_the_best_rate_is_that_of_the_closed_form(quadratic_tries):
    path, _ = quadratic_tries
    found = reading.best_rates(reading.tries([path], UPDATES), reading.median)
    assert [*found] == BATCHES
    for batch, rate in found.items():  # rates are a factor of 2 apart
        assert abs(np.log2(rate / quadratic.best_rate(batch))) < 0.6, batch


def test_the_critical_batch_is_that_of_the_closed_form(quadratic_tries):
    """Each batch at the closed form's rate, as the search would find it on a finer grid."""
    rows = [
        arm_rows(
            f"sweep[batch_size={batch}]",
            {
                "updates_to_test_goal": [
                    quadratic.updates_to(GOAL, batch, quadratic.best_rate(batch), seed) for seed in SEEDS
                ],
                "diverged": [0.0] * len(SEEDS),
            },
            group="sweep",
            batch_size=batch,
        )
        for batch in BATCHES
    ]
    effects = hyperbola(pd.concat(rows), CRITICAL)
    low, high = np.exp(effects.interval())
    assert np.exp(effects.tested[0]) == pytest.approx(quadratic.NOISE, rel=0.15)
    assert low < quadratic.NOISE < high


def test_rates_chosen_for_all_seeds_give_the_published_critical_batch():
    """At digits each seed chose its own rate; here all take the one that is best over the seeds."""
    path = REPOSITORY / "results/published/digits/shallue/observations.parquet"
    rates = reading.best_rates(reading.tries([path], UPDATES, "sweep.tried"), reading.median)
    tries = reading.tries([path], "updates_to_test_goal", "sweep.tried")
    rows = [
        arm_rows(
            f"sweep[{batch}]",
            {"updates_to_test_goal": tries.loc[(batch, rate)].replace(np.inf, None), "diverged": [0.0] * 14},
            group="sweep",
            batch_size=batch,
        )
        for batch, rate in rates.items()
    ]
    effects = hyperbola(pd.concat(rows), CRITICAL)
    published = read_claims(path.parents[1] / "claims.csv").set_index("id").loc["D.leaves"]
    assert published["low"] < np.exp(effects.tested[0]) < published["high"]


def test_a_rate_beyond_the_grid_is_found_at_its_edge(quadratic_tries):
    path, _ = quadratic_tries
    tries = reading.tries([path], UPDATES)
    high = tries[tries.index.get_level_values("rate") < 0.6 * quadratic.best_rate(32)].loc[[32]]
    assert reading.at_edge(high, reading.median) == {32: "high"}


def test_seeds_that_diverge_or_miss_the_goal_are_infinitely_bad(tmp_path):
    values = {(8, 0.1): [3.0, 3.0, 3.0], (8, 0.2): [1.0, None, 1.0], (8, 0.4): [0.5, 0.5, 0.5]}
    path = write_rows(tmp_path / "observations.parquet", cells(values, diverged={(8, 0.4)}))
    tries = reading.tries([path], "validation_loss_nats")
    assert np.isinf(tries.loc[(8, 0.4)]).all() and np.isinf(tries.loc[(8, 0.2), 1])
    assert reading.best_rates(tries) == {8: 0.1}
    assert reading.best_rates(tries, reading.median) == {8: 0.2}


def test_no_rate_that_trains_is_an_error():
    with pytest.raises(ValueError, match="wanted a rate at which all seeds train"):
        reading.largest_as_good(table({(8, 0.1): [np.inf, 1.0]}))


def test_grids_widen_on_the_side_of_the_best_rate():
    values = {(8, 0.1): [1, 1], (8, 0.2): [2, 2], (16, 0.1): [2, 2], (16, 0.2): [1, 1]}
    values |= {(32, 0.1): [2, 2], (32, 0.2): [1, 1], (32, 0.4): [2, 2]}
    assert reading.at_edge(table(values)) == {8: "low", 16: "high"}
    assert reading.beyond(table(values), 2.0, 2) == [(8, 0.05), (8, 0.025), (16, 0.4), (16, 0.8)]


def test_the_best_rates_of_each_batch_survive():
    values = {(8, 0.1): [1, 1], (8, 0.2): [3, 3], (8, 0.4): [2, 2], (16, 0.1): [1, 1], (16, 0.2): [np.inf, 1]}
    assert reading.survivors(table(values), 2) == [(8, 0.1), (8, 0.4), (16, 0.1)]


def test_the_largest_batch_within_one_standard_error_is_taken():
    best = [1.0, 2.0, 3.0]
    values = {(8, 0.1): best, (16, 0.1): [1.3, 1.8, 3.1], (32, 0.1): [1.5, 2.5, 3.5]}
    assert reading.largest_as_good(table(values)) == 16
    assert reading.largest_as_good(table({key: values[key] for key in [(8, 0.1), (32, 0.1)]})) == 8


def test_the_goal_is_most_of_the_way_down():
    assert reading.goal_of(table({(8, 0.1): [10.0, 12.0], (8, 0.2): [50.0, 50.0]}), 91.0) == 15.0
    assert reading.goal_of(table({(8, 0.1): [50.0, 50.0]}), 40.0) == 50.0
