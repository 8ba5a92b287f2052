"""From configuration files to a checked Study: every arm in full, every name resolved.

A scale file (config/<scale>.yaml) gives the numbers, an experiment file
(config/experiments/<experiment>.yaml) the questions. Whatever is wrong is a ConfigError of one line.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from largebatch.config.arrays import Source
from largebatch.config.asking import absent_from, asked, mistakes_in_asking
from largebatch.config.cards import Paper, papers_beside
from largebatch.config.checking import ConfigError, checked, read_yaml, repeats
from largebatch.config.exhibits import exhibit_stem
from largebatch.config.groups import Group
from largebatch.config.images import IMAGES
from largebatch.config.imports import placed
from largebatch.config.measures import Measures
from largebatch.config.papers import with_paper
from largebatch.config.profiles import Descent, Profile
from largebatch.config.question import Question
from largebatch.config.references import mistakes, undefined
from largebatch.config.scale import (
    CONFIG,
    ScaleFile,
    defined_somewhere,
    digested,
    extended,
    home,
    merged,
    resolve_groups,
    scales,
)
from largebatch.config.settings import Settings
from largebatch.config.spec import Arm
from largebatch.metrics import LINE_LOSSES, METRICS_OF, TRAIN_SECONDS

DEFAULT_SCALE = "digits"


@dataclass(frozen=True)
class Experiment:
    """A question with its numbers."""

    question: Question
    groups: dict[str, Group]
    measures: Measures
    exhibits: dict[str, Settings]  # name -> options
    written: Question  # as its file has it, before the scale leaves anything out
    absent: dict[str, str]  # arm or path that the scale leaves out -> why
    path: Path

    @property
    def name(self) -> str:
        return self.question.experiment

    @property
    def arms(self) -> list[Arm]:
        """Every arm it needs, each once."""
        return list({m.arm.id: m.arm for g in self.groups.values() for m in g.members}.values())

    def measured(self) -> Iterator[tuple[str, Arm]]:
        """(measure, arm) for everything to be measured, each once."""
        for measure, names in self.question.measures.items():
            arms = {m.arm.id: m.arm for name in names for m in self.groups[name].members}
            yield from ((measure, arm) for arm in arms.values())

    def ends_of_paths(self) -> dict[str, tuple[Arm, Arm]]:
        """Path name -> (start arm, end arm)."""
        ends = {name: (path.start, path.end) for name, path in self.question.paths.items()}
        return {name: tuple(self.groups[end].members[0].arm for end in both) for name, both in ends.items()}

    def paths(self) -> list[tuple[Arm, Arm]]:
        """(start arm, end arm) for every path to be measured, each once."""
        return unique_paths(self.ends_of_paths().values())

    def settings_of_measures(self) -> Iterator[tuple[str, str, Settings]]:
        """(measure, run or path by its stem, settings) of everything to be measured."""
        yield from ((measure, arm.id, getattr(self.measures, measure)) for measure, arm in self.measured())
        yield from (("path", path_stem(*ends), self.measures.path) for ends in self.paths())

    def exhibit_stems(self) -> dict[str, str]:
        """Exhibit name -> what its file is called, without its ending."""
        return {name: exhibit_stem(name, options) for name, options in self.exhibits.items()}

    @property
    def timed(self) -> bool:
        """Whether it asks how long training took: all others give the same bytes whenever they are run."""
        return any(use.metric == TRAIN_SECONDS for use in self.question.uses())

    def to_aggregate(self) -> dict:
        """What the aggregate stage is asked, ready for JSON. The settings of a run lie beside it."""
        measured = {(measure, arm.id) for measure, arm in self.measured()}
        return {
            "experiment": self.name,
            "timed": self.timed,
            "paths": {name: path_stem(*ends) for name, ends in self.ends_of_paths().items()},
            "exhibits": self.exhibit_stems(),
            "groups": {
                group.name: {
                    "tuned_on": group.tuned_on,
                    "members": [
                        {
                            "arm": member.name,
                            "run": member.arm.id,
                            "tuned": member.tuned,
                            "measures": [m for m in METRICS_OF if (m, member.arm.id) in measured],
                        }
                        for member in group.members
                    ],
                }
                for group in self.groups.values()
            },
        }

    def to_judge(self) -> dict:
        """What the judge stage is asked."""
        return {"experiment": self.name, "claims": [claim.chosen() for claim in self.question.claims]}

    def to_draw(self, figure: str) -> dict:
        """What the draw stage is asked for one figure."""
        found = named("figure", self.question.figures, figure)
        return {"experiment": self.name, "figure": with_paper(found, self.question.claims).chosen()}

    def to_tabulate(self, table: str) -> dict:
        """What is asked for one table."""
        return {"experiment": self.name, "table": named("table", self.question.tables, table).chosen()}


def path_stem(start: Arm, end: Arm) -> str:
    """What a path's file is called, without its ending."""
    return f"{start.id}_to_{end.id}"


