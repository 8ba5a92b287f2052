"""One self-contained page: answers first, then the evidence for each claim. Needs no network."""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from largebatch import files
from largebatch.config.cards import Paper
from largebatch.figures.tabulate import caption_of, layout, read_cells
from largebatch.judging.claims import (
    FRAGILE,
    REPLICATIONS,
    ROBUST,
    TIERS,
    VERDICTS,
    by_statement,
    counts,
    detectable,
    estimate,
    fragile,
    number,
    paper_of,
    read_ledger,
    tally_words,
    texts_of,
    together,
)
from largebatch.judging.robustness import CLAIM, ROBUSTNESS, read_robustness
from largebatch.metrics import TRAIN_SECONDS
from largebatch.page.templates import template
from largebatch.provenance import require_code
from largebatch.report.answers import ICONS, WORDS, answers
from largebatch.report.forest import axis_of, marks
from largebatch.report.inline import Drawings
from largebatch.report.plots import plot_of

VENDOR = Path(__file__).parent / "vendor"
SENTENCE = re.compile(r"(?<=[a-z\d)][.!?])\s+(?=[A-Z])")


def report(asked: dict, results: Path, beside: Iterable[Path], out: Path) -> None:
    """Write the page of a results folder.

    asked: the result of evidence.to_report(). beside: the claims.csv of other scales, each in the folder of
    its scale.
    """
    require_codes(asked, results)
    judged = {asked["scale"]: read_ledger(results / "claims.csv")}
    judged |= {path.parent.name: read_ledger(path) for path in beside}
    drawings = Drawings()
    robustness = read_robustness(results / ROBUSTNESS)
    own = judged[asked["scale"]].assign(changed=changes_in_words(robustness, judged[asked["scale"]]["id"]))
    experiments = [experiment_of(e, own, results, drawings) for e in asked["experiments"]]
    papers = [Paper.model_validate(paper) for paper in asked["papers"]]
    page = template("report.html.jinja").render(
        scale=asked["scale"],
        seeds=asked["seeds"],
        counts=counts(judged[asked["scale"]]),
        tally=tally_words(judged[asked["scale"]]),
        cards=[with_figure(card, experiments) for card in answers(papers, judged, asked["scale"])],
        experiments=experiments,
        filters=filters(judged[asked["scale"]]),
        drawings=drawings,
        words=WORDS,
        icons=ICONS,
        library=vendored("uPlot.iife.min.js"),
        library_css=vendored("uPlot.min.css"),
    )
    files.write_text(out, page)


def require_codes(asked: dict, results: Path) -> None:
    """Damaged if the claims, a figure or a table of the page come from another version of the code."""
    shown = {results / "claims.json": "ledger"}
    for kind, stage in (("figures", "draw"), ("tables", "tabulate")):
        for e in asked["experiments"]:
            shown |= {results / kind / f"{e['experiment']}_{short}.json": stage for short in e[kind]}
    for path, stage in shown.items():
        if path.is_file():
            require_code(path, files.read_json(path), stage)


def vendored(name: str) -> str:
    """A file of the plotting library."""
    return (VENDOR / name).read_text(encoding="utf-8").strip()


def experiment_of(asked: dict, judged: pd.DataFrame, results: Path, drawings: Drawings) -> dict:
    """One experiment as the page shows it."""
    name = asked["experiment"]
    claims = judged[judged["experiment"] == name]
    tables = [results / "tables" / f"{name}_{short}" for short in asked["tables"]]
    shown = {stem: read_cells(stem.with_suffix(".csv")) for stem in tables}
    seconds = seconds_in(shown.values())
    shared = by_statement(judged, "verdict", together)
    return {
        **asked,
        "counts": counts(claims),
        "fragile": fragile(claims),
        "units": [
            unit_of(unit, some, asked["claims"], shared) for unit, some in claims.groupby("unit", sort=False)
        ],
        "figures": [
            figure(results / "figures" / f"{name}_{short}", asked["pace"], seconds, drawings)
            | {"short": short}
            for short in asked["figures"]
        ],
        "tables": [table(stem, cells) for stem, cells in shown.items()],
    }


def seconds_in(tables: Iterable[pd.DataFrame]) -> dict[str, float]:
    """Row -> training time, from the tables that show it."""
    timed = [cells[cells["metric"] == TRAIN_SECONDS] for cells in tables]
    return {row["row"]: row["mean"] for cells in timed for _, row in cells.iterrows()}


