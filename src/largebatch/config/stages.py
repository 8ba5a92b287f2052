"""Which code each stage of the workflow consists of: its digest is a parameter of the stage's jobs.

A job of some parts (an arm's schedule and model, a measure's module) depends on the code of these alone.
"""

import ast
from collections.abc import Collection, Iterable, Iterator
from copy import copy
from functools import cache
from hashlib import sha256
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# The texts that figures, tables and the report show; a stage that only computes does not depend on them.
LABELS = ("metrics.py", "config/measures.py", "config/flatness.py")
# The modules in which each stage starts; what they import belongs to the stage. Those that a pattern finds
# are imported by their name when a job runs.
STAGES = {
    "data": ("data/datasets.py",),
    "train": ("training/train.py", "training/device.py", "config/milestones.py"),
    "measure": ("measures/measure.py", "measures/*.py", "training/device.py"),
    "exhibit": ("primer/exhibits.py", "training/device.py", "config/surfaces.py"),
    "aggregate": ("observations/aggregate.py", "config/spec.py"),
    "judge": ("judging/judge.py", "config/decision.py"),
    "ledger": ("judging/ledger.py", "config/decision.py"),
    "draw": ("figures/draw.py", "figures/draw_*.py", *LABELS),
    "animate": ("figures/animate.py", *LABELS),
    "tabulate": ("figures/tabulate.py", *LABELS),
    "numbers": ("report/numbers.py",),
    "robustness": ("figures/robustness.py",),
    "report": ("report/report.py", *LABELS),
    "page": ("page/page.py", "config/surfaces.py"),
}
# Where settings are declared: a new one with a default retrains nothing.
DECLARATIONS = "config"
# Dictionaries at the top of a module, name -> code, of which a job uses the entries that its parts name.
REGISTRIES = {"AUGMENTATIONS", "BATCH_SIZES", "DATA", "LOSSES", "MODELS", "OPTIMISERS", "SCHEDULES"}


def code_digest(stage: str, parts: Iterable[str] | None = None) -> str:
    """Digest of a stage's code without comments and docstrings.

    It covers the modules that the stage imports, directly or not, and the templates with their names. It
    leaves out config/ and the modules beside this one, except those in which a stage starts. With `parts` it
    also leaves out what is for other parts only: entries of REGISTRIES, the definitions and imports that
    only these need, and modules found by a pattern.
    """
    return digest_of(stage, None if parts is None else frozenset(parts))


@cache
def digest_of(stage: str, parts: frozenset[str] | None) -> str:
    digest = sha256()
    for path, code in sorted(reached(stage, parts).items()):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(code.encode())
        for template in sorted(path.parent.glob(f"{path.stem}.*.jinja")):
            digest.update(template.read_bytes())
    return digest.hexdigest()[:12]


def starts(stage: str, parts: Collection[str] | None = None) -> Iterator[Path]:
    """The modules in which a stage starts, or a job of some parts."""
    for start in STAGES[stage]:
        if "*" not in start:
            yield PACKAGE / start
            continue
        yield from (path for path in sorted(PACKAGE.glob(start)) if parts is None or path.stem in parts)


@cache
def reached(stage: str, parts: frozenset[str] | None = None) -> dict[Path, str]:
    """The modules that count as the code of a stage, or of its jobs of some parts, with their bare code."""
    needed = set() if parts is None else {need for path in reached(stage) for need in needs(module_in(path))}
    seen, ahead = {}, [*starts(stage, parts)]
    while ahead:
        path = ahead.pop()
        if path in seen:
            continue
        module = module_in(path)
        if parts is not None and any(statement.registry for statement in module):
            module = without_others(module, parts, {name for file, name in needed if file == path})
        seen[path] = "".join(statement.code for statement in module)
        imported = {file for statement in module for file in statement.imports}
        ahead += [
            f for f in imported if f.parent != PACKAGE and f.relative_to(PACKAGE).parts[0] != DECLARATIONS
        ]
    return seen


