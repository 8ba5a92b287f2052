"""A study through a real SLURM on this machine: the same results, whatever becomes of the node.

Skipped where SLURM or Snakemake's plugin for it is not installed; see docs/cluster.md.
"""

import json
import os
import re

import pytest

from largebatch.config.study import load_study
from tests.conftest import REPOSITORY
from tests.shared import slurm
from tests.shared.processes import ending, until
from tests.shared.same import differing
from tests.shared.slurm import Slurm
from tests.shared.workspace import Workspace

PLUGIN = REPOSITORY / ".snakemake" / "slurm"  # `make slurm` puts it there
CONFIG = "config/tiny.yaml"
# Four short arms but for one, which takes seconds.
STUDY = """
extends: smoke
scale: tiny
experiments: [convex]
numbers: {convex: {arms: {full: {lr: 0.016, epochs: 300}}}}
"""
QUICK = "--latency-wait=5 --slurm-init-seconds-before-status-checks=1 --slurm-status-command=squeue"
OF_THIS_SLURM = [*QUICK.split(), "--slurm-no-account", "--slurm-keep-successful-logs"]


def lacking() -> str:
    absent = f"{PLUGIN}: wanted Snakemake's plugin for SLURM; got none"
    return slurm.lacking() or ("" if PLUGIN.is_dir() else absent)


pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking())


@pytest.fixture
def workspace(tmp_path_factory):
    made = Workspace(tmp_path_factory.mktemp("s"))
    (made.root / CONFIG).write_text(STUDY, encoding="utf-8")
    made.environment["PYTHONPATH"] += f"{os.pathsep}{PLUGIN}"
    yield made
    made.end()


def run_here(workspace, folder):
    """Runs the study without SLURM; where its results are, and where those through SLURM will be."""
    code, output = workspace.snakemake(configfile=CONFIG)
    assert code == 0, output
    results = workspace.root / "results" / "tiny"
    return results.rename(folder / "here"), results


def test_a_study_gives_the_same_bytes_through_slurm_though_its_node_is_lost(workspace, tmp_path):
    """And four arms with their measures are one submission, with one GPU."""
    with workspace.edited(
        "src/largebatch/training/train.py", "CHECKPOINT_SECONDS = 60.0", "CHECKPOINT_SECONDS = 0.0"
    ):
        here, results = run_here(workspace, tmp_path)
        with Slurm(tmp_path / "slurm") as cluster:
            workspace.environment = cluster.found_by(workspace.environment)
            process = workspace.start(
                "--workflow-profile", "profiles/slurm", *OF_THIS_SLURM, configfile=CONFIG
            )
            with ending(process):
                until(lambda: any(results.glob("runs/*/checkpoint-*.bin")) or process.poll() is not None)
                cluster.lose_node()
                cluster.give_node_back()
                output = process.communicate()[0]
            jobs = cluster.command("scontrol", "--oneliner", "show", "jobs")
    assert process.returncode == 0, output
    assert differing(here, results) == []
    assert re.findall(r"JobId=(\d+) .*JobState=(\w+).* TresPerJob=gres:gpu:1", jobs) == [
        ("1", "NODE_FAIL"),
        ("2", "COMPLETED"),
    ], jobs
    logs = workspace.root.glob(".snakemake/slurm_logs/**/2.log")
    assert [log for log in logs if ": continues at epoch" in log.read_text(encoding="utf-8")]


@pytest.mark.timeout(3600)
@pytest.mark.skipif("LARGEBATCH_WHOLE" not in os.environ, reason="takes minutes: make slurm")
def test_the_whole_smoke_study_gives_the_same_bytes_through_slurm(workspace, tmp_path):
    """All that shows no measured times, as two of its experiments do."""
    smoke = load_study(REPOSITORY / "config" / "smoke.yaml")
    names = [e.name for e in smoke.experiments if e.name not in ("mitigations", "primer")]
    (workspace.root / CONFIG).write_text(
        json.dumps({"extends": "smoke", "scale": "tiny", "experiments": names}), encoding="utf-8"
    )
    here, results = run_here(workspace, tmp_path)
    with Slurm(tmp_path / "slurm") as cluster:
        workspace.environment = cluster.found_by(workspace.environment)
        code, output = workspace.snakemake(
            "--workflow-profile", "profiles/slurm", *OF_THIS_SLURM, configfile=CONFIG
        )
        jobs = cluster.command("scontrol", "--oneliner", "show", "jobs")
    assert code == 0, output
    assert differing(here, results) == []
    states = re.findall(r"JobId=\d+ .*JobState=(\w+)", jobs)
    assert len(states) > 1 and {*states} == {"COMPLETED"}, jobs