def unit_of(unit: str, claims: pd.DataFrame, behind: dict[str, dict], shared: pd.Series) -> dict:
    """The claims of one unit on their common axis, grouped by statement; shared: statement -> its verdict."""
    axis = axis_of(claims)
    order = claims.groupby("statement", sort=False).ngroup().sort_values(kind="stable").index
    rows = [
        claim_texts(row)
        | {"marks": marks(row, axis), "together": shared.get(row["statement"], "")}
        | behind[row["id"]]
        for _, row in claims.loc[order].iterrows()
    ]
    for before, row in zip([None, *rows], rows, strict=False):
        row["goes_on"] = before is not None and before["statement"] == row["statement"]
    return {"unit": unit, "axis": axis, "claims": rows}


def claim_texts(row: pd.Series) -> dict:
    """A claim as the page shows it."""
    texts = {
        name: row[name]
        for name in (
            *("id", "says", "source", "tier", "statement", "unit", "kind"),
            *("expect", "replication", "control", "fit", "verdict", "robust"),
            *("statement_robust", "changed", "registered", "note"),
        )
    }
    return texts | {
        "paper_of": paper_of(row["source"]),
        "n": "" if pd.isna(row["n"]) else f"{row['n']:.0f}",
        "estimate": estimate(row),
        "p_adjusted": p_words(row["p_adjusted"]),
        "detectable": detectable(row),
        "paper": number(row["paper_value"]),
        "p": 2.0 if pd.isna(row["p_adjusted"]) else float(f"{row['p_adjusted']:.3g}"),  # to sort by
    }


def changes_in_words(robustness: pd.DataFrame, ids: pd.Series) -> pd.Series:
    """For each claim how its verdict depends on choices; empty where it follows from no p."""
    rows = robustness[(robustness["of"] == CLAIM) & (robustness["variants"] > 0)].set_index("id")
    words = {
        id: f"{row['agree']:.0%} of {row['variants']:.0f} other ways to judge agree"
        + (f". By a single change, {row['changed_by']}" if row["changed_by"] else "")
        for id, row in rows.iterrows()
    }
    return texts_of(ids, words)


def p_words(p: float) -> str:
    """An adjusted p-value as the page shows it."""
    if pd.isna(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def filters(claims: pd.DataFrame) -> dict[str, list[str]]:
    """The filters for claims: name of the control -> its values."""
    return {
        "paper": sorted({paper_of(source) for source in claims["source"]}),
        "verdict": [verdict for verdict in VERDICTS if (claims["verdict"] == verdict).any()],
        "tier": [tier for tier in TIERS if (claims["tier"] == tier).any()],
        "replication": [name for name in REPLICATIONS if (claims["replication"] == name).any()],
        "robust": [name for name in (ROBUST, FRAGILE) if (claims["robust"] == name).any()],
        "unit": list(claims["unit"].unique()),
    }


def with_figure(card: dict, experiments: list[dict]) -> dict:
    """A card with the first of its figures that exists, and a link to its evidence."""
    shown = {
        f["short"]: f for e in experiments if e["experiment"] == card["experiment"] for f in e["figures"]
    }
    return card | {"figure": next((shown[name] for name in card["figures"] if name in shown), None)}


def figure(stem: Path, pace: dict, seconds: dict[str, float], drawings: Drawings) -> dict:
    """The drawing, the first sentence of its caption and the others, its numbers."""
    title, *more = SENTENCE.split(text_of(stem.with_suffix(".txt")), maxsplit=1)
    return {
        "name": stem.name,
        "title": title,
        "more": "".join(more),
        "plot": plot_of(stem.with_suffix(".csv"), pace, seconds),
        **drawings.inline(stem.with_suffix(".svg")),
    }


def table(stem: Path, cells: pd.DataFrame) -> dict:
    """Header, rows, caption and name of a table."""
    header, body = layout(cells)
    caption = caption_of(text_of(stem.with_suffix(".md")))
    return {"name": stem.name, "caption": caption, "header": header, "body": body}


def text_of(path: Path) -> str:
    """The file's text without its last line break; ValueError if it is missing or empty."""
    text = files.read_text(path).strip() if path.is_file() else ""
    if not text:
        raise ValueError(f"{path}: wanted a file with content; got none")
    return text
