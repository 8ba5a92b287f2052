"""The numbers of a scale, config/<scale>.yaml: settings of every arm, by experiment."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from largebatch.config.arrays import Arrays, Source
from largebatch.config.asking import Asking
from largebatch.config.checking import ConfigError, Mistakes, checked, read_yaml
from largebatch.config.exhibits import NO_EXHIBITS, Exhibits
from largebatch.config.groups import Group, resolve_group, with_members, without_seeds
from largebatch.config.images import IMAGES, DataName, Folder
from largebatch.config.imports import is_import, placed, with_digest
from largebatch.config.losses import Targets
from largebatch.config.measures import Measures
from largebatch.config.settings import LONGEST_NAME, MOST_SEEDS, PathText, Seeds, Settings
from largebatch.config.uses import Name

CONFIG = Path("config")
ScaleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=LONGEST_NAME)]
MOST_THREADS = 1024
Base = Annotated[dict[str, Any], AfterValidator(without_seeds)]


class Crossed(Settings):
    """Every arm in every variant, named <arm>.<variant>."""

    arms: dict[Name, dict[str, Any]]
    variants: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]


class Numbers(Asking):
    """The numbers one scale gives to one experiment, and how it asks its question.

    measures: in place of the scale's own, those that are given. seeds: of its arms that do not say how many,
    and of its exhibits.
    """

    base: Base = {}
    seeds: Seeds | None = None
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
    to be judged and drawn without any training. seeds: of experiments that do not say how many. first_seed:
    seeds count from it on, so that a scale can be run again with seeds that nobody has seen. questions: what
    it asks beside the experiments' files; see additions.py.
    """

    scale: ScaleName
    extends: ScaleName | None = None
    seeds: Seeds
    first_seed: Annotated[int, Field(ge=0, le=MOST_SEEDS)] = 0
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    sources: PathText = "data"
    folders: dict[DataName, Folder] = {}
    arrays: dict[DataName, Arrays] = {}
    observations: Literal["measured", "published"] = "measured"
    experiments: Annotated[list[Name], Field(min_length=1)]
    measures: Measures = Measures()
    base: Base = {}
    numbers: dict[Name, Numbers] = {}
    questions: dict[Name, dict[str, Any]] = {}

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


def homes(scale_path: Path) -> list[Path]:
    """The folders of what a scale file names, the nearest first: its own, and config/."""
    own = scale_path.parent
    return [own] if own.resolve() == CONFIG.resolve() or not CONFIG.is_dir() else [own, CONFIG]


def beside(scale_path: Path) -> dict[str, Path]:
    """The scales that a scale file can extend: name -> file; the nearest first."""
    files = [folder / f"{name}.yaml" for folder in homes(scale_path)[::-1] for name in scales(folder)]
    return {file.stem: file for file in files if file.resolve() != scale_path.resolve()}


def questions_of(scale_path: Path) -> dict[str, Path]:
    """The experiments that a scale file can name: name -> file."""
    folders = [folder / "experiments" for folder in homes(scale_path)[::-1]]
    return {name: folder / f"{name}.yaml" for folder in folders for name in scales(folder)}


def extended(own: dict[str, Any], path: Path) -> dict[str, Any]:
    """A scale file's content on top of that of the scale it extends, key by key at every depth.

    Each import counts from the folder of the file that says it.
    """
    own = placed(own, path.parent)
    if "extends" not in own:
        return own
    known = beside(path)
    if not (isinstance(own["extends"], str) and own["extends"] in known):
        raise ConfigError(f"{path}: extends: wanted one of {sorted(known)}; got {own['extends']!r}")
    parent = known[own["extends"]]
    below = read_yaml(parent)
    if "extends" in below:
        raise ConfigError(f"{path}: extends: wanted a scale that extends none; got {own['extends']!r}")
    return merged(placed(below, parent.parent), own)


def merged(below: Any, above: Any) -> Any:
    """Mappings key by key, all else as it stands above; so does what is imported above."""
    if not (isinstance(below, dict) and isinstance(above, dict)) or is_import(above):
        return above
    if is_import(below) and "name" in above:
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


def names_of_arms(scale: ScaleFile, path: Path, question: str, members: bool) -> set[str]:
    """The arms that a scale defines for a question, under whichever names it asks it.

    members: also those of grids one by one, such as sweep[batch_size=8].
    """
    asking = {name: some for name, some in scale.numbers.items() if (some.question or name) == question}
    crossed = {f"{arm}.{variant}" for numbers in asking.values() for arm, variant in numbers.crossings()}
    found = crossed.union(*(numbers.arms for numbers in asking.values()))
    if members:
        for name in asking:
            found |= with_members(resolve_groups(scale, path, name)).keys()
    return found


def defined_somewhere(arms: set[str], question: str, scale: ScaleFile, path: Path) -> set[str]:
    """Those of these arms that this scale or one beside it defines for the question.

    The other files are read only if there is an arm to look for. One with mistakes defines none.
    """
    members = any("[" in arm for arm in arms)
    found = arms & names_of_arms(scale, path, question, members)
    for other in beside(path).values():
        if arms <= found:
            break
        with suppress(ConfigError):
            there = checked(ScaleFile, extended(read_yaml(other), other), other)
            found |= arms & names_of_arms(there, other, question, members)
    return found


def resolve_groups(scale: ScaleFile, path: Path, experiment: str) -> dict[str, Group]:
    """All groups of an experiment at this scale: base, then experiment, then arm, then variant."""
    numbers, where = scale.numbers[experiment], f"numbers.{experiment}"
    base = {"base": scale.base, f"{where}.base": numbers.base}
    left_out = set(numbers.left_out.arms) if numbers.left_out else set()
    seeds = numbers.seeds or scale.seeds
    groups, wrong = {}, Mistakes()
    for name, settings in numbers.arms.items():
        if name in left_out:  # defined by the scale that this one extends
            continue
        key = f"{where}.arms.{name}"
        with wrong.collected():
            groups[name] = resolve_group(name, {**base, key: settings}, path, key, scale.targets, seeds)
    if numbers.crossed:
        key = f"{where}.crossed"
        for (arm, settings), (variant, more) in itertools.product(
            numbers.crossed.arms.items(), numbers.crossed.variants.items()
        ):
            name = f"{arm}.{variant}"
            if name in left_out:
                continue
            layers = {**base, f"{key}.arms.{arm}": settings, f"{key}.variants.{variant}": more}
            with wrong.collected():
                groups[name] = resolve_group(name, layers, path, f"{key}[{name}]", scale.targets, seeds)
    wrong.require_none()
    return groups


def digested(raw: Any, scale_path: Path, name: str) -> Any:
    """The settings of arrays with the digest of the function that makes them, if one does."""
    try:
        return with_digest(raw)
    except ValueError as error:
        raise ConfigError(f"{scale_path}: arrays.{name}.import: wanted {error}") from error