class Statement:
    """A statement at the top of a module, without comments and docstrings.

    defines: its names; reads: the names in it; imports: files of this package; takes: (file, name) of what it
    imports from them; bound: name -> file of a module that it imports; attributes: (name, attribute).
    """

    def __init__(self, node: ast.stmt):
        self.node, self.code = node, ast.dump(node)
        below = [*ast.walk(node)]
        self.reads = {n.id for n in below if isinstance(n, ast.Name)}
        self.attributes = {
            (n.value.id, n.attr)
            for n in below
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
        }
        self.takes: set[tuple[Path, str]] = set()
        self.bound: dict[str, Path] = {}
        self.imports: set[Path] = set()
        for found in below:
            if isinstance(found, ast.Import | ast.ImportFrom):
                self.add(found)
        self.defines = defined(node)
        self.registry = isinstance(node, ast.Assign | ast.AnnAssign) and bool(self.defines & REGISTRIES)

    def add(self, node: ast.Import | ast.ImportFrom) -> None:
        """What an import in it gives."""
        source = node.module if isinstance(node, ast.ImportFrom) else None
        file = file_of(source)
        for alias in node.names:
            module = file_of(f"{source}.{alias.name}" if source else alias.name)
            if file:
                self.imports.add(file)
                self.takes.add((file, alias.name))
            if module:
                self.imports.add(module)
                self.bound[alias.asname or alias.name] = module


def file_of(module: str | None) -> Path | None:
    """The file of a module of this package."""
    if module is None or not module.startswith("largebatch."):
        return None
    file = PACKAGE.parent / (module.replace(".", "/") + ".py")
    return file if file.is_file() else None


def defined(node: ast.stmt) -> set[str]:
    """The names that a statement defines."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        case ast.Assign():
            return {target.id for target in node.targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name()):
            return {node.target.id}
    return set()


def module_in(path: Path) -> tuple[Statement, ...]:
    """A module by its file, with one import for each name."""
    return parsed(path, path.read_bytes())


@cache
def parsed(path: Path, content: bytes) -> tuple[Statement, ...]:
    """The same, once for all stages."""
    return tuple(map(Statement, apart(bare(ast.parse(content, path)).body)))


def bare(tree: ast.Module) -> ast.Module:
    """A syntax tree without docstrings, which are removed from it; it never has comments."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return tree


def apart(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, with one import for each name."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (ast.Import([alias]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (ast.ImportFrom(node.module, [alias], node.level) for alias in node.names)
        else:
            yield node


def needs(module: Iterable[Statement]) -> set[tuple[Path, str]]:
    """(file, name) of all that a module takes from others of this package."""
    bound = {name: file for statement in module for name, file in statement.bound.items()}
    attributes = {pair for statement in module for pair in statement.attributes if pair[0] in bound}
    taken = {take for statement in module for take in statement.takes}
    return taken | {(bound[name], attribute) for name, attribute in attributes}


def without_others(
    module: Iterable[Statement], parts: Collection[str], needed: Collection[str]
) -> list[Statement]:
    """A module without the entries of its registries that are not of these parts, and what only they need.

    needed: the names that other modules take from it.
    """
    left = [with_entries(statement, parts) if statement.registry else statement for statement in module]
    others = {name for statement in module if statement.registry for name in statement.reads}
    while True:
        read = [name for statement in left for name in statement.reads - statement.defines]
        unread = others - {*read} - {*needed}
        gone = [statement for statement in left if statement.defines and statement.defines <= unread]
        if not gone:
            return left
        left = [statement for statement in left if statement not in gone]
        others |= {name for statement in gone for name in statement.reads}


def with_entries(registry: Statement, parts: Collection[str]) -> Statement:
    """The definition of a registry with the entries of these parts only."""
    entries = zip(registry.node.value.keys, registry.node.value.values, strict=True)
    kept = [(key, value) for key, value in entries if key.value in parts]
    made = copy(registry.node)
    made.value = ast.Dict([key for key, _ in kept], [value for _, value in kept])
    return Statement(made)
