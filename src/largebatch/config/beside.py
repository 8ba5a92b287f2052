"""What stands beside a claim: a control of which it must not hold, and the fit of what it compares.

A claim of closeness ("coincides", "no worse", "predicts") is supported by a wide margin, and by runs that do
not differ whatever is done. So it names a comparison where it must fail: what trials of equivalence call
assay sensitivity (ICH E10, 2000). A gap in generalisation or sharpness is one at an equal fit in training.
"""

from typing import Any, Literal

from pydantic import model_validator

from largebatch.config.settings import Positive, Settings, Share, Text
from largebatch.config.uses import ArmName, At, Setting

Side = dict[str, Any] | str  # an operand or an arm's name, whichever the claim has; see ClaimBase.controlled
# Within which the metric of training may differ: points of accuracy or error, or a factor of the loss.
# 0.5 points are what K2 calls an equal fit, set before the first run. The curvature of cross-entropy falls
# about as its loss does.
FIT_MARGINS = {"train_accuracy_percent": 0.5, "train_error_percent": 0.5, "train_loss_nats": 2.0}
# And no more than this share of the effect, since a gap in training may explain as large a one in test.
FIT_SHARE = 0.5


class Control(Settings):
    """The same claim with some of its fields replaced, where it must fail.

    says: why it must. not_run: why it is not judged at this scale. All others replace the claim's own.
    """

    says: Text
    not_run: str = ""
    a: Side | None = None
    b: Side | None = None
    c: Side | None = None
    d: Side | None = None
    over: Side | None = None
    arm: ArmName | None = None
    setting: Setting | None = None
    within: Setting | None = None
    at: At | None = None
    low_at: Positive | None = None
    high_at: Positive | None = None
    after: Share | None = None
    before: Share | None = None

    @model_validator(mode="after")
    def replaces_something(self):
        if not self.replaced:
            raise ValueError(f"a field of the claim to replace; got {sorted(self.chosen())}")
        return self

    @property
    def replaced(self) -> dict[str, Any]:
        """The fields that differ from the claim's."""
        return {key: value for key, value in self.chosen().items() if key not in ("says", "not_run")}


class Fit(Settings):
    """A claim about generalisation or sharpness: what it compares must fit the training set equally well.

    margin: within which the training metric of its operands may differ, in percentage points; of the loss the
    factor, and only on the side that could explain the effect. share: how much of the effect's distance from
    its threshold it may be.
    """

    metric: Literal[tuple(FIT_MARGINS)]
    margin: Positive
    share: Share

    @model_validator(mode="before")
    @classmethod
    def with_margin(cls, given: Any):
        """The rule is written into every claim, so that registrations hold it."""
        if not isinstance(given, dict) or given.get("metric") not in [*FIT_MARGINS]:  # or no text
            return given
        return {"margin": FIT_MARGINS[given["metric"]], "share": FIT_SHARE} | given
