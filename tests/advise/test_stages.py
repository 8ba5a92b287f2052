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


def test_called_again_it_goes_on_from_what_is_there(advised):
    """Here from the last stage, whose file was taken away."""
    last = advised.study / "7-advice.yaml"
    text, before = last.read_text(encoding="utf-8"), searched(advised)
    last.unlink()
    done = advised.advise()
    assert done.returncode == 0, done.stdout + done.stderr
    assert without_budget(last.read_text(encoding="utf-8")) == without_budget(text)
    assert before and searched(advised) == before


def without_budget(text):
    """Less what depends on how fast the machine is."""
    return re.sub(r"(seeds|examples|epochs): \d+", r"\1: ", text)


def searched(example):
    """Run of the search -> when it was trained."""
    weights = (example.study / "results/search/runs").glob("*/weights.safetensors")
    return {path.parent.name: path.stat().st_mtime_ns for path in weights}


def test_a_checkout_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "SNAKEFILE", tmp_path / "Snakefile")
    with pytest.raises(
        ValueError, match="Snakefile: wanted the workflow of a checkout of largebatch; got none"
    ):
        stages.run(asked_in(tmp_path))
    assert not (tmp_path / "advice").exists()


def test_two_calls_do_not_work_in_one_folder(tmp_path):
    asked = asked_in(tmp_path)
    asked.folder.mkdir()
    with (
        stages.alone_in(asked.folder),
        pytest.raises(ValueError, match=r"advice: wanted a folder that no other call works in; got one"),
    ):
        stages.run(asked)
    with stages.alone_in(asked.folder):
        pass
