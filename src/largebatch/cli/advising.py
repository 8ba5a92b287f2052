"""The command for one net and one data set: which batch, rate and schedule."""

import os
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from largebatch.cli.parsing import MADE
from largebatch.config.arrays import SOURCE, Arrays, Source
from largebatch.config.checking import ConfigError, checked
from largebatch.config.images import Folder, Images
from largebatch.config.imports import file_and_name, placed, with_digest
from largebatch.config.settings import located
from largebatch.config.spec import Arm

ARRAYS = (".npz", ".npy", ".parquet")
SAVED = ("dataset_info.json", "dataset_dict.json")  # of a folder that datasets.save_to_disk wrote
KINDS = "an .npz, .npy or .parquet file, a folder that datasets.save_to_disk wrote, or my_data.py:load"
SMALLEST = 4  # the smallest batch that is tried


@click.command()
@click.argument("net")
@click.option("--data", required=True, help="Pictures, arrays, or a function: see docs/advise.md.")
@click.option("--minutes", type=click.FloatRange(min=0.5), default=10.0, help="About how long it may take.")
@click.option("--y", help="The name of the labels in an .npz or .parquet file, or the .npy file of them.")
@click.option("--numbers", is_flag=True, help="Learn numbers, though they are whole; others are told apart.")
@click.option("--size", type=click.IntRange(1), help="The side that pictures are cut to.")
@click.option(
    "--out", type=MADE, help="The folder of the study.", show_default="<net's file>-advice beside it"
)
@click.option("--cores", type=click.IntRange(1), help="CPU cores.", show_default="all")
def advise(
    net: str,
    data: str,
    minutes: float,
    y: str | None,
    numbers: bool,
    size: int | None,
    out: Path | None,
    cores: int | None,
) -> None:
    """Say which batch, rate and schedule suit NET, such as my_net.py:MyNet, and how far it scales."""
    from largebatch.advise.files_of_study import Asked
    from largebatch.advise.page import page
    from largebatch.advise.stages import run

    folder = out or home_of(net)
    model = {"import": moved(net, folder)}
    source = source_of(data, y, size, folder)
    here = source_of(data, y, size, Path())
    if numbers or holds_numbers(here, data):
        for settings in (*source.values(), *here.values()):
            settings["targets"] = "numbers"
    images = tried(net, here, data)
    asked = Asked(model, source, images, folder, minutes, cores or os.cpu_count() or 1)
    run(asked)
    print(f"Recommendation: {page(asked)}")


def home_of(net: str) -> Path:
    """The folder of a study, beside the net's file."""
    try:
        file = located(file_and_name(net).rpartition(":")[0])
    except ValueError as error:
        raise ConfigError(f"NET: wanted {error}") from None
    return file.parent / f"{file.stem}-advice"


def moved(path: str, folder: Path) -> str:
    """A path from this folder, maybe with a name behind it, as a file in `folder` says it."""
    file, colon, name = path.rpartition(":") if ".py:" in path else (path, "", "")
    return f"{os.path.relpath(located(file).absolute(), folder.absolute())}{colon}{name}"


def source_of(data: str, y: str | None, size: int | None, folder: Path) -> dict[str, dict[str, Any]]:
    """What a scale file says of the user's data: {"folders": settings} or {"arrays": settings}."""
    path = located(data)
    is_function = ".py:" in data
    is_arrays = path.suffix in ARRAYS or (path.is_dir() and any((path / name).is_file() for name in SAVED))
    if not (is_function or is_arrays or path.is_dir()):
        raise ValueError(f"--data: wanted a folder of pictures, {KINDS}; got {data}")
    if y and not is_arrays:
        raise ValueError(f"--y: wanted with an array file only; got {y!r} with {data}")
    if size and (is_function or is_arrays):
        raise ValueError(f"--size: wanted with a folder of pictures only; got {size} with {data}")
    if is_function:
        return {"arrays": {"import": moved(data, folder)}}
    if not is_arrays:
        return {"folders": {"path": moved(data, folder)} | ({"size": size} if size else {})}
    labels = moved(y, folder) if y and path.suffix == ".npy" else y
    return {"arrays": {"path": moved(data, folder)} | ({"y": labels} if labels else {})}


def holds_numbers(source: dict[str, dict[str, Any]], data: str) -> bool:
    """Whether the user's targets are numbers with digits behind the point, so that they are no classes."""
    from largebatch.advise.files_of_study import DATA
    from largebatch.data.arrays import HINT
    from largebatch.training.trial import looked_at

    found = looked_at(DATA, Path(), checked_source(source, data))
    return isinstance(found, ValueError) and HINT in str(found)


def tried(net: str, source: dict[str, dict[str, Any]], data: str) -> Images:
    """How many examples there are, after one batch was put through the net; the user's mistakes end here.

    source: as seen from this folder.
    """
    from largebatch.advise.files_of_study import DATA
    from largebatch.advise.plan import parts_of
    from largebatch.advise.search import DEFAULT
    from largebatch.advise.targets import NUMBERS
    from largebatch.training.trial import looked_at, mistake

    own = checked_source(source, data)
    model = digested({"import": net}, net)
    found = looked_at(DATA, Path(), own)
    if found is None:
        raise ConfigError(f"--data {data}: wanted a folder of pictures; got an archive, to be unpacked first")
    try:
        if isinstance(found, ValueError):
            raise found
        parts = parts_of(found.images)
    except ValueError as error:
        raise ConfigError(f"--data {data}: {error}") from None
    of_numbers = own.targets == "numbers"
    part = {"name": DATA, **parts._asdict()} | ({"targets": "numbers"} if of_numbers else {})
    settings = DEFAULT | {"data": part, "model": model, "epochs": 1}
    settings |= NUMBERS.base if of_numbers else {}
    arm = checked(Arm, settings | {"batch_size": SMALLEST}, Path(net))
    trial = {"where": net, "settings": arm.chosen(), "examples": SMALLEST, "sources": "."}
    if line := mistake(trial | {"own": SOURCE.dump_python(own)}, {DATA: found}):
        raise ConfigError(line)
    return found.images


def checked_source(source: dict[str, dict[str, Any]], data: str) -> Source:
    """The settings of the user's data, checked as a scale file's are."""
    ((kind, settings),) = source.items()
    known = TypeAdapter(Arrays if kind == "arrays" else Folder)
    try:
        return known.validate_python(digested(settings, f"--data {data}"))
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--data {data}: wanted {said}") from None


def digested(settings: dict[str, Any], where: str) -> dict[str, Any]:
    """Settings with the digest of what they import, from this folder."""
    try:
        return with_digest(placed(settings, Path()))
    except ValueError as error:
        raise ConfigError(f"{where}: wanted {error}") from None
