"""How a source says which metrics it writes, by their kind; see metrics.py."""

from typing import NamedTuple


class Written(NamedTuple):
    """The metrics that one source writes, metric -> label, by their kind."""

    history: dict[str, str] = {}
    end: dict[str, str] = {}
    profile: dict[str, str] = {}
    by_epoch: dict[str, str] = {}

    @property
    def labels(self) -> dict[str, str]:
        return {metric: label for kind in self for metric, label in kind.items()}


def by_epoch(metrics: dict[str, str]) -> dict[str, str]:
    """The same metrics measured on snapshots along training."""
    return {f"{metric}_by_epoch": label for metric, label in metrics.items()}
