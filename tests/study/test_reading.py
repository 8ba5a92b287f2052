import numpy as np
import pandas as pd
import pytest

from largebatch.question import At
from largebatch.study import reading


@pytest.fixture
def runs(helpers):
    """Seed 0 trains 4 epochs, seed 1 stops after 2; loss is 10 - epoch; 8 updates an epoch."""
    loss = {0.0: [10, 10], 2.0: [8, 8], 4.0: [6, None]}
    updates = {0.0: [0, 0], 2.0: [16, 16], 4.0: [32, None]}
    other = {"updates": {0.0: [0, 0], 4.0: [12, 40]}, "train_loss_nats": {0.0: [9, 9], 4.0: [1, 3]}}
    return pd.concat(
        [
            helpers.arm("a", {"train_loss_nats": loss, "updates": updates, "diverged": [0, 1]}),
            helpers.arm("b", other),
        ]
    )


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
    rows = helpers.group(
        "g",
        "lr",
        {
            0.1: {"validation_loss_nats": {1.0: [3, 3, 3]}, "diverged": [0, 0, 1]},
            0.2: {"validation_loss_nats": {1.0: [2, 4, 2]}, "diverged": [1, 0, 1]},
        },
    )
    best = reading.best_members(rows, ["g[lr=0.1]", "g[lr=0.2]"], "validation_loss_nats")
    assert best.tolist() == ["g[lr=0.1]", "g[lr=0.1]", "g[lr=0.2]"]


def test_members_of_a_tuned_group_leave_out_the_group_itself(helpers):
    rows = pd.concat(
        [
            helpers.group("g", "lr", {0.1: {"updates": [1]}, 0.2: {"updates": [1]}}),
            helpers.arm("g", {"updates": [1]}),
        ]
    )
    assert reading.members(rows, "g")["lr"].tolist() == [0.1, 0.2]
    assert reading.members(rows[rows["arm"] == "g"], "g").index.tolist() == ["g"]


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
    for path, message in (
        (tmp_path / "none.parquet", "none.parquet"),
        (empty, "empty.parquet"),
        (other, "wanted columns"),
    ):
        with pytest.raises(ValueError, match=message):
            reading.read(path, ["a"], ["updates"])