def unique_paths(paths: Iterable[tuple[Arm, Arm]]) -> list[tuple[Arm, Arm]]:
    """Each path once, in the order of its first mention."""
    return list({path_stem(*ends): ends for ends in paths}.values())


def named(what: str, things: Iterable, name: str):
    """The thing of that name."""
    by_name = {thing.name: thing for thing in things}
    if name not in by_name:
        raise ValueError(f"{what} must be one of {sorted(by_name)}; got {name!r}")
    return by_name[name]


@dataclass(frozen=True)
class Study:
    """Everything one `snakemake` call may make."""

    scale: str
    seeds: int
    first_seed: int
    threads: int
    sources: str
    own_data: dict[str, Source]
    observations: str
    experiments: tuple[Experiment, ...]
    measures: dict[tuple[str, str], Settings]  # (measure, run or path by its stem) -> the measure's settings
    followed: dict[str, list[str]]  # run name -> the parts that are evaluated along it, see followed_in()
    papers: list[Paper]
    path: Path
    below: Path | None  # the scale that this one extends

    @property
    def seeds_in_words(self) -> str:
        """'14' for seeds 0 to 13, '20-33' for others, as jobs are told."""
        return f"{self.first_seed}-{self.first_seed + self.seeds - 1}" if self.first_seed else str(self.seeds)

    @property
    def arms(self) -> dict[str, Arm]:
        """Run name -> arm, each arm once however many experiments share it."""
        return {arm.id: arm for e in self.experiments for arm in e.arms}

    def paths(self) -> list[tuple[Arm, Arm]]:
        """(start arm, end arm) of every path, each once however many experiments share it."""
        return unique_paths(ends for e in self.experiments for ends in e.paths())

    @property
    def line(self) -> tuple[str, dict[str, str]] | None:
        """(experiment, label -> path) of the first figure of the loss between minima, if there is any."""
        for e in self.experiments:
            for figure in e.question.figures:
                if isinstance(figure, Profile) and LINE_LOSSES["train"] in figure.y:
                    return e.name, figure.lines
        return None

    def to_page(self) -> dict:
        """What the primer's page is asked: what each claim says, and of whose minima it shows the losses.

        Of the experiment with the line between minima: all its lines, and the plane of its first descent.
        """
        claims = {c.id: c.says for e in self.experiments for c in e.question.claims}
        if not self.line:
            return {"claims": claims, "line": None, "plane": None}
        name, lines = self.line
        paths = {
            path: {"path": path, "small": start.batch_size, "large": end.batch_size}
            for path, (start, end) in self.experiment(name).ends_of_paths().items()
        }
        figures = self.experiment(name).question.figures
        planes = [paths[figure.path] for figure in figures if isinstance(figure, Descent)]
        asked = [{"label": label} | paths[path] for label, path in lines.items()]
        return {"claims": claims, "line": asked, "plane": planes[0] if planes else None}

    @property
    def exhibits(self) -> dict[str, tuple[str, Settings]]:
        """Stem -> (exhibit name, options), each once however many experiments share it."""
        return {exhibit_stem(*shown): shown for e in self.experiments for shown in e.exhibits.items()}

    def experiment(self, name: str) -> Experiment:
        return named("experiment", self.experiments, name)

    def to_draw(self, experiment: str, figure: str) -> dict:
        """What the draw stage is asked for one figure, which says of itself whose it is."""
        return {"scale": self.scale, **self.experiment(experiment).to_draw(figure)}


def called_study(files: Sequence[Path], settings: Mapping[str, Any]) -> Study:
    """The study of a call of Snakemake: `files` of --configfile and `settings` of --config.

    Without a file, scale=<name> among the settings names config/<name>.yaml. Snakemake's own reading of the
    files is not used: it follows YAML 1.1.
    """
    if len(files) > 1:
        names = " ".join(map(str, map(shown, files)))
        raise ConfigError(f"--configfile: wanted one file, maybe with `extends: <scale>`; got {names}")
    if files:
        return load_study(shown(files[0]), settings)
    name = settings.get("scale", DEFAULT_SCALE)
    if name not in (known := scales(CONFIG)):
        raise ConfigError(f"--config: scale: wanted one of {known}, or --configfile <file>; got {name!r}")
    return load_study(CONFIG / f"{name}.yaml", {key: settings[key] for key in settings if key != "scale"})


