"""Judges published claims, each alone: one effect per seed, its interval, a verdict.

The ledger corrects over all claims.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from largebatch.config.claims import Claim
from largebatch.config.differences import NOT_REGISTERED
from largebatch.files import write_json
from largebatch.judging.beside import with_control, with_fit
from largebatch.judging.claims import (
    BROKEN,
    COLUMNS,
    CONTRADICTED,
    DISTANCE,
    FACTOR,
    HOLDS,
    IDENTITY,
    INCONCLUSIVE,
    NOT_RUN,
    SUPPORTED,
    sensitivity,
    write_claims,
)
from largebatch.judging.effect import ArmEffects, finite_bounds, holds_at
from largebatch.judging.effects import EFFECTS, Effects, NotJudgeable
from largebatch.judging.replication import replication, standard_error
from largebatch.judging.shared_seeds import of_shared_seeds, unshared
from largebatch.judging.variants import VARIANTS, variants_on, write_variants
from largebatch.metrics import TIME_SPREAD, TIMED_IN_ROUNDS
from largebatch.observations import statistics
from largebatch.observations.reading import Missing, read_uses, reading
from largebatch.provenance import provenance
from largebatch.seals import noted

Row = dict[str, object]
# Of every arm, if it is trained: which seeds it has, and which of them diverged.
BESIDE = ("updates", "diverged")


def judge(ask: dict, observations: Path, judged: Path) -> None:
    """Write the verdict on each claim of an experiment before correction, columns COLUMNS.

    ask: {"experiment": name, "claims": [a Claim as JSON], "registered": {id: how it stands to what was
    registered}, "overlap": {id: test over training images}, "last_seeds": {arm: the last of its seeds}, if
    arms differ in that}. p_adjusted and robust are left empty. Beside it the p-values by other choices,
    VARIANTS; provenance is in the .json of the same name.
    """
    last_seeds = ask.get("last_seeds", {})
    asked = TypeAdapter(list[Claim]).validate_python(ask["claims"])
    with noted() as read:
        table = read_uses(observations, (use for claim in asked for use in claim.all_uses()), BESIDE)
    verdicts = verdicts_on(asked, table, ask["experiment"], last_seeds)
    registered = [ask.get("registered", {}).get(claim.id, NOT_REGISTERED) for claim in asked]
    write_claims(judged, verdicts.assign(registered=registered))
    variants = all_variants(asked, table, verdicts, ask.get("overlap", {}), last_seeds)
    write_variants(judged.with_name(VARIANTS), variants)
    inputs = {path.name: digest for path, digest in read.items()}
    write_json(judged.with_suffix(".json"), provenance("judge", ask, inputs))


def verdicts_on(
    claims: list[Claim], observations: pd.DataFrame, experiment: str, last_seeds: Mapping[str, int] = {}
) -> pd.DataFrame:
    """One row per claim, columns COLUMNS."""
    rows = [{"experiment": experiment, **judged(claim, observations, last_seeds)} for claim in claims]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def judged(claim: Claim, observations: pd.DataFrame, last_seeds: Mapping[str, int] = {}) -> Row:
    """A claim's row: the verdict of its interval, and what its fit and its control make of it; or not_run.

    last_seeds: arm -> the last of its seeds, where arms differ in that: those that all have are read.
    """
    shared = of_shared_seeds(observations, claim, last_seeds)
    row = judged_alone(claim, shared)
    if row["verdict"] == NOT_RUN:
        return row
    if claim.fit:
        try:
            row = with_fit(row, claim, shared)
        except (Missing, NotJudgeable) as reason:
            return describe(claim) | not_run(why(reason), claim)
    if control := claim.controlled():
        control = control.model_copy(update={"not_run": claim.control.not_run, "deviation": ""})
        shared = of_shared_seeds(observations, control, last_seeds)
        row = with_control(row, claim, judged_alone(control, shared))
    return row | {"note": sentences(row["note"], unshared(claim, last_seeds))}


def all_variants(
    claims: list[Claim],
    observations: pd.DataFrame,
    verdicts: pd.DataFrame,
    overlap: dict[str, float],
    last_seeds: Mapping[str, int],
) -> pd.DataFrame:
    """variants_on() of all claims, each on the seeds that are read for its verdict."""
    if not last_seeds:
        return variants_on(claims, observations, verdicts, overlap)
    parts = []
    for claim in claims:
        shared = of_shared_seeds(observations, claim, last_seeds)
        parts.append(variants_on([claim], shared, verdicts[verdicts["id"] == claim.id], overlap))
    return pd.concat(parts, ignore_index=True)


def judged_alone(claim: Claim, observations: pd.DataFrame) -> Row:
    """A claim's row without what stands beside it."""
    row = describe(claim)
    if claim.not_run:
        return row | not_run(claim.not_run, claim)
    try:
        effects = EFFECTS[claim.kind](observations, claim)
        if claim.metric in TIMED_IN_ROUNDS:
            require_steady_times(observations, claim, effects)
    except (Missing, NotJudgeable) as reason:
        return row | not_run(why(reason), claim)
    if isinstance(effects, ArmEffects):
        return row | on_arms(effects, claim)
    if (got := len(effects.values)) < 2:
        return row | {"n": got} | not_run(f"Wanted at least 2 seeds; got {got}.", claim)
    interval = statistics.mean_interval(effects.values)
    row |= estimates(effects, interval)
    if claim.tier == IDENTITY:
        verdict, reason = checked(effects), ""
    else:
        row |= tested(effects, interval) | {"replication": against_paper(claim, effects.logs, interval)}
        verdict, reason = settle(effects, interval, row)
        reason = sentences(reason, *no_variance(interval))
    return row | {"verdict": verdict, "note": sentences(reason, *effects.remarks, claim.deviation)}


