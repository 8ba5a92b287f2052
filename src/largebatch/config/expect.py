"""Where a claim's source says that its effect lies."""

import math
from typing import Annotated

from pydantic import AfterValidator, model_validator

from largebatch.config.settings import Settings


def ascending(bounds: list[float]) -> list[float]:
    """Two bounds, the lower one first."""
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        raise ValueError(f"[low, high] with low below high; got {bounds}")
    return bounds


class Expect(Settings):
    """Where the source says the effect lies; exactly one key.

    above, below: on this side of a threshold; within: between two bounds [low, high].
    """

    above: float | None = None
    below: float | None = None
    within: Annotated[list[float], AfterValidator(ascending)] | None = None

    @model_validator(mode="after")
    def one_key(self):
        if len(self.chosen()) != 1:
            raise ValueError(f"exactly one of above, below, within; got {sorted(self.chosen())}")
        return self

    @property
    def bounds(self) -> list[float]:
        """The numbers that set off where the effect is expected."""
        (bounds,) = self.chosen().values()
        return bounds if isinstance(bounds, list) else [bounds]

    def nearest(self, value: float) -> float:
        """The bound that lies nearest to a value."""
        return min(self.bounds, key=lambda bound: abs(bound - value))

    @property
    def ends(self) -> tuple[float, float]:
        """The two ends of where the effect is expected; for a threshold one is infinite."""
        if self.within is not None:
            return tuple(self.within)
        return (self.above, math.inf) if self.above is not None else (-math.inf, self.below)
