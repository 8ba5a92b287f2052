"""Published observations stand in for a run only where they are of the same arms with the same settings."""

import shutil

import pytest

from largebatch.config.checking import ConfigError
from largebatch.config.study import load_study
from tests.conftest import REPOSITORY

OF_DIGITS = "results/published/digits/keskar/observations.parquet"
HEAD = "extends: digits\nscale: mine\nobservations: published\nexperiments: [keskar]\n"
ARM = "numbers: {keskar: {arms: {%s}}}\n"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A scale file that extends digits, beside a copy of what was published of that."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    (tmp_path / OF_DIGITS).parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / OF_DIGITS, tmp_path / OF_DIGITS)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mine.yaml"


def keskar(mine, text=""):
    mine.write_text(HEAD + text, encoding="utf-8")
    return load_study(mine).experiment("keskar")


def test_the_extended_scales_observations_hold_all_its_arms(mine):
    e = keskar(mine)
    assert e.published.as_posix() == OF_DIGITS and e.absent == {}
    assert "sweep_sgd" in e.groups and not [
        claim for claim in e.question.claims if "results/" in claim.not_run
    ]


def test_other_settings_and_other_arms_are_not_run(mine):
    e = keskar(mine, ARM % "sweep_sgd: {lr: 0.06}, batch_24: {batch_size: 24}, warm_longest: {lr: 0.002}")
    assert e.absent == {
        "batch_24": f"{OF_DIGITS} has no arm batch_24.",
        "sweep_sgd": f"{OF_DIGITS} has other settings of the arm sweep_sgd.",
        "warm_longest": f"{OF_DIGITS} has other settings of the arm warm_longest.",
    }
    assert e.groups.keys().isdisjoint(e.absent)
    lacking = [claim for claim in e.question.claims if claim.needs(["sweep_sgd", "warm_longest"])]
    assert lacking and all(OF_DIGITS in claim.not_run for claim in lacking)


def test_a_grid_with_a_value_less_is_another(mine):
    grid = "sweep_sgd: {grid: {batch_size: [4, 8]}}"
    assert "sweep_sgd" in keskar(mine, ARM % grid).absent


def test_a_path_whose_end_is_other_is_not_run(mine):
    change = "numbers: {keskar: {crossed: {arms: {adam: {lr: 0.002}}}}}\n"
    assert {"adam.small", "between_adam"} <= keskar(mine, change).absent.keys()


def test_what_a_scale_leaves_out_keeps_the_scales_reason():
    study = load_study(
        REPOSITORY / "config/mnist.yaml", {"observations": "published", "experiments": "keskar"}
    )
    absent = study.experiment("keskar").absent
    assert {"sgd.large", "between_sgd"} <= absent.keys()
    assert not [reason for reason in absent.values() if "results/" in reason]


def test_one_arm_of_a_grid_is_there(mine):
    claim = "{id: M1, says: S, source: s, kind: difference, metric: updates, expect: {above: 0.0}, "
    claim += "a: {arm: 'sweep_sgd[batch_size=4]'}, b: {arm: 'sweep_sgd[batch_size=8]'}}"
    e = keskar(mine, f"questions: {{keskar: {{claims: [{claim}]}}}}\n")
    assert e.absent == {} and e.question.claims[-1].not_run == ""


def test_a_file_that_is_none_is_said(mine):
    (mine.parent / OF_DIGITS).write_bytes(b"")
    with pytest.raises(ConfigError, match=f"{OF_DIGITS}: wanted observations of an experiment; got "):
        keskar(mine)
