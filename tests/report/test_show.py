"""The evidence for claims and arms of the published snapshot, and how two runs differ."""

import re

import pandas as pd
import pytest

from largebatch.cli import main
from largebatch.config.study import load_study
from largebatch.judging.claims import brief, interval, number, read_claims
from largebatch.observations.runs import the_one
from largebatch.report.show import diff, flat, show
from tests.conftest import REPOSITORY

PUBLISHED = REPOSITORY / "results" / "published" / "digits"
SCALE = REPOSITORY / "config" / "digits.yaml"


@pytest.fixture(scope="module")
def study():
    return load_study(SCALE)


@pytest.fixture
def k1():
    return read_claims(PUBLISHED / "claims.csv").set_index("id").loc["K1"]


def test_a_claim_leads_to_all_that_stands_behind_it(k1, study):
    text = show("K1", SCALE, PUBLISHED)
    assert "supported" in text.splitlines()[0] and k1["says"] in text and k1["source"] in text
    assert f" {brief(k1['estimate'])} points [" in text and re.search(r"paper +0\.22$", text, re.M)
    runs = [the_one(study, f"keskar/{arm}")[0].arm.id for arm in ("adam.small", "adam.large")]
    assert all(run in text for run in runs)
    file, first, last = re.search(r"written in +(.+):(\d+)-(\d+)$", text, re.M).groups()
    lines = (REPOSITORY / file.removeprefix(f"{REPOSITORY}/")).read_text(encoding="utf-8").splitlines()
    assert lines[int(first) - 1].strip() == "- id: K1" and int(last) > int(first)
    (command,) = re.findall(r"rerun +(snakemake .*)$", text, re.M)
    assert all(f"runs/{run}/history.parquet" in command for run in runs)
    assert all((REPOSITORY / figure).is_file() for figure in re.findall(r"figure +(.+)$", text, re.M))


def test_a_claim_without_results_is_shown_all_the_same(tmp_path):
    text = show("K1", SCALE, tmp_path)
    assert "not judged yet" in text.splitlines()[0] and "written in" in text and "ours" not in text


def test_an_arm_says_who_asks_for_it_and_what_it_came_to(study):
    text = show("adam.small", SCALE, PUBLISHED)
    run = the_one(study, "keskar/adam.small")[0].arm
    assert text.startswith(f"{run.id}\n") and "keskar/adam.small, sharpness/adam_small" in text
    assert f"batch_size: {run.batch_size}\n" in text and "14 (20 to 33)" in text
    accuracy = pd.read_csv(PUBLISHED / "tables/keskar_convergence.csv").set_index(["row", "metric"])
    of_arm = accuracy.loc[("Adam, small batch", "test_accuracy_percent")]
    (row,) = re.findall(r"^test error \(%\).*$", text, re.M)
    error = number(100 - of_arm["mean"]), interval(100 - of_arm["high"], 100 - of_arm["low"])
    assert re.split(r" {2,}", row)[1:] == [*error, "14"]


def test_a_name_of_several_runs_lists_them():
    assert re.match(r"\d+ runs", show("schedules/batch_growth.small_tuned", SCALE, PUBLISHED))


def test_the_difference_of_two_runs_is_that_of_the_claim_on_them(k1):
    text = diff("adam.large", "adam.small", SCALE, PUBLISHED)
    assert re.search(r"^batch_size +102 +4$", text, re.M) and "\nlr " not in text
    (row,) = re.findall(r"^test accuracy.*$", text, re.M)
    assert re.split(r" {2,}", row)[-2:] == [number(k1["estimate"]), interval(k1["low"], k1["high"])]


def test_a_run_does_not_differ_from_itself_under_another_name():
    text = diff("keskar/adam.small", "sharpness/adam_small", SCALE, PUBLISHED)
    assert "are one run: mlp-digits-b4" in text


def test_settings_are_compared_key_by_key():
    assert flat({"a": {"b": 1, "c": {"d": None}}, "e": []}) == {"a.b": 1, "a.c.d": None, "e": []}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["show", "K1x"], r"wanted a claim's id or an arm, such as K1.*; got 'K1x'"),
        (["show", ""], "got ''"),
        (["diff", "adam.smal", "adam.large"], r"such as adam\.small.*got 'adam.smal'"),
        (["diff", "schedules/batch_growth.small_tuned", "adam.large"], r"got 4 by the name of"),
    ],
)
def test_an_unknown_name_says_what_there_is(words, wanted, capsys):
    assert main([*words, "--results", str(PUBLISHED), "--scale", str(SCALE)]) == 1
    assert re.search(wanted, capsys.readouterr().err)
