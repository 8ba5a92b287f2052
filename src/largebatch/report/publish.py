"""The committed snapshot of a run, its verdicts as Markdown, and the page that joins the scales."""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from largebatch import files
from largebatch.config.cards import Paper, read_papers
from largebatch.config.differences import EXPLORATORY
from largebatch.config.registration import AMENDED, REGISTERED
from largebatch.config.study import load_study
from largebatch.figures.tabulate import escape_markdown
from largebatch.judging.claims import (
    EMPIRICAL,
    FRAGILE,
    brief,
    by_statement,
    checks,
    counts,
    fragile,
    paper_of,
    read_ledger,
    tally_words,
    together,
)
from largebatch.judging.robustness import ROBUSTNESS
from largebatch.page.templates import template
from largebatch.provenance import provenance
from largebatch.report.answers import ICONS, WORDS, answers, effect, marked
from largebatch.report.compare import PUBLISHED, published_names
from largebatch.report.keep import keep
from largebatch.seals import collected, verified

# An experiment's own ledger is corrected over fewer claims; there must be only one verdict on a claim.
NOT_PUBLISHED = ("*/claims.csv", "*/claims.json", "*/statements.csv", "figures/*.svg", "figures/*.pdf")
PDF_LINK = re.compile(r' <a href="figures/[^"]+\.pdf">pdf</a>')
VERDICTS_PAGE, INDEX, PROVENANCE, REPORT = "verdicts.md", "index.html", "provenance.json", "report.html"
OBSERVATIONS = "observations.parquet"


def publish(results: Path, published: Path, papers: Path, scale: Path) -> None:
    """Copy the published part of a results folder, and write its provenance; outdated files are removed.

    The provenance holds the digests of all files, in place of their seals.

    The page beside `published` that joins the scales is written again; papers: see cards.py. scale: the scale
    file, which says what is read of the observations; those of an experiment that it lacks are kept whole.
    """
    for name in ("claims.csv", REPORT):
        if not (results / name).is_file():
            raise ValueError(
                f"{results}: wanted complete results with {name}; got none (run the study first)"
            )
    if results.resolve() == published.resolve():
        raise ValueError(f"{published}: wanted another folder than that of the results; got the same")
    study, claims = load_study(scale), read_ledger(results / "claims.csv")
    names = published_names(results)
    check_registrations(results, published)
    for stale in published_names(published, (*PUBLISHED, *NOT_PUBLISHED)) - names:
        if Path(stale).name not in (REGISTERED, AMENDED):  # an experiment that was left out stays registered
            (published / stale).unlink()
    page = files.read_text(results / REPORT)
    files.write_text(published / REPORT, PDF_LINK.sub("", page))
    for name in sorted(names - {REPORT}):
        verified(results / name)
        with files.atomic(published / name) as temporary:
            shutil.copyfile(results / name, temporary)
    measured = {f"{e.name}/{OBSERVATIONS}": e for e in study.experiments}
    for name in names & measured.keys():
        keep(results / name, study, measured[name], published / name)
    # Results from published observations keep the provenance of the runs behind them.
    runs = runs_of(results) or read_runs(published)
    tally = {"files": len(names), "claims": len(claims), "statements": counts(claims)}
    tally |= {"fragile": fragile(claims), **checks(claims)}
    inputs = {name: verified(results / name) for name in sorted(names & {"claims.csv", *measured})}
    files.write_text(published / VERDICTS_PAGE, verdicts_page(claims, published.name))
    record = provenance("report", {}, inputs, counts=tally, runs=runs, files=collected(published))
    files.write_json(published / PROVENANCE, record)
    index(published.parent, read_papers(papers))
    collected(published.parent)  # what is committed has its digests in one file


def check_registrations(results: Path, published: Path) -> None:
    """Refuse results that were judged by another registration than the published one."""
    for theirs in sorted(published.glob(f"*/{REGISTERED}")):
        ours = results / theirs.relative_to(published)
        if ours.parent.is_dir() and not (ours.is_file() and ours.read_bytes() == theirs.read_bytes()):
            got = "another" if ours.is_file() else "none"
            raise ValueError(
                f"{ours}: wanted the registration that is published, {theirs}; got {got}. Without ours a run"
                " takes the published one"
            )


