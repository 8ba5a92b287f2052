"""The command of docs/advise.md, from nothing to the page; stopped, gone on, and edited."""

import re

import pytest

from largebatch.advise import stages
from largebatch.advise.plan import SHARES
from largebatch.config.study import load_study
from tests.shared.advised import asked_in


def test_each_stage_leaves_a_file_that_runs(advised):
    files = sorted(path.name for path in advised.study.glob("*.yaml"))
    assert set(files) >= {f"{n}-{name}.yaml" for n, name in enumerate(SHARES, 1) if name != "widened"}
    for name in files:
        assert load_study(advised.study / name).arms
    assert {path.name for path in advised.root.iterdir()} >= {"my_net.py", "digits.npz", "my_net-advice"}


def test_called_again_it_trains_nothing_and_says_the_same(advised):
    page = advised.study / "advice.html"
    before = page.read_bytes(), trained(advised)
    assert advised.advise().returncode == 0
    assert (page.read_bytes(), trained(advised)) == before


def test_a_stage_that_is_taken_away_is_made_again_from_those_before_it(advised):
    last = advised.study / "7-advice.yaml"
    text, before = last.read_text(encoding="utf-8"), trained(advised)
    last.unlink()
    assert advised.advise().returncode == 0
    made = last.read_text(encoding="utf-8")
    assert without_budget(made) == without_budget(text)
    assert {
        run: time for run, time in trained(advised).items() if "/search/" in run
    }.items() <= before.items()


def without_budget(text):
    """Less what depends on how fast the machine is."""
    return re.sub(r"(seeds|examples|epochs): \d+", r"\1: ", text)


def trained(example):
    """Run -> when it was trained."""
    return {str(path): path.stat().st_mtime_ns for path in example.study.rglob("weights.safetensors")}


def test_a_checkout_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "REPOSITORY", tmp_path)
    with pytest.raises(
        ValueError, match="Snakefile: wanted the workflow of a checkout of largebatch; got none"
    ):
        stages.run(asked_in(tmp_path))
