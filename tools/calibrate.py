"""How often each kind of claim errs, by simulation: writes docs/calibration.md (make calibrate).

The truth lies on the threshold, so that a correct test calls it above in 2.5 % of cases and below in 2.5 %.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from largebatch.config.study import load_study
from largebatch.judging import arms
from largebatch.judging.claims import COLUMNS
from largebatch.judging.fits import fit_growth, fit_hyperbola
from largebatch.judging.ledger import corrected
from largebatch.observations.statistics import nearer_p_value, smallest_detectable_shift

ROOT = Path(__file__).parents[1]
SEEDS = (5, 14, 30)
ARMS, STRATA = np.arange(6.0), np.zeros(6, dtype=int)
POSITIONS = np.log(2.0) * np.arange(9)  # logarithms of updates or batch sizes
UPDATES = np.arange(1.0, 41.0)
CRITICAL = np.log(60.0)
LARGE = 100_000  # seeds from which the mean effect is known of kinds that are no straight mean
SLOW = 10  # one repetition in so many, of the kinds that fit a curve to each seed
Draw = Callable[..., np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_t(2, size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.exp(rng.normal(size=shape)) - np.exp(0.5)


def outlying(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape) * np.where(rng.random(shape) < 0.05, 10.0, 1.0)


NOISE: dict[str, Draw] = {"normal": normal, "t(2)": heavy, "lognormal": skewed, "outliers": outlying}
LOGARITHMS = NOISE | {"lognormal": normal}  # of a positive skewed metric, which these kinds judge


def slopes(rng, draw: Draw, n: int) -> np.ndarray:
    x = POSITIONS - POSITIONS.mean()
    return draw(rng, (n, len(x))) @ x / (x @ x)


def growth(rng, draw: Draw, n: int) -> np.ndarray:
    curves = np.log(UPDATES) + 0.02 * draw(rng, (n, 1)) * UPDATES**0.5 + 0.02 * draw(rng, (n, len(UPDATES)))
    return np.array([fit_growth(UPDATES, curve) for curve in curves])


def critical(rng, draw: Draw, n: int) -> np.ndarray:
    updates = np.logaddexp(0.0, CRITICAL - POSITIONS) + 0.1 * draw(rng, (n, len(POSITIONS)))
    return np.array([np.log(fit_hyperbola(POSITIONS, seed)["critical_batch"]) for seed in updates])


def gaps(rng, draw: Draw, n: int) -> np.ndarray:
    return np.abs(3.0 + 0.5 * draw(rng, (n, 1)) + draw(rng, (n, 10))).mean(axis=1)


def best(rng, draw: Draw, n: int) -> np.ndarray:
    bowl = 0.5 * np.square(np.arange(6.0) - 2.5)
    a, b = (np.argmin(bowl + draw(rng, (n, 6)), axis=1) for _ in range(2))
    return (a - b).astype(float)


def arrivals(rng, draw: Draw, n: int) -> np.ndarray:
    made = np.ceil(20 * np.exp(0.2 * np.clip(draw(rng, (2, n)), -10, 10)))  # evaluated once per epoch
    return np.log(made[0] / made[1])


# kind -> one effect per seed, noise, and whether its mean is known (0) or found from a large sample
OVER_SEEDS = {
    "level": (lambda rng, draw, n: draw(rng, (n,)), LOGARITHMS, True),
    "difference": (lambda rng, draw, n: np.subtract(*draw(rng, (2, n))), NOISE, True),
    "ratio": (lambda rng, draw, n: np.subtract(*draw(rng, (2, n))), LOGARITHMS, True),
    "contrast": (lambda rng, draw, n: np.array([1, -1, -1, 1]) @ draw(rng, (4, n)), NOISE, True),
    "slope": (slopes, LOGARITHMS, True),
    "curve_gap": (gaps, NOISE, False),
    "best_setting": (best, NOISE, True),
    "updates_to_target": (arrivals, LOGARITHMS, True),
    "growth_law": (growth, LOGARITHMS, False),
    "hyperbola": (critical, LOGARITHMS, False),
}
FITTED = {"growth_law", "hyperbola"}


def seeds_p(values: np.ndarray, threshold: float) -> tuple[float, float]:
    """One-sided p of a mean above and below the threshold, as the judge has it."""
    p_value = nearer_p_value(values, threshold, np.inf)
    above = values.mean() > threshold
    return (p_value / 2, 1 - p_value / 2) if above else (1 - p_value / 2, p_value / 2)


def trend_p(values: np.ndarray) -> tuple[float, float]:
    slope = arms.arm_slope(ARMS, values, STRATA)
    p_value = arms.slope_p(slope, 0.0)
    return (p_value / 2, 1 - p_value / 2) if slope.estimate > 0 else (1 - p_value / 2, p_value / 2)


def break_p(values: np.ndarray, shapes: np.ndarray) -> tuple[float, float]:
    """Of a break although there is none, and of a line although there is none."""
    fit = arms.fit_break(ARMS, values.mean(axis=0), shapes, simulated=499)
    return (fit.as_line, 1.0) if fit.log_ratio > 0 else (1.0, fit.as_break)


OVER_ARMS = {
    "monotone": lambda values: arms.monotone_p(values.mean(axis=0), STRATA),
    "trend": trend_p,
    "change_point": lambda values: break_p(values, arms.steps(ARMS)),
    "elbow": lambda values: break_p(values, arms.hinges(ARMS)),
}


def over_arms(rng, draw: Draw, n: int, arm_effects: float) -> np.ndarray:
    """Values (seeds, arms) without a trend; arm_effects: their size, in that of the noise of one seed."""
    return draw(rng, (n, len(ARMS))) + draw(rng, (n, 1)) + arm_effects * draw(rng, (len(ARMS),))


def errors(kind: str, noise: str, n: int, repeats: int) -> tuple[float, float, int]:
    """Shares called above and below with the truth on the threshold, and of how many."""
    rng = np.random.default_rng([n, *kind.encode(), *noise.encode()])
    if kind in OVER_ARMS:
        name, _, size = noise.partition(" + arm effects ")
        found = [
            OVER_ARMS[kind](over_arms(rng, LOGARITHMS[name], n, float(size or 0))) for _ in range(repeats)
        ]
    else:
        draw_effects, noises, known = OVER_SEEDS[kind]
        threshold = (
            0.0 if known else draw_effects(rng, noises[noise], LARGE // (50 if kind in FITTED else 1)).mean()
        )
        repeats = repeats // SLOW if kind in FITTED else repeats
        found = [seeds_p(draw_effects(rng, noises[noise], n), threshold) for _ in range(repeats)]
    above, below = (np.array(found) < 0.025).mean(axis=0)
    return float(above), float(below), repeats


def cases() -> Iterator[tuple[str, str]]:
    """Every kind with every noise."""
    yield from ((kind, noise) for kind in OVER_SEEDS for noise in NOISE)
    effects = [f"{noise} + arm effects {size}" for noise in NOISE for size in (1, 3)]
    yield from ((kind, noise) for kind in OVER_ARMS for noise in (*NOISE, *effects))


def calibration(repeats: int) -> pd.DataFrame:
    """One row for each kind, noise and number of seeds: above, below in percent, and of how many."""
    rows = [(kind, noise, n, *errors(kind, noise, n, repeats)) for kind, noise in cases() for n in SEEDS]
    return pd.DataFrame(rows, columns=["kind", "noise", "seeds", "above", "below", "of"])


# Effects over the arms whose power is stated, in the noise of an arm's mean.
PLANTED = {
    "monotone": 0.5 * ARMS,
    "trend": 0.75 * ARMS,
    "change_point": 4.0 * (ARMS >= 3),
    "elbow": 2.0 * np.maximum(0.0, ARMS - 3),
}
GROWTHS = {"t^0.05": 0.05, "t^0.1": 0.1, "t^0.2": 0.2, "t^0.5": 0.5}


def power(repeats: int) -> pd.DataFrame:
    """Shares in which a planted effect is found; 14 seeds, arm effects as large as the noise of one."""
    rows = []
    for kind, planted in PLANTED.items():
        rng = np.random.default_rng(1)
        found = [
            OVER_ARMS[kind](over_arms(rng, normal, 14, 1.0) + planted)[0] < 0.025 for _ in range(repeats)
        ]
        rows.append((kind, f"{planted.tolist()}", np.mean(found)))
    rng = np.random.default_rng(1)
    laws = {name: UPDATES**power for name, power in GROWTHS.items()}
    for name, law in (laws | {"1 - exp(-t/10)": 1 - np.exp(-UPDATES / 10)}).items():
        found = []
        for _ in range(max(1, repeats // SLOW)):
            curves = law + 0.005 * np.ptp(law) * rng.normal(size=(14, len(UPDATES)))
            fitted = np.array([fit_growth(UPDATES, curve) for curve in curves])
            found.append(min(seeds_p(fitted, 0.0)) < 0.025)
        rows.append(("growth_law", f"{name} against the logarithm", np.mean(found)))
    return pd.DataFrame(rows, columns=["kind", "effect", "power"])


def kinds_of_digits() -> list[tuple[str, str]]:
    """Kind and statement of every empirical claim that digits judges."""
    study = load_study(ROOT / "config" / "digits.yaml")
    claims = [claim for experiment in study.experiments for claim in experiment.question.claims]
    return [(c.kind, c.stated) for c in claims if c.tier == "empirical" and not c.not_run]


def study_of(rng, kinds: list[tuple[str, str]], planted: float) -> pd.DataFrame:
    """The corrected ledger of one simulated study; effect: of a share `planted` of its statements.

    Kinds over seeds have the effect that 14 seeds find with 80 % power; kinds over arms that of PLANTED.
    """
    shift = smallest_detectable_shift(14) / np.sqrt(14)
    true = {statement: rng.random() < planted for _, statement in kinds}
    rows = []
    for kind, statement in kinds:
        effect = true[statement]
        if kind in OVER_ARMS:
            above, below = OVER_ARMS[kind](over_arms(rng, normal, 14, 1.0) + effect * PLANTED[kind])
        else:
            above, below = seeds_p(rng.normal(size=14) + effect * shift, 0.0)
        p_value = min(1.0, 2 * min(above, below))
        side = "supported" if above < below else "contradicted"
        rows.append((statement, kind, effect, p_value, side if p_value < 0.05 else "inconclusive"))
    claims = pd.DataFrame(rows, columns=["statement", "kind", "effect", "p_value", "verdict"])
    given = claims.reindex(columns=[*COLUMNS, "effect"]).assign(tier="empirical", note="", expect="above 0")
    return corrected(given.assign(detectable=1.0, detectable_as="distance"))


class Found(NamedTuple):
    """Mean shares: of statements without an effect, those with a decided claim; of claims with one, those
    supported.
    """

    wrong: float
    right: float


def studies(repeats: int, planted: float) -> Found:
    """What simulated studies say of their effects."""
    rng = np.random.default_rng(2)
    kinds = kinds_of_digits()
    wrong, right = [], []
    for _ in range(repeats):
        claims = study_of(rng, kinds, planted)
        effect = claims["effect"].astype(bool)
        decided = claims["verdict"] != "inconclusive"
        wrong.append(decided[~effect].groupby(claims["statement"]).any().mean())
        right.append((claims["verdict"] == "supported")[effect].mean() if effect.any() else np.nan)
    return Found(float(np.mean(wrong)), float(np.mean(right)) if planted else np.nan)


def text(repeats: int, ledgers: int) -> str:
    """The page docs/calibration.md."""
    errs, found = calibration(repeats), power(repeats)
    worst = (
        errs.assign(worst=errs[["above", "below"]].max(axis=1)).pivot_table(
            "worst", ["kind", "noise"], "seeds"
        )
        * 100
    )
    shown = worst.round(1).reset_index().to_markdown(index=False)
    nothing, half = studies(ledgers, 0.0), studies(ledgers, 0.5)
    return f"""# How often the kinds of claims err

Made by `make calibrate`; do not edit. With the truth on the threshold, the share of verdicts (%) on the side
that errs more often, for 5, 14 and 30 seeds and six arms. There are {repeats:,} repetitions, and a tenth of
that for growth_law and hyperbola. A correct test has 2.5. Lognormal noise means a metric that is declared
skewed, for kinds that judge its logarithm.

{shown}

Power (two-sided 5 %, 14 seeds). Effects over arms are in the noise of a seed, beside arm effects of its size:

{found.assign(power=found["power"].round(2)).to_markdown(index=False)}

Ledgers with the empirical claims of digits by kind and statement, {ledgers} simulated studies each, after the
correction:

- without any effect {nothing.wrong:.2%} of statements have a decided claim;
- with an effect in half of the statements {half.right:.0%} of the claims with one are supported (uncorrected,
  80 % of those tested over seeds), and {half.wrong:.2%} of the statements without one have a decided claim.
"""


if __name__ == "__main__":
    repeats, ledgers = (int(argument) for argument in sys.argv[1:]) if len(sys.argv) > 1 else (2000, 200)
    (ROOT / "docs" / "calibration.md").write_text(text(repeats, ledgers), encoding="utf-8")
