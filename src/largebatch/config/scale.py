"""The numbers of a scale, config/<scale>.yaml: settings of every arm, by experiment."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from largebatch.config.arrays import Arrays, Source
from largebatch.config.asking import Asking
from largebatch.config.checking import ConfigError, checked, read_yaml
from largebatch.config.exhibits import NO_EXHIBITS, Exhibits
from largebatch.config.groups import Group, resolve_group
from largebatch.config.images import IMAGES, DataName, Folder
from largebatch.config.imports import is_import, placed, with_digest
from largebatch.config.losses import Targets
from largebatch.config.measures import Measures
from largebatch.config.settings import LONGEST_NAME, PathText, Settings
from largebatch.config.uses import Name

CONFIG = Path("config")
MOST_SEEDS, MOST_THREADS = 10_000, 1024


class Crossed(Settings):
    """Every arm in every variant, named <arm>.<variant>."""

    arms: dict[Name, dict[str, Any]]
    variants: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]


class Numbers(Asking):
    """The numbers one scale gives to one experiment, and how it asks its question.

    measures: in place of the scale's own, those that are given.
    """

    base: dict[str, Any] = {}
    measures: Measures = Measures()
    arms: dict[Name, dict[str, Any]] = {}
    crossed: Crossed | None = None
    exhibits: Exhibits = NO_EXHIBITS

    def crossings(self) -> Iterator[tuple[str, str]]:
        """(arm, variant) of everything that is crossed; what is left out is not made."""
        return itertools.product(self.crossed.arms, self.crossed.variants) if self.crossed else iter(())


class ScaleFile(Settings):
    """config/<scale>.yaml; with `extends: <scale>` on top of another one.

    sources: the folder in which data sets lie or are downloaded to, from the folder that Snakemake runs in,
    absolute, or from a home folder (~). observations: published ones are those of results/published/<scale>,
    to be judged and drawn without any training. first_seed: seeds count from it on, so that a scale can be
    run again with seeds that nobody has seen.
    """

    scale: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=LONGEST_NAME)]
    seeds: Annotated[int, Field(ge=2, le=MOST_SEEDS)]
    first_seed: Annotated[int, Field(ge=0, le=MOST_SEEDS)] = 0
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    sources: PathText = "data"
    folders: dict[DataName, Folder] = {}
    arrays: dict[DataName, Arrays] = {}
    observations: Literal["measured", "published"] = "measured"
    experiments: Annotated[list[Name], Field(min_length=1)]
    measures: Measures = Measures()
    base: dict[str, Any] = {}
    numbers: dict[Name, Numbers]

    @property
    def own_data(self) -> dict[str, Source]:
        """Folders of images and arrays by the name of their data set."""
        return {**self.folders, **self.arrays}

    @property
    def targets(self) -> dict[str, Targets]:
        """What the targets of each data set are that there is."""
        own = {name: source.targets for name, source in self.own_data.items()}
        return dict.fromkeys(IMAGES, "classes") | own


def scales(folder: Path) -> list[str]:
    """The names of the scale files in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def home(scale_path: Path) -> Path:
    """The folder of what a scale file names: its own if that holds experiments, else config/."""
    return scale_path.parent if (scale_path.parent / "experiments").is_dir() else CONFIG


def extended(own: dict[str, Any], path: Path) -> dict[str, Any]:
    """A scale file's content on top of that of the scale it extends, key by key at every depth.

    Each import counts from the folder of the file that says it.
    """
    own = placed(own, path.parent)
    if "extends" not in own:
        return own
    parent = home(path) / f"{own['extends']}.yaml"
    known = [name for name in scales(home(path)) if home(path) / f"{name}.yaml" != path]
    if own["extends"] not in known:
        raise ConfigError(f"{path}: extends: wanted one of {known}; got {own['extends']!r}")
    below = read_yaml(parent)
    if "extends" in below:
        raise ConfigError(f"{path}: extends: wanted a scale that extends none; got {own['extends']!r}")
    return merged(
        placed(below, parent.parent), {key: value for key, value in own.items() if key != "extends"}
    )


def merged(below: Any, above: Any) -> Any:
    """Mappings key by key, all else as it stands above; so does what is imported above."""
    if not (isinstance(below, dict) and isinstance(above, dict)) or is_import(above):
        return above
    if is_import(below) and "name" in above:
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


def names_of_arms(scale: ScaleFile, question: str) -> set[str]:
    """The arms that a scale defines for a question, under whichever names it asks it."""
    asking = [numbers for name, numbers in scale.numbers.items() if (numbers.question or name) == question]
    crossed = {f"{arm}.{variant}" for numbers in asking for arm, variant in numbers.crossings()}
    return crossed.union(*(numbers.arms for numbers in asking))


def defined_somewhere(arms: set[str], question: str, scale: ScaleFile, path: Path) -> set[str]:
    """Those of these arms that this scale or one beside it defines for the question.

    The other files are read only if there is an arm to look for.
    """
    found = arms & names_of_arms(scale, question)
    for other in (home(path) / f"{name}.yaml" for name in scales(home(path))):
        if arms <= found:
            break
        if other != path:
            beside = checked(ScaleFile, extended(read_yaml(other), other), other)
            found |= arms & names_of_arms(beside, question)
    return found


def resolve_groups(scale: ScaleFile, path: Path, experiment: str) -> dict[str, Group]:
    """All groups of an experiment at this scale: base, then experiment, then arm, then variant."""
    numbers, where = scale.numbers[experiment], f"numbers.{experiment}"
    base = {"base": scale.base, f"{where}.base": numbers.base}
    left_out = set(numbers.left_out.arms) if numbers.left_out else set()
    groups = {}
    for name, settings in numbers.arms.items():
        if name in left_out:  # defined by the scale that this one extends
            continue
        key = f"{where}.arms.{name}"
        groups[name] = resolve_group(name, {**base, key: settings}, path, key, scale.targets)
    if numbers.crossed:
        key = f"{where}.crossed"
        for (arm, settings), (variant, more) in itertools.product(
            numbers.crossed.arms.items(), numbers.crossed.variants.items()
        ):
            name = f"{arm}.{variant}"
            if name in left_out:
                continue
            layers = {**base, f"{key}.arms.{arm}": settings, f"{key}.variants.{variant}": more}
            groups[name] = resolve_group(name, layers, path, f"{key}[{name}]", scale.targets)
    return groups


def digested(raw: Any, scale_path: Path, name: str) -> Any:
    """The settings of arrays with the digest of the function that makes them, if one does."""
    try:
        return with_digest(raw)
    except ValueError as error:
        raise ConfigError(f"{scale_path}: arrays.{name}.import: wanted {error}") from error
