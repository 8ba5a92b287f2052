"""From configuration files to a checked Study: every arm in full, every name resolved.

A scale file (config/<scale>.yaml) gives the numbers, an experiment file
(config/experiments/<experiment>.yaml) the questions. Whatever is wrong is a ConfigError of one line:
file, key, what was wanted, what was got.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from largebatch.question import MEASURES, ArmName, Metric, Name, Question
from largebatch.spec import Arm, Count, NonNegative, Settings


T = TypeVar("T", bound=BaseModel)  # PEP 695 needs Python 3.12


class ConfigError(Exception):
    """A configuration that cannot run; its text is one line for the person who wrote it."""


class Curvature(Settings):
    """How curvature is measured: by PyHessian, on the first `examples` of each seed's training part."""

    examples: Count
    eigenvalue_iterations: Count = 100
    eigenvalue_tolerance: NonNegative = 1e-3
    trace_probes: Count = 30


class Measures(Settings):
    curvature: Curvature | None = None


class Crossed(Settings):
    """Every arm in every variant, named <arm>.<variant>."""

    arms: dict[Name, dict[str, Any]]
    variants: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]


class Numbers(Settings):
    """The numbers one scale gives to one experiment."""

    base: dict[str, Any] = {}
    arms: dict[Name, dict[str, Any]] = {}
    crossed: Crossed | None = None


class ScaleFile(Settings):
    """config/<scale>.yaml"""

    scale: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
    seeds: Annotated[int, Field(ge=2)]
    threads: Count = 1
    experiments: Annotated[list[Name], Field(min_length=1)]
    measures: Measures = Measures()
    base: dict[str, Any] = {}
    numbers: dict[Name, Numbers]


@dataclass(frozen=True)
class Member:
    """One arm of a group, with the settings that tell it from the others."""

    name: str
    varied: dict[str, Any]
    arm: Arm


@dataclass(frozen=True)
class Group:
    """The arms behind one name: one, or one a grid point.

    With `tuned_on` the group acts as one arm: for each seed, the member whose final value of that
    metric is lowest.
    """

    name: str
    members: tuple[Member, ...]
    tuned_on: str | None


