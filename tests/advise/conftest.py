"""The example of docs/advise.md, run once for all tests that look at what it leaves."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.shared.processes import end

PAGE = REPOSITORY / "docs" / "advise.md"


@dataclass(frozen=True)
class Example:
    """The folder of the example, and how commands run there."""

    root: Path
    environment: dict[str, str]

    @property
    def study(self) -> Path:
        return self.root / "my_net-advice"

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
        )

    def advise(self, *words: str) -> subprocess.CompletedProcess:
        """The command of the page, with half a minute in place of its ten."""
        (command,) = re.findall(
            r"^largebatch (advise .*) --minutes 10$", PAGE.read_text(encoding="utf-8"), re.M
        )
        start = "import sys; from largebatch.cli import entry; sys.exit(entry())"
        return self.run("-c", start, *command.split(), "--minutes", "0.5", *words)


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    """The files and commands of the page."""
    root = tmp_path_factory.mktemp("advice") / "sp ace ünï"
    root.mkdir()
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    for name, text in zip(("my_net.py", "make_data.py"), blocks, strict=True):
        (root / name).write_text(text, encoding="utf-8")
    temporary = root.parent / "t"
    temporary.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY / "src"),
        "TMPDIR": str(temporary),
        "XDG_CACHE_HOME": str(temporary),
    }
    found = Example(root, environment)
    assert found.run("make_data.py").returncode == 0
    yield found
    end(f"TMPDIR={temporary}")


@pytest.fixture(scope="session")
def advised(example):
    """The example after its command."""
    done = example.advise()
    assert done.returncode == 0, done.stdout + done.stderr
    return example
