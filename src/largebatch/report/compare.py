"""Compares two results folders; prints the verdicts of one."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tabulate import tabulate

from largebatch.figures.drawn import COST
from largebatch.judging.claims import (
    NOT_RUN,
    empirical,
    in_full,
    in_words,
    interval,
    number,
    read_claims,
    read_ledger,
    tally_words,
    together,
)
from largebatch.metrics import TIME_SPREAD, TIMED_IN_ROUNDS, TRAIN_SECONDS
from largebatch.seals import verified

# What is published of a results folder: all else can be made again from the observations, without training.
# Drawings in svg and pdf are left out: the report holds them, and they are drawn anew from the observations.
PUBLISHED = (
    *(
        "claims.csv",
        "claims.json",
        "statements.csv",
        "robustness.csv",
        "numbers.tex",
        "report.html",
        "primer.html",
    ),
    *("*/observations.parquet", "*/registered.json", "*/amended.json", "tables/*"),
    *(f"figures/*.{kind}" for kind in ("csv", "gif", "json", "png", "txt")),
)
# Metrics that differ between any two runs: files that show them are not compared byte by byte.
TIMES = (
    *(TRAIN_SECONDS, COST, *sorted(TIMED_IN_ROUNDS), TIME_SPREAD),
    *("saturating_batch_size", "peak_memory_mib", "memory_growth"),
)
SAYS_WIDTH = 31  # widths of the terminal table, which fits in 120 columns


class Comparison(NamedTuple):
    """What to print, and whether every claim that both hold has the same verdict."""

    text: str
    same_verdicts: bool

    def __str__(self) -> str:
        return self.text


def compare(ours: Path, theirs: Path) -> Comparison:
    """Compare two results folders: verdicts, estimates against their intervals, bytes."""
    found, wanted = (read_claims(folder / "claims.csv").set_index("id") for folder in (ours, theirs))
    both = [name for name in wanted.index if name in found.index]
    rows = [compared(name, found.loc[name], wanted.loc[name]) for name in both]
    alone = [
        f"only in {folder}: {', '.join(names)}"
        for folder, names in unshared(ours, found, theirs, wanted)
        if names
    ]
    changed = sum(found.loc[name, "verdict"] != wanted.loc[name, "verdict"] for name in both)
    inside = [within(found.loc[name], wanted.loc[name]) for name in both]
    judged = [answer for answer in inside if answer is not None]
    same, common, timed = identical_files(ours, theirs)
    summary = [
        f"{len(both) - changed} of {len(both)} common claims have the same verdict.",
        f"{sum(judged)} of {len(judged)} of our estimates lie inside their intervals.",
        f"{same} of {common} common files of claims, figures and tables are byte-identical.",
        *([f"{timed} more show training times, which no two runs share."] if timed else []),
    ]
    table = tabulate(rows, headers=["claim", "ours", "theirs", "our estimate", "their interval", "inside"])
    text = "\n".join([table, "", *alone, *summary])
    # a claim that only they hold is a difference too: it was not reproduced
    return Comparison(text, changed == 0 and len(both) == len(wanted))


def compared(name: str, ours: pd.Series, theirs: pd.Series) -> list[str]:
    """One line of the comparison."""
    inside = {None: "", True: "yes", False: "no"}[within(ours, theirs)]
    mark = "" if ours["verdict"] == theirs["verdict"] else " *"
    return [
        name,
        in_full(ours["verdict"], ours["robust"]) + mark,
        in_full(theirs["verdict"], theirs["robust"]),
        number(ours["estimate"]),
        interval(theirs["low"], theirs["high"]),
        inside,
    ]


def within(ours: pd.Series, theirs: pd.Series) -> bool | None:
    """Whether our estimate lies inside their interval; None if one has no number."""
    if pd.isna(ours["estimate"]) or pd.isna(theirs["low"]):
        return None
    return bool(theirs["low"] <= ours["estimate"] <= theirs["high"])


def unshared(
    ours: Path, found: pd.DataFrame, theirs: Path, wanted: pd.DataFrame
) -> list[tuple[Path, list[str]]]:
    """The claims that only one folder holds, in its order."""
    return [
        (ours, [name for name in found.index if name not in wanted.index]),
        (theirs, [name for name in wanted.index if name not in found.index]),
    ]


def identical_files(ours: Path, theirs: Path) -> tuple[int, int, int]:
    """How many common files of claims, figures and tables are the same, were compared, and show times.

    Those with training times are not compared. Provenance (.json) is left out: it names the machine and
    the commit.
    """
    patterns = ("claims.csv", "figures/*", "tables/*")
    names = published_names(ours, patterns) & published_names(theirs, patterns)
    names = {name for name in names if not name.endswith(".json")}
    timed = with_times(ours, names) | with_times(theirs, names)
    names -= timed
    same = sum(verified(ours / name) == verified(theirs / name) for name in names)
    return same, len(names), len(timed)


def with_times(folder: Path, names: set[str]) -> set[str]:
    """The files whose csv of the same name has training times among its numbers."""
    tables = {name for name in names if name.endswith(".csv")}
    timed = {t.removesuffix(".csv") for t in tables if not metrics_in(folder / t).isdisjoint(TIMES)}
    return {name for name in names if name.rpartition(".")[0] in timed}


def metrics_in(table: Path) -> set[str]:
    """The metrics in a csv file of claims, of a figure's data or of a table's cells."""
    verified(table)
    return set(pd.read_csv(table, dtype=str).get("metric", []))


def published_names(folder: Path, patterns: tuple[str, ...] = PUBLISHED) -> set[str]:
    """The published files in a folder, relative to it."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix() for path in found if not path.name.startswith(".")}


def verdicts(claims: Path) -> str:
    """The verdicts as a table for a terminal of 120 columns, with their counts at the end."""
    table = read_ledger(claims)
    rows = [
        [
            row["id"],
            row["says"],
            in_full(row["verdict"], row["robust"]),
            f"{number(row['estimate'])} {interval(row['low'], row['high'])}".strip(),
            row["expect"],
            f"{number(row['paper_value'])} {row['replication']}" if pd.notna(row["paper_value"]) else "",
        ]
        for _, row in table.iterrows()
    ]
    headers = ["id", "claim", "verdict", "estimate [95 %]", "expected", "paper"]
    widths = [16, SAYS_WIDTH, 13, 26, 14, 9]
    text = tabulate(rows, headers=headers, maxcolwidths=widths, disable_numparse=True)
    return "\n".join([text, "", *several(table), tally_words(table)])


def several(claims: pd.DataFrame) -> list[str]:
    """A line for each statement of several conditions that were run: its verdict, and theirs."""
    run = empirical(claims)[lambda rows: rows["verdict"] != NOT_RUN]
    return [
        f"{statement} {in_full(together(of['verdict']), of['statement_robust'].iloc[0])}: "
        f"{in_words(Counter(of['verdict']))} of {len(of)} conditions"
        for statement, of in run.groupby("statement", sort=False)
        if len(of) > 1
    ]
