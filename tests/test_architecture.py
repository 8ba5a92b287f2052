"""The doors of DESIGN: who may import whom. Read from the imports, anywhere in a file."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "largebatch"
MODULES = sorted(PACKAGE.rglob("*.py"))
# The line from settings to pages: a folder imports from those before it on its side, and no other.
WITH_TORCH = ("config", "data", "nets", "training", "measures", "primer")
WITH_PANDAS = ("config", "observations", "judging", "figures", "page", "report", "advise")
TORCH = {"torch", "torchvision", "pyhessian", "curvlinops"}
PANDAS = {"pandas", "matplotlib", "jinja2"}
# At the top level: what both sides share, and who starts their work.
SHARED = {"files", "interrupts", "metrics", "progress", "provenance", "seals"}
MOST_AT_THE_TOP, MOST_LINES = 8, 350


def imported(path):
    """Names of all modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def tops(path):
    return {name.split(".")[0] for name in imported(path)}


def folder(path):
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ""


def imported_folders(path):
    """The folders of this package that a file imports from."""
    parts = [name.split(".") for name in imported(path) if name.startswith("largebatch.")]
    return {name[1] for name in parts if (PACKAGE / name[1]).is_dir()}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_doors(path):
    own, libraries = folder(path), tops(path)
    assert "snakemake" not in libraries
    if own in WITH_TORCH:
        assert imported_folders(path) <= set(WITH_TORCH[: WITH_TORCH.index(own) + 1])
        assert not libraries & PANDAS
    if own in WITH_PANDAS:
        assert imported_folders(path) <= set(WITH_PANDAS[: WITH_PANDAS.index(own) + 1])
        assert not libraries & TORCH
    if own == "" and path.stem in SHARED:
        assert imported_folders(path) <= {"config"}
        assert not libraries & (TORCH | PANDAS)


def test_every_folder_has_its_place_on_the_line():
    assert {folder(path) for path in MODULES} == {"", "cli", *WITH_TORCH, *WITH_PANDAS}
    assert {path.stem for path in MODULES if folder(path) == ""} >= SHARED
    assert len([path for path in MODULES if folder(path) == ""]) <= MOST_AT_THE_TOP


def test_nothing_imports_in_a_circle():
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES}
    graph = {name: imported(path) & names.keys() for name, path in names.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(names)  # else CycleError


def test_no_file_is_long():
    assert not [path for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES]


def test_only_files_knows_formats_of_tables_and_tensors():
    for path in MODULES:
        if path.name not in ("files.py", "forkserver.py"):
            assert "safetensors" not in tops(path), path


# Tested through the modules that use them.
THROUGH_OTHERS = {
    *("__init__", "randomness", "device", "nets", "agreement", "settings", "effect", "effects", "templates"),
    *(
        "parts",
        "profiles",
        "question",
        "scale",
        "schedules",
        "uses",
        "expect",
        "written",
        "flatness",
        "decision",
        "trends",
    ),  # of config
    *("names", "pandas_jobs"),  # of cli
}


def test_every_module_has_a_test():
    tests = Path(__file__).parent
    mirrors = {path: tests / path.relative_to(PACKAGE).with_name(f"test_{path.name}") for path in MODULES}
    assert not [p for p, mirror in mirrors.items() if p.stem not in THROUGH_OTHERS and not mirror.is_file()]


def test_python_is_one_that_ci_covers():
    assert sys.version_info >= (3, 11)
