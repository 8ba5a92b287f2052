"""What claims over a group of arms read: the metric of each arm, by a setting that is swept."""

from collections.abc import Iterator
from typing import Literal

from pydantic import model_validator

from largebatch.config.uses import ArmName, At, Reader, Setting, Use, uses_at
from largebatch.metrics import is_skewed, unit_of


class OverArms(Reader):
    """A metric of each arm of a group, over the logarithm to base 2 of a setting.

    A metric that is skewed is taken on its logarithm to base 2: its change per doubling is an exponent.
    minus: a second group over the same settings, whose metric is taken off at each (the trend of a gap).
    within: only arms that share this setting are compared (the trend along a diagonal).
    """

    metric: str
    arm: ArmName
    setting: Setting
    at: At | None = None
    minus: ArmName | None = None
    within: Setting | None = None

    @property
    def has_fit(self) -> bool:
        return True

    @property
    def no_effect(self) -> float:
        return 0.0

    def uses(self) -> Iterator[Use]:
        for key, arm in {"arm": self.arm, "minus": self.minus}.items():
            if arm:
                yield from uses_at(key, arm, self.metric, self.at, "many" if self.within else self.setting)
        yield from self.at.uses() if self.at else ()

    @property
    def unit(self) -> str:
        if is_skewed(self.metric):
            return "exponent"
        unit = unit_of(self.metric)
        return f"{'percentage points' if unit == '%' else unit} per doubling"


class Break(Reader):
    """A change in one direction over the arms of a group, by the logarithm of a setting.

    The effect is the sum of squares that a straight line leaves of the arms' means, over that which the
    break leaves where it fits best, both with two parameters.
    """

    metric: str
    arm: ArmName
    setting: Setting
    direction: Literal["rises", "falls"]
    at: At | None = None

    @property
    def has_fit(self) -> bool:
        return not is_skewed(self.metric)  # of a loss only one side counts, and the effect has no side

    @model_validator(mode="after")
    def against_the_line(self):
        if self.expect.above != 1.0:
            raise ValueError(f"expect {{above: 1.0}}, better than the line; got {self.expect.chosen()}")
        return self

    def uses(self) -> Iterator[Use]:
        yield from uses_at("arm", self.arm, self.metric, self.at, self.setting)
        yield from self.at.uses() if self.at else ()
