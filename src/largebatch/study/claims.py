"""The file of judged claims: its columns, its words, how it is read and written."""

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
    "id",
    "experiment",
    "source",
    "says",
    "metric",
    "n",
    "estimate",
    "low",
    "high",
    "p_value",
    "p_adjusted",
    "detectable",
    "detectable_as",
    "expect",
    "paper_value",
    "verdict",
    "note",
)
TEXTS = ("id", "experiment", "source", "says", "metric", "detectable_as", "expect", "verdict", "note")
# What `detectable` is: a distance from the threshold or the nearer bound, or the factor between.
DISTANCE, FACTOR = "distance", "factor"


def read_claims(path: Path) -> pd.DataFrame:
    """Judged claims, columns COLUMNS; an absent number is NaN, an absent text is empty."""
    claims = read_columns(path, "claims", COLUMNS, TEXTS)
    if wrong := sorted(set(claims["verdict"]) - set(VERDICTS)):
        raise ValueError(f"{path}: wanted verdicts among {list(VERDICTS)}; got {wrong}")
    return claims


def read_columns(path: Path, what: str, columns: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    """A csv file of these columns. Of texts, NA or None is a word, and what is absent is empty."""
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


def number(value: float) -> str:
    """A number as texts show it: 4 significant digits; empty for NaN."""
    return "" if pd.isna(value) else f"{value:.4g}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """An interval as texts show it; empty for NaN."""
    return "" if pd.isna(low) else f"[{number(low)}, {number(high)}]"


def detectable(row: Mapping) -> str:
    """The smallest detectable effect of a claim as texts show it; empty where there is none."""
    if pd.isna(row["detectable"]):
        return ""
    return f"{'× ' * (row['detectable_as'] == FACTOR)}{number(row['detectable'])}"


def sensitivity(row: Mapping) -> str:
    """The smallest effect that the seeds behind a claim could have found, as a sentence."""
    edge = "a bound" if row["expect"].startswith("within") else "the threshold"
    if pd.isna(row["detectable"]):
        return f"Every seed lies on {edge} itself."
    size = f"{'a factor of ' * (row['detectable_as'] == FACTOR)}{row['detectable']:.3g}"
    return f"Could have detected an effect {size} away from {edge} (80 % power, before correction)."
