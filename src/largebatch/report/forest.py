"""Where the effects of claims lie on the common axis of their unit, in percent of its length."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from largebatch.judging.claims import FRAGILE, bounds, brief
from largebatch.metrics import RATIO

# The share of claims whose intervals and thresholds must fit; an arrow shows what lies beyond.
FITTING = 0.85
MARGIN = 0.06


@dataclass(frozen=True)
class Axis:
    """From low to high, of logarithms where log."""

    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        """Position of a value, from 0 to 100; values beyond an end are at that end."""
        if self.log:
            value = np.log10(value) if value > 0 else -np.inf
        return round(float(np.clip((value - self.low) / (self.high - self.low), 0, 1)) * 100, 1)

    def ticks(self) -> list[tuple[float, str]]:
        """(position, label) of at most five round numbers."""
        places = round_decades(self.low, self.high) if self.log else round_numbers(self.low, self.high)
        return [(self.at(value), brief(value)) for value in places]


def round_numbers(low: float, high: float) -> list[float]:
    """At most five multiples of 1, 2 or 5 times a power of ten between the two."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = np.ceil(low / step)
    return [float(f"{k * step:.10g}") for k in np.arange(first, np.floor(high / step) + 1)]


def round_decades(low: float, high: float) -> list[float]:
    """Round numbers between two powers of ten: within a decade or so by 1, 2, 5, else whole decades."""
    decades = np.arange(np.floor(low), np.ceil(high) + 1)
    if high - low < 0.5:
        return [v for v in round_numbers(10**low, 10**high) if v > 0]
    factors = (1, 2, 5) if high - low < 1.6 else (1,)
    found = [float(f * 10.0**d) for d in decades for f in factors if low <= np.log10(f * 10.0**d) <= high]
    return found[:: -(-len(found) // 5)]


def axis_of(claims: pd.DataFrame) -> Axis:
    """The axis of claims of one unit; those without an effect have no say, as long as there are others."""
    log, judged = (claims["unit"] == RATIO).all(), claims[claims["estimate"].notna()]
    spans = np.array([span(row, log) for _, row in (claims if judged.empty else judged).iterrows()])
    low, high = np.quantile(spans[:, 0], 1 - FITTING), np.quantile(spans[:, 1], FITTING)
    if np.ptp(spans) <= 3 * (high - low):  # no outliers
        low, high = spans.min(), spans.max()
    pad = (high - low) * MARGIN or max(abs(high), 1.0) / 2
    return Axis(float(low - pad), float(high + pad), bool(log))


def span(row: pd.Series, log: bool) -> tuple[float, float]:
    """The smallest and largest number of a claim: interval, bounds and the paper's."""
    values = np.array(
        [*row[["estimate", "low", "high", "paper_value"]].astype(float), *bounds(row["expect"])]
    )
    if log:
        values = np.log10(values[values > 0])
    values = values[np.isfinite(values)]
    return (values.min(), values.max())


def marks(row: pd.Series, axis: Axis) -> dict:
    """Positions for one claim: where it is expected, its interval, its estimate, the paper's number.

    open: whether the dot is a circle, for a fragile verdict. beyond: '<' or '>' if the interval leaves the
    axis. Without an effect there is no interval.
    """
    expected = [axis.at(bound) for bound in bounds(row["expect"])]
    if pd.isna(row["estimate"]):
        return {"expected": expected, "interval": None, "paper": None, "beyond": ""}
    ends = [axis.at(row["low"]), axis.at(row["high"])]
    return {
        "expected": expected,
        "interval": ends,
        "estimate": axis.at(row["estimate"]),
        "open": row["robust"] == FRAGILE,
        "paper": None if pd.isna(row["paper_value"]) else axis.at(row["paper_value"]),
        "beyond": "<" * (ends[0] == 0) + ">" * (ends[1] == 100),
    }
