"""What all settings have in common: kinds of numbers and of paths, and that unknown keys are errors."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

VARIABLE = re.compile(r"\$\{?[A-Za-z_]")


def without_variables(path: str) -> str:
    """The path of a configuration: it must mean the same wherever its jobs run, but for the home folder."""
    if not path.strip() or VARIABLE.search(path):
        raise ValueError(f"a path without variables of the environment (~ is the home folder); got {path!r}")
    return path


def located(path: str) -> Path:
    """A path in which ~ or ~name at the start is a home folder; "./~" is a folder of that name."""
    if not path.startswith("~"):
        return Path(path)
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: wanted ~ with a home folder that is known here; got none") from error


def each_once(values: list) -> list:
    """The values; each is a position in the observations, which holds one number per seed."""
    if len(set(values)) < len(values):
        raise ValueError(f"each value once; got {values}")
    return values


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Epoch = Annotated[int, Field(ge=0)]
MaybePositions = Annotated[list[Positive], AfterValidator(each_once)]
Positions = Annotated[MaybePositions, Field(min_length=1)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(each_once)]
PathText = Annotated[str, AfterValidator(without_variables)]


class Settings(BaseModel):
    """Settings that cannot lie: an unknown key or a value of another type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def chosen(self) -> dict:
        """The settings that differ from their default, ready for JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)