def shown(path: Path) -> Path:
    """A path as people write it: from the current folder if it lies there."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def load_study(scale_path: Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """The study a scale file describes, with `overrides` on top of it."""
    own = read_yaml(scale_path)
    of_file = extended(own, scale_path)
    raw = merged(of_file, placed(dict(overrides or {}), scale_path.parent))
    if isinstance(raw.get("experiments"), str):  # --config experiments=keskar,goyal
        raw["experiments"] = [name.strip() for name in raw["experiments"].split(",")]
    if isinstance(raw.get("arrays"), dict):
        raw["arrays"] = {name: digested(some, scale_path, name) for name, some in raw["arrays"].items()}
    scale = checked(ScaleFile, raw, scale_path)
    if repeated := repeats(scale.experiments):
        raise ConfigError(f"{scale_path}: experiments: wanted each name once; got {repeated} repeatedly")
    for key, taken in (("folders", IMAGES), ("arrays", {**IMAGES, **scale.folders})):
        if known := sorted(getattr(scale, key).keys() & taken.keys()):
            raise ConfigError(f"{scale_path}: {key}: wanted other names than {sorted(taken)}; got {known}")
    experiments = tuple(load_experiment(scale, scale_path, name) for name in scale.experiments)
    if repeated := repeats(claim.id for e in experiments for claim in e.question.claims):
        raise ConfigError(
            f"{scale_path}: experiments: wanted each claim's id in one of them; got {repeated} repeatedly"
        )
    return Study(
        scale.scale,
        scale.seeds,
        scale.first_seed,
        scale.threads,
        scale.sources,
        scale.own_data,
        scale.observations,
        experiments,
        measures_of(scale_path, experiments),
        followed_in((*experiments, *others(scale, scale_path, of_file.get("experiments")))),
        papers_beside(home(scale_path), [e.written for e in experiments]),
        scale_path,
        home(scale_path) / f"{own['extends']}.yaml" if "extends" in own else None,
    )


def others(scale: ScaleFile, scale_path: Path, names: Any) -> Iterator[Experiment]:
    """The experiments that the scale file names and this call leaves out; broken ones must not stop it."""
    for name in names if isinstance(names, list) else ():
        if isinstance(name, str) and name not in scale.experiments:
            with suppress(ConfigError):
                yield load_experiment(scale, scale_path, name)


def followed_in(experiments: Iterable[Experiment]) -> dict[str, list[str]]:
    """Run name -> the parts whose means something reads along the run, not at its end alone.

    Of all experiments that share a run, in this call or not: else each call would train it again.
    """
    found: dict[str, set[str]] = {}
    for e in experiments:
        for arm in e.arms:
            found.setdefault(arm.id, set())
        for use in e.question.uses():
            if use.part and use.arm in e.groups:
                for member in e.groups[use.arm].members:
                    found[member.arm.id].add(use.part)
    return {run: sorted(parts) for run, parts in found.items()}


def measures_of(scale_path: Path, experiments: Iterable[Experiment]) -> dict[tuple[str, str], Settings]:
    """What Study calls measures: experiments that measure the same have the same settings for it."""
    found: dict[tuple[str, str], Settings] = {}
    for e in experiments:
        for measure, name, settings in e.settings_of_measures():
            if found.setdefault((measure, name), settings) != settings:
                where = f"{scale_path}: numbers.{e.name}.measures.{measure}"
                raise ConfigError(
                    f"{where}: wanted those of the other experiment that measures {name}; got others"
                )
    return found


def load_experiment(scale: ScaleFile, scale_path: Path, name: str) -> Experiment:
    """One experiment's question with this scale's numbers, cross-checked."""
    numbers = scale.numbers.get(name)
    asks = numbers.question if numbers and numbers.question else name
    folder = home(scale_path) / "experiments"
    path = folder / f"{asks}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise ConfigError(f"{scale_path}: experiments: wanted names among {known}; got {asks!r}")
    if numbers is None:
        raise ConfigError(f"{scale_path}: numbers: wanted a key {name!r}, listed in experiments; got none")
    written = checked(Question, read_yaml(path), path)
    if written.experiment != asks:
        raise ConfigError(f"{path}: experiment: wanted {asks!r}, the file's name; got {written.experiment!r}")
    groups = resolve_groups(scale, scale_path, name)
    crossings = {f"{arm}.{variant}" for arm, variant in numbers.crossings()}
    for mistake in mistakes_in_asking(written, numbers, crossings, name):
        raise ConfigError(f"{scale_path}: numbers.{name}.{mistake}")
    # What no scale defines is a mistake; what another one does is left out here.
    missing = undefined(written, groups) - absent_from(written, numbers).keys()
    absent = absent_from(written, numbers, sorted(defined_somewhere(missing, asks, scale, scale_path)))
    question = asked(written, numbers, name, absent)
    own = {name: getattr(numbers.measures, name) for name in numbers.measures.model_fields_set}
    measures = scale.measures.model_copy(update=own)
    for mistake in mistakes(question, groups, measures, absent, numbers.exhibits, numbers.unknown):
        raise ConfigError(f"{path}: {mistake}")
    exhibits = {shown: getattr(numbers.exhibits, shown) for shown in question.exhibits}
    if not groups and not exhibits:
        raise ConfigError(
            f"{scale_path}: numbers.{name}: wanted an arm or an exhibit; got none of this scale"
        )
    return Experiment(question, groups, measures, exhibits, written, absent, path)
