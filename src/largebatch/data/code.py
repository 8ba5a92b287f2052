"""Code of the user's that settings import, loaded as Python loads a script: its folder comes first."""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from largebatch.config.imports import Imported, digest_of, root_and_module, sources


def call(imported: Imported, **offered: Any) -> Any:
    """What the user's function or class gives for its options, and what it wants of what is offered.

    offered: values for parameters of these names, unless the options have them.
    """
    made = load(imported)
    wanted = {name: value for name, value in offered.items() if name in parameters(made)}
    return made(**wanted | imported.options)


def parameters(made: Callable) -> set[str]:
    """The names of the parameters that a function or a class is called with."""
    try:
        return set(inspect.signature(made).parameters)
    except ValueError:  # some that are written in C have none
        return set()


def load(imported: Imported) -> Callable:
    """The function or class; a ValueError if its source is no longer the one of the settings."""
    file, name = imported.path, imported.label
    if imported.digest != (found := digest_of(file, name)):
        raise ValueError(
            f"{imported.file}: wanted the source that it had when this was planned ({imported.digest}); "
            f"got another ({found}): start again"
        )
    key = file.resolve(), found
    if key not in LOADED:
        LOADED[key] = loaded(file)
    made = getattr(LOADED[key], name, None)
    if not callable(made):
        raise TypeError(f"{imported.file}: wanted a class or a function; got {made!r}")
    return made


# (file, digest) -> its module, so that all seeds have the same classes.
LOADED: dict[tuple[Path, str], ModuleType] = {}
# All files that were loaded, those beside the ones asked for too.
FILES: set[str] = set()


def loaded(file: Path) -> ModuleType:
    """The module in a file, read anew with what it imports from beside it."""
    root, name = root_and_module(file)
    # Of an edited file, or of one of the same name beside another.
    for old in [n for n, module in sys.modules.items() if getattr(module, "__file__", None) in FILES]:
        del sys.modules[old]
    FILES.update(map(str, sources(file, root)))
    sys.path[:] = [str(root), *(entry for entry in sys.path if entry != str(root))]
    invalidate_caches()
    with without_bytecode():
        if "." in name:
            return import_module(name)
        # By its place: its name may be that of an installed module, which then keeps it.
        spec = spec_from_file_location(name, file.resolve())
        module = module_from_spec(spec)
        sys.modules.setdefault(name, module)
        spec.loader.exec_module(module)
        return module


@contextmanager
def without_bytecode() -> Iterator[None]:
    """Python keeps no compiled files: it would take one for an edit of the same second and length, too."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def line_of(error: BaseException) -> str:
    """'my_net.py, line 12' where code of the user's raised an error, or handed on one; empty if none did."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in FILES]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
