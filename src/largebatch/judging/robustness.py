"""How much verdicts depend on choices: the ledger by other corrections and tests, and without each seed.

A multiverse (Steegen et al. 2016): every combination of the choices is applied to all claims at once.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from largebatch import files
from largebatch.config.decision import LEAST_AGREEING, LEVEL
from largebatch.judging.claims import (
    CONTRADICTED,
    FRAGILE,
    INCONCLUSIVE,
    ROBUST,
    SUPPORTED,
    empirical,
    read_columns,
    together,
)
from largebatch.judging.statements import adjusted, hierarchical, levels, on_side, usable
from largebatch.judging.variants import LEAST_P, NONE_LEFT_OUT, OWN, TESTS

ROBUSTNESS, CHANGES = "robustness.csv", "single_changes.csv"  # beside claims.csv
CLAIM, STATEMENT = "claim", "statement"
DIMENSIONS = ("correction", "test", "seeds", "overlap")
# variants: how many beside the rule in force. agree: the share of them. by_...: of single changes only.
COLUMNS = (
    *("of", "id", "verdict", "variants", "agree"),
    *(f"by_{dimension}" for dimension in DIMENSIONS),
    *("changed_by", "robust"),
)
CHANGE_COLUMNS = ("of", "id", "in_force", "dimension", "change", "verdict")
IN_FORCE, OVERLAP, WITHOUT = "in force", "overlap corrected", "without seed"


class Choice(NamedTuple):
    """One way to make the verdicts; see CORRECTIONS and variants.COLUMNS."""

    correction: str
    test: str
    left_out: int
    overlap: bool

    @property
    def changes(self) -> list[tuple[str, str]]:
        """(dimension, change) of all in which it differs from the rule in force."""
        named = (self.correction, self.test, f"{WITHOUT} {self.left_out}", OVERLAP)
        differs = [now != then for now, then in zip(self, RULE_IN_FORCE, strict=True)]
        return [
            each for each, differ in zip(zip(DIMENSIONS, named, strict=True), differs, strict=True) if differ
        ]


RULE_IN_FORCE = Choice(IN_FORCE, OWN, NONE_LEFT_OUT, False)


def holm(p: np.ndarray) -> np.ndarray:
    """p-values: (claims, variants) after Holm 1979 over the first axis."""
    order = np.argsort(p, axis=0, kind="stable")
    steps = np.take_along_axis(p, order, 0) * np.arange(len(p), 0, -1)[:, None]
    found = np.empty_like(p)
    np.put_along_axis(found, order, np.minimum(1.0, np.maximum.accumulate(steps, axis=0)), 0)
    return found


def holm_in_each(p: np.ndarray, experiment: pd.Series) -> np.ndarray:
    """Holm within each experiment: (claims,)."""
    found = np.empty_like(p)
    for places in experiment.groupby(experiment.to_numpy()).indices.values():
        found[places] = holm(p[places])
    return found


# name -> adjusted p of p: (claims, variants), of the claims with these statements and experiments.
CORRECTIONS: dict[str, Callable[[np.ndarray, pd.DataFrame], np.ndarray]] = {
    IN_FORCE: lambda p, claims: hierarchical(levels(p, claims["statement"])),
    "no correction": lambda p, _: p,
    "Benjamini-Hochberg": lambda p, _: adjusted(p),
    "Holm in the experiment": lambda p, claims: holm_in_each(p, claims["experiment"]),
    "Holm over the ledger": lambda p, _: holm(p),
}


class Multiverse(NamedTuple):
    """Verdicts of claims or statements by every choice, of which the first is the rule in force.

    verdicts: (ids, choices). counted: (ids, choices), whether the choice can be made for what is judged.
    """

    ids: list[str]
    choices: list[Choice]
    verdicts: np.ndarray
    counted: np.ndarray


def robustness(alone: pd.DataFrame, variants: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How robust each empirical claim and statement is, and each of its single changes.

    Columns COLUMNS and CHANGE_COLUMNS. alone: claims as judged alone. variants: of all of them.
    """
    claims = empirical(alone).set_index("id", drop=False)
    of_claims = multiverse(claims, variants)
    of_all = {CLAIM: of_claims, STATEMENT: of_statements(of_claims, claims["statement"])}
    changes = [row for of, found in of_all.items() for row in single_changes(of, found)]
    listed = pd.DataFrame(changes, columns=list(CHANGE_COLUMNS))
    rows = [row for of, found in of_all.items() for row in rows_of(of, found, listed)]
    return pd.DataFrame(rows, columns=list(COLUMNS)), listed


