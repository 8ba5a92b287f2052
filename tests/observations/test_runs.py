"""The names that runs go by, and their final numbers."""

import numpy as np
import pandas as pd
import pytest

from largebatch.config.study import load_study
from largebatch.metrics import PROFILE
from largebatch.observations.runs import called, finals, the_one
from largebatch.report.show import show
from tests.conftest import REPOSITORY

PUBLISHED = REPOSITORY / "results" / "published" / "digits"
SCALE = REPOSITORY / "config" / "digits.yaml"


@pytest.fixture(scope="module")
def study():
    return load_study(SCALE)


def test_a_run_is_known_by_its_id_and_its_folder(study):
    run = the_one(study, "keskar/adam.small")[0].arm.id
    assert called(study, run) == called(study, f"results/digits/runs/{run}/") != []


def test_every_run_is_found_by_its_experiments_name_for_it(study):
    for e in study.experiments:
        for group in e.groups.values():
            for member in group.members:
                found = called(study, f"{e.name}/{member.name}")
                assert member.arm.id in {each.arm.id for each in found}


def test_a_name_of_no_run_and_of_several_is_an_error(study):
    with pytest.raises(ValueError, match=r"such as .*adam\.small.*; got 'adam\.smal'"):
        the_one(study, "adam.smal")
    with pytest.raises(ValueError, match="got 4 by the name of"):
        the_one(study, "schedules/batch_growth.small_tuned")


def test_finals_are_the_last_values_of_each_seed(study):
    found = finals(called(study, "keskar/adam.small"), PUBLISHED)
    rows = pd.read_parquet(PUBLISHED / "keskar" / "observations.parquet").query("arm == 'adam.small'")
    errors = rows[(rows["metric"] == "test_error_percent") & np.isfinite(rows["value"])]
    last = errors.sort_values("at").drop_duplicates("seed", keep="last").set_index("seed")["value"]
    pd.testing.assert_series_equal(found["test_error_percent"], last.sort_index(), check_names=False)
    assert not found.keys() & set(PROFILE)


def test_a_folder_without_observations_has_no_finals(study, tmp_path):
    assert finals(called(study, "adam.small"), tmp_path) == {}
    assert "no observations of it" in show("adam.small", SCALE, tmp_path)
