"""What is registered before a run, when it stays, and what the ledger is told of later changes."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from largebatch.config.checking import ConfigError
from largebatch.config.registration import register, standings_of
from largebatch.config.study import load_study
from largebatch.files import write_json
from tests.shared.config_files import spoil

RESULTS, PUBLISHED = Path("results/smoke"), Path("results/published/smoke")
G1 = "claims/G1"


@pytest.fixture
def at_home(folder, monkeypatch):
    """In a folder of its own, with a copy of config/, whose papers' cards want every claim to be there."""
    shutil.rmtree(folder / "report")
    monkeypatch.chdir(folder.parent)


def stand(names="goyal", edits=None, **settings):
    """Register experiments as a run does, after edits of goyal.yaml; how the claims of the first stand."""
    spoil(Path("config/experiments/goyal.yaml"), edits or {})
    study = load_study(Path("config/smoke.yaml"), {"experiments": names} | settings)
    standings = standings_of(study)
    register(standings)
    assert standings_of(study)[names.split(",")[0]].files == {}  # a second start has nothing to write
    return standings[names.split(",")[0]]


def registered(folder=RESULTS, name="goyal"):
    return json.loads((folder / name / "registered.json").read_text(encoding="utf-8"))


def observe(name="goyal"):
    (RESULTS / name / "observations.parquet").write_bytes(b"")


def train(arm, name="goyal"):
    """A folder as a run in progress has it."""
    study = load_study(Path("config/smoke.yaml"), {"experiments": name})
    run = study.experiment(name).groups[arm].members[0].arm.id
    (RESULTS / "runs" / run).mkdir(parents=True)


def test_a_registration_says_all_and_holds_its_digest(at_home):
    assert set(stand().texts.values()) == {"as registered"}
    record = registered()
    digest = record.pop("digest")
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(canonical).hexdigest() == digest
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["time"])
    content = record["registered"]
    assert record["observed"] == [] and record["commit"]
    assert content["seeds"] == 3 and content["rule"]["level"] == 0.05
    assert content["claims"]["G1"]["expect"] and set(content["reads"]["G1"]) <= content["arms"].keys()


def test_it_stays_once_anything_was_trained(at_home):
    """An interrupted run has no observations yet, but its numbers could be seen."""
    stand()
    before = registered()
    train("baseline")
    standing = stand(edits={f"{G1}/expect": {"below": 0.4}})
    assert registered() == before
    text = standing.texts["G1"]
    assert text.startswith("exploratory: expectation below 0.3 -> below 0.4 (since 2")
    others = {other for claim, other in standing.texts.items() if claim != "G1"}
    assert others == {"as registered"}


def test_it_follows_the_claims_until_then(at_home):
    stand()
    standing = stand(edits={f"{G1}/expect": {"below": 0.4}})
    assert registered()["registered"]["claims"]["G1"]["expect"] == {"below": 0.4}
    assert set(standing.texts.values()) == {"as registered"}


def test_claims_that_come_and_go_afterwards(at_home):
    stand()
    observe()
    standing = stand(edits={f"{G1}/id": "G77"})
    assert standing.removed == ["G1"] and standing.texts["G77"].startswith("exploratory: added (since 2")
    assert any("registered, then removed: G1" in line for line in standing.told("goyal"))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("metric", "train_error_percent", "metric test_error_percent -> train_error_percent"),
        ("not_run", "Too dear.", "not_run none -> Too dear."),
        ("a", lambda operand: operand | {"at": {"share": 0.5}}, "a arm "),
    ],
)
def test_every_setting_that_a_verdict_depends_on_counts(at_home, key, value, said):
    stand()
    observe()
    assert f"exploratory: {said}" in stand(edits={f"{G1}/{key}": value}).texts["G1"]


@pytest.mark.parametrize("key", ["says", "source", "deviation"])
def test_words_do_not(at_home, key):
    stand()
    observe()
    assert stand(edits={f"{G1}/{key}": "Otherwise put."}).texts["G1"] == "as registered"


def test_seeds_count_for_every_claim_and_settings_for_those_that_read_them(at_home):
    stand()
    observe()
    assert all("seeds 3 -> 4 (since " in t for t in stand(seeds=4).texts.values())
    spoil(Path("config/smoke.yaml"), {"numbers/goyal/arms/baseline/lr": 0.123})
    texts = stand().texts
    assert "exploratory: settings of baseline (since" in texts["G1"]
    reads = registered()["registered"]["reads"]
    assert {claim for claim, text in texts.items() if "baseline" in text} == {
        claim for claim, arms in reads.items() if "baseline" in arms
    }


