"""Statements: what is said of several conditions is judged from all of them together.

The correction is hierarchical (Benjamini and Bogomolov 2014). First every statement is screened: does any of
its conditions lie off its threshold? Benjamini and Hochberg 1995 over the statements select R of m. Within a
selected statement the conditions are tested at the level R/m times 5 %. Then a statement is selected exactly
if a condition is decided, and all conditions are decided exactly if their largest p is below that level.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
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
    return float(adjusted(np.sort(p_values)[least - 1 :]).min())


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
    """For each judged condition: statement, p, and its Levels."""
    judged = empirical(claims)[lambda rows: rows["p_value"].notna()]
    found = pd.DataFrame({"statement": judged["statement"], "p": usable(judged)})
    if found.empty:
        return found.reindex(columns=["statement", "p", *Levels._fields]).astype({"p": float})
    parts = levels(found["p"].to_numpy()[:, None], found["statement"])
    return found.assign(**{name: part[:, 0] for name, part in parts._asdict().items()})


class Levels(NamedTuple):
    """Of each condition: (conditions, variants), or many ledgers at once.

    within: p adjusted over the conditions of its statement. screen: adjusted p of "no condition of that lies
    off its threshold". factor: m/R in a selected statement, else 1; by it a p grows within the statement, as
    its level falls.
    """

    within: np.ndarray
    screen: np.ndarray
    factor: np.ndarray


def levels(p: np.ndarray, statement: pd.Series) -> Levels:
    """p: (conditions, variants); statement: (conditions,)."""
    places, names = pd.factorize(statement)
    within = p.copy()
    for place in np.flatnonzero(np.bincount(places) > 1):
        within[places == place] = adjusted(p[places == place])
    first = np.full((len(names), p.shape[1]), np.inf)  # Simes is the smallest of Benjamini and Hochberg
    np.minimum.at(first, places, within)
    screen = adjusted(first)
    selected = screen < LEVEL
    factor = np.where(selected, len(names) / np.maximum(1, selected.sum(0)), 1.0)
    return Levels(within, screen[places], factor[places])


def levels_within(conditions: pd.DataFrame) -> pd.Series:
    """The level at which each condition is tested if its statement is selected, given the other statements.

    conditions: `statement` and `p` of each. R does not depend on the statement's own p, so the level states
    its power.
    """
    first = conditions.groupby("statement")["p"].agg(lambda p: partial_conjunction(p.to_numpy(), 1))
    selected = {name: rejections(first.mask(first.index == name, 0.0), LEVEL) for name in first.index}
    return conditions["statement"].map(selected).astype(float) * LEVEL / max(1, len(first))


def rejections(p: ArrayLike, level: float) -> int:
    """How many Benjamini and Hochberg 1995 reject."""
    return int((adjusted(np.asarray(p)) < level).sum())


def adjusted(p: np.ndarray) -> np.ndarray:
    """p-values after Benjamini and Hochberg 1995 over the first axis."""
    return stats.false_discovery_control(p, axis=0, method="bh")


def hierarchical(of: Levels) -> ArrayLike:
    """The adjusted p of conditions: one is decided if this is below 5 %."""
    return np.maximum(of.screen, np.minimum(1.0, of.within * of.factor))


def of_conditions(claims: pd.DataFrame) -> pd.Series:
    """The adjusted p of every judged condition."""
    found = screened(claims)
    return hierarchical(Levels(*(found[name] for name in Levels._fields))).astype(float)


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
    beside = found[["p", "screen", "factor"]].assign(level=levels_within(found))
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
