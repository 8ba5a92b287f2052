"""Folders of images, one folder per class: the list of images, and their pixels one after another."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE

from largebatch import progress
from largebatch.data.archives import is_hidden

# The endings that torchvision.datasets.ImageFolder takes for images.
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
TRAIN, TESTS = "train", ("test", "val")
# Pillow's names of the formats of these endings. Files with another format are refused whatever their ending:
# how Pillow reads them was not checked.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# A JPEG followed by more pictures, as many cameras and phones write; the first is the photograph.
PHOTOGRAPH_FIRST = "MPO"
WORKERS = min(8, os.cpu_count() or 1)
RUN = 8  # images for a thread at a time: small ones are decoded faster than they are handed over


class Listing(NamedTuple):
    """The images of a folder, by class, then by name; the last `held_out` are the test part.

    shown: the folder's name in messages (it may be an unpacked archive); labels: (n,), indices of
    `classes`; ignored: the number of files that are not hidden and have no ending of an image.
    """

    root: Path
    shown: Path
    files: list[Path]
    labels: np.ndarray
    classes: list[str]
    held_out: int
    ignored: int

    def name(self, path: Path) -> Path:
        return self.shown / path.relative_to(self.root)


def listing(root: Path, shown: Path) -> Listing:
    """The images in the folders of classes in train/ and test/ (or val/), or in those of classes alone."""
    parts = [(part, shown / part.relative_to(root)) for part in part_folders(root, shown)]
    classes = class_names(*parts[0])
    for part, called in parts[1:]:
        require_same_classes(parts[0][1], classes, called, class_names(part, called))
    files, labels, counts, ignored = [], [], [], 0
    for part, called in parts:
        before = len(files)
        for label, name in enumerate(classes):
            images, others = images_in(part / name, called / name)
            files += images
            labels += [label] * len(images)
            ignored += others
        counts.append(len(files) - before)
    held_out = counts[1] if len(parts) == 2 else 0
    return Listing(root, shown, files, np.array(labels, dtype=np.int64), classes, held_out, ignored)


def part_folders(root: Path, shown: Path) -> list[Path]:
    """The training and the test folder, or only the folder itself."""
    names = folders_in(root)
    tests = [name for name in TESTS if name in names]
    if TRAIN in names and len(names) == 2 and len(tests) == 1:
        return [root / TRAIN, root / tests[0]]
    if {TRAIN, *TESTS} & set(names) and (set(names) <= {TRAIN, *TESTS} or (TRAIN in names and tests)):
        raise ValueError(
            f"{shown}: wanted train/ with either test/ or val/, or folders of classes; got {names}"
        )
    return [root]


def folders_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry.name))


def class_names(folder: Path, shown: Path) -> list[str]:
    """The names of the classes, sorted; at least two."""
    names = folders_in(folder)
    if len(names) < 2:
        got = f"only {names[0]!r}" if names else "no folder" if any(folder.iterdir()) else "nothing in it"
        raise ValueError(f"{shown}: wanted a folder for each of two classes or more; got {got}")
    return names


def require_same_classes(train: Path, ours: list[str], test: Path, theirs: list[str]) -> None:
    for there, names, absent, others in ((train, ours, test, theirs), (test, theirs, train, ours)):
        if missing := sorted(set(names) - set(others)):
            raise ValueError(f"{absent}: wanted the classes of {there}; got none of {missing}")


def images_in(folder: Path, shown: Path) -> tuple[list[Path], int]:
    """The images of a class, in its folder and those below, sorted, and the number of other files."""

    def stop(error: OSError) -> None:
        raise error

    names = []
    for place, below, here in os.walk(folder, onerror=stop, followlinks=True):
        below[:] = [name for name in below if not is_hidden(name)]  # not searched
        names += [Path(place, name) for name in here if not is_hidden(name)]
    images = [path for path in names if path.suffix.lower() in ENDINGS]
    if not images:
        raise ValueError(f"{shown}: wanted images ({', '.join(ENDINGS)}); got {len(names)} other files")
    return sorted(images, key=lambda path: (path.parent, path.name)), len(names) - len(images)


def hidden_in(folder: Path) -> Counter[str]:
    """How many files are hidden, at any depth, by the hidden folder they lie in ("" if in none)."""
    found: Counter[str] = Counter()
    for place, below, here in os.walk(folder, followlinks=True):
        for name in filter(is_hidden, below):
            found[name] += sum(len(files) for _, _, files in os.walk(Path(place, name)))
        below[:] = [name for name in below if not is_hidden(name)]
        found[""] += sum(map(is_hidden, here))
    return +found


def hidden_in_words(hidden: Counter[str]) -> str:
    """'12 files in .git, 1 hidden file'"""
    counts = [f"{count} file{'s' * (count != 1)} in {name}" for name, count in sorted(hidden.items()) if name]
    return ", ".join(counts + [f"{n} hidden file{'s' * (n != 1)}" for n in [hidden[""]] if n])


def decoded(
    name: str, found: Listing, size: int | None, resize: int | None, seen: Counter[str]
) -> Iterator[np.ndarray]:
    """Each image as bytes (3, h, w), in order; all of one shape. seen["transparent"] counts as they come."""
    say, total = progress.EpochLines(name), len(found.files)
    at_once = RUN * WORKERS  # not all: the pool would be faster than the disk that they are written to
    first = None

    def decode_run(files: list[Path]) -> list[tuple[np.ndarray, bool]]:
        return [decode(found, file, size, resize or size) for file in files]

    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, total, at_once):
            say(f"{start} of {total} images")
            files = found.files[start : start + at_once]
            runs = [files[at : at + RUN] for at in range(0, len(files), RUN)]
            pixels = chain.from_iterable(pool.map(decode_run, runs))
            for file, (image, transparent) in zip(files, pixels, strict=True):
                seen["transparent"] += transparent
                first = first or (file, image.shape)
                require_same_shape(found, first, (file, image.shape))
                yield image


def require_same_shape(found: Listing, first: tuple[Path, tuple], this: tuple[Path, tuple]) -> None:
    if first[1] != this[1]:
        (_, height, width), (_, other_height, other_width) = first[1], this[1]
        raise ValueError(
            f"{found.name(this[0])}: wanted {width} x {height} pixels, as {found.name(first[0])} has, "
            f"or a `size` for all; got {other_width} x {other_height}"
        )


def decode(found: Listing, file: Path, size: int | None, resize: int | None) -> tuple[np.ndarray, bool]:
    """The pixels of one file, (3, h, w): as they are, or the central square of `size` after resizing.

    Also whether some pixels are transparent; those keep the colours in the file.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            require_one_of_8_bits(image, file)
            transparent = image.has_transparency_data
            if transparent:
                image = image.convert("RGBA")  # only this converts a palette without a warning
                transparent = image.getextrema()[3][0] < 255
            picture = image.convert("RGB")
    # A broken PNG is a SyntaxError to Pillow.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{found.name(file)}: wanted a whole image of 8 bits per channel; got: {error}"
        ) from error
    picture = picture if size is None else central_square(picture, size, resize)
    return np.asarray(picture).transpose(2, 0, 1), transparent


