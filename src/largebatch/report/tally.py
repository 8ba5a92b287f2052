"""The table of the README: what became of the statements at every published scale."""

from pathlib import Path

import pandas as pd

from largebatch.judging.claims import (
    HOLDS,
    IDENTITY,
    INSIDE,
    LARGER,
    MIXED,
    NOT_RUN,
    OPPOSITE,
    SANITY,
    SMALLER,
    STATEMENT_VERDICTS,
    SUPPORTED,
    checks,
    counts,
    fragile,
    read_ledger,
    replications,
)

REPLICATED = (INSIDE, SMALLER, LARGER, OPPOSITE, MIXED)
SHOWN = tuple(verdict for verdict in STATEMENT_VERDICTS if verdict != NOT_RUN)


def tally(folder: Path) -> str:
    """Markdown: a row for each scale in a folder of published results."""
    found = {path.parent.name: read_ledger(path) for path in sorted(folder.glob("*/claims.csv"))}
    if not found:
        raise ValueError(f"{folder}: wanted <scale>/claims.csv; got none")
    heads = [
        "scale",
        *SHOWN,
        "of these fragile",
        *(f"number {name}" for name in REPLICATED),
        "identities hold",
        "sanity checks pass",
    ]
    rows = [heads, ["---"] * len(heads), *(row(scale, claims) for scale, claims in found.items())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def row(scale: str, claims: pd.DataFrame) -> list[str]:
    """The numbers of one scale: statements by verdict and by replication, then the checks beside them."""
    verdicts, numbers, beside = counts(claims), replications(claims), checks(claims)
    return [
        scale,
        *(str(verdicts[name]) for name in SHOWN),
        str(fragile(claims)),
        *(str(numbers[name]) for name in REPLICATED),
        passed(beside[IDENTITY], HOLDS),
        passed(beside[SANITY], SUPPORTED),
    ]


def passed(tally: dict[str, int], verdict: str) -> str:
    """'24 of 24'; a dash where none was run."""
    run = sum(n for name, n in tally.items() if name != NOT_RUN)
    return f"{tally.get(verdict, 0)} of {run}" if run else "–"
