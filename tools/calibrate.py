"""How often each kind of claim errs, and its power, by simulation: makes docs/calibration.md."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from largebatch.config.study import load_study
from largebatch.judging.claims import COLUMNS
from largebatch.judging.ledger import corrected
from largebatch.observations.statistics import LEVEL, smallest_detectable_shift

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.simulated import (  # noqa: E402
    ARMS,
    PLANTED,
    TESTS,
    Sides,
    cases,
    critical_sides,
    decisive_levels,
    errors,
    gap_sides,
    growth_sides,
    mean_sides,
    normal,
    over_arms,
)

SEEDS = (5, 14, 30)


def calibration(repeats: int) -> pd.DataFrame:
    """One row for each kind, noise and number of seeds: shares called above and below."""
    wanted = [(kind, noise, n) for kind, noise in cases() for n in SEEDS]
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(errors, *zip(*wanted, strict=True), [repeats] * len(wanted)))
    rows = [(*case, *rates) for case, rates in zip(wanted, found, strict=True)]
    return pd.DataFrame(rows, columns=["kind", "noise", "seeds", "above", "below"])


MANY_ARMS = (6, 8, 12, 16, 20)


def power_over_arms(repeats: int) -> pd.DataFrame:
    """Shares in which an effect over as many arms is found; 14 seeds, arm effects as large as their noise."""
    planted = {f"{kind}, planted": (kind, mean, 0) for kind, mean in PLANTED.items()}
    for kind in ("change_point", "elbow"):
        planted[f"{kind}, refused on a line of 2 per doubling"] = (kind, lambda x: 2 * x, 1)
    return pd.DataFrame(
        {
            f"{count} arms": {
                name: power_of(TESTS[kind], mean, side, count, repeats)
                for name, (kind, mean, side) in planted.items()
            }
            for count in MANY_ARMS
        }
    )


def power_of(test: Callable, mean: Callable, side: int, count: int, repeats: int) -> float:
    """Share of repetitions in which the test finds this side."""
    rng, x = np.random.default_rng(1), np.linspace(ARMS[0], ARMS[-1], count)
    found = [test(rng, x, over_arms(rng, normal, 14, 1.0, count) + mean(x))[side] for _ in range(repeats)]
    return float((np.array(found) < LEVEL / 2).mean())


GROWTHS = {f"t^{power:g}": lambda t, power=power: t**power for power in (0.05, 0.1, 0.2, 0.5)}
EFFECTS = {  # of the kinds that are tested by whole curves; the noise is that of their errors
    "curve_gap: curves that coincide, bound 1": lambda rng, n: gap_sides(rng, normal, n, 0.0, 1.0)[1],
    "curve_gap: 0.5 apart, bound 1": lambda rng, n: gap_sides(rng, normal, n, 0.5, 1.0)[1],
    "hyperbola: a critical batch 1.5 times the bound": lambda rng, n: critical_sides(rng, normal, n, 1.5)[0],
    **{
        f"growth_law: {name} against the logarithm": lambda rng, n, law=law: min(
            growth_sides(rng, normal, n, law)
        )
        for name, law in (GROWTHS | {"1 - exp(-t/10)": lambda t: 1 - np.exp(-t / 10)}).items()
    },
}


def power_of_curves(repeats: int) -> pd.DataFrame:
    """Shares in which an effect on curves is found."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            f"{n} seeds": {
                name: np.mean([test(rng, n) < LEVEL / 2 for _ in range(repeats)])
                for name, test in EFFECTS.items()
            }
            for n in SEEDS
        }
    )


def t_power(n: int, level: float) -> float:
    """Of a two-sided t test at this level, for the effect that it finds with 80 % power at 5 %."""
    return float(stats.nct.sf(stats.t.ppf(1 - level / 2, n - 1), n - 1, smallest_detectable_shift(n)))


