"""Experiments and arms with seeds of their own, from training to verdicts, by the workflow's commands."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.config.commands import planned
from largebatch.files import read_json, read_provenance, read_spec
from tests.conftest import REPOSITORY
from tests.shared.jobs import ask, called, shown
from tests.shared.seeded import seeded

RESULTS = Path("results/seeded")
ERROR = "test_error_percent"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("seeds")
    shutil.copytree(REPOSITORY / "config", home / "config")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        yield home


def made(*edits, **overrides):
    """The study, with all that is made of it; nothing is made again that is there."""
    study = seeded(Path("config"), *edits, **overrides)
    ask(study, RESULTS)
    words = [line.removeprefix("largebatch ") for line in planned(study)]
    for job in [*words, *(job for e in study.experiments for job in shown(study, e, RESULTS)[:4])]:
        code, log = called(job)
        assert code == 0, f"{job}\n{log}"
    return study


@pytest.fixture(scope="module")
def alone(home):
    """Observations and verdicts of the experiment `one` where nobody else asks for its runs."""
    made(("experiments", ["one"]))
    found = observations("one"), pd.read_csv(RESULTS / "one/judged.csv")
    shutil.rmtree(RESULTS)
    return found


@pytest.fixture(scope="module")
def study(alone):
    return made()


def observations(name):
    rows = pd.read_parquet(RESULTS / name / "observations.parquet")
    return rows.sort_values(["metric", "arm", "seed", "at"], ignore_index=True)


def run_of(study, experiment, arm):
    return RESULTS / "runs" / study.experiment(experiment).groups[arm].members[0].arm.id


def groups_of(record):
    return [group["seeds"] for group in record["made"]]


def test_runs_have_as_many_seeds_as_any_experiment_reads(study):
    assert read_spec(run_of(study, "one", "small"))[1] == [0, 1, 2]
    assert read_spec(run_of(study, "one", "large"))[1] == [0, 1]
    assert read_spec(run_of(study, "two", "most"))[1] == [*range(5)]


def test_an_experiment_does_not_change_because_another_one_asks_for_more(study, alone):
    ours, theirs = observations("one"), alone[0]
    assert ours.drop(columns="value").equals(theirs.drop(columns="value"))
    np.testing.assert_allclose(ours["value"], theirs["value"], rtol=2e-3, atol=2e-4)
    judged = pd.read_csv(RESULTS / "one/judged.csv")
    assert judged["n"].tolist() == [2] and judged["note"].equals(alone[1]["note"])


def test_each_arm_is_shown_and_judged_by_its_seeds(study):
    rows = observations("two")
    seeds = {arm: sorted(of_arm["seed"].unique()) for arm, of_arm in rows.groupby("arm")}
    assert seeds == {"again": [0, 1, 2], "most": [0, 1, 2, 3, 4], "between_two": [0, 1, 2]}
    last = rows[rows["metric"] == ERROR].groupby(["arm", "seed"])["value"].last()
    judged = pd.read_csv(RESULTS / "two/judged.csv").set_index("id")
    assert judged["n"].to_dict() == {"T1": 3, "T2": 5}
    assert judged.loc["T1", "estimate"] == pytest.approx((last["most"] - last["again"]).dropna().mean())
    low, _ = stats.ttest_1samp(last["most"], 0).confidence_interval(0.95)
    assert judged.loc["T2", "low"] == pytest.approx(low)
    drawn = pd.read_csv(RESULTS / "figures/two_error.csv")
    assert drawn[drawn["against"].isna()].set_index("arm")["n"].to_dict() == {"again": 3, "most": 5}
    assert drawn.loc[drawn["against"].notna(), "n"].tolist() == [3]
    assert "over 3 to 5 seeds." in (RESULTS / "figures/two_error.txt").read_text(encoding="utf-8")


def test_an_increment_trains_and_measures_what_is_new_of_one_experiment_alone(study):
    large = run_of(study, "one", "large")
    before = {path: path.read_bytes() for path in large.iterdir() if path.is_file()}
    of_one = observations("one")
    more = made(("numbers/two/seeds", 5))
    small, most = run_of(more, "one", "small"), run_of(more, "two", "most")
    assert groups_of(read_json(small / "provenance.json")) == [[0, 1, 2], [3, 4]]
    assert groups_of(read_json(most / "provenance.json")) == [[*range(5)]]
    assert groups_of(read_provenance(small / "curvature.parquet")) == [[0, 1, 2], [3, 4]]
    (path,) = RESULTS.glob(f"paths/*_to_{most.name}.parquet")
    assert groups_of(read_provenance(path)) == [[0, 1, 2], [3, 4]]
    assert {path: path.read_bytes() for path in before} == before
    assert observations("one").equals(of_one)
    assert pd.read_csv(RESULTS / "two/judged.csv").set_index("id")["n"].to_dict() == {"T1": 5, "T2": 5}
