"""What is learnt, classes or numbers: by which metrics choices are made and what the page calls them."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Target:
    """Metrics of one kind of targets, and the words for them.

    base: settings of every arm. loss: by which rates and batches are chosen; chosen: by which the schedule
    is. error: of which `goal` is a key of a scale file. bound: how much worse than another run is still
    close, as a claim's `expect`; close: the same in words. metrics, words: what replaces those of classes in
    a question; claims: the same, claim by claim.
    """

    base: dict[str, Any]
    loss: str
    chosen: str
    error: str
    goal: str
    test: str
    kind: str
    no_difference: float
    bound: float
    close: str
    metrics: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)

    def asked(self, asks: dict[str, Any]) -> dict[str, Any]:
        """A question about classes as it is asked of these targets."""
        asks = self.translated(asks)
        for claim in asks["claims"]:
            if claim["kind"] == "difference" and claim["metric"] in (self.test, self.chosen):
                bound = self.bound if claim["expect"]["below"] else self.no_difference
                claim |= {"kind": self.kind, "expect": {"below": bound}}
            claim |= self.claims.get(claim["id"], {})
        for table in asks["tables"]:
            if self.metrics and self.test in table["metrics"]:
                table["metrics"].insert(0, "test_r_squared")
        return asks

    def translated(self, content: Any) -> Any:
        """The same with the metrics and words of these targets, at every depth."""
        if isinstance(content, dict):
            return {key: self.translated(value) for key, value in content.items()}
        if isinstance(content, list):
            return [self.translated(value) for value in content]
        if not isinstance(content, str):
            return content
        if content in self.metrics:
            return self.metrics[content]
        for old, new in self.words.items():
            content = content.replace(old, new)
        return content

    def goal_in_words(self, goal: float) -> str:
        """'5.2 % error' or 'an RMSE of 0.31'."""
        return f"an RMSE of {goal:g}" if self.metrics else f"{goal:g} % error"


CLASSES = Target(
    base={},
    loss="validation_loss_nats",
    chosen="validation_error_percent",
    error="validation_error_percent",
    goal="error_percent",
    test="test_error_percent",
    kind="difference",
    no_difference=0.0,
    bound=1.0,
    close="1 point",
)
NUMBERS = Target(
    base={"loss": "squared_error"},
    loss="validation_squared_error",
    chosen="validation_squared_error",
    error="validation_rmse",
    goal="rmse",
    test="test_rmse",
    kind="ratio",
    no_difference=1.0,
    bound=1.02,
    close="2 %",
    metrics={
        "train_loss_nats": "train_squared_error",
        "validation_loss_nats": "validation_squared_error",
        "validation_error_percent": "validation_rmse",
        "test_error_percent": "test_rmse",
    },
    words={
        "est error": "est RMSE",  # of tests
        "alidation error": "alidation RMSE",
        "alidation loss": "alidation squared error",
        "raining loss": "raining squared error",
        "1 point higher": "2 % higher",
    },
    claims={
        "H.cosine": {"kind": "ratio", "expect": {"below": 1.0}},
        "B_widened.error": {
            "says": "Beyond the edge some rate still trains: it explains some of the variance.",
            "metric": "validation_r_squared",
            "expect": {"above": 0.0},
        },
    },
)


def rounded_up(goal: float, target: Target) -> float:
    """A goal in a tenth of a percent, or in three digits."""
    step = 10.0 ** (math.floor(math.log10(goal)) - 2) if target.metrics and goal > 0 else 0.1
    return float(f"{np.ceil(round(goal / step, 6)) * step:.6g}")
