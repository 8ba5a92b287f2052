"""What all settings have in common: kinds of numbers and of paths, and that unknown keys are errors."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

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


def with_a_letter(text: str) -> str:
    """The text; a ValueError if it says nothing."""
    if not re.search(r"\w", text):
        raise ValueError(f"a text with a letter; got {text!r}")
    return text


# More than anyone can wait for or keep: of batches, images, epochs, updates and the like.
MOST = 10_000_000
# Far from where squares in single precision end, so that no product of two settings is infinite.
LARGEST = 1e15
MOST_SEEDS = 10_000
LONGEST_NAME = 60  # letters: two of them and an ending make the name of a file

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Seeds = Annotated[int, Field(ge=2, le=MOST_SEEDS)]
Epoch = Annotated[int, Field(ge=0, le=MOST)]
MaybePositions = Annotated[list[Positive], AfterValidator(each_once)]
Positions = Annotated[MaybePositions, Field(min_length=1)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(each_once)]
PathText = Annotated[str, AfterValidator(without_variables)]
Text = Annotated[str, AfterValidator(with_a_letter)]


def bounded(value: Any, where: str = "") -> Any:
    """The value; a ValueError if a number in it is too large for any computation."""
    if isinstance(value, int | float) and abs(value) > LARGEST:
        place = f" for {where}" * bool(where)
        raise ValueError(f"numbers from {-LARGEST:g} to {LARGEST:g}; got {float(value):.3g}{place}")
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        bounded(each, f"{where}.{key}".strip("."))
    return value


class Settings(BaseModel):
    """Settings that cannot lie: an unknown key, a value of another type or out of all bounds is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def within_bounds(cls, value: Any) -> Any:
        return bounded(value)

    def chosen(self) -> dict:
        """The settings that differ from their default, ready for JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)
