"""A copy of the repository to run Snakemake in, without network."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.shared.processes import end, ending

# Where Python opens files as ASCII. There, PyTorch cannot be imported from a folder of other letters.
POOREST = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} if sys.prefix.isascii() else {}
TINY = "config/tiny.yaml"
# Any attempt to reach a network fails, in every Python process of the workflow.
NO_NETWORK = """
import socket
_connect = socket.socket.connect
def connect(self, address):
    if self.family != socket.AF_UNIX:
        raise OSError(f"the tests allow no network; wanted {address}")
    return _connect(self, address)
socket.socket.connect = connect
"""


class Workspace:
    """A copy of the repository in which Snakemake runs on config/smoke.yaml."""

    def __init__(self, root: Path):
        # What people's folders are called.
        self.root, temporary = root / "sp ace ünï", root / "t m"
        self.root.mkdir()
        temporary.mkdir()
        for name in ("Snakefile", "CITATION.cff", "workflow", "profiles", "config", "src"):
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, self.root / name)
        guard = self.root / "no_network"
        guard.mkdir()
        (guard / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{guard}{os.pathsep}{self.root / 'src'}",
            "TMPDIR": str(temporary),  # a warm server of our own
            "HOME": "/dev/null/nowhere",
            "XDG_CACHE_HOME": str(root / "cache"),
            "MPLCONFIGDIR": str(root / "cache"),
            "LC_ALL": "C",
        }

    def start(
        self, *words: str, configfile: str | None = "config/smoke.yaml", **environment: str
    ) -> subprocess.Popen:
        return subprocess.Popen(
            ["snakemake", "--cores", "2", *words, *(["--configfile", configfile] if configfile else [])],
            cwd=self.root,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            start_new_session=True,
        )

    def snakemake(self, *words: str, **more: str | None) -> tuple[int, str]:
        """(exit code, all output)."""
        with ending(self.start(*words, **more)) as process:
            output, _ = process.communicate()
        return process.returncode, output

    def end(self) -> None:
        """End its warm servers and their jobs."""
        end(f"TMPDIR={self.environment['TMPDIR']}")

    def would_run(self, *words: str, **more: str) -> dict[str, int]:
        """Rule -> number of jobs of a dry run."""
        code, output = self.snakemake("-n", "--quiet=host", *words, **more)
        assert code == 0, output
        if "Nothing to be done" in output:
            return {}
        stats = output[output.index("Job stats:") :]
        return {
            rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE) if rule != "total"
        }

    @contextmanager
    def edited(self, name: str, old: str, new: str):
        """A file with one text replaced, and put back with its time of change."""
        path = self.root / name
        text, times = path.read_text(encoding="utf-8"), path.stat()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def one_arm(self) -> str:
        return sorted(p.name for p in (self.root / "results/smoke/runs").iterdir())[0]


def with_tiny(workspace: Workspace, **environment: str) -> Workspace:
    """With two experiments of the smoke scale run, at a scale of their own that is cheap to run again."""
    text = "extends: smoke\nscale: tiny\nexperiments: [convex, edge]\n"
    (workspace.root / TINY).write_text(text, encoding="utf-8")
    code, output = workspace.snakemake(configfile=TINY, **environment)
    assert code == 0, output
    return workspace
