"""Judges published claims: one effect a seed, its interval, a verdict.

The claims of one experiment are one family: their p-values are adjusted together (Holm 1979).
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from largebatch import files
from largebatch.question import At, Claim
from largebatch.study import statistics
from largebatch.study.claims import COLUMNS, CONTRADICTED, INCONCLUSIVE, NOT_RUN, SUPPORTED, read_claims
from largebatch.study.effects import EFFECTS, Effects, NotJudgeable
from largebatch.study.reading import Missing, read

Row = dict[str, object]


def judge(ask: dict, observations: Path, claims: Path) -> None:
    """Write the verdict on each claim of an experiment, columns COLUMNS.

    ask: {"experiment": name, "claims": [a Claim as JSON]}.
    """
    asked = TypeAdapter(list[Claim]).validate_python(ask["claims"])
    groups = {arm for claim in asked for arm in arms_of(claim)}
    table = read(observations, groups, {m for claim in asked for m in metrics_of(claim)})
    write_claims(claims, verdicts_on(asked, table, ask["experiment"]))


def ledger(claim_files: list[Path], ledger: Path) -> None:
    """Write the claims of all experiments under one another, in the order given."""
    if not claim_files:
        raise ValueError(f"{ledger}: wanted at least one file of claims; got none")
    claims = pd.concat([read_claims(path) for path in claim_files], ignore_index=True)
    if repeated := sorted(claims.loc[claims["id"].duplicated(), "id"]):
        raise ValueError(f"{ledger}: wanted each claim's id once; got {repeated} repeatedly")
    write_claims(ledger, claims)


def write_claims(path: Path, claims: pd.DataFrame) -> None:
    with files.atomic(path) as temporary:
        claims.astype({"n": "Int64"}).to_csv(temporary, index=False)


def verdicts_on(claims: list[Claim], observations: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """One row a claim, columns COLUMNS."""
    measured = [measure(claim, observations) for claim in claims]
    p_values = [float(row["p_value"]) for _, row in measured if "p_value" in row]
    adjusted = iter(statistics.holm(p_values))
    rows = []
    for claim, (effects, row) in zip(claims, measured, strict=True):
        if effects is not None:
            row |= {"p_adjusted": float(next(adjusted))}
            row |= settle(effects, row, family=len(p_values))
        rows.append(
            {"experiment": experiment, **describe(claim), **row, "note": note_of(claim, effects, row)}
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def describe(claim: Claim) -> Row:
    """What the claim's row says before any number is known."""
    return {
        "id": claim.id,
        "source": claim.source,
        "says": claim.says,
        "metric": claim.metric,
        "expect": expectation(claim),
        "paper_value": claim.paper_value,
    }


def expectation(claim: Claim) -> str:
    """The effect that bears the claim out, in words."""
    ((key, _),) = claim.expect.chosen().items()
    bounds = [f"{bound:g}" for bound in claim.expect.bounds]
    return f"within [{', '.join(bounds)}]" if key == "within" else f"{key} {bounds[0]}"


def measure(claim: Claim, observations: pd.DataFrame) -> tuple[Effects | None, Row]:
    """The effects behind a claim, with its row's numbers; (None, a not_run row) where there are none."""
    try:
        effects = EFFECTS[claim.kind](observations, claim)
    except Missing as missing:
        return None, {"verdict": NOT_RUN, "note": f"The observations lack {missing}."}
    except NotJudgeable as reason:
        return None, {"verdict": NOT_RUN, "note": f"{reason}."}
    interval = statistics.mean_interval(effects.values) if len(effects.values) else None
    if interval is None or interval.n < 2:
        got = len(effects.values)
        return None, {"n": got, "verdict": NOT_RUN, "note": f"Wanted at least 2 seeds; got {got}."}
    back = exp if effects.logs else float
    return effects, {
        "n": interval.n,
        "estimate": back(interval.mean),
        "low": back(interval.low),
        "high": back(interval.high),
        "p_value": statistics.nearer_p_value(effects.values, effects.low, effects.high),
    }


def exp(logarithm: float) -> float:
    """e to the power of a logarithm; infinity where two seeds give an interval beyond all numbers."""
    with np.errstate(over="ignore"):
        return float(np.exp(logarithm))


