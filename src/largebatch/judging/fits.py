"""Effects that are fits: an exponent, a law of growth, the hyperbola between updates and examples."""

from functools import partial

import numpy as np
import pandas as pd
from scipy import optimize, special

from largebatch.config.claims import GrowthLaw, Hyperbola, Slope
from largebatch.judging import scores
from largebatch.judging.effect import (
    ROUNDING,
    ArmEffects,
    Effects,
    NotJudgeable,
    expected,
    left_out,
    log_expected,
    lost,
    read_operand,
    require_positive,
    seeds_of,
)
from largebatch.observations.reading import beside, final, members, profile_of

MOST_GROWTH = 3.0  # exponents of growth are searched up to here on either side
REACH = float(np.log(1e3))  # of log B_crit beyond the batches that were run


def slope(observations: pd.DataFrame, claim: Slope) -> Effects:
    """Least-squares slope of log(metric) over log(position), between the claim's positions."""
    table = by_position(observations, claim.arm, claim.metric, claim.setting)
    profile = between(table, claim.low_at, claim.high_at).dropna(axis="columns")
    if len(profile) < 2:
        raise NotJudgeable(f"A slope needs at least 2 positions of {claim.metric}; got {len(profile)}")
    x, y = logarithms(profile, "slope")
    x -= x.mean()
    values = pd.Series(x @ y / (x @ x), index=profile.columns)
    return Effects(values, *expected(claim), remarks=remarks_on(observations, claim.arm, table, values))


def by_position(observations: pd.DataFrame, arm: str, metric: str, setting: str | None) -> pd.DataFrame:
    """Values (positions, seeds): along one arm, or over the arms of a group by their setting."""
    if setting is None:
        return profile_of(observations, arm, metric)
    settings = members(observations, arm)[setting].sort_values()
    table = pd.DataFrame({place: final(observations, name, metric) for name, place in settings.items()})
    return table.T


def between(profile: pd.DataFrame, low: float | None, high: float | None) -> pd.DataFrame:
    """The rows of a profile from position `low` to `high`, both included; None is no bound."""
    kept = np.full(len(profile), True)
    if low is not None:
        kept &= profile.index >= low * (1 - ROUNDING)
    if high is not None:
        kept &= profile.index <= high * (1 + ROUNDING)
    return profile[kept]


