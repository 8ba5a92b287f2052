"""Data sets of anyone's own arrays: a file of them, or a Python function that returns them."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from largebatch.config.images import Folder
from largebatch.config.imports import Imported, is_import, named
from largebatch.config.settings import PathText, Settings


class ArrayFile(Settings):
    """x: one row per example, of any shape; y: its label.

    path: an .npz, .npy or .parquet file, or a folder that `save_to_disk` of Hugging Face wrote; from
    `sources`, absolute, or from a home folder (~). x, y: names of arrays or columns; of an .npy file, y is
    the file of the labels. test: a file of the same kind whose examples are held out. standardise: whether
    each channel (of vectors each value) is standardised by every seed's training part.
    """

    name: Literal["file"]
    path: PathText
    x: str | list[str] | None = None
    y: str | None = None
    test: PathText | None = None
    standardise: bool = True

    @model_validator(mode="after")
    def npy_has_labels(self):
        if self.path.endswith(".npy") and not (self.y or "").endswith(".npy"):
            raise ValueError(f"y, the .npy file of its labels, beside an .npy file; got {self.y!r}")
        if self.test is not None and not self.path.endswith((".npz", ".parquet")):
            raise ValueError(f"test with an .npz or .parquet file only; got path: {self.path}")
        return self


class ImportedData(Imported):
    """A function of the user's that returns arrays (x, y), or (x, y, x_test, y_test)."""

    name: Literal["imported"]
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
