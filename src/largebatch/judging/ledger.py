"""All verdicts in one file, after a correction over every empirical claim that was judged."""

from pathlib import Path

import pandas as pd

from largebatch import files
from largebatch.judging.claims import (
    CONTRADICTED,
    INCONCLUSIVE,
    STATEMENTS,
    SUPPORTED,
    empirical,
    read_claims,
    sensitivity,
    texts_of,
    write_claims,
    write_statements,
)
from largebatch.judging.robustness import CLAIM, STATEMENT, robustness, write_robustness
from largebatch.judging.statements import of_conditions, statements
from largebatch.judging.variants import VARIANTS, read_variants
from largebatch.observations.statistics import LEVEL
from largebatch.provenance import provenance, require_code
from largebatch.seals import verified


def ledger(judged: list[Path], ledger: Path) -> None:
    """Write the claims of these experiments, in the order given, as one family.

    Beside them their statements, and how robust both are; provenance is in the .json of the same name. Beside
    each file of judged claims are their variants.
    """
    if not judged:
        raise ValueError(f"{ledger}: wanted at least one file of judged claims; got none")
    alone = pd.concat([judged_alone(path) for path in judged], ignore_index=True)
    if repeated := sorted(alone.loc[alone["id"].duplicated(), "id"]):
        raise ValueError(f"{ledger}: wanted each claim's id once; got {repeated} repeatedly")
    settled = corrected(alone)
    said = statements(alone, settled["verdict"])
    beside = [path.with_name(VARIANTS) for path in judged]
    variants = pd.concat([read_variants(path) for path in beside], ignore_index=True)
    found, changes = robustness(alone, variants)
    of = {name: some.set_index("id")["robust"] for name, some in found.groupby("of")}
    write_claims(ledger, settled.assign(robust=texts_of(settled["id"], of.get(CLAIM, {}))))
    said = said.assign(robust=texts_of(said["statement"], of.get(STATEMENT, {})))
    write_statements(ledger.with_name(STATEMENTS), said)
    write_robustness(ledger, found, changes)
    inputs = {f"{path.parent.name}/{path.name}": verified(path) for path in (*judged, *beside)}
    files.write_json(ledger.with_suffix(".json"), provenance("ledger", {}, inputs))


def judged_alone(path: Path) -> pd.DataFrame:
    """Claims as the judge stage writes them; ValueError if they were corrected already."""
    claims = read_claims(path)
    if adjusted := int(claims["p_adjusted"].notna().sum()):
        raise ValueError(f"{path}: wanted claims without p_adjusted; got {adjusted} with it")
    if (record := path.with_suffix(".json")).is_file():
        require_code(path, files.read_json(record), "judge")
    return claims


def corrected(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims with p_adjusted, and with the verdicts and notes after correction; see statements.py.

    Of the empirical claims only: identities have no p, and nobody counts a sanity check as a finding. So only
    its own p-value decides it, which lets a failed check show soonest.
    """
    claims = claims.assign(p_adjusted=of_conditions(claims).reindex(claims.index))
    undone = claims["verdict"].isin([SUPPORTED, CONTRADICTED]) & (claims["p_adjusted"] >= LEVEL)
    family = empirical(claims)[lambda rows: rows["p_value"].notna()]["statement"].nunique()
    notes = [undone_note(row, family) for _, row in claims[undone].iterrows()]
    claims.loc[undone, "note"] = pd.Series(notes, index=claims.index[undone], dtype=str)
    claims.loc[undone, "verdict"] = INCONCLUSIVE
    return claims


def undone_note(row: pd.Series, family: int) -> str:
    """The note on a verdict that the correction makes inconclusive."""
    only = (
        f"Only the correction over the {family} statements of the ledger makes it inconclusive, "
        f"else {row['verdict']}."
    )
    return " ".join(sentence for sentence in (only, sensitivity(row), row["note"]) if sentence)