def multiverse(claims: pd.DataFrame, variants: pd.DataFrame) -> Multiverse:
    """Of empirical claims as judged alone, index id.

    A verdict that does not follow from p-values stays what it is, whatever is chosen.
    """
    family = claims[claims["p_value"].notna()]
    p, inside, made = by_tests(family, variants[can_decide(variants, len(family))])
    choices = [Choice(name, *key) for name in CORRECTIONS for key in made.columns]
    sides = np.where(inside, SUPPORTED, CONTRADICTED)
    found = [
        np.where(correct(p.to_numpy(), family) < LEVEL, sides, INCONCLUSIVE)
        for correct in CORRECTIONS.values()
    ]
    by_p = family["verdict"].isin([SUPPORTED, CONTRADICTED, INCONCLUSIVE]).to_numpy()
    places = claims.index.get_indexer(family.index[by_p])
    verdicts = np.repeat(claims["verdict"].to_numpy(dtype=object)[:, None], len(choices), axis=1)
    verdicts[places] = np.hstack(found)[by_p]
    counted = np.zeros(verdicts.shape, dtype=bool)
    counted[places] = np.tile(made.to_numpy(), len(CORRECTIONS))[by_p]
    return Multiverse(list(claims.index), choices, verdicts, counted)


def can_decide(variants: pd.DataFrame, family: int) -> pd.Series:
    """Whether a test of so few seeds can have a p that decides after the strictest correction."""
    fewest = variants.groupby("id")["n"].transform("min")
    least = [
        LEAST_P[test](int(n)) if test in LEAST_P else 0.0
        for test, n in zip(variants["test"], fewest, strict=True)
    ]
    return pd.Series(np.array(least) * family < LEVEL, index=variants.index)


