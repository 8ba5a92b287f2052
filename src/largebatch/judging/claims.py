"""The file of judged claims: its columns and verdicts, reading and writing, and numbers as text."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from largebatch import files

SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_RUN = VERDICTS = (
    "supported",
    "contradicted",
    "inconclusive",
    "not_run",
)
COLUMNS = (
    *("id", "experiment", "statement", "source", "says", "kind", "metric", "unit"),
    *("n", "estimate", "low", "high", "p_value", "p_adjusted", "detectable"),
    *("detectable_as", "expect", "paper_value", "verdict", "registered", "note"),
)
NUMBERS = ("n", "estimate", "low", "high", "p_value", "p_adjusted", "detectable", "paper_value")
TEXTS = tuple(name for name in COLUMNS if name not in NUMBERS)
# What `detectable` is: a distance from the threshold or the nearer bound, or the factor between.
DISTANCE, FACTOR = "distance", "factor"
# Kinds of claims whose tests have no one size of effect that they could have detected.
WITHOUT_SIZE = frozenset({"monotone", "change_point", "elbow"})


def read_claims(path: Path) -> pd.DataFrame:
    """Judged claims, columns COLUMNS; an absent number is NaN, an absent text is empty."""
    claims = read_columns(path, "claims", COLUMNS, TEXTS)
    if wrong := sorted(set(claims["verdict"]) - set(VERDICTS)):
        raise ValueError(f"{path}: wanted verdicts among {list(VERDICTS)}; got {wrong}")
    return claims


def read_columns(path: Path, what: str, columns: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    """A csv file with these columns. In text columns NA and None are words, and an absent text is empty."""
    numbers = {name: [""] for name in set(columns) - set(texts)}
    try:
        rows = pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=numbers)
    except (OSError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ValueError(f"{path}: wanted a csv file of {what}; got {error}") from error
    if tuple(rows.columns) != columns:
        raise ValueError(f"{path}: wanted columns {list(columns)}; got {list(rows.columns)}")
    return rows.fillna(dict.fromkeys(texts, ""))


def write_claims(path: Path, claims: pd.DataFrame) -> None:
    """Write judged claims, columns COLUMNS."""
    with files.atomic(path) as temporary:
        claims.astype({"n": "Int64"}).to_csv(temporary, index=False)


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """How many claims got each verdict, in the order of VERDICTS."""
    found = Counter(claims["verdict"])
    return {verdict: found[verdict] for verdict in VERDICTS}


def paper_of(source: str) -> str:
    """The paper in a claim's source: 'Keskar et al. 2017' from 'Keskar et al. 2017, table 2'."""
    return re.match(r".*?\d{4}|[^,;]+", source)[0]


def number(value: float) -> str:
    """A number as texts show it: 4 significant digits; empty for NaN."""
    return "" if pd.isna(value) else f"{value:.4g}".replace("-", "−")


def brief(value: float) -> str:
    """A number as sentences show it: 3 significant digits."""
    return "" if pd.isna(value) else f"{value + 0.0:.3g}".replace("-", "−").replace("inf", "∞")


def estimate(row: Mapping) -> str:
    """'0.243 [0.055, 0.431]'; empty without an estimate, and 0 for a value that is only rounding error."""
    if pd.isna(row["estimate"]):
        return ""
    value = 0.0 if abs(row["estimate"]) < 1e-9 * min(abs(row["low"]), abs(row["high"])) else row["estimate"]
    return f"{brief(value)} [{brief(row['low'])}, {brief(row['high'])}]"


def interval(low: float, high: float) -> str:
    """An interval as texts show it; empty for NaN."""
    return "" if pd.isna(low) else f"[{number(low)}, {number(high)}]"


def detectable(row: Mapping) -> str:
    """The smallest detectable effect of a claim as texts show it; empty if there is none."""
    if pd.isna(row["detectable"]):
        return ""
    return f"{'× ' * (row['detectable_as'] == FACTOR)}{number(row['detectable'])}"


def sensitivity(row: Mapping) -> str:
    """The smallest effect that the seeds of a claim could have detected, as a sentence."""
    edge = "a bound" if row["expect"].startswith("within") else "the threshold"
    if row["kind"] in WITHOUT_SIZE:
        return ""
    if pd.isna(row["detectable"]):
        return f"Every seed lies on {edge} itself."
    size = f"{'a factor of ' * (row['detectable_as'] == FACTOR)}{row['detectable']:.3g}"
    return f"Could have detected an effect {size} away from {edge} (80 % power, before correction)."
