"""What a table shows, and what it reads for that."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from largebatch.config.checking import repeats
from largebatch.config.exhibits import EXHIBIT_OF, EXHIBITS
from largebatch.config.settings import Text
from largebatch.config.uses import At, Lines, Name, Reader, Setting, Use
from largebatch.metrics import PATH_METRICS, PROFILE, Metric


class Table(Reader):
    """Arms down, metrics across, mean ± half of the 95 % interval; the paper's numbers beside ours.

    `at: {value: ...}` is where profiles are read; other metrics are then read at the end. positions: row
    label -> where that row's are read instead. With `over` each row is a group, shown as one row for each
    value of that setting.
    """

    name: Name
    caption: Text
    rows: Lines  # label shown -> arm or path
    metrics: Annotated[list[Metric], Field(min_length=1)]
    at: At | None = None
    positions: dict[str, float] = {}
    over: Setting | None = None
    paper: dict[str, dict[Metric, str]] = {}  # row label -> metric -> as printed in the paper
    paper_of: str = ""  # what the paper's numbers are of

    def at_of(self, label: str) -> At | None:
        """Where a row is read."""
        return At(value=self.positions[label]) if label in self.positions else self.at

    def uses(self) -> Iterator[Use]:
        several = self.at is not None and self.at.value is None
        for label, arm in self.rows.items():
            for metric in (*self.metrics, *(self.at.goes_by if self.at else ())):
                yield Use(f"rows.{label}", arm, metric, self.over or "one", "if_there", several)
        yield from self.at.uses() if self.at else ()

    def without(self, absent: set[str]) -> "Table | None":
        """The table without these arms; None if it has no other rows, or is read by one of them."""
        kept = {label: arm for label, arm in self.rows.items() if arm not in absent}
        gone = self.rows.keys() - kept.keys()
        less: dict[str, dict] = {"rows": kept}
        for key in ("paper", "positions"):
            less[key] = {label: value for label, value in getattr(self, key).items() if label not in gone}
        table = self.model_copy(update=less)
        return None if not kept or table.needs(absent) else table

    def mistakes(self, question, groups, measures) -> Iterator[str]:
        """Metrics twice, numbers without a place, profiles without a position, rows without a cell."""
        if repeated := repeats(self.metrics):
            yield f"metrics: wanted each once; got {repeated} repeatedly"
        yield from self.mistakes_in_paper()
        for label, row in self.rows.items():
            if row in question.paths and PATH_METRICS.isdisjoint(self.metrics):
                yield f"rows.{label}: wanted a path's row beside a metric of paths; got {self.metrics}"
            exhibit = EXHIBIT_OF.get(row)
            if exhibit in question.exhibits and set(EXHIBITS[exhibit].metrics).isdisjoint(self.metrics):
                yield f"rows.{label}: wanted a row of {exhibit} beside its metrics; got {self.metrics}"
        yield from self.mistakes_in_positions()

    def mistakes_in_paper(self) -> Iterator[str]:
        """Numbers of a paper that no cell is for."""
        if self.over and self.paper:
            yield f"paper: wanted none beside over, which makes rows of its own; got {sorted(self.paper)}"
        elif unknown := sorted(self.paper.keys() - self.rows.keys()):
            yield f"paper: wanted labels of rows, {list(self.rows)}; got {unknown}"
        for label, numbers in self.paper.items():
            if unknown := sorted(numbers.keys() - set(self.metrics)):
                yield f"paper.{label}: wanted metrics of the table; got {unknown}"

    def mistakes_in_positions(self) -> Iterator[str]:
        """Profiles without a position, and positions without a row or a profile."""
        profiles = [metric for metric in self.metrics if metric in PROFILE]
        everywhere = self.at is not None and self.at.value is not None
        if unknown := sorted(self.positions.keys() - self.rows.keys()):
            yield f"positions: wanted labels of rows, {list(self.rows)}; got {unknown}"
        if self.over and self.positions:
            yield f"positions: wanted none beside over; got {sorted(self.positions)}"
        if profiles and not everywhere and self.rows.keys() - self.positions.keys():
            got = self.at.chosen() if self.at else "none"
            yield f"at: wanted {{value: ...}} for {profiles}, which are profiles; got {got}"
        for where in ("at",) * everywhere + ("positions",) * bool(self.positions):
            if not profiles:
                yield f"{where}: wanted a metric that is a profile; got {self.metrics}"
