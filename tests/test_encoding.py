"""Text is UTF-8 whatever the locale: every call that opens text says so, and jobs run in any locale."""

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import REPOSITORY

FOLDERS = ("src", "tests", "benchmarks", "tools")
# Objects whose open() opens no text, or finds its encoding in the file.
BINARY = {"Image", "os", "tarfile", "tokenize", "webbrowser"}


def unsaid(source: str) -> Iterator[int]:
    """The lines of calls that read or write text in the locale's encoding."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and is_text(call):
            named = {keyword.arg for keyword in call.keywords}
            if not named & {"encoding", None}:  # None: ** of something that says it
                yield call.lineno


def is_text(call: ast.Call) -> bool:
    """Whether a call opens text: a file by pathlib or open(), or the streams of a process."""
    function, keywords = call.func, {keyword.arg: keyword.value for keyword in call.keywords}
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in ("read_text", "write_text"):
        ours = isinstance(function, ast.Name) or getattr(function.value, "id", "") == "files"
        return not ours
    if name == "open":
        of_module = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") in BINARY
        position = 0 if isinstance(function, ast.Attribute) else 1
        mode = keywords.get("mode", call.args[position] if len(call.args) > position else ast.Constant("r"))
        return not of_module and "b" not in getattr(mode, "value", "")
    return bool({"text", "universal_newlines"} & keywords.keys())


def test_every_call_that_opens_text_says_its_encoding():
    """Also those that ruff cannot tell to be of a path."""
    files = [file for folder in FOLDERS for file in sorted((REPOSITORY / folder).rglob("*.py"))]
    assert len(files) > 100
    found = [
        f"{file.relative_to(REPOSITORY)}:{line}"
        for file in files
        for line in unsaid(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("a.read_text()\na.write_text('x')\nopen(a)\na.open('w')", [1, 2, 3, 4]),
        ("run(a, text=True)", [1]),
        ("a.read_text(encoding='utf-8')\na.open('rb')\nopen(a, mode='wb')\nos.open(a, 0)", []),
        ("files.write_text(a, b)\nwrite_text(a, b)\nrun(a, text=True, encoding='utf-8')\nopen(a, **b)", []),
    ],
    ids=["files", "process", "said", "ours"],
)
def test_calls_are_told_apart(source, lines):
    assert list(unsaid(source)) == lines
