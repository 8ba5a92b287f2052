"""Data sets of anyone's own arrays: a file of them, or a Python function that returns them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from largebatch.config.images import Folder
from largebatch.config.imports import Imported, is_import, named
from largebatch.config.losses import Targets
from largebatch.config.settings import PathText, Settings, located

# Files whose y may be numbers.
OF_NUMBERS = (".npz", ".npy", ".parquet")


class ArrayFile(Settings):
    """x: one row per example, of any shape; y: its label, or its target.

    path: an .npz, .npy or .parquet file, or a folder that `save_to_disk` of Hugging Face wrote; from
    `sources`, absolute, or from a home folder (~). x, y: names of arrays or columns; of a .parquet file, x
    may be a list of them, as may a y of numbers; of an .npy file, there is no x, and y is the file of the
    labels. test: a file of the same kind whose examples are held out. targets: whether y is a class or one
    or several numbers. standardise: whether each channel (of vectors each value), and each number of a
    target, is standardised by every seed's training part.
    """

    name: Literal["file"]
    path: PathText
    x: str | list[str] | None = None
    y: str | list[str] | None = None
    test: PathText | None = None
    targets: Targets = "classes"
    standardise: bool = True

    @model_validator(mode="after")
    def names_fit_the_file(self):
        if self.path.endswith(".npy") and not str(self.y).endswith(".npy"):
            raise ValueError(f"y, the .npy file of its labels, beside an .npy file; got {self.y!r}")
        if self.path.endswith(".npy") and self.x is not None:
            raise ValueError(f"no x beside an .npy file, which has one array; got {self.x!r}")
        if isinstance(self.x, list) and not self.path.endswith(".parquet"):
            raise ValueError(f"a list of columns as x with a .parquet file only; got path: {self.path}")
        if isinstance(self.y, list) and (self.targets == "classes" or not self.path.endswith(".parquet")):
            raise ValueError(
                "a list of columns as y with targets: numbers and a .parquet file only; "
                f"got targets: {self.targets}, path: {self.path}"
            )
        if self.targets == "numbers" and not self.path.endswith(OF_NUMBERS):
            raise ValueError(
                f"targets: numbers with {', '.join(OF_NUMBERS)} files only; got path: {self.path}"
            )
        if self.test is not None and not self.path.endswith((".npz", ".parquet")):
            raise ValueError(f"test with an .npz or .parquet file only; got path: {self.path}")
        return self

    def files(self, sources: Path) -> list[Path]:
        """The files behind it that are there, of a folder all that it holds."""
        paths = [self.path, self.test, self.y if self.path.endswith(".npy") else None]
        found = []
        for place in (sources / located(path) for path in paths if path):
            found += [place] if place.is_file() else sorted(f for f in place.rglob("*") if f.is_file())
        return found


class ImportedData(Imported):
    """A function of the user's that returns arrays (x, y), or (x, y, x_test, y_test)."""

    name: Literal["imported"]
    targets: Targets = "classes"
    standardise: bool = True


def with_name(raw: Any) -> Any:
    """Settings with the name by which pydantic tells a file from a function."""
    if is_import(raw):
        return named(raw)
    return {"name": "file"} | raw if isinstance(raw, dict) else raw


Arrays = Annotated[
    ArrayFile | ImportedData,
    Field(discriminator="name"),
    BeforeValidator(with_name),
]
Source = Folder | ArrayFile | ImportedData
SOURCE: TypeAdapter[Source | None] = TypeAdapter(Source | None)
