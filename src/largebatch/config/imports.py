"""Code of the user's that a configuration names: `import: path/my_net.py:MyNet`.

Nothing is imported here. The file is read for the digest of its source, which is part of an arm's settings,
and for the names it defines. Code that it imports from beside it counts as its source.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from largebatch.config.settings import Settings, located, without_variables

WANTED = "wanted a Python file and a name in it, such as my_net.py:MyNet"


def file_and_name(text: str) -> str:
    """path/file.py:Name"""
    file, _, name = text.rpartition(":")
    if not (file.endswith(".py") and name.isidentifier()):
        raise ValueError(f"{WANTED.removeprefix('wanted ')}; got {text!r}")
    return without_variables(text)


class Imported(Settings):
    """A function or class of the user's, called with `options`.

    import: from the folder of the scale file that says it, absolute, or from a home folder (~).

    Added where the file is read: `folder`, from which `import` counts, and `digest`, of the source. Where the
    file lies tells no two runs apart; see PLACE.
    """

    model_config = ConfigDict(populate_by_name=True)

    file: Annotated[str, AfterValidator(file_and_name), Field(alias="import")]
    options: dict[str, Any] = {}
    folder: SkipJsonSchema[str] = "."
    digest: SkipJsonSchema[str] = ""

    @property
    def path(self) -> Path:
        return Path(self.folder) / located(self.file.rpartition(":")[0])

    @property
    def label(self) -> str:
        """What it is called in the name of a run."""
        return self.file.rpartition(":")[2]


class ImportedModel(Imported):
    """A module of the user's: a class or a function that gives a torch.nn.Module.

    If it has parameters called `shape` (that of one example), `classes` or `outputs` (how many values the net
    gives for an example, by either name), they are given to it, unless `options` do.
    """

    name: Literal["imported"]


# The settings of something imported that say where it lies, not what it is.
PLACE = {"file", "folder"}


def is_import(raw: Any) -> bool:
    """Whether something in a file is `{import: path/file.py:Name, ...}`."""
    return isinstance(raw, dict) and isinstance(raw.get("import"), str)


def named(raw: Any) -> Any:
    """An import with the name by which pydantic tells it from the models, losses, ... that there are."""
    if not is_import(raw):
        return raw
    if raw.get("name", "imported") != "imported":
        raise ValueError(f"either name or import; got both, name: {raw['name']}")
    return raw | {"name": "imported"}


def placed(raw: Any, folder: Path) -> Any:
    """A file's content in which each import knows the folder from which its path counts."""
    if isinstance(raw, list):
        return [placed(item, folder) for item in raw]
    if is_import(raw):
        return {"folder": folder.as_posix()} | raw
    return {key: placed(value, folder) for key, value in raw.items()} if isinstance(raw, dict) else raw


def as_written(raw: Any) -> Any:
    """What `placed` was given."""
    return {key: value for key, value in raw.items() if key != "folder"} if is_import(raw) else raw


def with_digest(raw: Any) -> Any:
    """Settings that may be an import, with the digest of its source; a ValueError if there is none."""
    if not is_import(raw):
        return raw
    try:
        file = Imported(**{"import": raw["import"], "folder": raw.get("folder", ".")}).path
    except ValueError:
        return raw  # which the check of the settings says
    return raw | {"digest": digest_of(file, raw["import"].rpartition(":")[2])}


def digest_of(file: Path, name: str) -> str:
    """Digest of a name and the source behind it, comments and blank lines aside."""
    names = defined(source(file), file)
    if name not in names and "*" not in names:
        near = get_close_matches(name, sorted(names), n=4, cutoff=0.0)
        raise ValueError(f"a name that {file} defines, such as {near}; got {name!r}")
    root, _ = root_and_module(file)
    digest = sha256(name.encode())
    for path, text in sorted(sources(file, root).items()):
        digest.update(f"\0{path.relative_to(root).as_posix()}\0{bare(text)}".encode())
    return digest.hexdigest()[:12]


def root_and_module(file: Path) -> tuple[Path, str]:
    """The folder that Python imports a file from, above the packages it lies in; its name from there."""
    folder, names = file.resolve().parent, [file.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


def sources(file: Path, root: Path) -> dict[Path, str]:
    """A file and the files below `root` that it imports, directly or not, with their texts."""
    found: dict[Path, str] = {}
    waiting = [file.resolve()]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = source(path)
        package = path.parent.relative_to(root).parts
        for level, names in imports(found[path], path):
            base = root.joinpath(*package[: len(package) - level + 1]) if level else root
            waiting += files_of(base, names)
    return found


def files_of(base: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """The files that Python runs for `import a.b` where these lie below a folder: packages and the module."""
    for count in range(len(names) + 1):
        for path in (
            base.joinpath(*names[:count], "__init__.py"),
            base.joinpath(*names[:count]).with_suffix(".py"),
        ):
            if path.is_file() and (count or path.name == "__init__.py"):
                yield path.resolve()


@cache
def imports(text: str, file: Path) -> frozenset[tuple[int, tuple[str, ...]]]:
    """(level of a relative import, or 0; names) of all that a text imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree(text, file)):
        if isinstance(node, ast.Import):
            found |= {(0, tuple(alias.name.split("."))) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            way = tuple(node.module.split(".")) if node.module else ()
            found |= {(node.level, (*way, alias.name)) for alias in node.names}
    return frozenset(found)


@cache
def defined(text: str, file: Path) -> frozenset[str]:
    """Names that a text defines, assigns or imports outside of its functions and classes."""
    names, waiting = set(), list(tree(text, file).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
            continue  # what it defines within is its own
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        waiting += ast.iter_child_nodes(node)
    return frozenset(names)


def tree(text: str, file: Path) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else error
        raise ValueError(f"Python that can be read; got {file}, {line}") from error


def source(file: Path) -> str:
    """A file's text."""
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except OSError as error:
        raise ValueError(f"a readable Python file; got {file}: {error.strerror}") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"a Python file saved as UTF-8; got {file}: {error}") from error


@cache
def bare(text: str) -> str:
    """A text without comments and blank lines: what Python version reads it makes no difference."""
    lines, blank = text.split("\n"), set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column].rstrip()
        if token.type == tokenize.NL and not lines[row - 1].strip():
            blank.add(row - 1)
    return "\n".join(line for row, line in enumerate(lines) if row not in blank).rstrip("\n")
