"""That nothing outlives the tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.shared.processes import alive, ending, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="looks into /proc")

# A pytest whose test starts a process in a session of its own, as warm servers and their jobs are.
CONFTEST = """
import pytest
from tests.shared.processes import watched

@pytest.fixture(scope="session", autouse=True)
def nothing_outlives_the_tests():
    with watched():
        yield
"""
SLEEPER = """
import pathlib, subprocess

def test_that_starts_something(tmp_path):
    process = subprocess.Popen(["sleep", "3600"], start_new_session=True)
    pathlib.Path({said!r}).write_text(str(process.pid) + "\\n", encoding="utf-8")
    {then}
"""
THEN = {
    "it is killed": ("process.wait()", signal.SIGKILL),
    "it is interrupted": ("process.wait()", signal.SIGINT),
    "the test fails": ("assert False", None),
    "the test passes": ("pass", None),
}


@pytest.mark.parametrize(("then", "how"), THEN.values(), ids=THEN)
def test_what_a_test_started_ends_with_pytest(tmp_path, then, how):
    said = tmp_path / "said"
    (tmp_path / "test_sleeper.py").write_text(SLEEPER.format(said=str(said), then=then), encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sleeper.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        # in the background of a script interrupts are ignored, and children would inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with ending(process):
        until(lambda: said.exists() and said.read_text(encoding="utf-8").endswith("\n"))
        if how:
            os.kill(process.pid, how)
    sleeper = int(said.read_text(encoding="utf-8"))
    until(lambda: not alive(sleeper))


def test_a_group_ends_with_its_block():
    """Also when the block fails."""
    script = "import subprocess; print(subprocess.Popen(['sleep', '3600']).pid, flush=True); input()"
    with pytest.raises(KeyboardInterrupt), ending(started(script)) as process:
        child = int(process.stdout.readline())
        raise KeyboardInterrupt
    until(lambda: not alive(child))
    assert not alive(process.pid)


def started(script: str) -> subprocess.Popen:
    """A Python process of a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
