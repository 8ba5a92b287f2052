"""Effects that are fits: an exponent, a law of growth, the hyperbola between updates and examples."""

import numpy as np
import pandas as pd
from scipy import optimize, special

from largebatch.config.claims import GrowthLaw, Hyperbola, Slope
from largebatch.judging.effect import (
    ROUNDING,
    Effects,
    NotJudgeable,
    expected,
    left_out,
    log_expected,
    log_ratio,
    lost,
    paired,
    read_operand,
    seeds_of,
)
from largebatch.observations.reading import beside, final, members, profile_of

MOST_GROWTH = 3.0  # exponents of growth are searched up to here on either side


def slope(observations: pd.DataFrame, claim: Slope) -> Effects:
    """Least-squares slope of log(metric) over log(position), between the claim's positions."""
    table = by_position(observations, claim.arm, claim.metric, claim.setting)
    profile = between(table, claim.low_at, claim.high_at).dropna(axis="columns")
    if len(profile) < 2:
        raise NotJudgeable(f"A slope wants at least 2 positions of {claim.metric}; got {len(profile)}")
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
        raise NotJudgeable(f"A {what} wants positions above 0; got {profile.index.min():g}")
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


def growth_law(observations: pd.DataFrame, claim: GrowthLaw) -> Effects:
    """The exponent λ of a power law of the updates, 0 for the logarithm."""
    rows = beside(observations, claim.arm, claim.metric, "updates").query("updates > 0")
    laws = {
        seed: fit_growth(of_seed["updates"].to_numpy(), of_seed["value"].to_numpy())
        for seed, of_seed in rows.groupby("seed")
        if len(of_seed) > 3
    }
    values = pd.Series(laws, dtype=float).dropna()
    missing = left_out(len(seeds_of(observations, [claim.arm])) - len(values))
    return Effects(values, *expected(claim), remarks=(*missing, *lost(observations, [claim.arm])))


def fit_growth(updates: np.ndarray, value: np.ndarray) -> float:
    """λ of the least-squares fit of value = α + β (updates^λ - 1)/λ; NaN if value does not vary."""
    if np.ptp(value) == 0:
        return np.nan
    # in units of their geometric mean, which changes α and β only
    log_updates = np.log(updates) - np.log(updates).mean()

    def unexplained(exponent: float) -> float:
        return 1 - squared_correlation(special.boxcox(np.exp(log_updates), exponent), value)

    found = optimize.minimize_scalar(
        unexplained, bounds=(-MOST_GROWTH, MOST_GROWTH), method="bounded", options={"xatol": 1e-8}
    )
    return float(found.x)


def squared_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """R² of the least-squares line; NaN if x or y does not vary."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def hyperbola(observations: pd.DataFrame, claim: Hyperbola) -> Effects:
    """The logarithm of the fitted critical batch, or how well the hyperbola fits."""
    table = by_position(observations, claim.arm, claim.metric, "batch_size")
    complete = table.dropna(axis="columns")
    if len(complete) < 3:
        raise NotJudgeable(f"A hyperbola wants at least 3 batch sizes; got {len(complete)}")
    x, y = logarithms(complete, "hyperbola")
    fits = pd.DataFrame([fit_hyperbola(x, of_seed) for of_seed in y.T], index=complete.columns)
    at_bound = beyond_the_data(fits["critical_batch"], complete.index)
    if claim.show == "r_squared_gain":
        gain = fits["r_squared"] - [squared_correlation(x, of_seed) for of_seed in y.T]
        remarks = (*remarks_on(observations, claim.arm, table, gain), *at_bound)
        return Effects(gain.dropna(), *expected(claim), remarks=remarks)
    critical = fits["critical_batch"]
    if claim.over is None:
        values = np.log(critical)
    else:
        a, b, _ = paired(critical, read_operand(observations, claim.over, claim.metric))
        values = log_ratio(a, b)
    remarks = (*remarks_on(observations, claim.arm, table, values), *at_bound)
    return Effects(values, *log_expected(claim), logs=True, remarks=remarks)


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

    def residuals(log_critical: float) -> np.ndarray:
        shape = np.logaddexp(0.0, log_critical - log_batch)
        return log_updates - shape - (log_updates - shape).mean()

    reach = np.log(1e3)
    found = optimize.minimize_scalar(
        lambda log_critical: np.square(residuals(log_critical)).sum(),
        bounds=(log_batch.min() - reach, log_batch.max() + reach),
        method="bounded",
        options={"xatol": 1e-10},
    )
    spread = np.square(log_updates - log_updates.mean()).sum()
    r_squared = 1 - np.square(residuals(found.x)).sum() / spread if spread else np.nan
    least = np.exp((log_updates - np.logaddexp(0.0, found.x - log_batch)).mean())
    fit = {"critical_batch": np.exp(found.x), "least_updates": least, "r_squared": r_squared}
    return {name: float(value) for name, value in fit.items()}
