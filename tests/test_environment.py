"""pyproject.toml is the one source: lock and environment.yml agree with it."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY
from tests.shared.processes import ending, until

LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
SLURM_LOCK = (REPOSITORY / "profiles/slurm/requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def locked(lock=LOCK):
    """Name -> versions in the lock (several where a marker chooses)."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ]+)", lock, re.MULTILINE):
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


def test_every_dependency_is_locked_at_a_version_it_allows():
    versions = locked()
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    for requirement in map(Requirement, wanted):
        found = versions.get(canonicalize_name(requirement.name))
        assert found, f"{requirement} is not in requirements.lock: make lock"
        assert all(requirement.specifier.contains(v) for v in found), f"{requirement}: locked at {found}"


def test_what_slurm_needs_is_locked_beside_the_lock():
    """At versions that pyproject.toml allows, and nothing twice."""
    versions = locked(SLURM_LOCK)
    (wanted,) = map(Requirement, PROJECT["optional-dependencies"]["slurm"])
    assert all(wanted.specifier.contains(version) for version in versions[canonicalize_name(wanted.name)])
    assert not versions.keys() & locked().keys()


def test_build_backend_is_locked_too():
    assert "hatchling" in locked()


def test_every_pin_has_hashes_and_no_host_is_named():
    pins = re.split(r"^(?=[A-Za-z0-9])", LOCK + SLURM_LOCK, flags=re.MULTILINE)
    assert all("--hash=sha256:" in pin for pin in pins if "==" in pin)
    for text in (LOCK, SLURM_LOCK, (REPOSITORY / "environment.yml").read_text(encoding="utf-8")):
        assert "://" not in text and "index-url" not in text


def test_environment_yml_follows_the_lock():
    make = runpy.run_path(str(REPOSITORY / "tools" / "environment.py"))["environment"]
    text = (REPOSITORY / "environment.yml").read_text(encoding="utf-8")
    assert text == make(LOCK), "environment.yml is not what `make lock` writes"
    pip = next(d["pip"] for d in yaml.safe_load(text)["dependencies"] if isinstance(d, dict))
    assert pip[-1] == "-e ."
    assert {canonicalize_name(Requirement(line).name) for line in pip[:-1]} == locked().keys()


def test_the_installed_environment_is_the_locked_one():
    from importlib.metadata import version

    versions = locked()
    for name in ("torch", "numpy", "pandas", "snakemake", "matplotlib", "pydantic"):
        assert version(name).split("+")[0] in versions[name], f"{name} {version(name)} is not the locked one"


@pytest.mark.skipif(not shutil.which("make"), reason="runs make")
def test_make_needs_no_home_folder(tmp_path):
    """Snakemake ends in a traceback where it cannot make its cache folder."""
    (tmp_path / "home").mkdir()
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MAKE"))}

    def said(home):
        words = ["make", "-n", "-C", str(REPOSITORY), "lint"]
        call = subprocess.run(words, env=outside | {"HOME": str(home)}, capture_output=True, check=True)
        return call.stdout.decode(errors="surrogateescape")

    assert "XDG_CACHE_HOME=" in said("/dev/null/nowhere")
    assert "XDG_CACHE_HOME=" not in said(tmp_path / "home")


@pytest.mark.skipif(not shutil.which("make"), reason="runs make")
def test_make_passes_a_signal_on_to_snakemake(tmp_path):
    """And not to a shell alone, behind whose back the run would go on."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    binaries = tmp_path / ".venv/bin"
    binaries.mkdir(parents=True)
    waits = "#!/bin/sh\ntrap 'echo told; exit 130' TERM\ntouch begun\nwhile :; do sleep 0.05; done\n"
    (binaries / "snakemake").write_text(waits, encoding="utf-8")
    (binaries / "snakemake").chmod(0o755)
    words = ["make", "-o", ".venv/bin/.ready", "results"]
    with ending(
        subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True)
    ) as make:
        until((tmp_path / "begun").exists)
        make.terminate()
        assert b"told" in make.communicate()[0]


@pytest.mark.skipif(Path(sys.prefix) != REPOSITORY / ".venv", reason="not the environment that make makes")
def test_python_finds_the_package_whatever_letters_the_folder_is_called_by():
    """In the C locale Python 3.11 reads this file as ASCII, and ends where it cannot."""
    (found,) = Path(sysconfig.get_paths()["purelib"]).glob("*_largebatch.pth")
    line = found.read_text(encoding="ascii").strip()
    assert not Path(line).is_absolute() and (found.parent / line).resolve() == REPOSITORY / "src"
