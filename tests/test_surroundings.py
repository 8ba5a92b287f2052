"""A full /tmp, a read-only checkout and clocks that jump: a clear line, or no effect."""

import os
import shutil
import subprocess
import time

import pytest

from tests.shared.workspace import Workspace

CONFIG = "config/around.yaml"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = Workspace(tmp_path_factory.mktemp("s"))
    text = "extends: smoke\nscale: around\nexperiments: [convex]\n"
    (made.root / CONFIG).write_text(text, encoding="utf-8")
    yield made
    made.end()


def mounted(workspace, mounts: str) -> subprocess.CompletedProcess:
    """A run of Snakemake that alone sees what these commands mount; $1 is the checkout, $2 its TMPDIR."""
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    places = ["sh", str(workspace.root), workspace.environment["TMPDIR"]]
    if not shutil.which("unshare") or subprocess.run([*alone, mounts, *places], check=False).returncode:
        pytest.skip("no mounts of our own here")
    run = f'{mounts} && cd "$1" && exec snakemake --cores 2 --configfile {CONFIG}'
    return subprocess.run(
        [*alone, run, *places],
        env=workspace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


def test_a_checkout_that_cannot_be_written_to_is_one_line(workspace):
    call = mounted(workspace, 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"')
    said = [line for line in call.stdout.splitlines() if "profile" not in line and "log file" not in line]
    assert call.returncode == 1 and len(said) == 1, call.stdout
    assert said[0].startswith(
        f"{workspace.root}: wanted a folder that can be written to; got one that cannot"
    )


def test_a_full_folder_for_temporary_files_has_no_effect(workspace):
    """There is no room for servers of forks; jobs do without."""
    call = mounted(workspace, 'mount -t tmpfs -o nr_inodes=2,size=4k none "$2"')
    assert call.returncode == 0, call.stdout
    assert (workspace.root / "results/around/report.html").stat().st_size > 100_000


def test_a_clock_that_jumps_reruns_nothing(workspace):
    code, output = workspace.snakemake(configfile=CONFIG)
    assert code == 0, output
    data = workspace.root / "results/around/data/digits.safetensors"
    days = 86_400.0
    os.utime(data, (time.time() + days,) * 2)  # the clock was put back since
    assert workspace.would_run(configfile=CONFIG) == {}
    for path in (workspace.root / "results").rglob("*"):
        os.utime(path, (time.time() - 10 * days,) * 2)  # or forth
    assert workspace.would_run(configfile=CONFIG) == {}
