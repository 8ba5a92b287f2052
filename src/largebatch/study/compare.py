"""Compares results folders, publishes one, prints its verdicts."""

import base64
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tabulate import tabulate

from largebatch import files
from largebatch.metrics import TIME_SPREAD, TIMED_IN_ROUNDS, TRAIN_SECONDS
from largebatch.provenance import provenance
from largebatch.study.claims import VERDICTS, detectable, interval, number, read_claims
from largebatch.study.drawn import COST

REPORT = "report.html"
# What is published of a results folder: all else can be made again from the observations, without training.
PUBLISHED = (
    "claims.csv",
    "claims.json",
    "numbers.tex",
    "*/observations.parquet",
    "figures/*",
    "tables/*",
    REPORT,
    "primer.html",
)
# An experiment's own ledger is corrected over fewer claims: two verdicts on one claim must not stand there.
NOT_PUBLISHED = ("*/claims.csv",)
VERDICTS_PAGE = "verdicts.md"
PROVENANCE = "provenance.json"
# Metrics that no two runs share: the files that show them are not compared byte by byte.
TIMES = (
    *(TRAIN_SECONDS, COST, *sorted(TIMED_IN_ROUNDS), TIME_SPREAD),
    *("saturating_batch_size", "peak_memory_mib", "memory_growth"),
)
DETECTABLE = (
    "Detectable: the smallest effect, as a distance from what is expected or a factor (×), that a t test of "
    "these seeds finds with 80 % power before correction."
)
SAYS_WIDTH = 34  # of the terminal table, which fits in 120 columns


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
    # a claim that they hold and we do not is a difference too: nothing was reproduced
    return Comparison(text, changed == 0 and len(both) == len(wanted))


def compared(name: str, ours: pd.Series, theirs: pd.Series) -> list[str]:
    """One line of the comparison."""
    inside = {None: "", True: "yes", False: "no"}[within(ours, theirs)]
    mark = "" if ours["verdict"] == theirs["verdict"] else " *"
    return [
        name,
        ours["verdict"].replace("_", " ") + mark,
        theirs["verdict"].replace("_", " "),
        number(ours["estimate"]),
        interval(theirs["low"], theirs["high"]),
        inside,
    ]


def within(ours: pd.Series, theirs: pd.Series) -> bool | None:
    """Whether our estimate lies inside their interval; None where one has no number."""
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
    """Of the common files of claims, figures and tables: how many are the same, are compared, show times.

    Those with training times are not compared. Provenance (.json) is left out: it names the machine and
    the commit.
    """
    patterns = ("claims.csv", "figures/*", "tables/*")
    names = published_names(ours, patterns) & published_names(theirs, patterns)
    names = {name for name in names if not name.endswith(".json")}
    timed = with_times(ours, names) | with_times(theirs, names)
    names -= timed
    same = sum(files.checksum(ours / name) == files.checksum(theirs / name) for name in names)
    return same, len(names), len(timed)


def with_times(folder: Path, names: set[str]) -> set[str]:
    """Those of the files whose numbers, in the csv of the same name, are training times among others."""
    tables = {name for name in names if name.endswith(".csv")}
    timed = {t.removesuffix(".csv") for t in tables if not metrics_in(folder / t).isdisjoint(TIMES)}
    return {name for name in names if name.rpartition(".")[0] in timed}


def metrics_in(table: Path) -> set[str]:
    """The metrics in a csv file of claims, of a figure's data or of a table's cells."""
    return set(pd.read_csv(table, dtype=str).get("metric", []))