def settle(effects: Effects, row: Row, family: int) -> Row:
    """Verdict and note: the interval has to clear the bounds, and p has to survive Holm's correction."""
    interval = statistics.mean_interval(effects.values)
    verdict = cleared(interval, effects)
    if verdict == INCONCLUSIVE:
        return {"verdict": INCONCLUSIVE, "note": sensitivity(effects)}
    if row["p_adjusted"] >= statistics.LEVEL:
        only = f"Only Holm's correction over the {family} claims makes it inconclusive, else {verdict}."
        return {"verdict": INCONCLUSIVE, "note": f"{only} {sensitivity(effects)}"}
    if not holds_at_the_bounds(interval, effects):
        return {
            "verdict": INCONCLUSIVE,
            "note": "Too many seeds count with a bound that flatters the result.",
        }
    return {"verdict": verdict, "note": ""}


def cleared(interval: statistics.Interval, effects: Effects) -> str:
    """Supported where the interval lies between the bounds, contradicted where it lies wholly outside."""
    if effects.low < interval.low and interval.high < effects.high:
        return SUPPORTED
    outside = interval.high < effects.low or interval.low > effects.high
    return CONTRADICTED if outside else INCONCLUSIVE


def finite_bounds(effects: Effects) -> list[float]:
    """The bounds that an effect can be compared with."""
    return [bound for bound in (effects.low, effects.high) if np.isfinite(bound)]


def side_of(interval: statistics.Interval, bound: float) -> int:
    """1 above the bound, -1 below, 0 if the interval touches it."""
    return int(interval.low > bound) - int(interval.high < bound)


def holds_at_the_bounds(interval: statistics.Interval, effects: Effects) -> bool:
    """Whether the verdict stands if every seed whose effect is only known by a limit lay elsewhere."""
    return all(holds_at(bound, side_of(interval, bound), effects) for bound in finite_bounds(effects))


def holds_at(bound: float, side: int, effects: Effects) -> bool:
    """Whether the seeds lie on this side of a bound if the uncertain ones lay on the other (sign test)."""
    open_end = effects.at_least if side < 0 else effects.at_most
    if not open_end:
        return True
    certain = effects.values.drop(index=list(open_end))
    on_side = int((side * (certain - bound) > 0).sum())
    n = len(effects.values)
    return on_side > n / 2 and statistics.sign_p_value(on_side, n) < statistics.LEVEL


def sensitivity(effects: Effects) -> str:
    """The smallest effect that these seeds could have found, in words."""
    interval = statistics.mean_interval(effects.values)
    edge = "the threshold" if len(finite_bounds(effects)) == 1 else "a bound"
    if interval.std == 0:
        return f"Every seed lies on {edge} itself."
    smallest = statistics.smallest_detectable_effect(interval.std, interval.n)
    size = f"a factor of {exp(smallest):.3g}" if effects.logs else f"{smallest:.3g}"
    return f"Could have detected an effect {size} away from {edge} (80 % power, before Holm's correction)."


def no_variance(effects: Effects) -> tuple[str, ...]:
    """A remark where the seeds' effects do not vary: the p-value is 0 or 1 by decree."""
    equal = statistics.mean_interval(effects.values).std == 0
    return ("All seeds give the same value, so the t test does not apply.",) * equal


def note_of(claim: Claim, effects: Effects | None, row: Row) -> str:
    """Everything a reader of the verdict should know, as sentences."""
    remarks = (*no_variance(effects), *effects.remarks) if effects is not None else ()
    return " ".join(sentence for sentence in (row.get("note", ""), *remarks, claim.deviation) if sentence)


def sides(claim: Claim) -> list:
    """The operands a and b of a claim that has them."""
    return [side for side in (getattr(claim, "a", None), getattr(claim, "b", None)) if side is not None]


def readings_of(claim: Claim) -> list[At]:
    """Every `at` of a claim: its own and its operands'."""
    places = [getattr(thing, "at", None) for thing in (claim, *sides(claim))]
    return [at for at in places if at is not None]


def arms_of(claim: Claim) -> Iterable[str]:
    """Every arm that a claim reads."""
    yield from (getattr(side, "arm", side) for side in sides(claim) or [claim.arm])
    yield from (at.same_updates_as for at in readings_of(claim) if at.same_updates_as)


def metrics_of(claim: Claim) -> Iterable[str]:
    """Every metric that a claim reads."""
    yield from (claim.metric, "updates", "diverged")
    yield from (side.metric for side in sides(claim) if getattr(side, "metric", None))
    yield from ("train_loss_nats" for at in readings_of(claim) if at.train_loss_nats is not None)