def test_a_change_is_dated_by_the_first_run_that_had_it(at_home):
    stand()
    observe()
    first = stand(edits={f"{G1}/expect": {"below": 0.4}}).texts["G1"]
    log = RESULTS / "goyal/amended.json"
    entries = json.loads(log.read_text(encoding="utf-8"))
    entries[0] |= {"time": "2025-01-02T00:00:00+00:00", "commit": "0123456789abcdef+changes"}
    write_json(log, entries)
    assert first != stand(edits={f"{G1}/metric": "train_error_percent"}).texts["G1"]
    text = stand().texts["G1"]
    assert "expectation below 0.3 -> below 0.4 (since 2025-01-02, 0123456+changes); metric" in text
    assert stand(edits={f"{G1}/expect": {"below": 0.3}}).texts["G1"].startswith("exploratory: metric")


def test_without_git_the_time_stands_alone(at_home, monkeypatch):
    monkeypatch.setattr("largebatch.config.registration.commit", lambda: "unknown")
    stand()
    assert registered()["commit"] == "unknown"
    observe()
    text = stand(edits={f"{G1}/expect": {"below": 0.4}}).texts["G1"]
    assert re.search(r"\(since \d{4}-\d\d-\d\d\)$", text)


def test_a_second_experiment_learns_that_its_arms_were_trained_before(at_home):
    """Two experiments that share an arm, the second added later."""
    stand("keskar")
    train("adam.small", "keskar")
    texts = stand("sharpness").texts
    early = [claim for claim, text in texts.items() if text != "as registered"]
    assert early and all("registered when 1 of its " in texts[claim] for claim in early)
    reads = registered(name="sharpness")["registered"]["reads"]
    assert all("adam_small" in str(reads[claim]) for claim in early)


def test_deleted_observations_do_not_wipe_out_what_was_trained(at_home):
    stand()
    train("baseline")
    observe()
    shutil.rmtree(RESULTS / "goyal")
    assert "registered when 1 of its" in stand(edits={f"{G1}/expect": {"below": 0.4}}).texts["G1"]
    shutil.rmtree(RESULTS)
    assert set(stand().texts.values()) == {"as registered"}


def test_observations_without_a_registration_are_not_registered_after_the_fact(at_home):
    (RESULTS / "goyal").mkdir(parents=True)
    observe()
    assert set(stand().texts.values()) == {"not registered"}
    assert not (RESULTS / "goyal/registered.json").exists()


@pytest.mark.parametrize("observations", ["measured", "published"])
def test_what_was_published_is_the_registration(at_home, observations):
    """For a run of one's own in a clone, too: the published numbers were there before its claims."""
    stand()
    observe()
    stand(edits={f"{G1}/expect": {"below": 0.4}})
    shutil.copytree(RESULTS, PUBLISHED)
    shutil.rmtree(RESULTS)
    (PUBLISHED / "goyal/observations.parquet").unlink()  # an empty one
    texts = stand(observations=observations).texts
    assert texts["G1"].startswith("exploratory: expectation below 0.3 -> below 0.4")
    assert registered() == registered(PUBLISHED)


def test_published_observations_without_a_registration(at_home):
    texts = stand(observations="published").texts
    assert set(texts.values()) == {"not registered"}


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (
            lambda text: text.replace('"below": 0.3', '"below": 0.4'),
            "wanted the registration as it was written",
        ),
        (lambda text: text[:100], "wanted a registration; got"),
        (lambda text: "[]", "wanted a registration; got"),
    ],
    ids=["edited", "cut off", "something else"],
)
def test_a_registration_that_was_edited_stops_the_run(at_home, spoiled, said):
    stand()
    path = RESULTS / "goyal/registered.json"
    path.write_text(spoiled(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^{path}: {said}"):
        stand()


def test_a_registration_of_another_experiment_is_refused(at_home):
    stand("goyal,convex")
    shutil.copy(RESULTS / "convex/registered.json", RESULTS / "goyal/registered.json")
    with pytest.raises(ConfigError, match="wanted the registration of smoke/goyal; got smoke/convex"):
        stand()
