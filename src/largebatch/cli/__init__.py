"""The command line: one command for each job that rules call, and those for people.

The console command starts once per job, so it imports what it needs to hand the job to a fork server and no
more: click and the modules of commands are imported where a command is run.
"""

import sys

from largebatch import forkserver, interrupts
from largebatch.cli.names import KINDS


def main(arguments: list[str]) -> int:
    """Run one command in this process; its exit code."""
    import click

    from largebatch.cli.parsing import largebatch

    try:
        return largebatch.main(arguments, "largebatch", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return error.exit_code
    except click.Abort:  # click's word for an interrupt
        if arguments[0] in KINDS:
            kept = "Finished files and checkpoints are kept; the same command goes on from there"
            print(f"largebatch {arguments[0]}: stopped. {kept}", file=sys.stderr)
        return interrupts.CODE


def entry() -> int:
    """The console command: a job runs in a fork of a server where there can be one."""
    interrupts.once()
    forkserver.speak_utf_8()
    arguments = sys.argv[1:]
    kind = KINDS.get(arguments[0]) if arguments else None
    try:
        return forkserver.run(kind, arguments, main) if kind else main(arguments)
    except KeyboardInterrupt:  # before there was a job
        return interrupts.CODE
