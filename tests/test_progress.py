import os
from types import SimpleNamespace

import pytest

from largebatch import progress
from largebatch.config.images import PARTS
from largebatch.config.study import load_study
from largebatch.progress import (
    EpochLines,
    arm_line,
    begin,
    cost,
    duration,
    finished,
    mean_batch,
    priorities,
    say,
    seconds_left,
    trained,
)
from tests.conftest import REPOSITORY, small_arm


def finish(scale, run, at=1000.0):
    folder = scale / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provenance.json").write_text("{}", encoding="utf-8")
    os.utime(folder / "provenance.json", (at, at))
    return folder


def set_clock(monkeypatch, now):
    monkeypatch.setattr(progress, "time", SimpleNamespace(time=lambda: now))


def arm(**changes):
    data = {"name": "digits", "train": 1024, "validation": 273, "test": 500}
    settings = {"data": data, "model": {"name": "mlp", "hidden": [128, 128]}, "batch_size": 16, "epochs": 20}
    return small_arm(**settings | changes)


def test_a_line_counts_the_arms_of_this_workflow_and_guesses_from_their_costs(tmp_path, monkeypatch):
    """The first took 60 s; the second costs ten times as much, the third as much."""
    set_clock(monkeypatch, 1000.0)
    begin(tmp_path, {trained("a"): 1.0, trained("b"): 10.0, trained("c"): 1.0})
    set_clock(monkeypatch, 1060.0)
    assert arm_line(finish(tmp_path, "a", 1060.0), 3.21) == "[1/3 arms, about 11 min left] trained a in 3.2 s"
    set_clock(monkeypatch, 1660.0)
    assert arm_line(finish(tmp_path, "b", 1660.0), 3.0) == "[2/3 arms, about 60 s left] trained b in 3.0 s"
    assert arm_line(finish(tmp_path, "c", 1660.0), 3.0) == "[3/3 arms] trained c in 3.0 s"


def test_runs_that_are_trained_again_count_once_they_are(tmp_path, monkeypatch):
    set_clock(monkeypatch, 1000.0)
    for run in "ab":
        finish(tmp_path, run, 500.0)
    begin(tmp_path, {trained("a"): 1.0, trained("b"): 1.0})
    assert finished(tmp_path, [trained("a"), trained("b")], 1000.0) == []
    set_clock(monkeypatch, 1010.0)
    assert arm_line(finish(tmp_path, "b", 1010.0), 1.0) == "[1/2 arms, about 10 s left] trained b in 1.0 s"


def test_measures_count_by_their_cost_but_are_no_arms(tmp_path, monkeypatch):
    set_clock(monkeypatch, 1000.0)
    measure = "runs/a/curvature.parquet"
    begin(tmp_path, {trained("a"): 1.0, measure: 3.0, trained("b"): 2.0})
    (finish(tmp_path, "a", 1010.0) / "curvature.parquet").touch()
    set_clock(monkeypatch, 1040.0)
    assert arm_line(finish(tmp_path, "a", 1010.0), 1.0) == "[1/2 arms, about 20 s left] trained a in 1.0 s"


def test_measures_of_the_runs_that_train_are_among_the_costs(digits):
    runs = [one.arm.id for one in digits.experiment("keskar").groups["along_small"].members]
    found = progress.costs(digits, runs)
    measured = {f"runs/{run}/{measure}.parquet" for measure, run in digits.measures if run in runs}
    assert measured and found.keys() == {trained(run) for run in runs} | measured
    assert all(value > 0 for value in found.values())


# Seconds of arms of the mitigations experiment in a run of digits on two cores of an AMD EPYC, 14 seeds each.
RECORDED = {
    "small": 1.698,
    "large": 1.537,
    "linear": 1.299,
    "longer_warmup": 1.091,
    "augmented": 1.194,
    "smoothed": 1.128,
    "sharpness_aware": 1.859,
    "ghost": 1.143,
    "together": 1.991,
    "still": 1.922,
}
ALL_OF_DIGITS = 744.3  # of the 326 arms of that run


@pytest.fixture(scope="module")
def digits():
    return load_study(REPOSITORY / "config/digits.yaml")


def of_study(study, arm):
    return cost(arm, study.followed[arm.id])


