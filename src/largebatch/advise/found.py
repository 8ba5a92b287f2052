"""All that a finished study found, and how its numbers are written."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from largebatch import files
from largebatch.advise import final
from largebatch.advise.files_of_study import FINAL, SEARCH, Asked
from largebatch.advise.plan import Speed, speed_of
from largebatch.advise.targets import NUMBERS
from largebatch.judging.claims import brief, read_claims
from largebatch.metrics import is_skewed
from largebatch.observations import reading as observed
from largebatch.observations.statistics import mean_interval

METRICS = ("updates_to_test_goal", "scaled_hessian_trace")


@dataclass(frozen=True)
class Found:
    """Everything that the page reads. claims: index id, of the last stage and of the grid."""

    asked: Asked
    choice: final.Choice
    claims: pd.DataFrame
    table: pd.DataFrame
    speed: Speed

    def claim(self, name: str) -> pd.Series | None:
        """A claim that was judged and has an estimate."""
        row = self.claims.loc[name] if name in self.claims.index else None
        return None if row is None or pd.isna(row["estimate"]) else row

    def error(self, arm: str) -> str:
        """'3.1 [2.8, 3.4] %' of an arm's test error; of numbers R² and the root mean squared error."""
        test = self.mean(arm, self.asked.target.test)
        if self.asked.target is NUMBERS:
            return f"R² {self.mean(arm, 'test_r_squared')}, RMSE {test}"
        return f"{test} %"

    def mean(self, arm: str, metric: str) -> str:
        """'3.1 [2.8, 3.4]' of an arm's final values."""
        return in_brief(observed.final(self.table, arm, metric), is_skewed(metric))

    def memory(self, arm: str) -> float:
        """Peak memory (MiB) of the job that trained an arm."""
        run = self.table.loc[self.table["arm"] == arm, "run"].iloc[0]
        return files.read_json(self.asked.results / FINAL / "runs" / run / "provenance.json")[
            "peak_memory_mib"
        ]


def in_brief(values: pd.Series, on_logarithms: bool) -> str:
    """Mean and 95 % interval over seeds; of what is skewed, and above 0, the geometric mean."""
    on_logarithms = on_logarithms and bool((values > 0).all())
    _, mean, _, low, high = mean_interval(np.log(values) if on_logarithms else values)
    mean, low, high = np.exp([mean, low, high]) if on_logarithms else (mean, low, high)
    return f"{brief(mean)} [{brief(low)}, {brief(high)}]"


def found_by(asked: Asked) -> Found:
    """What the study found, read from its results."""
    of_final = read_claims(asked.results / FINAL / "claims.csv")
    of_grid = read_claims(asked.results / SEARCH / "grid" / "claims.csv")
    groups = final.arms_in(asked, "advice")
    runs = (asked.results / FINAL / "runs").glob("*/provenance.json")
    return Found(
        asked,
        final.chosen(asked),
        pd.concat([of_final, of_grid]).set_index("id"),
        observed.read(asked.observations("advice"), groups, [asked.target.test, "test_r_squared", *METRICS]),
        speed_of(path.parent for path in sorted(runs)),
    )
