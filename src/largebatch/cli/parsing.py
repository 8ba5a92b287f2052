"""How the command line reads what was typed: names of commands, paths, and options that commands share."""

import re
import sys
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import click

from largebatch.cli.names import JOBS, MODULES, PEOPLE
from largebatch.config.checking import ConfigError
from largebatch.config.settings import located
from largebatch.seals import Damaged


class Commands(click.Group):
    """Commands whose modules are imported when one of them is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [*MODULES]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return getattr(import_module(MODULES[name]), name) if name in MODULES else None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """For people first, then what rules call."""
        for title, names in (("Commands", PEOPLE), ("Jobs of the workflow", [*chain(*JOBS.values())])):
            with formatter.section(title):
                formatter.write_dl([(name, self.get_command(context, name).help) for name in names])

    def invoke(self, context: click.Context) -> int:
        """The exit code of a command."""
        try:
            return super().invoke(context) or 0
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            complain(context.invoked_subcommand, error)
            return 1


def complain(command: str, error: Exception) -> None:
    """Say in one line what went wrong; with a traceback, unless a person at the terminal can mend it.

    A job's log has one beside the line too, unless a file is damaged, which the line says in full.
    """
    can_be_mended = isinstance(error, ConfigError | Damaged | ValueError | OSError)
    line = f"largebatch {command}: {'' if can_be_mended else type(error).__name__ + ': '}{error}"
    print(line, file=sys.stderr)
    is_job = command not in PEOPLE
    if is_job:
        # Standard error is the job's log; the person looks at the terminal.
        print(line, flush=True)
    if not can_be_mended or (is_job and not isinstance(error, Damaged)):
        traceback.print_exc()


@click.group(cls=Commands, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
def largebatch() -> None:
    """What batch size, learning rate and schedule do to the minimum that SGD finds."""


class Place(click.Path):
    """A path. A rule quotes it, so that ~ at its start, the home folder, is left to us and not to a shell."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Path:
        path = located(str(value))
        if self.exists and not path.exists():
            raise FileNotFoundError(f"{path}: wanted a file or folder that is there; got none")
        return path


class Seeds(click.ParamType):
    """14 for seeds 0 to 13, or 20-33 for seeds 20 to 33: a list."""

    name = "seeds"

    def convert(self, value: str, param, context) -> list[int]:
        ends = re.fullmatch(r"(?:(\d+)-)?(\d+)", value)
        first, end = (int(ends[1] or 0), int(ends[2]) + (ends[1] is not None)) if ends else (0, 0)
        if first >= end:
            self.fail(f"wanted a number of seeds or <first>-<last>; got {value!r}", param, context)
        return list(range(first, end))


GIVEN, MADE = Place(exists=True), Place()

needed: Callable = partial(click.option, required=True)
threads = click.option("--threads", type=click.IntRange(1), default=1, help="CPU threads it may use.")
processes = click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    help="Processes for seeds that are worked on one by one.",
)
jobs = click.option(
    "--jobs", type=click.IntRange(1), default=1, help="Jobs that share the memory, this one included."
)
seeds = needed("--seeds", type=Seeds(), help="How many seeds, counted from 0, or the first and last: 20-33.")
some_seeds = click.option("--seeds", type=Seeds(), help="Of which seeds.", show_default="all of the run")
out = needed("--out", type=MADE, help="What it writes.")
