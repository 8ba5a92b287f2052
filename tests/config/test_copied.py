"""Runs that were copied are taken for what their provenance says, whatever their times are."""

import shutil
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from largebatch.config import copied
from largebatch.config.checking import ConfigError
from largebatch.config.stages import code_digest
from largebatch.config.study import load_study
from largebatch.files import write_json, write_text
from tests.conftest import REPOSITORY

RUNS = Path("results/smoke/runs")


def study(**overrides):
    return load_study(REPOSITORY / "config" / "smoke.yaml", {"experiments": "edge", **overrides})


@pytest.fixture
def run(tmp_path, monkeypatch):
    """One of edge's runs, as if it had been copied here."""
    monkeypatch.chdir(tmp_path)
    name, arm = next(iter(study().arms.items()))
    run = RUNS / name
    write_json(run / "provenance.json", {"code": code_digest("train", arm.parts), "seeds": [0, 1, 2]})
    write_text(run / "history.parquet", "")
    return run


def is_old(run):
    return all(file.stat().st_mtime == 1 for file in run.glob("*.*"))


def test_a_run_as_asked_stays(run):
    assert copied.prepare(study()) == [] and not is_old(run)


def test_other_seeds_and_other_code_are_said_and_made_again(run):
    (said,) = copied.prepare(study(seeds=5))
    assert said.startswith(f"{run}: wanted seeds 0-4; got 0-2: it trains again") and is_old(run)
    write_json(run / "provenance.json", {"code": "another", "seeds": [0, 2]})
    (said,) = copied.prepare(study())
    assert "got one by another; wanted seeds 0-2; got 0, 2" in said and is_old(run)


def test_a_record_of_an_older_version_says_its_seeds_beside(run):
    write_json(run / "provenance.json", {"code": code_digest("train", study().arms[run.name].parts)})
    write_json(run / "spec.json", {"seeds": [0, 1, 2]})
    assert copied.prepare(study()) == []
    (run / "spec.json").unlink()
    (said,) = copied.prepare(study())
    assert "FileNotFoundError" in said


def test_a_run_without_a_record_stops_the_call(run, monkeypatch):
    (run / "provenance.json").unlink()
    with pytest.raises(ConfigError, match=f"{run}: wanted provenance.json, .*; got none. Copy it too"):
        copied.prepare(study())
    assert copied.prepare(study(), unfinished=True) == []  # Snakemake makes it again
    assert copied.prepare(study(observations="published")) == []  # nothing is read of it
    monkeypatch.setenv("LARGEBATCH_OTHER_CODE", "1")
    assert copied.prepare(study()) == []
    monkeypatch.undo()


def test_what_snakemake_made_is_left_to_it(run):
    name = urlsafe_b64encode(f"{run.as_posix()}/provenance.json".encode()).decode()
    write_text(copied.METADATA / name, "{}")
    assert copied.prepare(study(seeds=5)) == [] and not is_old(run)


def test_runs_that_are_not_there_are_no_matter(run):
    shutil.rmtree(RUNS)
    assert copied.prepare(study()) == []
