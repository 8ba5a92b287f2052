"""Hugging Face datasets on disk, if the optional package `datasets` is installed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

SAVED = ("dataset_info.json", "dataset_dict.json")
SPLITS = ("train", "test")
# Pillow's names of 8 bits in grey or in red, green and blue; a palette's bytes are no colours.
MODES = ("L", "RGB")


def parts_of(path: Path, x: str | None, y: str | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(x, y) of the data set, or of its splits train and test; by default of columns `image` and `label`."""
    if not any((path / name).is_file() for name in SAVED):
        raise ValueError(
            f"{path}: wanted a folder that datasets.save_to_disk wrote; got another (pictures: see folders)"
        )
    try:
        from datasets import DatasetDict, load_from_disk
    except ImportError as error:
        raise ValueError(
            f"{path}: wanted the package datasets (pip install 'largebatch[huggingface]'); got none"
        ) from error
    found = load_from_disk(str(path))
    names = (x or "image", y or "label")
    if isinstance(found, DatasetDict):
        if "train" not in found:
            raise ValueError(f"{path}: wanted a split train, and maybe test; got {sorted(found)}")
        parts = [found[split] for split in SPLITS if split in found]
    else:
        parts = [found]
    for part in parts:
        if not {*names} <= {*part.column_names}:
            raise ValueError(
                f"{path}: wanted columns x and y; got {names[0]!r} and {names[1]!r} of {part.column_names}"
            )
        yield stacked(part[names[0]], f"{path}: {names[0]}"), labels_of(part, names[1], f"{path}: {names[1]}")


def stacked(column, where: str) -> np.ndarray:
    """The values of a column, of one shape; pictures (h, w, c) become (c, h, w)."""
    is_picture = hasattr(column[0], "getbands")  # Pillow's
    if is_picture:
        require_8_bits(column, where)
    values = [np.asarray(value) for value in column]
    if len(shapes := {value.shape for value in values}) > 1:
        raise ValueError(f"{where}: wanted examples of one shape; got {sorted(shapes)[:4]}")
    array = np.stack(values)
    if is_picture:
        return array[:, None] if array.ndim == 3 else array.transpose(0, 3, 1, 2)
    return array


def require_8_bits(column, where: str) -> None:
    """Refuse pictures whose values would be taken for what they are not."""
    for row, picture in enumerate(column):
        if picture.mode not in MODES:
            raise ValueError(
                f"{where}: wanted pictures in grey or RGB of 8 bits per channel, Pillow's modes {MODES}; "
                f"got {picture.mode!r} in row {row}"
            )


def labels_of(part, y: str, where: str) -> np.ndarray:
    """Labels by their names where the data set knows them."""
    feature, values = part.features[y], np.asarray(part[y])
    if not hasattr(feature, "names"):
        return values
    for row, value in enumerate(values.tolist()):  # -1 and None stand for no label
        if value is None or not 0 <= value < len(feature.names):
            raise ValueError(
                f"{where}: wanted labels from 0 to {len(feature.names) - 1}; got {value} in row {row}"
            )
    return np.array(feature.names)[values.astype(np.int64)]
