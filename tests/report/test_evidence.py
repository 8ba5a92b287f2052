"""The evidence for each claim, against the configuration itself."""

import json
import shlex

import pytest

from largebatch.config.study import load_study
from largebatch.report.evidence import lines_of, to_report
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def smoke():
    return load_study(REPOSITORY / "config/smoke.yaml")


@pytest.fixture(scope="module")
def asked(smoke):
    return json.loads(json.dumps(to_report(smoke), allow_nan=False))


def of(asked, experiment):
    return next(e for e in asked["experiments"] if e["experiment"] == experiment)


@pytest.mark.parametrize("scale", ["digits", "mnist", "cifar10", "imagenet"])
def test_every_scale_can_be_told(scale):
    study = load_study(REPOSITORY / f"config/{scale}.yaml")
    told = json.loads(json.dumps(to_report(study), allow_nan=False))
    assert [e["experiment"] for e in told["experiments"]] == [e.name for e in study.experiments]


def test_the_lines_of_a_claim_are_its_own(smoke, asked):
    for experiment, told in zip(smoke.experiments, asked["experiments"], strict=True):
        assert list(told["claims"]) == [claim.id for claim in experiment.question.claims]
        for claim in experiment.question.claims:
            lines = told["claims"][claim.id]["lines"]
            assert lines.strip().startswith(f"- id: {claim.id}\n") and lines.count("- id: ") == 1
            assert "expect: " in lines and not lines.endswith("\n")


def test_the_lines_of_an_arm_are_its_own(asked):
    arm = of(asked, "keskar")["arms"]["adam.small"]
    assert len(arm["lines"]) == 2
    for place, begin in zip(arm["lines"], ("adam:", "small:"), strict=True):
        file, line = place.split(":")
        text = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()
        assert text[int(line) - 1].strip().startswith(begin)


def test_a_block_ends_before_comments_and_empty_lines(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(
        "a:\n  - id: X\n    says: >-\n      one\n      two\n\n  # of Y\n  - id: Y\n    says: {b: 1}\n",
        encoding="utf-8",
    )
    found = {key: lines for key, (_, lines) in lines_of(path).items()}
    assert found["a[X]"] == (2, 5) and found["a[Y]"] == (8, 9) and found["a"] == (1, 9)


def test_figures_show_the_claims_metric_of_its_runs(asked):
    keskar = of(asked, "keskar")["claims"]
    assert {"batch_sweep", "metric_sweep"} & {*keskar["K9"]["figures"]}
    assert keskar["K7"]["figures"] == ["line", "arc"]
    # no figure names its arms, but the sweep over batch sizes has their runs
    assert "batch_sweep" in keskar["K1.epochs"]["figures"]
    assert of(asked, "primer")["claims"]["P8"]["figures"]


def test_all_that_a_claim_names_is_listed(asked):
    for experiment in asked["experiments"]:
        for claim in experiment["claims"].values():
            assert set(claim["arms"]) <= experiment["arms"].keys()
            assert set(claim["figures"]) <= set(experiment["figures"])
            assert set(claim["tables"]) <= set(experiment["tables"])


def test_the_command_names_what_begins_the_claim(smoke, asked):
    words = shlex.split(of(asked, "keskar")["claims"]["K1"]["command"])
    runs = [
        smoke.experiment("keskar").groups[f"adam.{side}"].members[0].arm.id for side in ("small", "large")
    ]
    files = [f"results/smoke/runs/{run}/history.parquet" for run in runs]
    assert words[:4] == ["snakemake", "--cores", "all", "keskar"]
    assert words[words.index("--forcerun") + 1 : words.index("--configfile")] == files


def test_a_claim_about_arms_that_are_left_out_has_no_command():
    study = load_study(REPOSITORY / "config/mnist.yaml", {"experiments": ["keskar"]})
    claims = of(to_report(study), "keskar")["claims"]
    assert claims["K1.sgd"]["command"] == "" and claims["K1"]["command"]


def test_an_even_pace_is_told(asked, smoke):
    told = of(asked, "keskar")["pace"]
    arm = smoke.experiment("keskar").groups["along_small"].members[0].arm
    assert told["along_small"] == [arm.data.train // arm.batch_size, arm.epochs]
    assert not any("batch_growth" in name for name in of(asked, "schedules")["pace"])
