import json
from types import SimpleNamespace

import pytest

from largebatch import progress
from largebatch.progress import EpochLines, arm_line, begin, duration, finished, say


def finish(scale, run):
    folder = scale / "runs" / run
    folder.mkdir(parents=True)
    (folder / "provenance.json").write_text("{}")
    return folder


def test_a_study_begins_with_what_is_done_already(tmp_path):
    scale = tmp_path / "smoke"
    begin(scale, ["a"])
    finish(scale, "a")
    (scale / "runs" / "b").mkdir()  # begun only
    begin(scale, ["a", "b"])
    note = json.loads((scale / ".progress.json").read_text())
    assert (note["runs"], note["done"]) == (["a", "b"], 1)
    assert finished(scale, ["a", "b", "c"]) == ["a"]


def test_a_line_counts_all_arms_and_guesses_from_the_new_ones(tmp_path, monkeypatch):
    """Two arms were there; the first new one took 60 s, so the other two want about 120 s."""
    for run in "ab":
        finish(tmp_path, run)
    monkeypatch.setattr(progress, "time", SimpleNamespace(time=lambda: 1000.0))
    begin(tmp_path, list("abcde"))
    monkeypatch.setattr(progress, "time", SimpleNamespace(time=lambda: 1060.0))
    assert arm_line(finish(tmp_path, "c"), 3.21) == "[3/5 arms, about 2 min left] trained c in 3.2 s"
    monkeypatch.setattr(progress, "time", SimpleNamespace(time=lambda: 1090.0))
    assert arm_line(finish(tmp_path, "d"), 3.0) == "[4/5 arms, about 45 s left] trained d in 3.0 s"
    assert arm_line(finish(tmp_path, "e"), 3.0) == "[5/5 arms] trained e in 3.0 s"


def test_nothing_is_guessed_where_nothing_is_new(tmp_path):
    folder = finish(tmp_path, "a")
    begin(tmp_path, ["a", "b"])
    assert arm_line(folder, 1.0) == "[1/2 arms] trained a in 1.0 s"


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
    assert progress.LONG_SECONDS == 10.0


def test_a_line_is_written_at_once(capfd):
    """Past Python's buffer, in one piece: jobs write side by side."""
    say("größer")
    assert capfd.readouterr().out == "größer\n"