def after_correction() -> pd.DataFrame:
    """By the level of a statement: power at `detectable`, and how many times that is found with 80 %."""
    rows = []
    for share in (1.0, 0.7, 0.5, 0.3, 0.1, 0.01):
        level = share * LEVEL
        larger = [smallest_detectable_shift(n, level) / smallest_detectable_shift(n) for n in SEEDS]
        rows.append((f"{level:.4g}", *(f"{t_power(n, level):.0%}" for n in SEEDS), *np.round(larger, 2)))
    names = [f"{what}, {n} seeds" for what in ("power", "times") for n in SEEDS]
    return pd.DataFrame(rows, columns=["level", *names])


@cache
def p_values_of(kind: str) -> np.ndarray:
    """Two-sided p, 1 on the wrong side, of what is planted in a simulated study."""
    rng = np.random.default_rng(3)
    found = [planted_sides(rng, kind, effect=True)[0] for _ in range(2000)]
    return 2 * np.minimum(found, 0.5)


def power_at(kind: str, level: float) -> float:
    """That of a planted claim tested at this level, apart from any ledger."""
    return float((p_values_of(kind) < level).mean()) if kind in TESTS else t_power(14, level)


def planted_sides(rng, kind: str, effect: bool) -> Sides:
    """Of one claim of a simulated study, with 14 seeds.

    Kinds over seeds have the effect that is found with 80 % power; kinds over arms that of PLANTED.
    """
    if kind in TESTS:
        return TESTS[kind](rng, ARMS, over_arms(rng, normal, 14, 1.0) + effect * PLANTED[kind](ARMS))
    return mean_sides(rng.normal(size=14) + effect * smallest_detectable_shift(14) / np.sqrt(14))


@cache
def kinds_of_digits() -> list[tuple[str, str]]:
    """Kind and statement of every empirical claim that digits judges."""
    study = load_study(ROOT / "config" / "digits.yaml")
    claims = [claim for experiment in study.experiments for claim in experiment.question.claims]
    return [(c.kind, c.stated) for c in claims if c.tier == "empirical" and not c.not_run]


def study_of(rng, kinds: list[tuple[str, str]], planted: float) -> pd.DataFrame:
    """The corrected ledger of one simulated study; effect: of a share `planted` of its statements.

    stated: the power of each claim with an effect, at the level that all other claims leave it.
    """
    true = {statement: rng.random() < planted for _, statement in kinds}
    rows = []
    for kind, statement in kinds:
        above, below = planted_sides(rng, kind, true[statement])
        p_value = min(1.0, 2 * min(above, below))
        verdict = ("supported" if above < below else "contradicted") if p_value < LEVEL else "inconclusive"
        rows.append((statement, kind, true[statement], p_value, verdict))
    claims = pd.DataFrame(rows, columns=["statement", "kind", "effect", "p_value", "verdict"])
    given = claims.reindex(columns=[*COLUMNS, "effect"]).assign(tier="empirical", note="", expect="above 0")
    stated = [
        power_at(kind, level) for kind, level in zip(given["kind"], decisive_levels(given), strict=True)
    ]
    return corrected(given.assign(stated=stated, detectable=1.0, detectable_as="distance"))


class Found(NamedTuple):
    """Mean shares: of statements without an effect, those with a decided claim; of claims with one, those
    supported, and their stated power; and the standard error of the difference of these two.
    """

    wrong: float
    right: float
    stated: float
    error: float


def studies(repeats: int, planted: float) -> Found:
    """What simulated studies say of their effects."""
    rng, found = np.random.default_rng(2), []
    for _ in range(repeats):
        claims = study_of(rng, kinds_of_digits(), planted)
        effect, decided = claims["effect"].astype(bool), claims["verdict"] != "inconclusive"
        wrong = decided[~effect].groupby(claims["statement"]).any().mean()
        of_effects = claims[effect]
        right = (of_effects["verdict"] == "supported").mean()
        found.append((wrong, right, of_effects["stated"].mean()))
    wrong, right, stated = np.array(found, dtype=float).T
    return Found(*(float(part.mean()) for part in (wrong, right, stated)), float(stats.sem(right - stated)))


