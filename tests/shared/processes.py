"""Whatever tests start ends with them, also when pytest is killed.

A process is known by an entry that its environment had when it was started. All its descendants have it
too, whatever session or process group they are in. As a program: waits for the end of its standard input,
which pytest holds, then ends what has this entry.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "LARGEBATCH_TESTS"


def started_with(*entries: str) -> list[int]:
    """The living processes but this one whose environment had an entry (NAME=value); none without /proc."""
    found, wanted = [], set(map(os.fsencode, entries))
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or someone else's
            if wanted.intersection((folder / "environ").read_bytes().split(b"\0")):
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid() and alive(pid)]


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def until(condition) -> None:
    """Wait for a condition to hold; what hangs is ended by pytest's limit."""
    while not condition():
        time.sleep(0.02)


def end(*entries: str) -> None:
    """Kill all processes whose environment had one of the entries."""
    while pids := started_with(*entries):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


@contextlib.contextmanager
def ending(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """A process that leads a session: whatever is left of its group is killed afterwards."""
    with process:
        try:
            yield process
            process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """What is started from here on ends with this process, however it does."""
    entry = f"{MARK}={os.getpid()}-{time.time_ns()}"
    words = [sys.executable, __file__, entry]
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True) as watcher:
        os.environ[MARK] = entry.partition("=")[2]
        yield
        del os.environ[MARK]
        watcher.stdin.close()


if __name__ == "__main__":
    sys.stdin.read()
    end(sys.argv[1])
