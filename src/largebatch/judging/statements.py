"""Statements: what is said of several conditions is judged from all of them together.

The correction is hierarchical (Benjamini and Bogomolov 2014). First every statement is screened: does any of
its conditions lie off its threshold? Benjamini and Hochberg 1995 over the statements select R of m. Within a
selected statement the conditions are tested at the level R/m times 5 %. Then a statement is selected exactly
if a condition is decided, and all conditions are decided exactly if their largest p is below that level.
"""

import numpy as np
import pandas as pd
from scipy import stats

from largebatch.judging.claims import (
    CONTRADICTED,
    STATEMENT_COLUMNS,
    SUPPORTED,
    bounds,
    common,
    empirical,
    together,
)
from largebatch.observations.statistics import LEVEL


def partial_conjunction(p_values: np.ndarray, least: int) -> float:
    """p of "fewer than `least` of these hold": Simes' test of all but the least - 1 smallest.

    Benjamini and Heller 2008. With least = 1 it is Simes 1986, with all of them the largest p, the test of
    Berger 1982 (intersection-union).
    """
    kept = np.sort(p_values)[least - 1 :]
    return float((len(kept) / np.arange(1, len(kept) + 1) * kept).min())


def at_least(p_values: np.ndarray, level: float) -> int:
    """The largest number of which it can be said, at this level, that at least so many hold."""
    for least in range(1, len(p_values) + 1):
        if partial_conjunction(p_values, least) >= level:
            return least - 1
    return len(p_values)


def usable(claims: pd.DataFrame) -> pd.Series:
    """The p-values of claims as judged alone; 1 where a p below the level did not suffice for a verdict.

    As of claims that are uninformative or confounded.
    """
    flattering = ~claims["verdict"].isin([SUPPORTED, CONTRADICTED]) & (claims["p_value"] < LEVEL)
    return claims["p_value"].mask(flattering, 1.0)


def screened(claims: pd.DataFrame) -> pd.DataFrame:
    """For each judged condition: statement, p, and of its statement `screen`, `factor` and `level`.

    screen: adjusted p of "no condition lies off its threshold". factor: m/R in a selected statement, else 1;
    by it a p grows within the statement, as its level falls. level: at which its conditions are tested.
    """
    judged = empirical(claims)[lambda rows: rows["p_value"].notna()]
    found = pd.DataFrame({"statement": judged["statement"], "p": usable(judged)})
    first = found.groupby("statement")["p"].agg(lambda p: partial_conjunction(p.to_numpy(), 1))
    screen = first if first.empty else adjusted(first)
    selected = screen < LEVEL
    factor = pd.Series(1.0, index=screen.index).mask(selected, len(screen) / max(1, selected.sum()))
    of_statement = {"screen": screen, "factor": factor, "level": levels_within(first)}
    return found.assign(**{name: found["statement"].map(column) for name, column in of_statement.items()})


def levels_within(first: pd.Series) -> pd.Series:
    """statement -> level within it if it is selected, given the others: with R counted as if it were.

    first: p of each statement. R does not depend on the statement's own p, so the level states its power.
    """
    selected = [rejections(np.where(first.index == name, 0.0, first), LEVEL) for name in first.index]
    return pd.Series(selected, dtype=float, index=first.index) * LEVEL / max(1, len(first))


def rejections(p_values: np.ndarray, level: float) -> int:
    """How many of these Benjamini and Hochberg 1995 reject."""
    rejected = np.sort(p_values) * len(p_values) / np.arange(1, len(p_values) + 1) < level
    return int(np.flatnonzero(rejected)[-1]) + 1 if rejected.any() else 0


def decisive_levels(claims: pd.DataFrame) -> pd.Series:
    """For each judged condition the level below which its p is decided, given the p of all others."""
    found = screened(claims)

    def of_condition(row: pd.Series) -> float:
        p = found.loc[found["statement"] == row["statement"], "p"].mask(lambda p: p.index == row.name, 0.0)
        return row["level"] * rejections(p.to_numpy(), row["level"]) / len(p)

    return found.apply(of_condition, axis="columns") if len(found) else pd.Series(dtype=float)


def adjusted(p_values: pd.Series) -> pd.Series:
    """p-values after Benjamini and Hochberg 1995."""
    return pd.Series(stats.false_discovery_control(p_values, method="bh"), index=p_values.index)


def of_conditions(claims: pd.DataFrame) -> pd.Series:
    """The adjusted p of every judged condition: it is decided if this is below 5 %."""
    found = screened(claims)
    if found.empty:
        return pd.Series(dtype=float)
    within = found.groupby("statement")["p"].transform(adjusted)
    return np.maximum(found["screen"], (within * found["factor"]).clip(upper=1.0))


def on_side(row: pd.Series) -> bool:
    """Whether the estimate lies where the effect is expected; for a decided claim what its verdict says."""
    if row["verdict"] in (SUPPORTED, CONTRADICTED):
        return row["verdict"] == SUPPORTED
    low, high = bounds(row["expect"])
    return low < row["estimate"] < high


def statements(claims: pd.DataFrame, verdicts: pd.Series) -> pd.DataFrame:
    """One row per empirical statement, columns STATEMENT_COLUMNS.

    claims: as judged alone. verdicts: those on the claims after correction.
    """
    found = screened(claims)
    groups = empirical(claims).groupby("statement", sort=False)
    beside = found[["p", "screen", "factor", "level"]]
    rows = [row_of(of.join(beside), verdicts[of.index]) for _, of in groups]
    return pd.DataFrame(rows, columns=list(STATEMENT_COLUMNS))


def row_of(conditions: pd.DataFrame, verdicts: pd.Series) -> dict:
    """The row of one statement."""
    first = next(
        (row for _, row in conditions.iterrows() if row["id"] == row["statement"]), conditions.iloc[0]
    )
    judged = conditions[conditions["p"].notna()]
    return {
        **{name: first[name] for name in ("statement", "experiment", "source", "says")},
        "conditions": len(judged),
        "not_run": len(conditions) - len(judged),
        **(of_all(judged) if len(judged) else {}),
        "replication": common(conditions["replication"]),
        "verdict": together(verdicts),
    }


def of_all(judged: pd.DataFrame) -> dict:
    """What the p-values of a statement's conditions say together.

    p_value: of "not all conditions lie on the same side", the largest p; 1 if estimates differ in side.
    """
    side = judged.apply(on_side, axis="columns")
    screen, factor, alone = judged[["screen", "factor", "level"]].iloc[0]
    level = LEVEL / factor if screen < LEVEL else 0.0
    p_value = judged["p"].max() if side.nunique() == 1 else 1.0
    return {
        "supported_in": at_least(judged["p"].where(side, 1.0).to_numpy(), level),
        "contradicted_in": at_least(judged["p"].where(~side, 1.0).to_numpy(), level),
        "p_value": p_value,
        "p_adjusted": max(screen, min(1.0, p_value * factor)),
        "level": alone,
    }
