"""One experiment at one scale: its question with the scale's numbers, cross-checked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from largebatch.config.additions import asked_by
from largebatch.config.asking import absent_from, asked, mistakes_in_asking
from largebatch.config.checking import ConfigError
from largebatch.config.exhibits import exhibit_stem
from largebatch.config.groups import Group, with_members
from largebatch.config.measures import Measures
from largebatch.config.papers import with_paper
from largebatch.config.published import PUBLISHED, not_published
from largebatch.config.question import Question
from largebatch.config.references import mistakes, undefined
from largebatch.config.scale import ScaleFile, defined_somewhere, questions_of, resolve_groups
from largebatch.config.settings import Settings
from largebatch.config.spec import Arm
from largebatch.metrics import METRICS_OF, TRAIN_SECONDS

Made = str | tuple[str, str]  # a run's name, (measure, run's name), a path's or an exhibit's stem


@dataclass(frozen=True)
class Experiment:
    """A question with its numbers."""

    question: Question
    groups: dict[str, Group]
    measures: Measures
    seeds: int  # of its exhibits, and of its arms that do not say how many
    exhibits: dict[str, Settings]  # name -> options
    written: Question  # as its file has it, before the scale leaves anything out
    absent: dict[str, str]  # arm or path that the scale leaves out -> why
    path: Path
    published: Path | None  # the observations that stand in for its own

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

    def seeds_of(self, name: str) -> int:
        """How many seeds it reads of an arm, path (those of both ends) or exhibit: the first ones."""
        if path := self.question.paths.get(name):
            return min(self.groups[end].seeds for end in (path.start, path.end))
        return self.groups[name].seeds if name in self.groups else self.seeds

    def seeds_of_files(self) -> dict[Made, int]:
        """How many seeds it reads of everything that is made, see Made."""
        runs: dict[Made, int] = {}
        for group in self.groups.values():
            for member in group.members:
                runs[member.arm.id] = max(group.seeds, runs.get(member.arm.id, 0))
        # observations have all measures of a run for every arm that it stands for
        measured: dict[Made, int] = {(measure, arm.id): runs[arm.id] for measure, arm in self.measured()}
        paths: dict[Made, int] = {}
        for name, ends in self.ends_of_paths().items():
            stem = path_stem(*ends)
            paths[stem] = max(self.seeds_of(name), paths.get(stem, 0))
        return {**runs, **measured, **paths, **dict.fromkeys(self.exhibit_stems().values(), self.seeds)}

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
                if "[" not in group.name  # one of another group
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


def load_experiment(scale: ScaleFile, scale_path: Path, name: str) -> Experiment:
    """One experiment's question with this scale's numbers, cross-checked."""
    numbers = scale.numbers.get(name)
    asks = numbers.question if numbers and numbers.question else name
    path = file_of(scale, scale_path, asks)
    if numbers is None:
        raise ConfigError(f"{scale_path}: numbers: wanted a key {name!r}, listed in experiments; got none")
    groups = resolve_groups(scale, scale_path, name)
    placed = asked_by(scale.questions.get(asks, {}), scale_path, path, asks, groups)
    written = placed.question
    used = {use.arm for use in written.uses()}
    groups |= {arm: one for arm, one in with_members(groups).items() if "[" in arm and arm in used}
    crossings = {f"{arm}.{variant}" for arm, variant in numbers.crossings()}
    wrong = [
        f"{scale_path}: numbers.{name}.{mistake}"
        for mistake in mistakes_in_asking(written, numbers, crossings, name)
    ]
    absent = left_out(written, groups, scale, scale_path, name)
    if published := published_for(scale, name):
        # What the scale leaves out keeps the scale's reason.
        absent = absent_from(written, numbers, not_published(published, written, groups)) | absent
        groups = {arm: group for arm, group in groups.items() if arm not in absent}
    question = asked(written, numbers, name, absent)
    own = {name: getattr(numbers.measures, name) for name in numbers.measures.model_fields_set}
    measures = scale.measures.model_copy(update=own)
    found = mistakes(question, groups, measures, absent, numbers.exhibits, numbers.unknown)
    if wrong := [*wrong, *(placed.at(mistake, scale_path) for mistake in found)]:
        raise ConfigError("\n".join(wrong))
    exhibits = {shown: getattr(numbers.exhibits, shown) for shown in question.exhibits}
    if not groups and not exhibits:
        raise ConfigError(
            f"{scale_path}: numbers.{name}: wanted an arm or an exhibit; got none of this scale"
        )
    seeds = numbers.seeds or scale.seeds
    return Experiment(question, groups, measures, seeds, exhibits, written, absent, placed.path, published)


def file_of(scale: ScaleFile, scale_path: Path, name: str) -> Path | None:
    """The file of the question `name`; None if only the scale file asks it."""
    known, own = questions_of(scale_path), scale.questions
    if name not in known and name not in own:
        wanted = sorted({*known, *own})
        raise ConfigError(f"{scale_path}: experiments: wanted names among {wanted}; got {name!r}")
    return known.get(name)


def left_out(
    written: Question, groups: dict[str, Group], scale: ScaleFile, scale_path: Path, name: str
) -> dict[str, str]:
    """Arm or path that the scale leaves out -> why; not what no scale defines, a mistake."""
    numbers = scale.numbers[name]
    missing = undefined(written, groups) - absent_from(written, numbers).keys()
    somewhere = defined_somewhere(missing, written.experiment, scale, scale_path)
    return absent_from(
        written, numbers, {arm: f"This scale does not define the arm {arm}." for arm in sorted(somewhere)}
    )


def published_for(scale: ScaleFile, name: str) -> Path | None:
    """The published observations of an experiment, if asked for: of the scale, or the one it extends."""
    if scale.observations == "measured":
        return None
    paths = [
        PUBLISHED / of / name / "observations.parquet"
        for of in (scale.scale, scale.extends)
        if of is not None
    ]
    return next((path for path in paths if path.is_file()), paths[0])