def require_one_of_8_bits(image: Image.Image, file: Path) -> None:
    """Refuse files that Pillow would read only in part: more bits per channel, or several pictures."""
    if (bits := DEPTHS.get(image.format, eight)(image, file)) > 8:
        raise ValueError(f"{bits} bits per channel in a {image.format} file")
    if image.format != PHOTOGRAPH_FIRST and (pictures := getattr(image, "n_frames", 1)) > 1:
        raise ValueError(f"{pictures} pictures in one {image.format} file, animated or of several pages")


def eight(image: Image.Image, file: Path) -> int:
    """BMP and WebP have 8 bits; Pillow reads no JPEG with more."""
    return 8


def png_bits(image: Image.Image, file: Path) -> int:
    """Bit depth in the header chunk, which comes first (PNG specification, third edition, 11.2.1)."""
    with file.open("rb") as start:
        return start.read(25)[24]


def ppm_bits(image: Image.Image, file: Path) -> int:
    """Bit depth from the largest value that the header allows."""
    if image.mode in ("I", "F"):
        return 16 if image.mode == "I" else 32
    arguments = image.tile[0].args
    return arguments[-1].bit_length() if isinstance(arguments, tuple) and len(arguments) == 2 else 8


def tiff_bits(image: Image.Image, file: Path) -> int:
    """The most of any channel: BitsPerSample (TIFF 6.0, section 8)."""
    return max(image.tag_v2.get(BITSPERSAMPLE, (1,)))


DEPTHS: dict[str, Callable[[Image.Image, Path], int]] = {"PNG": png_bits, "PPM": ppm_bits, "TIFF": tiff_bits}


def central_square(picture: Image.Image, size: int, resize: int) -> Image.Image:
    """The shorter side becomes `resize` (bilinear, antialiased), then the middle square is cut out."""
    from torchvision.transforms import functional

    return functional.center_crop(functional.resize(picture, resize), size)
