"""Judged claims and statements: columns, verdicts, tallies, reading, writing, numbers as text."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from largebatch import files
from largebatch.seals import verified

SUPPORTED, CONTRADICTED, INCONCLUSIVE, UNINFORMATIVE, CONFOUNDED, HOLDS, BROKEN, NOT_RUN = VERDICTS = (
    "supported",
    "contradicted",
    "inconclusive",
    "uninformative",  # its control holds as well
    "confounded",  # what it compares differs in fit
    "holds",
    "broken",
    "not_run",
)
# A statement is mixed if its conditions are not all decided to the same side, but some are decided.
MIXED = "mixed"
STATEMENT_VERDICTS = (SUPPORTED, CONTRADICTED, MIXED, INCONCLUSIVE, UNINFORMATIVE, CONFOUNDED, NOT_RUN)
ORDER = (*STATEMENT_VERDICTS[:-1], HOLDS, BROKEN, NOT_RUN)
IDENTITY, SANITY, EMPIRICAL = TIERS = ("identity", "sanity", "empirical")
# Our effect beside the paper's number: within what both leave open, else its size or its sign.
INSIDE, SMALLER, LARGER, OPPOSITE, NO_NUMBER = REPLICATIONS = (
    "inside",
    "smaller",
    "larger",
    "opposite",
    "no number",
)
COLUMNS = (
    *("id", "experiment", "tier", "statement", "source", "says", "kind", "metric", "unit"),
    *("n", "estimate", "low", "high", "p_value", "p_adjusted", "detectable"),
    *("detectable_as", "expect", "paper_value", "replication", "control", "fit"),
    *("verdict", "robust", "registered", "note"),
)
NUMBERS = ("n", "estimate", "low", "high", "p_value", "p_adjusted", "detectable", "paper_value")
TEXTS = tuple(name for name in COLUMNS if name not in NUMBERS)
# conditions: those that were judged. supported_in, contradicted_in: in at least so many of them. level: below
# which p_value must be for all to be decided.
STATEMENT_COLUMNS = (
    *("statement", "experiment", "source", "says", "conditions", "not_run"),
    *("supported_in", "contradicted_in", "p_value", "p_adjusted", "level"),
    *("replication", "verdict", "robust"),
)
STATEMENTS = "statements.csv"  # beside claims.csv
# Of a verdict that follows from p-values: whether other choices would have given the same; see robustness.py.
ROBUST, FRAGILE = "robust", "fragile"
CHECKS = {IDENTITY: "identities", SANITY: "sanity checks"}
# What `detectable` is: a distance from the threshold or the nearer bound, or the factor between.
DISTANCE, FACTOR = "distance", "factor"
# Kinds of claims whose tests have no one size of effect that they could have detected.
WITHOUT_SIZE = frozenset({"monotone", "change_point", "elbow"})


def read_claims(path: Path) -> pd.DataFrame:
    """Judged claims, columns COLUMNS; an absent number is NaN, an absent text is empty."""
    claims = read_columns(path, "claims", COLUMNS, TEXTS)
    for name, known in {"verdict": VERDICTS, "tier": TIERS}.items():
        if wrong := sorted(set(claims[name]) - set(known)):
            raise ValueError(f"{path}: wanted {name}s among {list(known)}; got {wrong}")
    return claims


def read_ledger(path: Path) -> pd.DataFrame:
    """Judged claims with a column `statement_robust`, from the statements beside them."""
    claims, said = read_claims(path), read_statements(path.with_name(STATEMENTS)).set_index("statement")
    return claims.assign(statement_robust=texts_of(claims["statement"], said["robust"]))


def texts_of(ids: pd.Series, texts: Mapping[str, str] | pd.Series) -> pd.Series:
    """The text of each id, empty where there is none; if none has one, pandas has numbers in their places."""
    found = ids.map(texts).astype(object)
    return found.where(found.notna(), "")


def read_columns(
    path: Path, what: str, columns: tuple[str, ...], texts: tuple[str, ...], more: tuple[str, ...] = ()
) -> pd.DataFrame:
    """A csv file with these columns. In text columns NA and None are words, and an absent text is empty.

    more: columns of numbers that may follow.
    """
    numbers = {name: [""] for name in {*columns, *more} - set(texts)}
    try:
        verified(path)
        rows = pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=numbers)
    except (OSError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ValueError(f"{path}: wanted a csv file of {what}; got {error}") from error
    if tuple(rows.columns) not in (columns, columns + more):
        raise ValueError(f"{path}: wanted columns {list(columns)}; got {list(rows.columns)}")
    return rows.fillna(dict.fromkeys(texts, ""))


def write_claims(path: Path, claims: pd.DataFrame) -> None:
    """Write judged claims, columns COLUMNS."""
    with files.atomic(path) as temporary:
        claims.astype({"n": "Int64"}).to_csv(temporary, index=False)


def write_statements(path: Path, statements: pd.DataFrame) -> None:
    """Write judged statements, columns STATEMENT_COLUMNS."""
    whole = ("conditions", "not_run", "supported_in", "contradicted_in")
    with files.atomic(path) as temporary:
        statements.astype(dict.fromkeys(whole, "Int64")).to_csv(temporary, index=False)


def read_statements(path: Path) -> pd.DataFrame:
    """Judged statements, columns STATEMENT_COLUMNS."""
    texts = ("statement", "experiment", "source", "says", "replication", "verdict", "robust")
    return read_columns(path, "statements", STATEMENT_COLUMNS, texts)


def empirical(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims that count as evidence."""
    return claims[claims["tier"] == EMPIRICAL]


