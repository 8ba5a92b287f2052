"""The doors of DESIGN: who may import whom. Read from the imports, anywhere in a file."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "largebatch"
MODULES = sorted(PACKAGE.rglob("*.py"))
PLAIN = {
    *("models", "schedules", "layers", "stack", "optimise", "augment", "mitigations", "losses"),
    *("landscape", "lanczos", "trace", "curvature", "sharpness", "surface", "paths", "noise", "rescaling"),
    *("gradient_norms", "convex", "equivalence", "krylov"),
    "reference",
}


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


def room(path):
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else "hallway"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_doors(path):
    names, libraries = imported(path), tops(path)
    assert "snakemake" not in libraries
    if room(path) == "lab":
        assert not libraries & {"pandas", "matplotlib"}
        assert not any(name.startswith("largebatch.study") for name in names)
    if room(path) == "study":
        assert not libraries & {"torch", "torchvision", "pyhessian"}
        assert not any(name.startswith("largebatch.lab") for name in names)
    if room(path) == "lab" and path.stem in PLAIN:
        assert not names & {"largebatch.spec", "largebatch.parts", "largebatch.config"}
    if room(path) == "hallway" and path.stem != "cli":
        assert not libraries & {"torch", "pandas", "matplotlib", "scipy", "sklearn"}
        rooms = {name for name in names if name.startswith(("largebatch.lab", "largebatch.study"))}
        assert not rooms


def test_the_warm_server_imports_nothing_of_ours_but_the_command_line():
    names = {name for name in imported(PACKAGE / "warm.py") if name.startswith("largebatch")}
    assert names == {"largebatch.cli", "largebatch.cli.main"}


def test_only_files_knows_formats_of_tables_and_tensors():
    for path in MODULES:
        if path.name not in ("files.py", "warm.py"):
            assert "safetensors" not in tops(path), path


# Tested through the modules that use them.
THROUGH_OTHERS = {
    *("__init__", "randomness", "device", "engine", "question", "settings", "parts"),
    *("effect", "effects", "templates"),
}


def test_every_module_has_a_test():
    tests = Path(__file__).parent
    mirrors = {path: tests / path.relative_to(PACKAGE).with_name(f"test_{path.name}") for path in MODULES}
    assert not [p for p, mirror in mirrors.items() if p.stem not in THROUGH_OTHERS and not mirror.is_file()]


def test_python_is_one_that_ci_covers():
    assert sys.version_info >= (3, 11)
