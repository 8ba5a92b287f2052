import numpy as np
import pandas as pd
import pytest

from largebatch.config.uses import At
from largebatch.observations import reading


@pytest.fixture
def runs(helpers):
    """Seed 0 trains 4 epochs, seed 1 stops after 2; loss is 10 - epoch; 8 updates per epoch."""
    loss = {0.0: [10, 10], 2.0: [8, 8], 4.0: [6, None]}
    updates = {0.0: [0, 0], 2.0: [16, 16], 4.0: [32, None]}
    other = {"updates": {0.0: [0, 0], 4.0: [12, 40]}, "train_loss_nats": {0.0: [9, 9], 4.0: [1, 3]}}
    a = helpers.arm("a", {"train_loss_nats": loss, "updates": updates, "diverged": [0, 1]})
    return pd.concat([a, helpers.arm("b", other)])


def read(runs, **at):
    return reading.reading(runs, "a", "train_loss_nats", At(**at) if at else None).tolist()


def test_final_is_each_seeds_last_value(runs):
    assert read(runs) == [6, 8]


def test_share_is_linear_between_evaluations_and_carries_on_after_a_stop(runs):
    assert read(runs, share=0.25) == [9, 9]
    assert read(runs, share=0.75) == [7, 8]
    assert read(runs, share=1.0) == [6, 8]


def test_same_updates_is_linear_in_updates(runs):
    # 12 updates are 1.5 epochs; 40 are more than seed 1 made
    assert read(runs, same_updates_as="b") == [8.5, 8]
    assert reading.short_of(runs, "a", "b") == 1


def test_median_of_last(runs):
    assert read(runs, median_of_last=2) == [7, 9]
    assert reading.reading(runs, "a", "diverged", At(median_of_last=5)).tolist() == [0, 1]


def test_train_loss_is_read_where_it_first_falls_to_a_level(helpers):
    """Error 3 at loss 1, error 1 at loss 0.01: at 0.1, half way in the logarithm, error 2."""
    error = {0.0: [4, 4, 4], 1.0: [3, 3, 3], 2.0: [1, 1, 1], 3.0: [9, 9, 9]}
    loss = {0.0: [2, 2, 0.05], 1.0: [1, 1, 0.04], 2.0: [0.01, 0.2, 0.03], 3.0: [5, 0.15, 0.02]}
    rows = helpers.arm("a", {"test_error_percent": error, "train_loss_nats": loss})
    found = reading.reading(rows, "a", "test_error_percent", At(train_loss_nats=0.1))
    assert found.index.tolist() == [0, 2]  # seed 1 never reaches it, seed 2 begins there
    assert found.tolist() == pytest.approx([2.0, 4.0])
    with pytest.raises(reading.Missing, match=r"a seed of arm a whose training loss reaches 0.001 where"):
        reading.reading(rows, "a", "test_error_percent", At(train_loss_nats=0.001))


def test_a_loss_of_nought_has_a_place(helpers):
    loss = {0.0: [1.0], 1.0: [0.0]}
    rows = helpers.arm("a", {"updates": {0.0: [0], 1.0: [8]}, "train_loss_nats": loss})
    assert 0 < reading.reading(rows, "a", "updates", At(train_loss_nats=0.5))[0] < 0.1


@pytest.fixture
def snapshots(helpers):
    """8 updates per epoch, losses of 2, 1, 0.5, ...; snapshots at epochs 0, 1 and 3 of 4."""
    run = {float(e): [8 * e] for e in range(0, 5, 2)}
    loss = {float(e): [2.0 ** (1 - e)] for e in range(5)}
    top = {0.0: [10], 1.0: [20], 3.0: [40]}
    along = {"updates": run, "train_loss_nats": loss, "hessian_top_eigenvalue_by_epoch": top}
    return pd.concat([helpers.arm("a", along), helpers.arm("b", {"updates": {0.0: [0], 1.0: [16]}})])


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (None, 40),
        (At(share=0.5), 30),  # epoch 2 of 4, not of the 3 that snapshots reach
        (At(share=1.0), 40),
        (At(same_updates_as="b"), 30),  # epoch 2, between snapshots
        (At(train_loss_nats=1.0), 20),
        (At(train_loss_nats=0.5), 30),  # half way from 1 to 1/4 in the logarithm
        (At(median_of_last=2), 30),
    ],
)
def test_snapshots_are_read_on_the_clock_of_the_run(snapshots, at, value):
    found = reading.reading(snapshots, "a", "hessian_top_eigenvalue_by_epoch", at)
    assert found.tolist() == pytest.approx([value])


