"""All verdicts in one file, after a correction over every claim that was judged."""

from pathlib import Path

import pandas as pd
from scipy import stats

from largebatch import files
from largebatch.judging.claims import (
    CONTRADICTED,
    INCONCLUSIVE,
    SUPPORTED,
    read_claims,
    sensitivity,
    write_claims,
)
from largebatch.observations.statistics import LEVEL
from largebatch.provenance import provenance


def ledger(judged: list[Path], ledger: Path) -> None:
    """Write the claims of these experiments, in the order given, as one family.

    Their provenance is in the .json of the same name.
    """
    if not judged:
        raise ValueError(f"{ledger}: wanted at least one file of judged claims; got none")
    claims = pd.concat([judged_alone(path) for path in judged], ignore_index=True)
    if repeated := sorted(claims.loc[claims["id"].duplicated(), "id"]):
        raise ValueError(f"{ledger}: wanted each claim's id once; got {repeated} repeatedly")
    write_claims(ledger, corrected(claims))
    inputs = {f"{path.parent.name}/{path.name}": files.checksum(path) for path in judged}
    files.write_json(ledger.with_suffix(".json"), provenance("ledger", {}, inputs))


def judged_alone(path: Path) -> pd.DataFrame:
    """Claims as the judge stage writes them; ValueError if they were corrected already."""
    claims = read_claims(path)
    if adjusted := int(claims["p_adjusted"].notna().sum()):
        raise ValueError(f"{path}: wanted claims without p_adjusted; got {adjusted} with it")
    return claims


def corrected(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims with p_adjusted, and with the verdicts and notes after correction.

    Benjamini and Hochberg 1995: of the claims called supported or contradicted, on average at most 5 %
    are so by mistake. Claims that were not run do not count.
    """
    judged = claims["p_value"].notna()
    p_values = claims.loc[judged, "p_value"]
    adjusted = pd.Series(stats.false_discovery_control(p_values, method="bh"), index=p_values.index)
    claims = claims.assign(p_adjusted=adjusted.reindex(claims.index))
    undone = claims["verdict"].isin([SUPPORTED, CONTRADICTED]) & (claims["p_adjusted"] >= LEVEL)
    notes = [undone_note(row, int(judged.sum())) for _, row in claims[undone].iterrows()]
    claims.loc[undone, "note"] = pd.Series(notes, index=claims.index[undone], dtype=str)
    claims.loc[undone, "verdict"] = INCONCLUSIVE
    return claims


def undone_note(row: pd.Series, family: int) -> str:
    """The note on a verdict that the correction makes inconclusive."""
    only = (
        f"Only the correction over the {family} claims of the ledger makes it inconclusive, "
        f"else {row['verdict']}."
    )
    return " ".join(sentence for sentence in (only, sensitivity(row), row["note"]) if sentence)
