"""The p-values that a claim would have by other tests, without each seed, and if its seeds were dependent.

A first step: which verdicts follow depends on the whole ledger; see robustness.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from largebatch import files
from largebatch.config.claims import Claim
from largebatch.judging.claims import CONTRADICTED, EMPIRICAL, INCONCLUSIVE, SUPPORTED
from largebatch.judging.effect import ArmEffects, Effects, finite_bounds, holds_at
from largebatch.judging.effects import EFFECTS
from largebatch.judging.resampling import (
    Test,
    bootstrap_t,
    least_p_of_resamples,
    least_p_of_signs,
    overlap_inflation,
    sign_flips,
    t_test,
    wilcoxon,
)
from largebatch.seals import verified

VARIANTS = "variants.parquet"  # beside judged.csv
# OWN: the t test over seeds, or of a claim over arms its own test.
OWN, BOOTSTRAP, FLIPS, WILCOXON = TESTS = ("own", "bootstrap-t", "sign flips", "Wilcoxon")
BY_SIGNS = {FLIPS: sign_flips, WILCOXON: wilcoxon}
BY_VARIANCE = {OWN: t_test, BOOTSTRAP: bootstrap_t}
# The smallest p that a test of so many seeds can have.
LEAST_P = {BOOTSTRAP: least_p_of_resamples, FLIPS: least_p_of_signs, WILCOXON: least_p_of_signs}
NONE_LEFT_OUT = -1
LEAST_SEEDS = 2
# left_out: a seed, or NONE_LEFT_OUT. n: the seeds that remain. inside: the estimate lies where expected.
COLUMNS = {
    **{"id": str, "test": str, "overlap": bool, "left_out": int},
    **{"n": int, "p_value": float, "inside": bool},
}


def write_variants(path: Path, variants: pd.DataFrame) -> None:
    """Write variants, columns COLUMNS."""
    with files.atomic(path) as temporary:
        variants.to_parquet(temporary, index=False)


def read_variants(path: Path) -> pd.DataFrame:
    """Variants, columns COLUMNS; ValueError if the file is not one that the judge stage writes."""
    try:
        verified(path)
        found = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: wanted a parquet file of variants; got {error}") from error
    if list(found.columns) != [*COLUMNS]:
        raise ValueError(f"{path}: wanted columns {[*COLUMNS]}; got {list(found.columns)}")
    return found


def variants_on(
    claims: list[Claim], observations: pd.DataFrame, judged: pd.DataFrame, overlap: dict[str, float]
) -> pd.DataFrame:
    """The variants of every empirical claim with a verdict that depends on its p, columns COLUMNS.

    judged: the claims' rows. overlap: claim -> test over training images, where its seeds share them.
    """
    by_p = judged["verdict"].isin([SUPPORTED, CONTRADICTED, INCONCLUSIVE]) & (judged["tier"] == EMPIRICAL)
    frames = [
        variants_of(EFFECTS[claim.kind](observations, claim), overlap.get(claim.id, 0.0)).assign(id=claim.id)
        for claim, wanted in zip(claims, by_p, strict=True)
        if wanted
    ]
    empty = pd.DataFrame(columns=list(COLUMNS))
    return (pd.concat(frames, ignore_index=True) if frames else empty)[list(COLUMNS)].astype(COLUMNS)


def variants_of(effects: Effects | ArmEffects, ratio: float) -> pd.DataFrame:
    """The variants of one claim, columns COLUMNS but id."""
    found = over_arms(effects) if isinstance(effects, ArmEffects) else over_seeds(effects, ratio)
    return pd.concat([pd.DataFrame(part) for part in found], ignore_index=True)


def over_arms(effects: ArmEffects) -> Iterator[dict]:
    """Its own test of all seeds, and without each."""
    for seeds, left_out in seed_sets(effects.values):
        for rows, seed in zip(seeds, left_out, strict=True):
            estimate, p_value = effects.test(effects.values.to_numpy()[rows])
            inside = effects.low < estimate < effects.high
            yield described(OWN, False, [seed], len(rows), [p_value], [inside])


def over_seeds(effects: Effects, ratio: float) -> Iterator[dict]:
    """Each test of all seeds, and without each; with the overlap corrected where there is any."""
    for seeds, left_out in seed_sets(effects.values):
        values, n = effects.values.to_numpy()[seeds], seeds.shape[1]
        mean = values.mean(1)
        inside = (effects.low < mean) & (mean < effects.high)
        holds = [holds_without(effects, *each) for each in zip(left_out, mean, strict=True)]
        for name, overlap, tails in tests_of(values, ratio):
            p_value = np.where(holds, two_sided(mean, effects, inside, tails), 1.0)
            yield described(name, overlap, left_out, n, p_value, inside)


def tests_of(values: np.ndarray, ratio: float) -> Iterator[tuple[str, bool, Test]]:
    """(name, whether the overlap is corrected, test) of values: (sets, n)."""
    for name, test in BY_VARIANCE.items():
        tails = test(values)
        yield name, False, tails
        if ratio:
            yield name, True, partial(tails, inflation=overlap_inflation(values.shape[1], ratio))
    for name, test in BY_SIGNS.items():
        yield name, False, test(values)


def seed_sets(values: pd.Series | pd.DataFrame) -> Iterator[tuple[np.ndarray, list[int]]]:
    """(places of seeds: (sets, n), the seed that each lacks): of all seeds, then without each."""
    n = len(values)
    yield np.arange(n)[None], [NONE_LEFT_OUT]
    if n > LEAST_SEEDS:
        yield np.array([np.delete(np.arange(n), place) for place in range(n)]), list(values.index)


def described(test: str, overlap: bool, left_out: list[int], n: int, p_value, inside) -> dict:
    """Rows of variants as columns, less id."""
    return {
        "test": test,
        "overlap": overlap,
        "left_out": left_out,
        "n": n,
        "p_value": p_value,
        "inside": inside,
    }


def two_sided(mean: np.ndarray, effects: Effects, inside: np.ndarray, test: Test) -> np.ndarray:
    """Twice the p of the side on which the mean of each set lies: (sets,).

    Between two bounds both must be cleared (two one-sided tests, Schuirmann 1987); outside, the one beyond
    which the mean lies.
    """
    one_sided = np.zeros(len(mean))
    for bound in finite_bounds(effects):
        above, below = test(bound)
        is_low = bound == effects.low
        beyond = mean <= bound if is_low else mean >= bound
        towards, away = (above, below) if is_low else (below, above)
        one_sided = np.maximum(one_sided, np.where(inside, towards, np.where(beyond, away, 0.0)))
    return np.minimum(1.0, 2 * one_sided)


def holds_without(effects: Effects, seed: int, mean: float) -> bool:
    """Whether the side stays the same wherever effects lie that are only known as a limit; see holds_at."""
    if not (effects.at_least or effects.at_most):
        return True
    rest = replace(
        effects,
        values=effects.values.drop(index=seed, errors="ignore"),
        at_least=effects.at_least - {seed},
        at_most=effects.at_most - {seed},
    )
    return all(holds_at(bound, 1 if mean > bound else -1, rest) for bound in finite_bounds(effects))
