"""Seeds of an experiment and of an arm: who has how many, and what every reader of them is told."""

import json
import re
import shlex
from pathlib import Path

import pytest

from largebatch.cli import main
from largebatch.config import copied, costs
from largebatch.config.commands import planned, to_aggregate, to_judge
from largebatch.config.planning import computing, gigabytes, plan
from largebatch.config.registration import content_of, register, standings_of
from largebatch.config.stages import code_digest
from largebatch.files import write_json, write_text
from largebatch.report.evidence import to_report
from largebatch.report.show import show
from tests.shared.config_files import complaint, spoil
from tests.shared.seeded import SMALL, seeded

ONE, TWO = "numbers/one", "numbers/two"
OF_MOST = f"{TWO}/arms/most/seeds"


def run_of(study, experiment, arm):
    return study.experiment(experiment).groups[arm].members[0].arm


def seeds_told(study):
    """(command, its folder or file by its last part) -> its --seeds, if it has any."""
    found = {}
    for line in planned(study):
        words = shlex.split(line)
        out = Path(words[words.index("--out") + 1])
        name = out.name if words[1] != "measure" else f"{out.parent.name}/{out.name}"
        found[words[1], name] = words[words.index("--seeds") + 1] if "--seeds" in words else None
    return found


def test_an_arms_seeds_win_over_its_experiments_and_these_over_the_scales(folder):
    study = seeded(folder)
    groups = {name: group.seeds for e in study.experiments for name, group in e.groups.items()}
    assert groups == {"small": 2, "large": 2, "again": 3, "most": 5}
    small, large, most = (
        run_of(study, *each).id for each in (("one", "small"), ("one", "large"), ("two", "most"))
    )
    assert run_of(study, "two", "again").id == small
    told = seeds_told(study)
    assert {name: told["train", name] for name in (small, large, most)} == {small: "3", large: "2", most: "5"}


def test_a_call_changes_the_scales_seeds_alone(folder):
    study = seeded(folder, seeds=4)
    groups = {name: group.seeds for e in study.experiments for name, group in e.groups.items()}
    assert groups == {"small": 4, "large": 4, "again": 3, "most": 5}
    assert seeds_told(study)["train", run_of(study, "one", "small").id] == "4"


def level(a):
    base = {"id": "O2", "says": "s", "source": "p", "kind": "level", "metric": "test_error_percent"}
    return {**base, "a": a, "expect": {"below": 50.0}}


def test_every_arm_of_a_group_has_its_seeds(folder):
    """Of a grid, of what is tuned, of what is crossed, and of one that a claim reads by itself."""
    crossed = {
        "arms": {"plain": {"lr": 0.1}},
        "variants": {"few": {**SMALL, "seeds": 4}, "many": {"batch_size": 8}},
    }
    grid = {"grid": {"lr": [0.3, 0.2]}, **SMALL, "seeds": 6, "tuned_on": "validation_loss_nats"}
    sweep = {"grid": {"batch_size": [4, 32]}, "seeds": 7}
    edits = ((f"{TWO}/crossed", crossed), (f"{ONE}/arms/tuned", grid), (f"{ONE}/arms/sweep", sweep))
    a = {"arm": "sweep[batch_size=32]"}
    study = seeded(folder, *edits, ("questions/one/claims", [level(a)]))
    one, two = study.experiments
    assert [two.groups[f"plain.{variant}"].seeds for variant in ("few", "many")] == [4, 3]
    assert (one.groups["tuned"].seeds, one.seeds_of("sweep[batch_size=32]")) == (6, 7)
    told = seeds_told(study)
    assert {told["train", member.arm.id] for member in one.groups["tuned"].members} == {"6"}
    assert {told["train", member.arm.id] for member in one.groups["sweep"].members} == {"7"}


def test_as_many_are_measured_as_somebody_reads_and_between_runs_those_of_both_ends(folder):
    study = seeded(
        folder, ("questions/two/measures", {"curvature": ["most"]}), (f"{ONE}/arms/large/seeds", 4)
    )
    small, large, most = (
        run_of(study, *each).id for each in (("one", "small"), ("one", "large"), ("two", "most"))
    )
    told = seeds_told(study)
    # of the run that both have, two reads 3 seeds and no curvature
    assert told["measure", f"{small}/curvature.parquet"] == "2"
    assert told["measure", f"{most}/curvature.parquet"] is None  # all that the run has
    assert told["path", f"{small}_to_{large}.parquet"] == "2"
    assert told["path", f"{small}_to_{most}.parquet"] == "3"


