"""From configuration files to a checked Study: every arm in full, every name resolved.

A scale file (config/<scale>.yaml) gives the numbers, an experiment file
(config/experiments/<experiment>.yaml) the questions. A scale file can ask questions, too
(additions.py). Whatever is wrong is a ConfigError, one line per mistake.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from largebatch.config.arrays import Source
from largebatch.config.cards import PAPERS, Paper, papers_beside
from largebatch.config.checking import ConfigError, Mistakes, checked, read_yaml, repeats
from largebatch.config.exhibits import exhibit_stem
from largebatch.config.experiment import Experiment, Made, load_experiment, named, unique_paths
from largebatch.config.images import IMAGES
from largebatch.config.imports import placed
from largebatch.config.profiles import Descent, Profile
from largebatch.config.scale import (
    CONFIG,
    ScaleFile,
    beside,
    digested,
    extended,
    homes,
    merged,
    scales,
)
from largebatch.config.settings import Settings
from largebatch.config.spec import Arm
from largebatch.metrics import LINE_LOSSES

DEFAULT_SCALE = "digits"


@dataclass(frozen=True)
class Study:
    """Everything one `snakemake` call may make."""

    scale: str
    seeds: int  # of experiments that do not say how many
    first_seed: int
    seeds_of_files: dict[Made, int]  # see seeds_in()
    threads: int
    sources: str
    own_data: dict[str, Source]
    observations: str
    experiments: tuple[Experiment, ...]
    measures: dict[tuple[str, str], Settings]  # (measure, run or path by its stem) -> the measure's settings
    followed: dict[str, list[str]]  # run name -> the parts that are evaluated along it, see followed_in()
    papers: list[Paper]
    path: Path
    extends: str | None
    below: Path | None  # the file of the scale that this one extends

    def last_seed(self, seeds: int) -> int:
        """The last of so many seeds."""
        return self.first_seed + seeds - 1

    def in_words(self, seeds: int) -> str:
        """'14' for seeds 0 to 13, '20-33' for others, as jobs are told."""
        return f"{self.first_seed}-{self.last_seed(seeds)}" if self.first_seed else str(seeds)

    @property
    def numbers_of_seeds(self) -> int | str:
        """The seeds that experiments read of their arms and exhibits: 14, or '14 to 30'."""
        return spread(e.seeds_of(name) for e in self.experiments for name in (*e.groups, *e.exhibits))

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


def spread(counts: Iterable[int]) -> int | str:
    """14 if all are, or '14 to 30'."""
    found = {*counts}
    return min(found) if len(found) == 1 else f"{min(found)} to {max(found)}"


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
    experiments = all_experiments(scale, scale_path)
    if repeated := repeats(claim.id for e in experiments for claim in e.question.claims):
        raise ConfigError(
            f"{scale_path}: experiments: wanted each claim's id in one of them; got {repeated} repeatedly"
        )
    everywhere = (*experiments, *others(scale, scale_path, of_file.get("experiments")))
    return Study(
        scale.scale,
        scale.seeds,
        scale.first_seed,
        seeds_in(everywhere),
        scale.threads,
        scale.sources,
        scale.own_data,
        scale.observations,
        experiments,
        measures_of(scale_path, experiments),
        followed_in(everywhere),
        papers_of(scale_path, experiments),
        scale_path,
        scale.extends,
        beside(scale_path)[scale.extends] if scale.extends else None,
    )


def all_experiments(scale: ScaleFile, scale_path: Path) -> tuple[Experiment, ...]:
    """The experiments that the scale file lists; a ConfigError of all mistakes in them."""
    experiments, wrong = [], Mistakes()
    for name in scale.experiments:
        with wrong.collected():
            experiments.append(load_experiment(scale, scale_path, name))
    for name in scale.questions.keys() - {numbers.question or e for e, numbers in scale.numbers.items()}:
        where = f"{scale_path}: questions.{name}"
        with wrong.collected():
            raise ConfigError(f"{where}: wanted a name under numbers, or a `question:` there; got {name!r}")
    wrong.require_none()
    return tuple(experiments)


def papers_of(scale_path: Path, experiments: Iterable[Experiment]) -> list[Paper]:
    """The papers beside the scale files, the nearest ones, of experiments that lie there too."""
    folder = next((folder for folder in homes(scale_path) if (folder / PAPERS).is_file()), CONFIG)
    there = folder / "experiments"
    return papers_beside(folder, [e.written for e in experiments if e.path.parent == there])


def others(scale: ScaleFile, scale_path: Path, names: Any) -> Iterator[Experiment]:
    """The experiments that the scale file names and this call leaves out; broken ones must not stop it."""
    for name in names if isinstance(names, list) else ():
        if isinstance(name, str) and name not in scale.experiments:
            with suppress(ConfigError):
                yield load_experiment(scale, scale_path, name)


def seeds_in(experiments: Iterable[Experiment]) -> dict[Made, int]:
    """What is made -> how many seeds of it: as many as any of these experiments reads.

    Of all experiments, in this call or not: else calls would take turns to train seeds and to leave them out.
    """
    found: dict[Made, int] = {}
    for e in experiments:
        for made, seeds in e.seeds_of_files().items():
            found[made] = max(seeds, found.get(made, 0))
    return found


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
