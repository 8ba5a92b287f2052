"""What the search found: the best rate of each batch, whether it is at an edge, and the batch to recommend.

A table of tries has an index (batch_size, rate) and a column per seed. A seed that diverged, or never reached
the goal, counts as infinitely bad.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from largebatch.observations import reading

CELLS = "cells"  # what the group of all tries is called, in every experiment of the search
DIGITS = 4  # of a rate, as it is written into scale files
Statistic = Callable[[pd.DataFrame], pd.Series]


def mean(tries: pd.DataFrame) -> pd.Series:
    """The mean over seeds."""
    return tries.mean(axis=1)


def median(tries: pd.DataFrame) -> pd.Series:
    """The median over seeds: one seed that missed the goal is no reason against a rate."""
    return tries.median(axis=1)


def tries(observations: Iterable[Path], metric: str, group: str = CELLS) -> pd.DataFrame:
    """The final values of a metric, of all tries of these files together."""
    rows = {}
    for path in observations:
        table = reading.read(path, [group], [metric, "diverged", "peak_learning_rate"])
        for arm, settings in reading.members(table, group).iterrows():
            rate = reading.final(table, arm, "peak_learning_rate").iloc[0]
            rows[int(settings["batch_size"]), rounded(rate)] = values_of(table, arm, metric)
    found = pd.DataFrame(rows).T.sort_index().fillna(np.inf)
    return found.rename_axis(["batch_size", "rate"])


def values_of(table: pd.DataFrame, arm: str, metric: str) -> pd.Series:
    """One value per seed, infinite for one that diverged or has none."""
    diverged = reading.final(table, arm, "diverged")
    try:
        found = reading.final(table, arm, metric).reindex(diverged.index)
    except reading.Missing:
        found = pd.Series(np.inf, index=diverged.index)
    return found.mask(diverged > 0, np.inf).fillna(np.inf)


def rounded(rate: float) -> float:
    return float(f"{rate:.{DIGITS}g}")


def best_rates(tries: pd.DataFrame, statistic: Statistic = mean) -> dict[int, float]:
    """Batch size -> the rate with the lowest value; a batch at which no rate has a finite one is left out."""
    values = statistic(tries)
    kept = values[np.isfinite(values)]
    return {int(batch): float(some.idxmin()[1]) for batch, some in kept.groupby(level="batch_size")}


def at_edge(tries: pd.DataFrame, statistic: Statistic = mean) -> dict[int, str]:
    """Batch size -> "low" or "high", where the best rate is the lowest or highest that was tried there."""
    found = {}
    for batch, best in best_rates(tries, statistic).items():
        rates = tries.loc[batch].index
        if best in (rates.min(), rates.max()):
            found[batch] = "low" if best == rates.min() else "high"
    return found


def beyond(tries: pd.DataFrame, factor: float, steps: int) -> list[tuple[int, float]]:
    """(batch, rate) of so many more rates on the side of each best one at an edge, `factor` apart."""
    more = []
    for batch, side in at_edge(tries).items():
        rates = tries.loc[batch].index
        edge, step = (rates.min(), 1 / factor) if side == "low" else (rates.max(), factor)
        more += [(batch, rounded(float(edge) * step**n)) for n in range(1, steps + 1)]
    return more


def survivors(tries: pd.DataFrame, keep: int, statistic: Statistic = mean) -> list[tuple[int, float]]:
    """(batch, rate) of the best rates of each batch: successive halving (Jamieson and Talwalkar 2016)."""
    values = statistic(tries)
    kept = values[np.isfinite(values)].sort_values().groupby(level="batch_size").head(keep)
    return [(int(batch), float(rate)) for batch, rate in kept.sort_index().index]


def largest_as_good(tries: pd.DataFrame) -> int:
    """The largest batch that is no worse than the best by more than one standard error, paired by seed.

    Each at its best rate. The rule of one standard error: Breiman et al. 1984, section 3.4.3.
    """
    rates = best_rates(tries)
    if not rates:
        raise ValueError("wanted a rate at which all seeds train without diverging; got none of those tried")
    at_best = pd.DataFrame({batch: tries.loc[(batch, rate)] for batch, rate in rates.items()})
    best = at_best.mean().idxmin()
    worse = at_best.sub(at_best[best], axis=0)
    margin = worse.std(ddof=1) / np.sqrt(len(worse))
    return int(max(batch for batch in at_best if worse[batch].mean() <= margin[batch]))


def goal_of(tries: pd.DataFrame, start: float) -> float:
    """The validation error to be reached: 95 % of the way from the start to the best one found."""
    best = float(mean(tries).min())
    return best + 0.05 * max(start - best, 0.0)
