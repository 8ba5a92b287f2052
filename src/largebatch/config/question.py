"""What an experiment asks: its measures, paths, exhibits, claims, figures and tables, each by arm names only.

Numbers (batch sizes, rates, epochs) are the scale's; see scale.py.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from largebatch.config.claims import Claim
from largebatch.config.exhibits import EXHIBITS
from largebatch.config.figures import FigureOfRuns
from largebatch.config.profiles import FigureOfPositions
from largebatch.config.settings import Settings, Text
from largebatch.config.tables import Table
from largebatch.config.uses import ArmName, Name, Reader, Use
from largebatch.metrics import METRICS_OF

Figure = Annotated[FigureOfRuns | FigureOfPositions, Field(discriminator="kind")]


class PathBetween(Settings):
    """The way between the minima of two arms, measured from `start` (alpha = 0) to `end` (alpha = 1)."""

    start: ArmName
    end: ArmName


class Asked(Settings):
    """What is asked of arms: all of an experiment, or what a scale file adds to one (see additions.py)."""

    measures: dict[Literal[tuple(METRICS_OF)], Annotated[list[ArmName], Field(min_length=1)]] = {}
    paths: dict[Name, PathBetween] = {}  # a path's name stands where an arm's can, for the metrics of paths
    exhibits: list[Literal[tuple(EXHIBITS)]] = []  # their arms stand where an arm can, as <exhibit>.<arm>
    claims: list[Claim] = []
    figures: list[Figure] = []
    tables: list[Table] = []

    def readers(self) -> Iterator[tuple[str, Reader]]:
        """(key, claim, figure or table) of each."""
        for what in ("claims", "figures", "tables"):
            yield from ((f"{what}[{reader.name}]", reader) for reader in getattr(self, what))

    def uses(self) -> Iterator[Use]:
        """Everything that it says about arms and paths."""
        for measure, arms in self.measures.items():
            yield from (Use(f"measures.{measure}", arm, needs="any") for arm in arms)
        for name, path in self.paths.items():
            yield Use(f"paths.{name}.start", path.start, needs="untuned")
            yield Use(f"paths.{name}.end", path.end, needs="untuned")
        for key, reader in self.readers():
            yield from (use.below(key) for use in reader.all_uses())


class Question(Asked):
    """config/experiments/<experiment>.yaml"""

    experiment: Name
    title: Text
    question: Text
    claims: Annotated[list[Claim], Field(min_length=1)]
