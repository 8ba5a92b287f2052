"""One sentence per paper that answers its question by its headline claims, at one scale and at others."""

import textwrap
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from largebatch.config.cards import Paper, read_papers
from largebatch.judging.claims import (
    BROKEN,
    CONFOUNDED,
    CONTRADICTED,
    EMPIRICAL,
    FRAGILE,
    HOLDS,
    INCONCLUSIVE,
    MIXED,
    NOT_RUN,
    ORDER,
    SUPPORTED,
    UNINFORMATIVE,
    brief,
    estimate,
    in_full,
    in_words,
    read_ledger,
    together,
)

ICONS = {
    SUPPORTED: "✓",
    CONTRADICTED: "✗",
    MIXED: "◐",
    INCONCLUSIVE: "?",
    UNINFORMATIVE: "○",
    CONFOUNDED: "≈",
    HOLDS: "=",
    BROKEN: "≠",
    NOT_RUN: "–",
}
WORDS = {verdict: verdict.replace("_", " ") for verdict in ICONS}
LEADS = {
    SUPPORTED: "Yes",
    CONTRADICTED: "No",
    INCONCLUSIVE: "Undecided",
    UNINFORMATIVE: "Uninformative",
    CONFOUNDED: "Confounded",
    NOT_RUN: "Not run here",
    MIXED: "In part",
    HOLDS: "Yes",
    BROKEN: "No",
}
# What stands before a finding, by its verdict.
CLAUSES = {
    SUPPORTED: "{}",
    CONTRADICTED: "it does not hold that {}",
    MIXED: "it holds only in part that {}",
    INCONCLUSIVE: "it stays open whether {}",
    UNINFORMATIVE: "{}, which says nothing, since the control shows the same",
    CONFOUNDED: "a difference in fit may explain the result on whether {}",
    HOLDS: "{}",
    BROKEN: "it does not hold that {}",
    NOT_RUN: "it was not run whether {}",
}
DECIDED = (SUPPORTED, CONTRADICTED, HOLDS, BROKEN)
WIDTH = 100  # columns of a terminal


def marked(verdict: str, robust: str) -> str:
    """A verdict with its sign."""
    return f"{ICONS[verdict]} {in_full(verdict, robust)}"


def answers(papers: Sequence[Paper], claims: dict[str, pd.DataFrame], scale: str) -> list[dict]:
    """A card for each paper and experiment of this scale that asks its question, in the papers' order.

    claims: scale -> a ledger. A card: {"paper", "question", "experiment", "figures", "figure": None,
    "verdict", "robust", "verdicts": {column: (verdict, robust)}, "sentences": {column: sentence},
    "agreement", "columns", "rows"}, its columns being this scale and the others; a row: {"id", "paper",
    "papers", "cells": [a cell for each column]}, with the paper's number for this scale, and for all.
    """
    cards = []
    for paper in papers:
        of_scale = {name: headlines(paper, table) for name, table in claims.items()}
        of_scale = {name: found for name, found in of_scale.items() if found}
        cards += [card(paper, experiment, scale, of_scale) for experiment in of_scale.get(scale, {})]
    return cards


def headlines(paper: Paper, claims: pd.DataFrame) -> dict[str, dict[str, pd.Series]]:
    """Experiment -> headline id -> the claim's row with the verdict on its statement.

    An experiment asked again has one suffix for all ids.
    """
    found = {}
    for name in claims["experiment"].unique():
        ending = name.removeprefix(paper.experiment)
        if name.startswith(paper.experiment) and ending[:1] in ("", "_"):
            rows = claims[claims["experiment"] == name].set_index("id", drop=False)
            some = {id: rows.loc[id + ending] for id in paper.headlines if id + ending in rows.index}
            found |= {name: {id: of_statement(row, claims) for id, row in some.items()}} if some else {}
    return found


def of_statement(row: pd.Series, claims: pd.DataFrame) -> pd.Series:
    """A claim with the verdict on its statement; conditions: how they came out, if they are several."""
    if row["tier"] != EMPIRICAL:
        return pd.concat([row, pd.Series({"conditions": ""})])
    verdicts = claims.loc[claims["statement"] == row["statement"], "verdict"]
    run = verdicts[verdicts != NOT_RUN]
    said = f"{in_words(Counter(run))} of {len(run)} conditions" if len(run) > 1 else ""
    joined = {"verdict": together(verdicts), "robust": row["statement_robust"], "conditions": said}
    return pd.concat([row.drop(["verdict", "robust"]), pd.Series(joined)])


def card(paper: Paper, experiment: str, scale: str, of_scale: dict[str, dict]) -> dict:
    """One card, with the other scales beside this one, each with its own experiments."""
    own = of_scale[scale][experiment]
    columns = {scale: (scale, own)}
    for other, experiments in of_scale.items():
        for name, rows in experiments.items() if other != scale else ():
            columns[other + name.removeprefix(paper.experiment)] = (other, rows)
    rows = {column: found for column, (_, found) in columns.items()}
    return {
        "paper": paper.paper,
        "question": paper.question,
        "experiment": experiment,
        "figures": paper.figures,
        "figure": None,
        **dict(zip(("verdict", "robust"), together_with_robust(own), strict=True)),
        "verdicts": {name: together_with_robust(found) for name, found in rows.items()},
        "sentences": {name: sentence(paper.headlines, found) for name, found in rows.items()},
        "agreement": agreement(rows),
        "columns": list(columns),
        "rows": [row_of(id, columns) for id in own],
    }


