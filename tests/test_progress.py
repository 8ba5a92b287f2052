import os
from types import SimpleNamespace

import pytest

from largebatch import progress
from largebatch.config.costs import trained
from largebatch.progress import EpochLines, arm_line, begin, duration, finished, say


def finish(scale, run, at=1000.0):
    folder = scale / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provenance.json").write_text("{}", encoding="utf-8")
    os.utime(folder / "provenance.json", (at, at))
    return folder


def set_clock(monkeypatch, now):
    monkeypatch.setattr(progress, "time", SimpleNamespace(time=lambda: now))


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