def test_exhibits_have_the_seeds_of_their_experiment(folder):
    """The most that any experiment wants, and each is given its own."""
    claim = level({"arm": "worked.full"}) | {"metric": "worked_error"}
    question = {"title": "t", "question": "q", "exhibits": ["worked"], "claims": [claim]}
    more = {**question, "claims": [claim | {"id": "O3"}]}
    study = seeded(
        folder,
        *(("questions/three", question), ("questions/four", more), ("experiments", ["three", "four"])),
        *(
            ("numbers/three", {"exhibits": {"worked": {}}}),
            ("numbers/four", {"seeds": 4, "exhibits": {"worked": {}}}),
        ),
    )
    (stem,) = study.exhibits
    assert seeds_told(study)["exhibit", f"{stem}.parquet"] == "4"
    assert to_aggregate(study, "three")["last_seeds"] == {"worked": 1}
    assert "last_seeds" not in to_aggregate(study, "four")


@pytest.mark.parametrize("first", [0, 20])
def test_an_experiment_is_given_its_first_seeds_of_what_others_share(folder, first):
    study = seeded(folder, ("first_seed", first))
    assert to_aggregate(study, "one")["last_seeds"] == {"small": first + 1}
    assert "last_seeds" not in to_aggregate(study, "two")
    standings = {name: standings_of(study)[name] for name in ("one", "two")}
    assert to_judge(study, "two", standings)["last_seeds"] == {"again": first + 2, "most": first + 4}
    assert "last_seeds" not in to_judge(study, "one", standings)
    words = f"{first}-{first + 4}" if first else "5"
    assert seeds_told(study)["train", run_of(study, "two", "most").id] == words


def test_a_call_of_one_experiment_trains_as_many_as_the_others_read(folder):
    """Else calls would take turns to train seeds and to leave them out."""
    whole, alone = seeded(folder), seeded(folder, experiments="one")
    small = run_of(alone, "one", "small").id
    assert seeds_told(alone)["train", small] == seeds_told(whole)["train", small] == "3"
    assert to_aggregate(alone, "one") == to_aggregate(whole, "one")


def test_what_is_told_of_seeds_is_true(folder, tmp_path, capsys):
    study = seeded(folder)
    small = run_of(study, "one", "small")
    assert plan(study, 1, "cpu").startswith("seeded: 3 arms of 2 to 5 seeds, ")
    assert main(["check", str(folder / "seeded.yaml")]) == 0
    assert capsys.readouterr().out.endswith(": 2 experiments, 3 arms, 2 to 5 seeds each\n")
    report = to_report(study)
    assert report["seeds"] == "2 to 5"
    common = {name: arm["common"] for e in report["experiments"] for name, arm in e["arms"].items()}
    assert "seeds" not in common["small"] and common["most"].endswith("seeds: 5")
    shown = show(small.id, folder / "seeded.yaml", tmp_path)
    assert re.search(r"seeds +3 \(0 to 2\); one reads the first 2\n", shown)
    assert to_report(seeded(folder, ("numbers/two/seeds", 2), (OF_MOST, 2)))["seeds"] == 2


def test_costs_are_those_of_all_seeds(folder):
    few, many = seeded(folder), seeded(folder, (f"{TWO}/seeds", 6))
    shared, own = run_of(few, "one", "small"), run_of(few, "one", "large")
    before, after = (costs.costs(study, study.arms) for study in (few, many))
    assert after[costs.trained(shared.id)] == pytest.approx(2 * before[costs.trained(shared.id)])
    assert after[costs.trained(own.id)] == before[costs.trained(own.id)]
    measured = f"runs/{shared.id}/curvature.parquet"
    assert after[measured] == pytest.approx(2 * before[measured])
    assert gigabytes(many) == pytest.approx(gigabytes(few) * (6 + 2 + 5) / (3 + 2 + 5))
    assert computing(shared, many) > computing(shared, few)
    assert computing(own, many) == computing(own, few)