def test_costs_are_right_within_a_third_on_recorded_times(digits):
    groups = digits.experiment("mitigations").groups
    ratios = [seconds / of_study(digits, groups[name].members[0].arm) for name, seconds in RECORDED.items()]
    assert max(ratios) / min(ratios) < 1.4


def test_what_is_left_is_right_within_30_percent_after_ten_arms(digits):
    """From these ten arms to all arms of the study, most of them of other kinds."""
    groups = digits.experiment("mitigations").groups
    done = {groups[name].members[0].arm.id: seconds for name, seconds in RECORDED.items()}
    costs = {name: of_study(digits, one) for name, one in digits.arms.items()}
    elapsed = sum(done.values())
    left = seconds_left(costs, done, elapsed)
    assert left == pytest.approx(ALL_OF_DIGITS - elapsed, rel=0.3)


@pytest.mark.parametrize(
    ("dearer", "factor"),
    [
        (arm(epochs=40), 1.8),
        (arm(batch_size=1), 2.0),
        (arm(sharpness_aware={"rho": 0.05}), 1.5),
        (arm(proximal={"strength": 0.1, "steps": 3}), 2.0),
        (arm(model={"name": "mlp", "hidden": [128, 128], "batch_norm": True}), 1.5),
        (arm(model={"name": "resnet50"}), 1000.0),
        (arm(evaluate_every_epochs=1), 1.0),
    ],
)
def test_what_costs_more_weighs_more(dearer, factor):
    assert cost(dearer, PARTS) >= factor * cost(arm(), PARTS)


def test_what_costs_less_weighs_less():
    stopping = arm(stop={"patience_epochs": 2, "floor_nats": 1e-3})
    growing = arm(schedule={"name": "batch_growth", "at_epochs": [2], "factor": 8.0})
    often = cost(arm(), PARTS)
    assert all(cost(cheaper, PARTS) < often for cheaper in (stopping, growing, arm(evaluate_every_epochs=10)))
    assert cost(arm(), []) < cost(arm(), ["test"]) < cost(arm(), ["train"]) < often
    # a part by which the arm ends is evaluated anyway
    assert cost(stopping, []) == cost(stopping, ["train"])
    # two of 20 epochs at batch 16, the others at 128
    assert mean_batch(growing) == pytest.approx(20 / (2 / 16 + 18 / 128))


def test_an_arm_by_itself_has_no_study(tmp_path):
    assert arm_line(finish(tmp_path, "a"), 1.0) == "trained a in 1.0 s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 s"), (89.4, "89 s"), (90.0, "2 min"), (3600.0, "60 min")]
)
def test_durations_are_in_seconds_or_minutes(seconds, text):
    assert duration(seconds) == text


def test_only_a_long_arm_speaks_and_now_and_then_only(monkeypatch, capfd):
    now = 0.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now))
    lines = EpochLines("arm")
    for epoch in range(1, 8):
        now = 4.0 * epoch
        lines(f"epoch {epoch}/7")
    assert capfd.readouterr().out == "arm: epoch 3/7\narm: epoch 6/7\n"
    lines("continues at epoch 7")  # which a person wants to know at once
    assert capfd.readouterr().out == "arm: continues at epoch 7\n"
    assert progress.LONG_SECONDS == 10.0


def test_a_line_is_written_at_once(capfd):
    """Past Python's buffer, in one piece: jobs write side by side."""
    say("größer")
    assert capfd.readouterr().out == "größer\n"


def test_experiments_come_in_their_order_and_in_each_measures_and_long_arms_first(digits):
    found = priorities(digits)
    keskar, goyal = digits.experiment("keskar"), digits.experiment("goyal")
    own = [arm for arm in goyal.arms if arm.id not in {arm.id for arm in keskar.arms}]
    trained = [found[arm.id] for arm in keskar.arms]
    measured = [found[measure, arm.id] for measure, arm in keskar.measured()]
    assert min(trained) > max(found[arm.id] for arm in own)
    assert min(measured) > max(trained)
    costs = {arm.id: of_study(digits, arm) for arm in own}
    assert sorted(costs, key=costs.get) == sorted(costs, key=lambda run: (found[run], costs[run]))
    everything = {*digits.arms, *digits.measures, *digits.exhibits}
    assert everything - {key for key in everything if key[0] == "path"} <= found.keys()
    assert {stem for measure, stem in digits.measures if measure == "path"} <= found.keys()
