"""Where a number comes from: commit, code, settings, inputs, versions, device, time."""

import ast
import os
import platform
import subprocess
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from largebatch.files import read_json
from largebatch.seals import Damaged, anew

PACKAGE = Path(__file__).parent
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


def provenance(stage: str, settings: dict, inputs: dict[str, str], **measured) -> dict:
    """A JSON-ready record. inputs: name -> checksum; measured: device, seconds and the like."""
    return {
        "stage": stage,
        "settings": settings,
        "inputs": inputs,
        "code": code_digest(stage),
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
    made, ours = record.get("code"), code_digest(stage)
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


def each(pattern: str) -> tuple[str, ...]:
    """The modules that are found by their name when a stage runs."""
    return tuple(sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob(pattern)))


# The texts that figures, tables and the report show; a stage that only computes does not depend on them.
LABELS = ("metrics.py", "config/measures.py", "config/flatness.py")
# The modules in which each stage starts; what they import belongs to the stage.
STAGES = {
    "data": ("data/datasets.py",),
    "train": ("training/train.py", "training/device.py", "config/milestones.py"),
    "measure": (*each("measures/*.py"), "training/device.py"),
    "exhibit": ("primer/exhibits.py", "training/device.py", "config/surfaces.py"),
    "aggregate": ("observations/aggregate.py", "config/spec.py"),
    "judge": ("judging/judge.py", "config/decision.py"),
    "ledger": ("judging/ledger.py", "config/decision.py"),
    "draw": ("figures/draw.py", *each("figures/draw_*.py"), *LABELS),
    "animate": ("figures/animate.py", *LABELS),
    "tabulate": ("figures/tabulate.py", *LABELS),
    "numbers": ("report/numbers.py",),
    "robustness": ("figures/robustness.py",),
    "report": ("report/report.py", *LABELS),
    "page": ("page/page.py", "config/surfaces.py"),
}
# Where settings are declared: a new one with a default retrains nothing.
DECLARATIONS = "config"


def get_ready(stage: str) -> None:
    """Do what each job of a stage would do first and what stays as it is until files change."""
    for start in STAGES[stage]:
        import_module(".".join([__package__, *Path(start).with_suffix("").parts]))
    for each_of_them in STAGES:  # what it reads must come from the same code
        code_digest(each_of_them)
    packages()


@cache
def code_digest(stage: str) -> str:
    """Digest of a stage's code without comments and docstrings.

    It covers the modules that the stage imports, directly or not, and the templates with their names. It
    leaves out config/ and the modules beside this one, except those in which a stage starts.
    """
    digest = sha256()
    modules: dict[Path, str] = {}
    for start in STAGES[stage]:
        reached(PACKAGE / start, modules)
    for path, code in sorted(modules.items()):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(code.encode())
        for template in sorted(path.parent.glob(f"{path.stem}.*.jinja")):
            digest.update(template.read_bytes())
    return digest.hexdigest()[:12]


def reached(path: Path, seen: dict[Path, str]) -> dict[Path, str]:
    """`path` and the modules that it imports and that count as a stage's code, with their bare code."""
    if path not in seen:
        seen[path], imported = parsed(path)
        for other in imported:
            if other.parent != PACKAGE and folder(other) != DECLARATIONS:
                reached(other, seen)
    return seen


@cache
def parsed(path: Path) -> tuple[str, set[Path]]:
    """The bare code of a module, and what it imports: parsed once for all stages."""
    tree = ast.parse(path.read_bytes())
    imported = imports(tree)
    return bare(tree), imported


def folder(path: Path) -> str:
    """The folder of the package that a module lies in."""
    return path.relative_to(PACKAGE).parts[0]


def imports(tree: ast.Module) -> set[Path]:
    """Files of this package that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = (
        PACKAGE.parent / (name.replace(".", "/") + ".py") for name in names if name.startswith("largebatch.")
    )
    return {file for file in files if file.is_file()}


def bare(tree: ast.Module) -> str:
    """A syntax tree as text without docstrings, which are removed from it; it never has comments."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree)