def by_kind(errs: pd.DataFrame) -> pd.DataFrame:
    """In percent: how often each kind errs over all noises and seeds, and its worst case."""
    sides = errs.assign(worst=errs[["above", "below"]].max(axis=1)).groupby("kind", sort=False)
    found = 100 * sides.agg({"above": "mean", "below": "mean", "worst": "max"})
    return found.round(1).reset_index()


def text(repeats: int, ledgers: int) -> str:
    """The page docs/calibration.md."""
    errs = calibration(repeats)
    worst = errs.assign(worst=100 * errs[["above", "below"]].max(axis=1))
    shown = worst.pivot_table("worst", ["kind", "noise"], "seeds", sort=False).round(1).reset_index()
    chance = stats.binom.ppf(0.5 ** (1 / (2 * len(errs))), repeats, LEVEL / 2) / repeats
    error = 100 * np.sqrt(LEVEL / 2 * (1 - LEVEL / 2) / repeats)
    nothing, half = studies(ledgers, 0.0), studies(ledgers, 0.5)
    return f"""# How often the kinds of claims err

Made by `make calibrate`; do not edit. The truth lies on the threshold, so a correct test errs in 2.5 % on
each side. There are {repeats:,} repetitions for each kind, noise and number of seeds (5, 14, 30). So the
standard error of a rate is {error:.2f} points. If all {2 * len(errs)} rates were exactly 2.5 %, the largest
of them would be above {chance:.1%} in half of such tables.

Over all noises and seeds (%), and the worst single rate:

{by_kind(errs).to_markdown(index=False)}

- Kinds over arms have six arms, all on a level. `on a line`: arms on a straight line are called broken. `on
  a break`: a break is rejected.
- Lognormal noise is that of a metric which is declared skewed, for kinds that judge its logarithm. Noise of
  t(2) has a mean, but no variance.
- `trend` adds the errors over arms and over seeds, so it errs less where one of them is small.
  `change_point` and `elbow` reject a break only if they reject it at every place, so they err less below.

## Power

Shares in which an effect is found (two-sided 5 %, before the correction). Kinds that are a mean over seeds
find `detectable` in 80 %. The others, with the noise of the tables here, all normal:

{power_of_curves(repeats).round(2).rename_axis("effect").reset_index().to_markdown(index=False)}

Kinds over arms, by the number of arms between the same ends, which are five doublings apart; 14 seeds, and
arm effects as large as the noise of one. In this noise, planted are 0.5 (`monotone`) or 0.75 (`trend`) per
doubling, a step of 4, and an elbow with 2 per doubling after it:

{power_over_arms(repeats // 4).round(2).rename_axis("effect").reset_index().to_markdown(index=False)}

A line is hardly told from an elbow: one that bends after the second arm is nearly a line.

## After the correction

`level` in `statements.csv` is the level at which a statement is tested, given all others. At that level, the
power to find an effect of size `detectable`, and how many times that size is found with 80 % (of ratios: the
logarithm):

{after_correction().to_markdown(index=False)}

Ledgers with the empirical claims of digits by kind and statement, {ledgers} simulated studies each,
corrected:

- without any effect, {nothing.wrong:.2%} of the statements have a decided claim;
- with an effect in half of the statements, {half.right:.1%} of the claims with one are supported. The power
  stated for them, each at its level, is {half.stated:.1%}; the standard error of the difference is
  {100 * half.error:.1f} points. Of the statements without an effect, {half.wrong:.2%} have a decided claim.

## All rates

The share (%) on the side that errs more often, by the number of seeds:

{shown.to_markdown(index=False)}
"""


if __name__ == "__main__":
    repeats, ledgers = (int(argument) for argument in sys.argv[1:]) if len(sys.argv) > 1 else (2000, 200)
    (ROOT / "docs" / "calibration.md").write_text(text(repeats, ledgers), encoding="utf-8")
