"""What a claim's fit and control make of its verdict, before any correction; see docs/method.md."""

import numpy as np
import pandas as pd

from largebatch.config.claims import Claim
from largebatch.judging.claims import (
    CONFOUNDED,
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_RUN,
    SUPPORTED,
    UNINFORMATIVE,
    estimate,
)
from largebatch.judging.effect import NotJudgeable
from largebatch.judging.effects import EFFECTS
from largebatch.judging.trends import over_arms
from largebatch.metrics import METRICS, is_skewed
from largebatch.observations.statistics import Interval, mean_interval

Row = dict[str, object]


def with_fit(row: Row, claim: Claim, observations: pd.DataFrame) -> Row:
    """The row with `fit`; its verdict is confounded if the operands are not shown to fit equally well.

    NotJudgeable if fewer than 2 seeds tell how well they fit.
    """
    fit, margin, side = claim.fitted(), margin_of(row, claim), side_of_loss(row, claim)
    gaps = training_gaps(fit, observations)
    if (got := min(map(len, gaps))) < 2:
        raise NotJudgeable(f"Wanted at least 2 seeds with {fit.metric}; got {got}")
    found = max(map(mean_interval, gaps), key=lambda gap: reach(gap, side))
    shown = in_words(found, margin, side)
    row = row | {"fit": shown}
    if row["verdict"] not in (SUPPORTED, CONTRADICTED) or reach(found, side) < margin:
        return row
    said = (
        "The fits differ" if max(found.low, -found.high) >= margin else "The fits are not shown to be equal"
    )
    how = "a ratio of" if side else "a difference of"
    reason = f"{said}, {METRICS[fit.metric]} by {how} {shown}. Else {row['verdict']}."
    return row | {"verdict": CONFOUNDED, "note": f"{reason} {row['note']}".strip()}


def reach(gap: Interval, side: int) -> float:
    """How far an interval goes from 0 on this side, 1 or -1, or with 0 on either.

    If the interval that goes farthest stays within a margin, all do: intersection-union (Berger 1982).
    """
    return max(gap.high if side >= 0 else -np.inf, -gap.low if side <= 0 else -np.inf)


def side_of_loss(row: Row, claim: Claim) -> int:
    """The side on which a ratio of losses could explain that of sharpness: its own; 0 for all other fits.

    The curvature of cross-entropy falls with the loss. So a minimum that is sharper at a lower loss is so for
    another reason. Of training accuracy neither side is safe: a net may be undertrained or overtrained.
    """
    if not is_skewed(claim.fit.metric):
        return 0
    return 1 if row["estimate"] > claim.expect.nearest(row["estimate"]) else -1


def margin_of(row: Row, claim: Claim) -> float:
    """Within which the fits may differ, in points or as a logarithm: a fixed margin or a share of the effect.

    An effect over arms is counted per doubling, and has no share.
    """
    logs = is_skewed(claim.fit.metric)
    fixed = float(np.log(claim.fit.margin)) if logs else claim.fit.margin
    if claim.kind not in ("difference", "ratio"):
        return fixed
    effect, bound = row["estimate"], claim.expect.nearest(row["estimate"])
    distance = abs(np.log(effect / bound)) if logs else abs(effect - bound)
    return min(fixed, claim.fit.share * float(distance))


def in_words(gap: Interval, margin: float, side: int) -> str:
    """'0.04 [−0.01, 0.09], margin 0.5', or of a ratio '1.2 [1.1, 1.3], below 2'."""
    ends = dict(zip(("estimate", "low", "high"), (gap.mean, gap.low, gap.high), strict=True))
    if not side:
        return f"{estimate(ends)}, margin {margin:.3g}"
    limit = f"{'below' if side > 0 else 'above'} {np.exp(side * margin):.3g}"
    return f"{estimate({name: np.exp(end) for name, end in ends.items()})}, {limit}"


def training_gaps(fit: Claim, observations: pd.DataFrame) -> list[pd.Series]:
    """Differences of the training metric, or logarithms of ratios, one value a seed.

    Of a and b; over arms at each setting, from the other group or else from the first arm of the stratum.
    """
    if fit.kind in ("difference", "ratio"):
        return [EFFECTS[fit.kind](observations, fit).values]
    _, values, strata, _ = over_arms(observations, fit)
    if is_skewed(fit.metric):
        values = values * np.log(2)  # from logarithms to base 2
    if getattr(fit, "minus", None):
        return [values[arm] for arm in values]
    places = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    return [values.iloc[:, i] - values.iloc[:, of[0]] for of in places for i in of[1:]]


def with_control(row: Row, claim: Claim, control: Row) -> Row:
    """The row with `control`; if it is supported, it says something only if its control is not."""
    reached = "not run" if control["verdict"] == NOT_RUN else f"{control['verdict']} {estimate(control)}"
    row = row | {"control": reached}
    if row["verdict"] != SUPPORTED or control["verdict"] == CONTRADICTED:
        return row
    if control["verdict"] == SUPPORTED:
        reason = f"It holds of its control as well, {estimate(control)}: {claim.control.says}"
        row = row | {"verdict": UNINFORMATIVE}
    elif control["verdict"] == INCONCLUSIVE:
        reason = f"Its control is not shown to fail, {estimate(control)}: {claim.control.says}"
    else:
        reason = f"Its control was not run. {control['note']}"
    return row | {"note": f"{reason} {row['note']}".strip()}
