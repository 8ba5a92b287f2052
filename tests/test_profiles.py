"""The profiles of Snakemake: what each says, read as Snakemake reads them."""

import json
import os
import subprocess

import pytest
import yte

from largebatch.cli import leases
from tests.conftest import REPOSITORY


def profile(name: str) -> dict:
    text = (REPOSITORY / "profiles" / name / "config.yaml").read_text(encoding="utf-8")
    return yte.process_yaml(text, require_use_yte=True)


@pytest.mark.parametrize("gpus", [0, 3])
def test_this_machine_runs_as_many_jobs_at_a_time_as_it_has_gpus(tmp_path, monkeypatch, gpus):
    for number in range(gpus):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setattr(leases, "DEVICE_FILES", tmp_path)
    monkeypatch.delenv(leases.VISIBLE, raising=False)
    assert profile("default")["resources"] == {"gpu": gpus}


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_a_cluster_reruns_and_reports_as_this_machine_does(name):
    """Its profile replaces the default one, so it has to say the same."""
    here, there = profile("default"), profile(name)
    assert {key: there[key] for key in here if key != "resources"} == {
        key: value for key, value in here.items() if key != "resources"
    }
    assert there["resources"] == {"gpu": 1} and there["set-resource-scopes"] == {"gpu": "local"}


KUBECTL = """#!/bin/sh
# A cluster whose jobs end as $TOLD says.
case "$1" in
create) cat > "$SEEN"; printf largebatch-abc ;;
get) echo "$TOLD"; case "$TOLD" in *rror*) exit 1 ;; esac ;;
delete) echo "$@" > "$SEEN" ;;
esac
"""


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """Calls a command of the profile with a made-up kubectl: (exit code, all output, what kubectl saw)."""
    (tmp_path / "kubectl").write_text(KUBECTL, encoding="utf-8")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("LARGEBATCH_IMAGE", "registry/largebatch:1")
    monkeypatch.setenv("LARGEBATCH_VOLUME", f"claim:{tmp_path}")

    def call(name, *words, **environment):
        command = [REPOSITORY / "profiles" / "kubernetes" / name, *words]
        made = subprocess.run(
            command, cwd=tmp_path, env=os.environ | environment, capture_output=True, encoding="utf-8"
        )
        seen = tmp_path / "seen"
        told = seen.read_text(encoding="utf-8") if seen.exists() else ""
        return made.returncode, made.stdout + made.stderr, told

    return call


ASKED = ["--cpus", "2", "--gpus", "1", "--megabytes", "2000", "--minutes", "7", "x/script.sh"]


def test_a_job_of_kubernetes_has_what_it_asks_for_once(kubectl, tmp_path):
    code, output, seen = kubectl("submit.py", *ASKED)
    assert (code, output) == (0, "largebatch-abc")
    job = json.loads(seen)["spec"]
    assert job["backoffLimit"] == 0 and job["activeDeadlineSeconds"] == 420
    (container,) = job["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "2000M", "nvidia.com/gpu": "1"}
    assert container["command"] == ["sh", str(tmp_path / "x/script.sh")]
    assert container["workingDir"] == str(tmp_path)


def test_a_job_without_a_gpu_asks_for_none(kubectl):
    _, _, seen = kubectl("submit.py", *["0" if word == "1" else word for word in ASKED])
    assert "nvidia.com/gpu" not in seen


@pytest.mark.parametrize(
    "name, value, wanted",
    [
        ("LARGEBATCH_IMAGE", "", "wanted the name of a container image; got nothing"),
        ("LARGEBATCH_VOLUME", "", "wanted <claim>:<folder>; got nothing"),
        ("LARGEBATCH_VOLUME", "claim:/elsewhere", "in the folder; got '/elsewhere'"),
    ],
)
def test_what_a_job_of_kubernetes_needs_is_named(kubectl, name, value, wanted):
    code, output, seen = kubectl("submit.py", *ASKED, **{name: value})
    assert code == 1 and output.startswith(f"{name}: ") and wanted in output and not seen


@pytest.mark.parametrize(
    "told, status",
    [
        ("/", "running"),
        ("1/", "success"),
        ("/1", "failed"),
        ('Error from server (NotFound): jobs.batch "x" not found', "failed"),
        ("error: connection refused", "running"),
    ],
)
def test_the_status_of_a_job_is_one_word(kubectl, told, status):
    assert kubectl("status", "x", TOLD=told)[:2] == (0, f"{status}\n")


def test_cancelled_jobs_are_deleted(kubectl):
    assert kubectl("cancel", "a", "b")[2] == "delete job --wait=false a b\n"