def test_a_copied_run_is_compared_with_its_own_seeds(folder, tmp_path, monkeypatch):
    study = seeded(folder)
    monkeypatch.chdir(tmp_path)
    for (experiment, arm), there in {("one", "small"): 3, ("one", "large"): 3, ("two", "most"): 5}.items():
        trained = run_of(study, experiment, arm)
        run = Path("results/seeded/runs", trained.id)
        record = {"code": code_digest("train", trained.parts), "seeds": [*range(there)]}
        write_json(run / "provenance.json", record)
        write_text(run / "history.parquet", "")
    (said,) = copied.prepare(study)
    assert f"{run_of(study, 'one', 'large').id}: wanted seeds 0-1; got 0-2" in said


@pytest.fixture
def registered(folder, monkeypatch):
    """Registers the study with edits; how the claims stand once there are observations."""
    monkeypatch.chdir(folder.parent)

    def stand(*edits):
        standings = standings_of(seeded(folder, *edits))
        register(standings)
        for name in standings:
            Path("results/seeded", name, "observations.parquet").write_bytes(b"")
        return {claim: text for one in standings.values() for claim, text in one.texts.items()}

    return stand


def test_a_registration_says_whose_seeds_differ(folder, registered):
    registered()
    one, two = (
        json.loads(Path(f"results/seeded/{name}/registered.json").read_text(encoding="utf-8"))["registered"]
        for name in ("one", "two")
    )
    assert one["seeds"] == 2 and "seeds_of_arms" not in one
    assert two["seeds"] == 3 and two["seeds_of_arms"] == {"most": 5}
    fresh = content_of(study := seeded(folder, ("first_seed", 20)), study.experiment("two"))
    assert fresh["seeds"] == "20-22" and fresh["seeds_of_arms"] == {"most": "20-24"}


def test_seeds_that_change_after_a_registration_are_exploratory(registered):
    assert set(registered().values()) == {"as registered"}
    texts = registered((f"{TWO}/seeds", 4))
    assert texts["O1"] == "as registered"  # reads the same seeds, though a run of its has more now
    assert all("exploratory: seeds 3 -> 4 (since " in texts[claim] for claim in ("T1", "T2"))
    texts = registered((OF_MOST, 6))
    assert all("exploratory: seeds of most 5 -> 6 (since " in texts[claim] for claim in ("T1", "T2"))
    texts = registered((f"{TWO}/seeds", 5))
    assert all(
        re.fullmatch(r"exploratory: seeds 3 -> 5 \(since [^;]*\)", texts[claim]) for claim in ("T1", "T2")
    )
    texts = registered((f"{TWO}/arms/again/seeds", 4))
    assert "exploratory: seeds of again 3 -> 4 (since " in texts["T1"]
    assert texts["T2"] == texts["O1"] == "as registered"


PLACES = (
    "wanted seeds at the top of the file, under numbers.<experiment>, "
    "or in one of its arms beside each and grid"
)
MISTAKES = [
    (f"{TWO}/seeds", 1, "numbers.two.seeds: wanted greater than or equal to 2; got 1"),
    (f"{TWO}/seeds", 10_001, "numbers.two.seeds: wanted less than or equal to 10000; got 10001"),
    (OF_MOST, 1, "numbers.two.arms.most.seeds: wanted greater than or equal to 2; got 1"),
    (
        OF_MOST,
        "4",
        "numbers.two.arms.most.seeds: wanted a valid integer; got '4' (text: take off the quotes)",
    ),
    ("base", {"seeds": 4}, f"base: {PLACES}; got 4 here"),
    (f"{ONE}/base/seeds", 4, f"numbers.one.base: {PLACES}; got 4 here"),
    (f"{ONE}/arms/small/grid", {"seeds": [4, 5]}, f"numbers.one.arms.small.grid: {PLACES}; got [4, 5] here"),
    (f"{ONE}/arms/small/each", [{"seeds": 4}], f"numbers.one.arms.small.each[0]: {PLACES}; got 4 here"),
    (
        f"{ONE}/arms/small/model",
        {"name": "mlp", "hidden": [4], "seeds": 4},
        "numbers.one.arms.small.model.seeds: wanted a key",
    ),
    (f"{ONE}/first_seed", 4, "numbers.one.first_seed: wanted a key among"),
]


@pytest.mark.parametrize(
    ("key", "value", "said"), MISTAKES, ids=[f"{key}={value}" for key, value, _ in MISTAKES]
)
def test_seeds_that_cannot_be_meant_are_one_line(folder, key, value, said):
    seeded(folder)
    spoil(folder / "seeded.yaml", {key: value})
    assert complaint(folder, "seeded.yaml").startswith(f"seeded.yaml: {said}")
