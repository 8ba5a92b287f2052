"""What tools/changes.py derives: from a small history of known edits, and as the docs show it."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from largebatch.config.registration import read_registration
from tests.conftest import REPOSITORY

TOOL = REPOSITORY / "tools" / "changes.py"
SCALE = """
scale: digits
seeds: {seeds}
numbers: {{e: {{base: {{stop: {stop}}}, arms: {{x: {{lr: 1}}, y: {{lr: 2}}}}}}}}
"""
CLAIM = """
  - id: {id}
    says: {says}
    source: A
    kind: level
    metric: test_error_percent
    a: {{arm: {arm}}}
    expect: {{{expect}}}"""
LEDGER = "id,experiment,n,estimate\nT1,e,{n},{estimate}\n"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("changes", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def claim(id="T1", says="It falls.", arm="x", expect="below: 0.3"):
    return CLAIM.format(id=id, says=says, arm=arm, expect=expect)


@pytest.fixture
def commit(tmp_path, monkeypatch):
    """Commits files, each at a day of its own; its short name."""
    monkeypatch.chdir(tmp_path)
    who = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    days = iter(range(1, 30))

    def git(*words):
        when = {"GIT_COMMITTER_DATE": f"2026-01-{commit.day:02d}T12:00:00+00:00"}
        call = subprocess.run(
            ["git", *words], env=os.environ | who | when, check=True, capture_output=True, encoding="utf-8"
        )
        return call.stdout.strip()

    def commit(**files):
        commit.day = next(days)
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_yaml", ".yaml").replace("_py", ".py").replace(
                "_csv", ".csv"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        git("add", "-A")
        git("commit", "-qm", "Change")
        return git("rev-parse", "--short=7", "HEAD")

    commit.day = 1
    git("init", "-q")
    return commit


@pytest.mark.skipif(not shutil.which("git"), reason="no git")
def test_a_history_gives_its_changes(tool, commit, tmp_path):
    """Files move, words change, a first branch of numbers is published on the third day."""
    head = "experiment: e\nclaims:"
    scale = SCALE.format(seeds=3, stop="{patience_epochs: 5}")
    commit(config__s_yaml=scale, config__q_yaml=head + claim(expect="below: 9"), src__a_py="holm(1)\n")
    commit(config__q_yaml=head + claim() + claim("T2", arm="y"))
    commit(results__published__digits__claims_csv=LEDGER.format(n=3, estimate=0.1))
    (tmp_path / "config/q.yaml").unlink()
    commit(config__experiments__e_yaml=head + claim(says="It sinks.") + claim("T2", arm="y"))  # renamed
    changed = commit(config__experiments__e_yaml=head + claim(expect="below: 0.5") + claim("T3"))
    (tmp_path / "src/a.py").unlink()
    rule = commit(src__b__c_py="stats.false_discovery_control([1])\n")
    stop = commit(config__s_yaml=SCALE.format(seeds=2, stop="{patience_epochs: 9}"))
    commits = tool.history()
    first = next(i for i, (name, _) in enumerate(commits) if tool.published(name))
    assert first == 2 and tool.published(commits[first][0]) == {("digits", "e")}
    record, log = tool.changes([(*when, tool.state(when[0], "digits", "e")) for when in commits[first - 1 :]])
    assert record["time"].startswith("2026-01-02") and record["registered"]["claims"]["T1"]["expect"] == {
        "below": 0.3
    }
    assert [(entry["commit"][:7], entry["time"][:10]) for entry in log] == [
        (changed, "2026-01-05"),
        (rule, "2026-01-06"),
        (stop, "2026-01-07"),
    ]
    correction = "correction Holm in the experiment -> Benjamini-Hochberg over the ledger"
    assert log[0]["differs"] == {
        "T1": ["expectation below 0.3 -> below 0.5"],
        "T2": ["removed"],
        "T3": ["added"],
    }
    assert log[1]["differs"]["*"] == [correction]
    assert log[2]["differs"]["*"] == ["seeds 3 -> 2", correction]
    assert "settings of x" in log[2]["differs"]["T1"]


def test_the_method_shows_every_published_change():
    table = subprocess.run(
        [sys.executable, TOOL, "--table"], cwd=REPOSITORY, capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert "correction Holm in the experiment -> Benjamini-Hochberg over the ledger" in table
    assert table in (REPOSITORY / "docs/method.md").read_text(encoding="utf-8")


def test_the_docs_name_what_the_first_correction_would_undo(tool, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    lost, won = tool.by_the_first_rule("digits")
    assert len(lost) > 1 and won == []
    pages = {
        page: " ".join((REPOSITORY / "docs" / page).read_text(encoding="utf-8").split())
        for page in ("method.md", "results.md")
    }
    for page, text in pages.items():
        assert f"{', '.join(lost[:-1])} and {lost[-1]}" in text, page
    assert "it would decide no claim that is inconclusive today" in pages["method.md"]


def test_every_published_experiment_has_a_registration_that_reads():
    folders = [path.parent for path in REPOSITORY.glob("results/published/*/*/observations.parquet")]
    assert folders
    for folder in folders:
        record = read_registration(folder / "registered.json", [folder.parent.name], folder.name)
        assert record["registered"]["claims"]
