"""Print which folder of the package imports from which, as a Mermaid graph.

An arrow leads from a folder to one that imports from it. Arrows that follow from others are left out, and so
are the modules beside the folders. A test compares the graph with the one in docs/architecture.md.
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "largebatch"


def imported(path: Path) -> set[str]:
    """Names of all modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def folders(package: Path) -> dict[str, set[str]]:
    """Each folder of a package, and the other folders that its modules import from."""
    names = {path.parent.name for path in package.glob("*/__init__.py")}
    found = {}
    for name in sorted(names):
        modules = [other.split(".") for path in (package / name).rglob("*.py") for other in imported(path)]
        found[name] = {parts[1] for parts in modules if parts[0] == package.name and len(parts) > 1}
        found[name] &= names - {name}
    return found


def behind(name: str, graph: dict[str, set[str]]) -> set[str]:
    """All that a folder imports from, directly or not."""
    return graph[name].union(*(behind(other, graph) for other in graph[name]))


def mermaid(graph: dict[str, set[str]]) -> str:
    """The graph as text, without the arrows that follow from others."""
    lines = ["graph LR"]
    for name, others in graph.items():
        implied = set().union(*(behind(other, graph) for other in others))
        lines += [f"    {other} --> {name}" for other in sorted(others - implied)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(mermaid(folders(PACKAGE)))