@dataclass(frozen=True)
class Experiment:
    """A question with its numbers."""

    question: Question
    groups: dict[str, Group]

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

    def to_aggregate(self) -> dict:
        """What the aggregate stage is asked, ready for JSON."""
        measured = {(measure, arm.id) for measure, arm in self.measured()}
        return {
            "experiment": self.name,
            "groups": {
                group.name: {
                    "tuned_on": group.tuned_on,
                    "members": [
                        {
                            "arm": member.name,
                            "run": member.arm.id,
                            "measures": [m for m in MEASURES if (m, member.arm.id) in measured],
                            "batch_size": member.arm.batch_size,
                            "lr": member.arm.lr,
                            "k": member.arm.k,
                            "peak_learning_rate": member.arm.peak_lr,
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
        return {"experiment": self.name, "figure": named(self.question.figures, figure).chosen()}

    def to_tabulate(self, table: str) -> dict:
        """What is asked for one table."""
        return {"experiment": self.name, "table": named(self.question.tables, table).chosen()}


def named(things: list, name: str):
    return next(thing for thing in things if thing.name == name)


@dataclass(frozen=True)
class Study:
    """Everything one `snakemake` call may make."""

    scale: str
    seeds: int
    threads: int
    measures: Measures
    experiments: tuple[Experiment, ...]

    @property
    def arms(self) -> dict[str, Arm]:
        """Run name -> arm, each arm once however many experiments share it."""
        return {arm.id: arm for e in self.experiments for arm in e.arms}

    def experiment(self, name: str) -> Experiment:
        return named(self.experiments, name)

    def to_report(self) -> dict:
        """What the report is asked to show."""
        return {
            "scale": self.scale,
            "seeds": self.seeds,
            "experiments": [
                {
                    "experiment": e.name,
                    "title": e.question.title,
                    "question": e.question.question,
                    "figures": [figure.name for figure in e.question.figures],
                    "tables": [table.name for table in e.question.tables],
                }
                for e in self.experiments
            ],
        }


def load_study(scale_path: Path, overrides: dict[str, Any] | None = None) -> Study:
    """The study a scale file describes; `overrides` replace its top-level keys."""
    raw = {**read_yaml(scale_path), **(overrides or {})}
    if isinstance(raw.get("experiments"), str):  # --config experiments=keskar,goyal
        raw["experiments"] = raw["experiments"].split(",")
    scale = checked(ScaleFile, raw, scale_path)
    experiments = tuple(
        load_experiment(scale, scale_path, name) for name in dict.fromkeys(scale.experiments)
    )
    return Study(scale.scale, scale.seeds, scale.threads, scale.measures, experiments)


def load_experiment(scale: ScaleFile, scale_path: Path, name: str) -> Experiment:
    """One experiment's question with this scale's numbers, cross-checked."""
    folder = scale_path.parent / "experiments"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise ConfigError(f"{scale_path}: experiments: wanted names among {known}; got {name!r}")
    if name not in scale.numbers:
        raise ConfigError(f"{scale_path}: numbers: wanted a key {name!r}, listed in experiments; got none")
    question = checked(Question, read_yaml(path), path)
    if question.experiment != name:
        raise ConfigError(f"{path}: experiment: wanted {name!r}, the file's name; got {question.experiment!r}")
    groups = resolve_groups(scale, scale_path, name)
    check_references(question, groups, scale, path)
    return Experiment(question, groups)


def read_yaml(path: Path) -> dict:
    """The mapping in a YAML file."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: wanted a readable file; got {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "no YAML"
        raise ConfigError(f"{path}:{where}: wanted valid YAML; got: {what}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: wanted keys and values; got {type(content).__name__}")
    return content


def checked(kind: type[T], raw: Any, path: Path, key: str = "") -> T:
    """`raw` as `kind`, or a ConfigError about its first mistake."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, key)}") from None


def explain(error: ValidationError, key: str = "") -> str:
    """'key: wanted ...; got ...' for the first mistake of a pydantic error."""
    first, *others = error.errors()
    location = ".".join([key] * bool(key) + [str(part) for part in first["loc"]]) or "file"
    more = f" (and {len(others)} more)" if others else ""
    message, got, context = first["msg"], first["input"], first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            wanted, got = "a known key", location.rpartition(".")[2]
        case "missing":
            return f"{location}: wanted a value; got none{more}"
        case "value_error":
            return f"{location}: wanted {message.removeprefix('Value error, ')}{more}"
        case "literal_error":
            wanted = f"one of {context['expected']}"
        case "union_tag_invalid":
            wanted = f"{context['discriminator'].strip(chr(39))} among {context['expected_tags']}"
            got = context["tag"]
        case "union_tag_not_found":
            wanted = f"a key {context['discriminator']}"
        case _:
            wanted = message.removeprefix("Input should be ")
    hint = ""
    if isinstance(got, str) and looks_like_number(got):
        hint = f" (text to YAML: write {float(got):.1e})" if "e" in got.lower() else " (text: take off the quotes)"
    return f"{location}: wanted {wanted}; got {got!r}{hint}{more}"


def looks_like_number(text: str) -> bool:
    """Whether a person who wrote this text meant a number, as 1e-3 is to YAML 1.1."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def resolve_groups(scale: ScaleFile, path: Path, experiment: str) -> dict[str, Group]:
    """All groups of an experiment at this scale: base, then experiment, then arm, then variant."""
    numbers = scale.numbers[experiment]
    base = {**scale.base, **numbers.base}
    where = f"numbers.{experiment}"
    layers = {name: (f"{where}.arms.{name}", settings) for name, settings in numbers.arms.items()}
    if numbers.crossed:
        for (arm, settings), (variant, more) in itertools.product(
            numbers.crossed.arms.items(), numbers.crossed.variants.items()
        ):
            layers[f"{arm}.{variant}"] = (f"{where}.crossed.{arm}.{variant}", {**settings, **more})
    return {
        name: resolve_group(name, {**base, **settings}, path, key)
        for name, (key, settings) in layers.items()
    }


def resolve_group(name: str, settings: dict, path: Path, key: str) -> Group:
    """The arms of one group: `grid` gives one for every combination of its values."""
    grid, tuned_on = settings.get("grid", {}), settings.get("tuned_on")
    fixed = {k: v for k, v in settings.items() if k not in ("grid", "tuned_on")}
    wrong = not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values())
    if wrong or any(k not in Arm.model_fields for k in grid):
        raise ConfigError(f"{path}: {key}.grid: wanted settings of an arm, each with a list of values; got {grid!r}")
    if tuned_on is not None and (tuned_on not in METRICS_TO_TUNE_ON or not grid):
        raise ConfigError(
            f"{path}: {key}.tuned_on: wanted one of {METRICS_TO_TUNE_ON} beside a grid; got {tuned_on!r}"
        )
    members = []
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        label = ",".join(f"{k}={v}" for k, v in varied.items())
        arm = checked(Arm, {**fixed, **varied}, path, key)
        members.append(Member(f"{name}[{label}]" if label else name, varied, arm))
    return Group(name, tuple(members), tuned_on)


# The test split is read for the reported number only.
METRICS_TO_TUNE_ON = ("validation_loss_nats", "validation_error_percent")


def check_references(question: Question, groups: dict[str, Group], scale: ScaleFile, path: Path) -> None:
    """Every arm that is named exists, stands for as many arms as its use needs, and has the metric."""
    ids = [claim.id for claim in question.claims]
    for what, names in (
        ("claims", ids),
        ("figures", [f.name for f in question.figures]),
        ("tables", [t.name for t in question.tables]),
    ):
        if repeated := sorted({n for n in names if names.count(n) > 1}):
            raise ConfigError(f"{path}: {what}: wanted each name once; got {repeated} repeatedly")
    for measure in question.measures:
        if getattr(scale.measures, measure) is None:
            raise ConfigError(f"{path}: measures.{measure}: wanted its settings under measures of {scale.scale!r}; got none")
    for use in uses_of_arms(question):
        if use.arm not in groups:
            raise ConfigError(f"{path}: {use.key}: wanted an arm among {sorted(groups)}; got {use.arm!r}")
        group = groups[use.arm]
        single = len(group.members) == 1 or group.tuned_on is not None
        if use.single is True and not single:
            raise ConfigError(f"{path}: {use.key}: wanted one arm; got {use.arm!r}, a grid of {len(group.members)}")
        if use.single is False and (len(group.members) < 2 or group.tuned_on is not None):
            raise ConfigError(f"{path}: {use.key}: wanted a grid of arms; got {use.arm!r}, a single arm")
        for measure, metrics in MEASURES.items():
            if use.metric in metrics and use.arm not in question.measures.get(measure, []):
                raise ConfigError(f"{path}: {use.key}: wanted an arm listed in measures.{measure}; got {use.arm!r}")


@dataclass(frozen=True)
class Use:
    """An arm that a question names: where, for which metric, and whether it must be a single arm."""

    key: str
    arm: ArmName
    metric: Metric | None = None
    single: bool | None = True


def uses_of_arms(question: Question) -> Iterator[Use]:
    """Everything a question says about arms."""
    for measure, arms in question.measures.items():
        yield from (Use(f"measures.{measure}", arm, single=None) for arm in arms)
    for claim in question.claims:
        yield from uses_of_claim(claim, f"claims.{claim.id}")
    for figure in question.figures:
        swept = figure.kind == "against_setting"
        metrics = getattr(figure, "y", [None])
        for label, arm in figure.lines.items():
            for metric in metrics if isinstance(metrics, list) else [metrics]:
                yield Use(f"figures.{figure.name}.lines.{label}", arm, metric, single=not swept)
        if swept and figure.baseline:
            yield Use(f"figures.{figure.name}.baseline", figure.baseline)
    for table in question.tables:
        for label, arm in table.rows.items():
            yield Use(f"tables.{table.name}.rows.{label}", arm)
        if unknown := sorted(set(table.paper) - set(table.rows)):
            raise ConfigError(f"{question.experiment}.yaml: tables.{table.name}.paper: wanted labels of rows; got {unknown}")


def uses_of_claim(claim, key: str) -> Iterator[Use]:
    """The arms of one claim."""
    match claim.kind:
        case "difference" | "ratio":
            for side in ("a", "b"):
                operand = getattr(claim, side)
                yield Use(f"{key}.{side}.arm", operand.arm, operand.metric or claim.metric)
                if operand.at and operand.at.same_updates_as:
                    yield Use(f"{key}.{side}.at.same_updates_as", operand.at.same_updates_as)
        case "rank_correlation":
            yield Use(f"{key}.arm", claim.arm, claim.metric, single=False)
        case "best_setting":
            yield Use(f"{key}.a", claim.a, claim.metric, single=False)
            yield Use(f"{key}.b", claim.b, claim.metric, single=False)
        case _:
            yield Use(f"{key}.a", claim.a, claim.metric)
            yield Use(f"{key}.b", claim.b, claim.metric)