def read_runs(published: Path) -> dict:
    """The published provenance of the runs behind a snapshot; empty if there is none."""
    path = published / PROVENANCE
    return files.read_json(path)["runs"] if path.is_file() else {}


def runs_of(results: Path) -> dict:
    """Where, by which code and for how long the runs behind the results were trained; or nothing."""
    records = [files.read_json(path) for path in sorted(results.glob("runs/*/provenance.json"))]
    if not records:
        return {}
    return {
        "count": len(records),
        "train_seconds": round(sum(record["seconds"] for record in records), 1),
        **{f"{key}s": sorted({record[key] for record in records}) for key in ("device", "commit", "code")},
    }


def verdicts_page(claims: pd.DataFrame, scale: str) -> str:
    """The verdicts in Markdown, a heading for each paper and an anchor for each claim."""
    lines = [
        f"# Verdicts: {scale}",
        "",
        f"{tally_words(claims)} What stands behind each: [report.html](report.html).",
        "",
        "The verdict on a claim is on one condition; beside it stands that on its statement, all conditions.",
        f"A {FRAGILE} verdict depends on how it is made: [{ROBUSTNESS}]({ROBUSTNESS}) says on what.",
    ]
    shared = by_statement(claims, "verdict", together)
    for paper, of_paper in claims.groupby(claims["source"].map(paper_of), sort=False):
        lines += ["", f"## {paper}", "", *paper_table(of_paper, paper, shared), *notes(of_paper)]
    return "\n".join(lines) + "\n"


def paper_table(claims: pd.DataFrame, paper: str, shared: pd.Series) -> Iterator[str]:
    """The claims of one paper; shared: statement -> verdict, of the empirical ones."""
    heads = ("claim", "what it says", "ours [95 %]", "expected", "paper", "in training", "control")
    yield f"| {' | '.join((*heads, 'verdict', 'statement'))} |"
    yield "|---" * (len(heads) + 2) + "|"
    for _, row in claims.iterrows():
        place = row["source"].removeprefix(paper).lstrip(",; ")
        says = escape_markdown(f"{row['says']} ({place})" if place else row["says"])
        number = brief(row["paper_value"])
        mark = f", {EXPLORATORY}" * exploratory(row)
        cells = [
            f'<a id="{row["id"]}"></a>{row["id"]}',
            says,
            effect(row),
            row["expect"],
            f"{number}, {row['replication']}" if number and row["replication"] else number,
            row["fit"],
            row["control"],
            marked(row["verdict"], row["robust"]) + mark,
            f"{row['statement']} {marked(shared[row['statement']], row['statement_robust'])}"
            if row["tier"] == EMPIRICAL
            else row["tier"],
        ]
        yield f"| {' | '.join(cells)} |"


def notes(claims: pd.DataFrame) -> list[str]:
    """The notes on single claims, below their table."""
    said = [
        f"- {row['id']}: {escape_markdown(text)}" for _, row in claims.iterrows() if (text := said_of(row))
    ]
    return ["", *said] if said else []


def said_of(row: pd.Series) -> str:
    """Its note, and how it differs from what was registered."""
    return " ".join(text for text in (row["note"], f"Now {row['registered']}." * exploratory(row)) if text)


def exploratory(row: pd.Series) -> bool:
    """Whether a claim differs from what was registered."""
    return row["registered"].startswith(EXPLORATORY)


def index(folder: Path, papers: Sequence[Paper]) -> None:
    """Write the page that joins the scales published in a folder: a card for each paper."""
    claims = {path.parent.name: read_ledger(path) for path in sorted(folder.glob("*/claims.csv"))}
    cards = {card["paper"]: card for scale in reversed(claims) for card in answers(papers, claims, scale)}
    page = template("index.html.jinja").render(
        cards=[cards[paper.paper] for paper in papers if paper.paper in cards],
        scales={scale: counts(table) for scale, table in claims.items()},
        fragile={scale: fragile(table) for scale, table in claims.items()},
        words=WORDS,
        icons=ICONS,
    )
    files.write_text(folder / INDEX, page)
