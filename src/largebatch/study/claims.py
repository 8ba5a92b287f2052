"""The file of judged claims: its columns, its words, and how it is read."""

from pathlib import Path

import pandas as pd

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
    "expect",
    "paper_value",
    "verdict",
    "note",
)
TEXTS = ("id", "experiment", "source", "says", "metric", "expect", "verdict", "note")


def read_claims(path: Path) -> pd.DataFrame:
    """Judged claims, columns COLUMNS; an absent number is NaN, an absent text is empty."""
    try:
        claims = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))
    except (OSError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ValueError(f"{path}: wanted a csv file of claims; got {error}") from error
    if tuple(claims.columns) != COLUMNS:
        raise ValueError(f"{path}: wanted columns {list(COLUMNS)}; got {list(claims.columns)}")
    if wrong := sorted(set(claims["verdict"].fillna("")) - set(VERDICTS)):
        raise ValueError(f"{path}: wanted verdicts among {list(VERDICTS)}; got {wrong}")
    return claims.fillna(dict.fromkeys(TEXTS, ""))


def number(value: float) -> str:
    """A number as texts show it: 4 significant digits; empty for NaN."""
    return "" if pd.isna(value) else f"{value:.4g}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """An interval as texts show it; empty for NaN."""
    return "" if pd.isna(low) else f"[{number(low)}, {number(high)}]"
