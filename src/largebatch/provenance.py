"""Where a number comes from: commit, code, settings, inputs, versions, device, time."""

import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from largebatch.config.stages import PACKAGE, STAGES, code_digest, starts
from largebatch.files import read_json
from largebatch.seals import Damaged, anew

VERSIONED = (
    "largebatch",
    "matplotlib",
    "numpy",
    "pandas",
    "pyarrow",
    "pyhessian",
    "scikit-learn",
    "scipy",
    "snakemake",
    "torch",
    "torchvision",
)


def provenance(
    stage: str, settings: dict, inputs: dict[str, str], parts: Iterable[str] | None = None, **measured
) -> dict:
    """A JSON-ready record. inputs: name -> checksum; parts: those whose code the stage used, if not all.

    measured: device, seconds and the like.
    """
    return {
        "stage": stage,
        "settings": settings,
        "inputs": inputs,
        "code": code_digest(stage, parts),
        **({} if parts is None else {"parts": sorted(parts)}),
        "commit": commit(),
        "python": platform.python_version(),
        "packages": packages(),
        "machine": {"system": platform.system(), "processor": processor()},
        **measured,
    }


def require_code(path: Path, record: dict, stage: str) -> None:
    """Damaged if a file, by the record of how it was made, comes from another version of a stage's code.

    LARGEBATCH_OTHER_CODE=1 takes it as it is.
    """
    made, ours = record.get("code"), code_digest(stage, record.get("parts"))
    if made not in (None, ours) and os.environ.get("LARGEBATCH_OTHER_CODE") != "1":
        raise Damaged(
            f"{path}: wanted a file made by this code, {stage} {ours}; got one made by {made}. {anew(path)}; "
            "or take it as it is with LARGEBATCH_OTHER_CODE=1"
        )


def record_of_run(run: Path) -> dict:
    """The provenance of a run; Damaged if it has none, unless LARGEBATCH_OTHER_CODE=1."""
    path = run / "provenance.json"
    if path.is_file():
        return read_json(path)
    if os.environ.get("LARGEBATCH_OTHER_CODE") == "1":
        return {}
    raise Damaged(
        f"{path}: wanted the record of how this run was trained; got none. Copy it too, or remove the folder "
        "to train the run here; or take the run as it is with LARGEBATCH_OTHER_CODE=1"
    )


@cache
def packages() -> dict[str, str]:
    """The versions of the packages that numbers may depend on."""
    return {name: found for name in VERSIONED if (found := installed(name))}


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def processor() -> str:
    """The CPU's model name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def commit() -> str:
    """The commit of the checkout this package runs from, with +changes if it was edited; else unknown.

    LARGEBATCH_COMMIT says it of a copy on a machine that has no checkout.
    """
    if told := os.environ.get("LARGEBATCH_COMMIT"):
        return told

    def git(*words: str) -> str:
        call = subprocess.run(
            ["git", "-C", str(PACKAGE), *words], capture_output=True, encoding="utf-8", errors="replace"
        )
        return call.stdout.strip() if call.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return (
            head + "+changes" * bool(git("status", "--porcelain", "--", str(PACKAGE))) if head else "unknown"
        )
    except FileNotFoundError:  # no git on this machine
        return "unknown"


def get_ready(stage: str) -> None:
    """Do what each job of a stage would do first and what stays as it is until files change."""
    for start in starts(stage):
        import_module(".".join([__package__, *start.relative_to(PACKAGE).with_suffix("").parts]))
    for each_of_them in STAGES:  # what it reads must come from the same code
        code_digest(each_of_them)
    packages()
