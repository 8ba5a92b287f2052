"""Which jobs share a server of forks: those of one room, one user and one environment."""

import os
import sysconfig
import tempfile

import pytest

from largebatch import forkserver as warm
from largebatch.config.stages import STAGES


def test_every_stage_has_one_room():
    staged = [stage for stages in warm.STAGES.values() for stage in stages]
    assert sorted(staged) == sorted(STAGES)


def test_a_folder_of_someone_else_is_not_entered(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert warm.address("torch").parent == tmp_path / f"largebatch-{os.getuid()}"
    ours = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: ours + 1)
    with pytest.raises(OSError, match="wanted a folder of ours alone"):
        warm.address("torch")
    assert warm.ask_server("torch", [], "anywhere:main") is None
    assert warm.run("torch", ["here"], lambda arguments: len(arguments)) == 1


def test_each_room_and_all_that_is_inherited_has_its_own_server(tmp_path, monkeypatch):
    """What libraries read when they start is not known: encodings, threads, caches, time zones, ..."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    addresses = {warm.address(room) for room in warm.LIBRARIES}
    changes = ["OMP_NUM_THREADS", "LC_ALL", "PYTHONUTF8", "OPENBLAS_NUM_THREADS", "HOME", "TZ", "ANYTHING"]
    for number, name in enumerate(changes, len(addresses) + 1):
        monkeypatch.setenv(name, "as in no other process")
        addresses.add(warm.address("torch"))
        assert len(addresses) == number, name
    before = os.umask(0o027)
    try:
        changed = warm.address("torch")
    finally:
        os.umask(before)
    assert changed not in addresses and warm.address("torch") in addresses


def test_where_in_which_shell_a_command_was_typed_is_no_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = warm.address("torch")
    for name in ("PWD", "OLDPWD", "SHLVL", "_"):
        monkeypatch.setenv(name, "7")
    assert warm.address("torch") == before


def test_steps_of_a_job_of_slurm_share_a_server_and_jobs_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    before = warm.address("torch")
    for name in ("SLURM_STEP_ID", "SLURM_STEPID", "SLURM_SRUN_COMM_PORT", "SLURM_JOB_ID_OF_ANOTHER"):
        monkeypatch.setenv(name, "7")
    assert warm.address("torch") == before
    monkeypatch.setenv("SLURM_JOB_ID", "2")
    assert warm.address("torch") != before


def test_other_installed_libraries_have_another_server(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    installed = tmp_path / "site-packages"
    installed.mkdir()
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"purelib": str(installed)})
    before = warm.address("torch")
    assert warm.address("torch") == before
    os.utime(installed, ns=(1, 1))
    assert warm.address("torch") != before