def together_with_robust(found: dict[str, pd.Series]) -> tuple[str, str]:
    """What headlines say together, and whether one of them is fragile."""
    return overall(found.values()), FRAGILE if any(r["robust"] == FRAGILE for r in found.values()) else ""


def row_of(headline: str, columns: dict[str, tuple[str, dict]]) -> dict:
    """One headline at every scale; no cell if a scale does not ask."""
    cells = [cell(scale, rows[headline]) if headline in rows else None for scale, rows in columns.values()]
    found = [rows[headline] for _, rows in columns.values() if headline in rows]
    papers = [brief(row["paper_value"]) for row in found if pd.notna(row["paper_value"])]
    every = " or ".join(dict.fromkeys(papers))
    return {"id": found[0]["id"], "paper": next(iter(papers), ""), "papers": every, "cells": cells}


def cell(scale: str, row: pd.Series) -> dict[str, str]:
    """The verdict and effect of one headline at one scale."""
    return {"scale": scale, "effect": effect(row), **row[["id", "verdict", "robust"]]}


def overall(rows: Collection[pd.Series]) -> str:
    """The verdict that all empirical headlines share (all, if none is empirical), else that they differ."""
    counted = [row for row in rows if row["tier"] == EMPIRICAL] or rows
    as_answers = {HOLDS: SUPPORTED, BROKEN: CONTRADICTED}
    verdicts = {as_answers.get(row["verdict"], row["verdict"]) for row in counted}
    return verdicts.pop() if len(verdicts) == 1 else MIXED


def sentence(headlines: dict[str, str], found: dict[str, pd.Series]) -> str:
    """'Yes: <finding> (<effect>; paper <number>).' headlines: id -> finding; found: id -> the claim's row."""
    verdict = overall(found.values())
    clauses = []
    by_verdict = sorted(found.items(), key=lambda item: ORDER.index(item[1]["verdict"]))
    for each, group in groupby(by_verdict, key=lambda item: item[1]["verdict"]):
        parts = [f"{headlines[id]}{evidence(row)}" for id, row in group]
        clauses.append(CLAUSES[each].format(", and ".join(parts)))
    return f"{LEADS[verdict]}: {'; '.join(clauses)}."


def evidence(row: pd.Series) -> str:
    """' (<effect>; paper <number>; in training <fit>; <conditions>; fragile)', or the part that exists."""
    paper = brief(row["paper_value"])
    fit = f"in training {row['fit']}" if row["verdict"] == CONFOUNDED and row["fit"] else ""
    weak = FRAGILE * (row["robust"] == FRAGILE)
    said = [text for text in (effect(row), paper and f"paper {paper}", fit, row["conditions"], weak) if text]
    return f" ({'; '.join(said)})" if said else ""


def effect(row: pd.Series) -> str:
    """'0.243 points [0.055, 0.431]'"""
    value, _, interval = estimate(row).partition(" ")
    return " ".join(text for text in (in_unit(value, row["unit"]), interval) if text)


def in_unit(value: str, unit: str) -> str:
    """A number with its unit, in words."""
    match unit if value else "":
        case "ratio":
            return f"{value} times"
        case "percentage points":
            return f"{value} points"
        case "correlation" | "exponent" | "R²":
            return f"{unit} {value}"
        case "" | "number":
            return value
    return f"{value} {unit}"


def agreement(columns: dict[str, dict]) -> str:
    """A sentence if scales decide differently, or only some of them decide; empty for a single scale."""
    if len(columns) == 1:
        return ""
    against, partly = [], []
    first = next(iter(columns.values()))
    for id in first:
        rows_of_id = {scale: rows[id] for scale, rows in columns.items() if id in rows}
        found = {scale: row["verdict"] for scale, row in rows_of_id.items()}
        decided = {verdict for verdict in found.values() if verdict in DECIDED}
        if len(set(found.values())) > 1:
            said = ", ".join(
                f"{in_full(row['verdict'], row['robust'])} at {scale}" for scale, row in rows_of_id.items()
            )
            (against if len(decided) > 1 else partly).append(f"{id} {said}")
    if against:
        return f"Scales disagree: {'; '.join(against + partly)}."
    return (
        f"Not the same everywhere: {'; '.join(partly)}." if partly else f"The same at {', '.join(columns)}."
    )


def say(results: Path, papers: Path) -> str:
    """The answers of a results folder for a terminal, and the page to open."""
    said = lines(read_papers(papers), read_ledger(results / "claims.csv"), results.name)
    return "\n".join([*said, f"Open {results / 'report.html'}"])


def lines(papers: Sequence[Paper], claims: pd.DataFrame, scale: str) -> list[str]:
    """The answers of judged claims for a terminal, an empty line behind each."""
    said = []
    for found in answers(papers, {scale: claims}, scale):
        head = f"{ICONS[found['verdict']]} {found['paper']}: {found['question']}"
        sentence = found["sentences"][scale]
        said += [head, textwrap.fill(sentence, WIDTH, initial_indent="  ", subsequent_indent="  "), ""]
    return said