def by_tests(family: pd.DataFrame, variants: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """p, inside, whether a variant was made: (claims, choices but the correction), the rule in force first.

    Where a claim has no such variant, such as a claim over arms, it enters the ledger by the nearest: without
    the correction of overlap, then by its own test, then of all seeds.
    """
    base = {"p_value": usable(family), "inside": [on_side(row) for _, row in family.iterrows()]}
    tables = {name: by_choice(variants, name, family.index) for name in base}
    in_force = RULE_IN_FORCE[1:]
    others = set(tables["p_value"]) - {in_force}
    keys = [in_force, *sorted(others, key=lambda key: (TESTS.index(key[0]), *key[1:]))]

    def nearest(name: str, key: tuple) -> pd.Series:
        test, left_out, _ = key
        found = pd.Series(np.nan, family.index)
        if key != in_force:  # its p is the one that was judged
            for other in (key, (test, left_out, False), (OWN, left_out, False)):
                found = found.fillna(tables[name][other]) if other in tables[name] else found
        return found.fillna(pd.Series(base[name], family.index, dtype=float))

    p, inside = (pd.DataFrame({key: nearest(name, key) for key in keys}) for name in base)
    nothing = pd.Series(np.nan, family.index)
    made = pd.DataFrame({key: tables["p_value"].get(key, nothing).notna() for key in keys})
    return p, inside.astype(bool), made


def by_choice(variants: pd.DataFrame, name: str, ids: pd.Index) -> dict[tuple, pd.Series]:
    """(test, left out, overlap) -> one column of the variants, index ids."""
    groups = variants.groupby([*RULE_IN_FORCE._fields[1:]])
    return {key: some.set_index("id")[name].astype(float).reindex(ids) for key, some in groups}


def of_statements(claims: Multiverse, statement: pd.Series) -> Multiverse:
    """The verdicts on statements from those on their conditions; statement: of each claim."""
    joined = cache(together)
    groups = statement.groupby(statement.to_numpy(), sort=False).indices
    verdicts = [
        [joined(found) for found in zip(*claims.verdicts[places], strict=True)] for places in groups.values()
    ]
    counted = [claims.counted[places].any(axis=0) for places in groups.values()]
    shape = len(groups), len(claims.choices)
    return Multiverse(
        list(groups),
        claims.choices,
        np.array(verdicts, dtype=object).reshape(shape),
        np.array(counted, dtype=bool).reshape(shape),
    )


def single_changes(of: str, found: Multiverse) -> Iterator[tuple]:
    """The verdicts by choices that differ from the rule in force in one thing; columns CHANGE_COLUMNS."""
    single = [(i, *choice.changes[0]) for i, choice in enumerate(found.choices) if len(choice.changes) == 1]
    for id, verdicts, counted in zip(found.ids, found.verdicts, found.counted, strict=True):
        for i, dimension, change in single:
            if counted[i]:
                yield of, id, verdicts[0], dimension, change, verdicts[i]


def rows_of(of: str, found: Multiverse, changes: pd.DataFrame) -> Iterator[dict]:
    """One row for each id, columns COLUMNS; changes: all single ones."""
    single = dict(list(changes[changes["of"] == of].groupby("id")))
    for id, verdicts, counted in zip(found.ids, found.verdicts, found.counted, strict=True):
        others = np.flatnonzero(counted)[1:]
        row = {"of": of, "id": id, "verdict": verdicts[0], "variants": len(others), "robust": ""}
        if len(others):
            agree = float((verdicts[others] == verdicts[0]).mean())
            row |= {"agree": agree} | of_changes(single[id], agree)
        yield row


def of_changes(single: pd.DataFrame, agree: float) -> dict:
    """What single changes of one verdict say. agree: the share of all variants that agree."""
    same = single["in_force"] == single["verdict"]
    shares = same.groupby(single["dimension"]).mean()
    by_verdict = single[~same].groupby("verdict")["change"].agg(in_words)
    return {
        **{f"by_{dimension}": shares.get(dimension, np.nan) for dimension in DIMENSIONS},
        "changed_by": "; ".join(f"{verdict}: {names}" for verdict, names in by_verdict.items()),
        "robust": ROBUST if same.all() and agree >= LEAST_AGREEING else FRAGILE,
    }


def in_words(changes: pd.Series) -> str:
    """'Holm over the ledger, without seed 2, 3'"""
    seeds = changes.str.startswith(WITHOUT)
    numbers = ", ".join(changes[seeds].str.removeprefix(WITHOUT).str.strip())
    return ", ".join([*changes[~seeds], *([f"{WITHOUT} {numbers}"] if numbers else [])])


def write_robustness(ledger: Path, found: pd.DataFrame, changes: pd.DataFrame) -> None:
    """Write both files beside the ledger."""
    for name, table in {ROBUSTNESS: found, CHANGES: changes}.items():
        with files.atomic(ledger.with_name(name)) as temporary:
            table.to_csv(temporary, index=False, float_format="%.4g")


def read_changes(path: Path) -> pd.DataFrame:
    """Single changes, columns CHANGE_COLUMNS."""
    return read_columns(path, "single changes", CHANGE_COLUMNS, CHANGE_COLUMNS)


def read_robustness(path: Path) -> pd.DataFrame:
    """Robustness, columns COLUMNS."""
    return read_columns(path, "robustness", COLUMNS, ("of", "id", "verdict", "changed_by", "robust"))
