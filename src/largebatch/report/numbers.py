"""Every claim's numbers as LaTeX macros, so that no number has to be copied by hand."""

from pathlib import Path

import numpy as np
import pandas as pd

from largebatch import files
from largebatch.figures.citation import software
from largebatch.figures.tabulate import escape_tex
from largebatch.judging.claims import by_statement, read_ledger, together
from largebatch.page.templates import template

NONE = r"\mbox{--}"  # a number that a claim lacks
NUMBERS = {"estimate": "estimate", "low": "low", "high": "high", "paper": "paper_value"}  # field -> column
FIELDS = (
    *(*NUMBERS, "unit", "seeds", "expected", "verdict", "robust", "tier"),
    *("statement", "together", "together_robust", "replication", "control", "fit"),
)


def numbers(claims: Path, scale: str, out: Path) -> None:
    """Write the macros of all claims of a scale."""
    table = read_ledger(claims)
    shared = by_statement(table, "verdict", together)
    rows = {row["id"]: fields_of(row, shared) for _, row in table.iterrows()}
    text = template("numbers.tex.jinja", autoescape=False).render(
        version=software().version, scale=scale, claims=rows, fields=FIELDS
    )
    files.write_text(out, text)


def fields_of(row: pd.Series, shared: pd.Series) -> dict[str, str]:
    """Field -> what TeX reads, for one claim; <field>-math: the number in mathematics, if that differs.

    shared: statement -> the verdict on it.
    """
    fields = {
        **{field: plain_number(row[column]) for field, column in NUMBERS.items()},
        "unit": escape_tex(row["unit"]),
        "seeds": "" if pd.isna(row["n"]) else f"{row['n']:.0f}",
        "expected": escape_tex(row["expect"]),
        "verdict": row["verdict"].replace("_", " "),
        "robust": row["robust"],
        "tier": row["tier"],
        "statement": escape_tex(row["statement"]),
        "together": shared.get(row["statement"], row["verdict"]).replace("_", " "),
        "together_robust": row["statement_robust"],
        "replication": row["replication"],
        "control": in_ascii(row["control"]),
        "fit": in_ascii(row["fit"]),
    }
    shown = {field: in_mathematics(row[column]) for field, column in NUMBERS.items()}
    return fields | {f"{field}-math": text for field, text in shown.items() if text != fields[field]}


def in_ascii(text: str) -> str:
    """A text with numbers as TeX reads it."""
    return escape_tex(text.replace("−", "-").replace("∞", "infinity"))


def plain_number(value: float) -> str:
    """A number of 4 significant digits in ASCII; empty for NaN."""
    return "" if pd.isna(value) else f"{value:.4g}"


def in_mathematics(value: float) -> str:
    """A number of 4 significant digits as mathematics; a long one with a power of 10."""
    if pd.isna(value):
        return NONE
    if np.isinf(value):
        return "-" * (value < 0) + r"\infty"
    digits, _, exponent = plain_number(value).partition("e")
    return rf"{digits}\times 10^{{{int(exponent)}}}" if exponent else digits