def checked(effects: Effects) -> str:
    """The verdict on an identity: it holds if every seed lies within its bounds."""
    return HOLDS if effects.values.between(effects.low, effects.high).all() else BROKEN


def against_paper(claim: Claim, logs: bool, interval: statistics.Interval) -> str:
    """Our effect beside the paper's number, on the judged scale."""
    paper = claim.paper_value
    if paper is not None and logs:
        paper = float(np.log(paper))
    error = standard_error(claim.paper_sides, claim.paper_runs, logs)
    return replication(interval, paper, error, claim.paper_runs)


def on_arms(effects: ArmEffects, claim: Claim) -> Row:
    """The rest of the row of a claim that is tested over arms."""
    back = exp if effects.logs else float
    low, high = effects.interval()
    n, (estimate, p_value) = len(effects.values), effects.tested
    interval = statistics.Interval(n, estimate, np.nan, low, high)
    found = {
        "n": n,
        "estimate": back(estimate),
        "low": back(low),
        "high": back(high),
        "p_value": p_value,
        "detectable": back(effects.detectable),
        "detectable_as": FACTOR if effects.logs else DISTANCE,
        "replication": against_paper(claim, effects.logs, interval),
    }
    decided = SUPPORTED if effects.low < estimate < effects.high else CONTRADICTED
    verdict = decided if p_value < statistics.LEVEL else INCONCLUSIVE
    reason = sensitivity(describe(claim) | found) if verdict == INCONCLUSIVE else ""
    return found | {"verdict": verdict, "note": sentences(reason, *effects.remarks, claim.deviation)}


def require_steady_times(observations: pd.DataFrame, claim: Claim, effects: Effects) -> None:
    """Refuse times if their rounds differ by more than the effect from its bound: the machine was busy."""
    if claim.kind != "ratio":
        raise NotJudgeable(f"{claim.metric} is a time on one machine: only ratios of it are judged")
    spreads = [reading(observations, side.arm, TIME_SPREAD, side.at) for side in (claim.a, claim.b)]
    # the median over seeds of the factor by which both sides together may be wrong
    spread = float(pd.concat(spreads, axis="columns").dropna().prod(axis="columns").median())
    distance = min(abs(effects.values.mean() - bound) for bound in finite_bounds(effects))
    if np.log(spread) > distance:
        raise NotJudgeable(
            f"Not judged: rounds of the same work took times that lie a factor of {spread:.3g} apart, "
            f"the estimate and its bound one of {exp(distance):.3g}"
        )