def published_names(folder: Path, patterns: tuple[str, ...] = PUBLISHED) -> set[str]:
    """The published files in a folder, relative to it."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix() for path in found if not path.name.startswith(".")}


def publish(results: Path, published: Path) -> None:
    """Copy what is worth keeping of a results folder, and write where it comes from; stale files go."""
    for name in ("claims.csv", REPORT):
        if not (results / name).is_file():
            raise ValueError(
                f"{results}: wanted complete results with {name}; got none (run the study first)"
            )
    if results.resolve() == published.resolve():
        raise ValueError(f"{published}: wanted another folder than that of the results; got the same")
    claims = read_claims(results / "claims.csv")
    names = published_names(results)
    for stale in published_names(published, (*PUBLISHED, *NOT_PUBLISHED)) - names:
        (published / stale).unlink()
    for name in sorted(names - {REPORT}):
        with files.atomic(published / name) as temporary:
            shutil.copyfile(results / name, temporary)
    files.write_text(published / REPORT, linked((results / REPORT).read_text(), published / "figures"))
    # What was judged and drawn from published observations was trained as they say.
    runs = runs_of(results) or read_runs(published)
    counts = {"files": len(names), "claims": len(claims), **verdict_counts(claims)}
    inputs = {"claims.csv": files.checksum(results / "claims.csv")}
    files.write_text(published / VERDICTS_PAGE, verdicts_page(claims))
    files.write_json(published / PROVENANCE, provenance("report", {}, inputs, counts=counts, runs=runs))


def linked(page: str, figures: Path) -> str:
    """A report with links to the drawings that lie beside it, in place of the copies that it holds."""
    for path in sorted(figures.glob("*.svg")):
        copy = base64.b64encode(path.read_bytes()).decode()
        page = page.replace(f"data:image/svg+xml;base64,{copy}", f"figures/{path.name}")
    return page


def read_runs(published: Path) -> dict:
    """What is published about the runs behind a snapshot; empty if there is none."""
    path = published / PROVENANCE
    return files.read_json(path)["runs"] if path.is_file() else {}


def runs_of(results: Path) -> dict:
    """Where and by which code the runs behind the results were trained, how long that took; or nothing."""
    records = [files.read_json(path) for path in sorted(results.glob("runs/*/provenance.json"))]
    if not records:
        return {}
    return {
        "count": len(records),
        "train_seconds": round(sum(record["seconds"] for record in records), 1),
        **{f"{key}s": sorted({record[key] for record in records}) for key in ("device", "commit", "code")},
    }


def verdicts_page(claims: pd.DataFrame) -> str:
    """The verdicts as a Markdown table, for the documentation to link to."""
    rows = [
        [
            row["id"],
            f"{row['says']} ({row['source']})",
            number(row["paper_value"]),
            f"{number(row['estimate'])} {interval(row['low'], row['high'])}".strip(),
            row["expect"],
            detectable(row),
            f"**{row['verdict'].replace('_', ' ')}**",
            row["note"],
        ]
        for _, row in claims.fillna({"note": ""}).iterrows()
    ]
    headers = ["id", "claim", "paper", "ours [95 %]", "expected", "detectable", "verdict", "note"]
    counts = ", ".join(f"{n} {verdict.replace('_', ' ')}" for verdict, n in verdict_counts(claims).items())
    table = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
    return f"# Verdicts\n\n{len(claims)} claims: {counts}. {DETECTABLE}\n\n{table}\n"


def verdict_counts(claims: pd.DataFrame) -> dict[str, int]:
    """How many claims got each verdict, in the order of VERDICTS."""
    found = Counter(claims["verdict"])
    return {verdict: found[verdict] for verdict in VERDICTS}


def verdicts(claims: Path) -> str:
    """The verdicts as a table for a terminal of 120 columns, with their counts at the end."""
    table = read_claims(claims)
    rows = [
        [
            row["id"],
            row["says"],
            row["verdict"].replace("_", " "),
            f"{number(row['estimate'])} {interval(row['low'], row['high'])}".strip(),
            row["expect"],
            number(row["paper_value"]),
        ]
        for _, row in table.iterrows()
    ]
    headers = ["id", "claim", "verdict", "estimate [95 %]", "expected", "paper"]
    widths = [16, SAYS_WIDTH, None, 26, 14, None]
    counts = ", ".join(f"{n} {verdict.replace('_', ' ')}" for verdict, n in verdict_counts(table).items())
    text = tabulate(rows, headers=headers, maxcolwidths=widths, disable_numparse=True)
    return f"{text}\n\n{len(table)} claims: {counts}."
