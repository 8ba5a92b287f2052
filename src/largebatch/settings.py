"""What all settings have in common: the kinds of numbers, and that unknown keys are errors."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Epoch = Annotated[int, Field(ge=0)]


class Settings(BaseModel):
    """Settings that cannot lie: an unknown key or a value of another type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def chosen(self) -> dict:
        """The settings that differ from their default, ready for JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)