def logarithms(profile: pd.DataFrame, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of positions (m,) and values (m, seeds), which must all be above 0."""
    if profile.index.min() <= 0:
        raise NotJudgeable(f"A {what} needs positions above 0; got {profile.index.min():g}")
    if wrong := int((profile <= 0).any().sum()):
        raise NotJudgeable(
            f"The {what} is not defined in {wrong} of {profile.shape[1]} seeds, "
            "which have a value of 0 or below"
        )
    return np.log(profile.index.to_numpy(dtype=float)), np.log(profile.to_numpy(dtype=float))


def remarks_on(observations: pd.DataFrame, group: str, table: pd.DataFrame, values: pd.Series):
    """Remarks on the seeds that lack a value, and on those that diverged in one of the group's arms."""
    arms = members(observations, group).index
    missing = left_out(len(seeds_of(observations, arms) | set(table.columns)) - len(values))
    return (*missing, *lost(observations, arms))


def growth_law(observations: pd.DataFrame, claim: GrowthLaw) -> ArmEffects:
    """The exponent λ of a power law of the updates, 0 for the logarithm, that fits the seeds' mean curve."""
    rows = beside(observations, claim.arm, claim.metric, "updates").query("updates > 0")
    curves = rows.pivot(index="seed", columns="updates", values="value").dropna()
    if len(curves) < 2 or curves.shape[1] < 4:
        got = f"{len(curves)} and {curves.shape[1]}"
        raise NotJudgeable(f"A law of growth needs at least 2 seeds and 4 evaluations; got {got}")
    if np.ptp(curves.mean()) == 0:
        raise NotJudgeable(f"{claim.metric} does not grow")
    updates, (low, high) = curves.columns.to_numpy(float), expected(claim)
    estimate = fit_growth(updates, curves.to_numpy().mean(axis=0))
    at = growth_scores(updates, curves.to_numpy())
    missing = left_out(len(seeds_of(observations, [claim.arm])) - len(curves))
    return ArmEffects(
        curves,
        partial(growth_exponent, updates, low=low, high=high),
        partial(scores.interval, at, estimate, (-MOST_GROWTH, MOST_GROWTH)),
        *(low, high),
        remarks=(*missing, *lost(observations, [claim.arm])),
        detectable=scores.detectable(at, estimate),
    )


def growth_exponent(updates: np.ndarray, values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """λ, and its two-sided p against the bounds; values: (seeds, updates)."""
    estimate = fit_growth(updates, values.mean(axis=0))
    return estimate, scores.p_value(growth_scores(updates, values), estimate, low, high)


def growth_shape(log_updates: np.ndarray, exponent: float) -> np.ndarray:
    """(updates^λ - 1)/λ in units of the updates' geometric mean, which changes α and β only."""
    return special.boxcox(np.exp(log_updates - log_updates.mean()), exponent)


def fit_growth(updates: np.ndarray, value: np.ndarray) -> float:
    """λ of the least-squares fit of value = α + β (updates^λ - 1)/λ."""
    log_updates = np.log(updates)

    def unexplained(exponent: float) -> float:
        return 1 - squared_correlation(growth_shape(log_updates, exponent), value)

    found = optimize.minimize_scalar(
        unexplained, bounds=(-MOST_GROWTH, MOST_GROWTH), method="bounded", options={"xatol": 1e-8}
    )
    return float(found.x)


def growth_scores(updates: np.ndarray, values: np.ndarray) -> scores.Scores:
    """Scores of λ; values: (seeds, updates). α and β are free, which takes their directions off."""
    log_updates = np.log(updates)

    def at(exponent: float) -> np.ndarray:
        before, shape, after = (
            growth_shape(log_updates, exponent + step) for step in (-scores.STEP, 0.0, scores.STEP)
        )
        basis = np.linalg.qr(np.stack([np.ones_like(shape), shape], axis=1))[0]
        change = after - before
        change -= basis @ (basis.T @ change)
        rises = np.sign(values.mean(axis=0) @ (shape - shape.mean()))
        return rises * values @ change / np.linalg.norm(change)

    return at


def squared_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """R² of the least-squares line; NaN if x or y does not vary."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def hyperbola(observations: pd.DataFrame, claim: Hyperbola) -> Effects | ArmEffects:
    """The logarithm of the critical batch, or how much better the hyperbola fits than a power law."""
    table = by_position(observations, claim.arm, claim.metric, "batch_size")
    complete = table.dropna(axis="columns")
    if len(complete) < 3:
        raise NotJudgeable(f"A hyperbola needs at least 3 batch sizes; got {len(complete)}")
    x, y = logarithms(complete, "hyperbola")
    fits = pd.DataFrame([fit_hyperbola(x, of_seed) for of_seed in y.T], index=complete.columns)
    at_bound = beyond_the_data(fits["critical_batch"], complete.index)
    if claim.show == "critical_batch":
        return critical_batch(observations, claim, table, pd.DataFrame(y.T, complete.columns), x, at_bound)
    gain = (fits["r_squared"] - [squared_correlation(x, of_seed) for of_seed in y.T]).dropna()
    remarks = (*remarks_on(observations, claim.arm, table, gain), *at_bound)
    return Effects(gain, *expected(claim), remarks=remarks)


def critical_batch(observations, claim: Hyperbola, table, curves, x, remarks) -> ArmEffects:
    """log B_crit; with `over` as a multiple of each seed's own metric. curves: (seeds, batch sizes), logs."""
    over = pd.Series(1.0, index=curves.index)
    if claim.over is not None:
        over = read_operand(observations, claim.over, claim.metric).reindex(curves.index).dropna()
        require_positive(over, claim.over.metric or claim.metric)
    curves = curves.loc[over.index].assign(over=np.log(over))
    if len(curves) < 2:
        raise NotJudgeable(f"Wanted at least 2 seeds; got {len(curves)}")
    values, (low, high) = curves.to_numpy(), log_expected(claim)
    estimate, at = fit_critical(x, values), critical_scores(x, values)
    return ArmEffects(
        curves,
        partial(critical_multiple, x, low=low, high=high),
        partial(scores.interval, at, estimate, searched(x, values)),
        *(low, high),
        logs=True,
        remarks=(*remarks_on(observations, claim.arm, table, curves), *remarks),
        detectable=scores.detectable(at, estimate),
    )


def critical_multiple(
    log_batch: np.ndarray, values: np.ndarray, low: float, high: float
) -> tuple[float, float]:
    """log B_crit less `over`, and its p; values: (seeds, batch sizes and last `over`), all logarithms."""
    estimate = fit_critical(log_batch, values)
    return estimate, scores.p_value(critical_scores(log_batch, values), estimate, low, high)


def searched(log_batch: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Where log B_crit, less `over`, is searched: see fit_hyperbola."""
    over = values[:, -1]
    return log_batch.min() - REACH - over.max(), log_batch.max() + REACH - over.min()


def hyperbola_shape(log_batch: np.ndarray, log_critical: np.ndarray) -> np.ndarray:
    """log(1 + B_crit/B) about its mean: (..., batch sizes); log_critical: (...)."""
    shape = np.logaddexp(0.0, log_critical[..., None] - log_batch)
    return shape - shape.mean(axis=-1, keepdims=True)


def fit_critical(log_batch: np.ndarray, values: np.ndarray) -> float:
    """log B_crit less `over`, by least squares over all seeds; values as in critical_multiple."""
    y, over = values[:, :-1], values[:, -1]
    centred = y - y.mean(axis=1, keepdims=True)

    def squares(log_multiple: float) -> float:
        return float(np.square(centred - hyperbola_shape(log_batch, log_multiple + over)).sum())

    bounds = searched(log_batch, values)
    found = optimize.minimize_scalar(squares, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    return float(found.x)


def critical_scores(log_batch: np.ndarray, values: np.ndarray) -> scores.Scores:
    """Scores of log B_crit less `over`; S_min is free, which takes the mean off."""
    y, over = values[:, :-1], values[:, -1]
    centred = y - y.mean(axis=1, keepdims=True)

    def at(log_multiple: float) -> np.ndarray:
        critical = log_multiple + over
        change = special.expit(critical[:, None] - log_batch)
        change -= change.mean(axis=1, keepdims=True)
        left = centred - hyperbola_shape(log_batch, critical)
        return (left * change).sum(axis=1) / np.linalg.norm(change, axis=1).mean()

    return at


def beyond_the_data(critical: pd.Series, batches: pd.Index) -> tuple[str, ...]:
    """A remark on seeds whose critical batch is outside the range of trained batches."""
    outside = int((~critical.between(batches.min(), batches.max())).sum())
    return (f"The fitted batch of {outside} seeds lies outside the batches that were run.",) * bool(outside)


def fit_hyperbola(log_batch: np.ndarray, log_updates: np.ndarray) -> dict[str, float]:
    """Least squares on log S of S_min (1 + B_crit / B) for one seed; both (batch sizes,).

    least_updates: S_min. r_squared: of log S.

    B_crit is searched from a thousandth of the smallest batch to a thousand times the largest. Beyond that
    the fitted curve is a straight or flat line over the data, and B_crit cannot be determined.
    """
    log_critical = fit_critical(log_batch, np.append(log_updates, 0.0)[None])
    centred = log_updates - log_updates.mean()
    left = centred - hyperbola_shape(log_batch, np.array(log_critical))
    spread = np.square(centred).sum()
    r_squared = 1 - np.square(left).sum() / spread if spread else np.nan
    least = np.exp((log_updates - np.logaddexp(0.0, log_critical - log_batch)).mean())
    fit = {"critical_batch": np.exp(log_critical), "least_updates": least, "r_squared": r_squared}
    return {name: float(value) for name, value in fit.items()}
