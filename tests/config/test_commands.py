"""Planned commands come in an order that works, and running them in a shell makes the files."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from largebatch.config.commands import asks, planned, register, train
from largebatch.config.registration import content_of, standings_of
from largebatch.config.study import load_study
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def study():
    return load_study(REPOSITORY / "config" / "smoke.yaml", {"experiments": "keskar,sharpness"})


def test_everything_is_made_once_and_after_what_it_needs(study):
    lines = [shlex.split(text) for text in planned(study)]
    kinds = [words[1] for words in lines]
    assert kinds == sorted(kinds, key=["data", "train", "measure", "path", "exhibit"].index)
    outs = [words[words.index("--out") + 1] for words in lines]
    assert len(set(outs)) == len(outs)
    assert kinds.count("train") == len(study.arms) and kinds.count("path") == len(study.paths())
    wanted = {
        f"results/smoke/runs/{arm.id}/{m}.parquet" for e in study.experiments for m, arm in e.measured()
    }
    assert wanted <= set(outs)


def test_workers_are_asked_for_behind_what_is_chosen(folder):
    """With threads for each; no part of a rule's params."""
    path = folder / "smoke.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("base:\n", "base:\n  workers: 2\n", 1), encoding="utf-8")
    study = load_study(path, {"experiments": "keskar"})
    lines = [line for line in planned(study) if " train " in line]
    assert lines and all(line.endswith(" --threads 2 --workers 2") for line in lines)
    assert not any("workers" in train(study, arm) for arm in study.arms.values())
    assert (
        study.arms.keys()
        == load_study(REPOSITORY / "config" / "smoke.yaml", {"experiments": "keskar"}).arms.keys()
    )


def test_each_job_behind_measuring_is_asked_in_json(study):
    asked = asks(study, standings_of(study))
    assert json.loads(json.dumps(asked, allow_nan=False)) == asked
    for e in study.experiments:
        shown = {f"draw/{e.name}_{f.name}" for f in e.question.figures}
        shown |= {f"tabulate/{e.name}_{t.name}" for t in e.question.tables}
        assert asked[f"judge/{e.name}"]["registered"].keys() == {claim.id for claim in e.question.claims}
        assert asked.keys() >= {"page", f"aggregate/{e.name}", f"judge/{e.name}", *shown}


def test_a_shell_makes_the_files(study, tmp_path):
    """The first three commands: the registration, the data set and one arm."""
    one = replace(study, experiments=(study.experiment("sharpness"),), seeds=2)
    text = "\n".join([register(one), *list(planned(one))[:2]])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["sh", "-e", "-c", text],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "LARGEBATCH_WARM": "0"},
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "results/smoke/sharpness/registered.json").is_file()
    assert len(list(Path(tmp_path).glob("results/smoke/runs/*/history.parquet"))) == 1


def test_another_first_seed_asks_for_other_seeds_of_the_same_runs(study):
    other = load_study(REPOSITORY / "config" / "smoke.yaml", {"experiments": "keskar", "first_seed": 20})
    said = {
        words[words.index("--seeds") + 1] for words in map(shlex.split, planned(other)) if "--seeds" in words
    }
    assert said == {f"20-{19 + other.seeds}"} and set(other.arms) <= set(study.arms)
    assert content_of(other, other.experiments[0])["seeds"] == f"20-{19 + other.seeds}"