def why(reason: Missing | NotJudgeable) -> str:
    """Why a claim is not judged, as a sentence."""
    return f"The observations lack {reason}." if isinstance(reason, Missing) else f"{reason}."


def not_run(reason: str, claim: Claim) -> Row:
    """The verdict and note of a claim that cannot be judged."""
    return {"verdict": NOT_RUN, "note": sentences(reason, claim.deviation)}


def sentences(*texts: str) -> str:
    """The texts that are not empty, joined."""
    return " ".join(text for text in texts if text)


def describe(claim: Claim) -> Row:
    """The part of a claim's row that needs no observations."""
    return {
        "id": claim.id,
        "tier": claim.tier,
        "statement": claim.stated,
        "source": claim.source,
        "says": claim.says,
        "kind": claim.kind,
        "metric": claim.metric,
        "unit": claim.unit,
        "expect": expectation(claim),
        "paper_value": claim.paper_value,
    }


def expectation(claim: Claim) -> str:
    """The effect that supports the claim, in words."""
    ((key, _),) = claim.expect.chosen().items()
    bounds = [f"{bound:g}" for bound in claim.expect.bounds]
    return f"within [{', '.join(bounds)}]" if key == "within" else f"{key} {bounds[0]}"


def estimates(effects: Effects, interval: statistics.Interval) -> Row:
    """Estimate and interval, on the claim's own scale."""
    back = exp if effects.logs else float
    found = {"estimate": back(interval.mean), "low": back(interval.low), "high": back(interval.high)}
    return {"n": interval.n} | found


def tested(effects: Effects, interval: statistics.Interval) -> Row:
    """p and the smallest detectable effect, on the claim's own scale."""
    back = exp if effects.logs else float
    # without variance there is no t test, and no power
    smallest = statistics.smallest_detectable_effect(interval.std, interval.n) if interval.std else np.nan
    return {
        "p_value": statistics.nearer_p_value(effects.values, effects.low, effects.high),
        "detectable": back(smallest),
        "detectable_as": FACTOR if effects.logs else DISTANCE,
    }


def exp(logarithm: float) -> float:
    """e to the power of a logarithm; infinity where it overflows, as intervals of two seeds may."""
    with np.errstate(over="ignore"):
        return float(np.exp(logarithm))


def settle(effects: Effects, interval: statistics.Interval, row: Row) -> tuple[str, str]:
    """Verdict and reason: the interval must clear the bounds, even if some effects are only limits."""
    verdict = cleared(interval, effects)
    # they disagree only if all seeds are equal and within rounding of a bound
    if verdict == INCONCLUSIVE or row["p_value"] >= statistics.LEVEL:
        return INCONCLUSIVE, sensitivity(row)
    if not holds_at_the_bounds(interval, effects):
        return INCONCLUSIVE, "Too many seeds count with a bound that flatters the result."
    return verdict, ""


def cleared(interval: statistics.Interval, effects: Effects) -> str:
    """Supported if the interval lies between the bounds, contradicted if it lies wholly outside."""
    if effects.low < interval.low and interval.high < effects.high:
        return SUPPORTED
    outside = interval.high < effects.low or interval.low > effects.high
    return CONTRADICTED if outside else INCONCLUSIVE


def side_of(interval: statistics.Interval, bound: float) -> int:
    """1 above the bound, -1 below, 0 if the interval touches it."""
    return int(interval.low > bound) - int(interval.high < bound)


def holds_at_the_bounds(interval: statistics.Interval, effects: Effects) -> bool:
    """Whether the verdict stays the same wherever the effects that are only known as a limit lie."""
    return all(holds_at(bound, side_of(interval, bound), effects) for bound in finite_bounds(effects))


def no_variance(interval: statistics.Interval) -> tuple[str, ...]:
    """A remark if all effects are equal: the t test does not apply, and p is set to 0 or 1."""
    return ("All seeds give the same value, so the t test does not apply.",) * (interval.std == 0)