def test_a_profile_is_read_at_its_position(helpers):
    positions = {0.0: [1, 2], 0.1 * 3: [3, 4], 1.0: [5, None]}
    rows = helpers.arm("a", {"path_loss_nats": positions, "path_rise_behind_nats": [1, 2]})

    def at(value, metric="path_loss_nats"):
        return reading.reading(rows, "a", metric, At(value=value)).tolist()

    assert at(0.0) == [1, 2]
    assert at(0.3) == [3, 4]  # 0.1 * 3 is above 0.3
    assert at(1.0) == [5]
    with pytest.raises(reading.Missing, match=r"path_loss_nats of arm a at 0.5 \(known at 0, 0.3, 1\)"):
        at(0.5)
    with pytest.raises(reading.Missing, match=r"path_rise_behind_nats of arm a at 0 \(known at its end\)"):
        at(0.0, "path_rise_behind_nats")
    assert reading.profile_of(rows, "a", "path_loss_nats").loc[1.0].isna().tolist() == [False, True]


def test_carried_keeps_a_last_value_that_is_not_known_as_it_is(helpers):
    rows = helpers.arm("a", {"train_loss_nats": {0.0: [1, 2], 1.0: [0.5, np.nan], 2.0: [0.25, None]}})
    found = reading.carried(rows, "a", "train_loss_nats")
    assert found[0].tolist() == [1, 0.5, 0.25]
    assert found[1].isna().tolist() == [False, True, True]


def test_carried_keeps_a_stopped_seeds_last_value(runs):
    assert reading.carried(runs, "a", "train_loss_nats").to_numpy().tolist() == [[10, 10], [8, 8], [6, 8]]
    assert np.isnan(reading.within_runs(runs, "a", "train_loss_nats").iloc[-1, 1])


@pytest.mark.parametrize(
    ("arm", "metric", "at", "missing"),
    [
        ("c", "updates", None, "arm c"),
        ("b", "diverged", None, "metric diverged of arm b"),
        ("a", "diverged", At(share=0.5), "history of diverged"),
    ],
)
def test_what_is_missing_is_named(runs, arm, metric, at, missing):
    with pytest.raises(reading.Missing, match=missing):
        reading.reading(runs, arm, metric, at)


def test_best_member_never_diverged_unless_all_did(helpers):
    low = {"validation_loss_nats": {1.0: [3, 3, 3]}, "diverged": [0, 0, 1]}
    high = {"validation_loss_nats": {1.0: [2, 4, 2]}, "diverged": [1, 0, 1]}
    rows = helpers.group("g", "lr", {0.1: low, 0.2: high})
    best = reading.best_members(rows, ["g[lr=0.1]", "g[lr=0.2]"], "validation_loss_nats")
    assert best.tolist() == ["g[lr=0.1]", "g[lr=0.1]", "g[lr=0.2]"]


def test_members_are_the_arms_of_a_group_with_their_settings(helpers):
    rows = helpers.group("g", "lr", {0.1: {"updates": [1]}, 0.2: {"updates": [1]}})
    assert reading.members(rows, "g")["lr"].tolist() == [0.1, 0.2]


def test_read_keeps_the_groups_and_metrics_asked_for(runs, write_table):
    path = write_table(runs)
    frame = reading.read(path, ["b"], ["updates"])
    assert set(frame["arm"]) == {"b"} and set(frame["metric"]) == {"updates"}


def test_read_leaves_out_values_that_are_not_finite(helpers, write_table):
    path = write_table(helpers.arm("a", {"hessian_trace": [1.0, np.inf, np.nan]}))
    assert reading.read(path, ["a"], ["hessian_trace"])["seed"].tolist() == [0]


def test_read_says_what_is_wrong_with_a_file(tmp_path):
    empty, other = tmp_path / "empty.parquet", tmp_path / "other.parquet"
    empty.touch()
    pd.DataFrame({"seed": [1]}).to_parquet(other)
    none = tmp_path / "none.parquet"
    for path, message in ((none, "none.parquet"), (empty, "empty.parquet"), (other, "wanted columns")):
        with pytest.raises(ValueError, match=message):
            reading.read(path, ["a"], ["updates"])