def together(verdicts: Iterable[str]) -> str:
    """The verdict on a statement from those on its conditions after correction; see docs/method.md."""
    found = set(verdicts) - {NOT_RUN}
    if found & {SUPPORTED, CONTRADICTED}:
        return found.pop() if len(found) == 1 else MIXED
    # Nothing is decided: what stood in the way comes before what the seeds did not suffice for.
    return next((verdict for verdict in (CONFOUNDED, UNINFORMATIVE, *found) if verdict in found), NOT_RUN)


def common(replications: Iterable[str]) -> str:
    """What the conditions of a statement that have a number of the paper share, or that they differ."""
    found = set(replications) - {NO_NUMBER, ""}
    if len(found) > 1:
        return MIXED
    return found.pop() if found else NO_NUMBER


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """How many statements of the empirical claims got each verdict, in the order of STATEMENT_VERDICTS."""
    found = Counter(by_statement(claims, "verdict", together))
    return {verdict: found[verdict] for verdict in STATEMENT_VERDICTS}


def fragile(claims: pd.DataFrame) -> int:
    """How many statements of the empirical claims of a ledger have a fragile verdict."""
    return empirical(claims).loc[lambda rows: rows["statement_robust"] == FRAGILE, "statement"].nunique()


def in_full(verdict: str, robust: str) -> str:
    """'supported (fragile)'"""
    return f"{verdict.replace('_', ' ')}{f' ({FRAGILE})' * (robust == FRAGILE)}"


def replications(claims: pd.DataFrame) -> dict[str, int]:
    """How many statements of the empirical claims replicate the paper's number in each way."""
    found = Counter(by_statement(claims, "replication", common))
    return {name: found[name] for name in (INSIDE, SMALLER, LARGER, OPPOSITE, MIXED, NO_NUMBER)}


def by_statement(claims: pd.DataFrame, column: str, joined: Callable[[Iterable[str]], str]) -> pd.Series:
    """Statement -> what its conditions say together, of the empirical claims."""
    return empirical(claims).groupby("statement", sort=False)[column].agg(joined)


def checks(claims: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How many identities and sanity checks got each verdict that occurs: they stand beside the evidence."""
    tally = claims.groupby(["tier", "verdict"]).size()
    return {
        tier: {verdict: int(tally[tier, verdict]) for verdict in VERDICTS if (tier, verdict) in tally.index}
        for tier in (IDENTITY, SANITY)
    }


def tally_words(claims: pd.DataFrame) -> str:
    """'3 statements of 4 claims: 1 supported, 2 mixed; 1 is fragile. Beside them: 2 identities (2 holds).'"""
    found = counts(claims)
    beside = [
        f"{sum(tally.values())} {CHECKS[tier]} ({in_words(tally)})"
        for tier, tally in checks(claims).items()
        if tally
    ]
    total = sum(found.values())
    said = f"{total} statement{'s' * (total != 1)} of {len(empirical(claims))} claims: {in_words(found)}"
    if weak := fragile(claims):
        said += f"; {weak} {'is' if weak == 1 else 'are'} {FRAGILE}"
    return f"{said}. Beside them: {', '.join(beside)}." if beside else f"{said}."


def in_words(tally: Mapping[str, int]) -> str:
    """'1 supported, 2 not run', in the order of ORDER."""
    found = [(tally[verdict], verdict) for verdict in ORDER if tally.get(verdict)]
    return ", ".join(f"{n} {verdict.replace('_', ' ')}" for n, verdict in found) or "none"


def bounds(expect: str) -> tuple[float, float]:
    """The two ends of the range where an effect is expected: 'above 0', 'below 1', 'within [0.5, 2]'."""
    word, _, numbers = expect.partition(" ")
    values = [float(number) for number in numbers.strip("[]").split(",")]
    match word:
        case "above":
            return values[0], np.inf
        case "below":
            return -np.inf, values[0]
    return tuple(values)


def paper_of(source: str) -> str:
    """The paper in a claim's source: 'Keskar et al. 2017' from 'Keskar et al. 2017, table 2'."""
    return re.search(r"^.*?\d{4}|[^,;]+", source)[0]


def number(value: float) -> str:
    """A number as texts show it: 4 significant digits; empty for NaN."""
    return "" if pd.isna(value) else f"{value:.4g}".replace("-", "−")


def brief(value: float) -> str:
    """A number as sentences show it: 3 significant digits, with a power of ten only from a million on."""
    if pd.isna(value):
        return ""
    text = f"{value + 0.0:.3g}"
    if 1e3 <= abs(float(text)) < 1e6:
        text = f"{float(text):.0f}"  # no comma: it would read as the one between two limits
    return text.replace("-", "−").replace("inf", "∞")


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
