"""Ctrl-C and SIGTERM: jobs end at once, one line says what is kept, and the same command goes on from there.

Imports little, since every job starts with it.
"""

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CODE = 130  # of what was stopped, as shells have it
PARTIAL = ".partial-"  # the beginning of a folder that a kill may leave, which nothing reads
SHELLS = ("bash", "dash", "sh")
# What Snakemake says twice per job; its only `quiet` setting that drops it also drops errors.
NOISE = ("Select jobs to execute", "Execute ")


def once(error: type[BaseException] = KeyboardInterrupt, *words: object) -> None:
    """Let the first of these signals interrupt this process; more would interrupt how it tidies up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise error(*words)

    for each in heeded():
        signal.signal(each, interrupt)


def heeded() -> list[signal.Signals]:
    """The signals that whoever started this process did not ask it to ignore."""
    return [each for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN]


@contextlib.contextmanager
def passed_on(server: socket.socket) -> Iterator[list[int]]:
    """Meanwhile a signal hangs up on the job, which interrupts it, and this process waits for its end.

    Gives a list that such signals are added to.
    """
    came: list[int] = []

    def hang_up(number: int, frame: FrameType | None) -> None:
        came.append(number)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    before = {each: signal.signal(each, hang_up) for each in heeded()}
    try:
        yield came
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def clear_partial(results: Path) -> None:
    """Remove what killed jobs left half written; wherever no other jobs write, as under a run's lock."""
    for left in results.rglob(f"{PARTIAL}*"):
        shutil.rmtree(left, ignore_errors=True)


class Workflow:
    """What a run of Snakemake does when it is stopped.

    results: its folder; arms: names of its runs; called: the study's words on Snakemake's command line.
    """

    def __init__(self, results: Path, arms: Collection[str], called: str):
        import logging

        self.results, self.arms, self.called = results, arms, called
        self.stopped = False
        logging.getLogger("snakemake.logging").addFilter(self.passes)
        self.listen()

    def listen(self) -> None:
        """Take the signals; Snakemake's scheduler does so too, and would wait for all running jobs."""
        for each in heeded():
            signal.signal(each, self.stop)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the jobs, then Snakemake; a second signal kills the jobs."""
        again, self.stopped = self.stopped, True
        # Of a job that a SIGTERM ends early, its shell would tell.
        takes_interrupts = signal.getsignal(signal.SIGINT) == self.stop
        gently = signal.SIGINT if takes_interrupts else signal.SIGTERM
        for job in processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(job.pid, signal.SIGKILL if again else gently)
        if not again:
            os.write(1, f"{self.kept()}\n".encode())
            raise SystemExit(CODE)

    def kept(self) -> str:
        """What is kept of a run that stops now, and how to go on, in one line."""
        runs = [self.results / "runs" / arm for arm in self.arms]
        done = sum((run / "provenance.json").exists() for run in runs)
        begun = sum(any(run.glob("checkpoint-*.bin")) for run in runs)
        others = f" and {begun} to {'its' if begun == 1 else 'their'} last checkpoint" * bool(begun)
        return (
            f"Stopped. Kept: the finished files in {self.results}, with {done} of {len(runs)} arms{others}. "
            "The same command goes on from there"
        )

    def passes(self, record) -> bool:
        """Whether Snakemake logs this record; after a signal, what it says of the jobs is no news."""
        if getattr(record, "exception", None) == "LockException":
            record.msg = (
                f"{self.results}: wanted to write there alone; got the lock of another run, or of one that "
                f"was killed. If none runs, remove it: snakemake --unlock {self.called}"
            )
        return not self.stopped and not record.getMessage().startswith(NOISE)


def processes() -> list:
    """The jobs that Snakemake has started; not their shells, which wait for them, nor servers of forks."""
    import psutil

    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if process.name() not in SHELLS and os.getsid(process.pid) == os.getsid(0):
                found.append(process)
    return found


def wait_for_jobs() -> None:
    """Wait until jobs have ended, also those whose shell is gone."""
    import psutil

    psutil.wait_procs(processes())
