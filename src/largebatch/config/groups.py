"""The arms behind one name of a scale file: one, or one for each entry of `each` and point of `grid`."""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from largebatch.config.checking import ConfigError, checked, shortened
from largebatch.config.imports import as_written, with_digest
from largebatch.config.losses import Targets
from largebatch.config.settings import Seeds, Settings
from largebatch.config.spec import Arm
from largebatch.metrics import PART_METRICS

# The test split is read for the reported number only.
MetricToTuneOn = Literal[
    "validation_loss_nats",
    "validation_error_percent",
    "validation_squared_error",
    "validation_own_loss",
    "validation_rmse",
    "validation_mae",
    "updates_to_validation_goal",
]
SettingOfArm = Literal[tuple(Arm.model_fields)]


def distinct(values: list) -> list:
    """The values, each of which makes an arm."""
    if repeated := [value for value in values if values.count(value) > 1]:
        raise ValueError(f"different values; got {shortened(repeated)}")
    return values


def without_seeds(settings: Any) -> Any:
    """Settings of arms; a ValueError if they say how many seeds these have."""
    if isinstance(settings, dict) and "seeds" in settings:
        raise ValueError(
            "seeds at the top of the file, under numbers.<experiment>, or in one of its arms beside each and "
            f"grid; got {shortened(settings['seeds'])} here"
        )
    return settings


class Words(Settings):
    """What makes several arms of one group, by which metric one of the grid is chosen, and how many seeds."""

    each: Annotated[
        list[Annotated[dict[SettingOfArm, Any], Field(min_length=1), BeforeValidator(without_seeds)]],
        Field(min_length=1),
        AfterValidator(distinct),
    ] = [{}]
    grid: Annotated[
        dict[SettingOfArm, Annotated[list[Any], Field(min_length=1), AfterValidator(distinct)]],
        Field(min_length=1),
        BeforeValidator(without_seeds),
    ] = {}
    tuned_on: MetricToTuneOn | None = None
    seeds: Seeds | None = None

    @field_validator("tuned_on")
    @classmethod
    def over_a_grid(cls, metric, others):
        if metric and not others.data.get("grid"):
            raise ValueError(f"a grid beside it; got {metric!r} without one")
        return metric


@dataclass(frozen=True)
class Member:
    """One run of a group; `tuned` is the tuned arm for which it was tried, if any."""

    name: str
    arm: Arm
    tuned: str | None = None


@dataclass(frozen=True)
class Group:
    """The arms behind one name: one, or one for each entry of `each` and point of `grid`.

    With `tuned_on` the points of the grid are tries for one arm: for each seed, the one whose final value
    of that metric is lowest. seeds: how many of each, the first ones.
    """

    name: str
    members: tuple[Member, ...]
    tuned_on: str | None
    seeds: int

    @property
    def arms(self) -> dict[str, list[Member]]:
        """Arm that claims and figures read -> its run, or those it is tuned over."""
        found: dict[str, list[Member]] = {}
        for member in self.members:
            found.setdefault(member.tuned or member.name, []).append(member)
        return found


def resolve_group(
    name: str, layers: dict[str, dict], path: Path, key: str, data: Mapping[str, Targets], seeds: int
) -> Group:
    """The arms of one group: one for each entry of `each`, and each combination of the values of `grid`.

    layers: place in the file -> settings, later before earlier; data: the data sets that there are -> what
    their targets are. seeds: where the group does not say how many.
    """
    settings: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for layer, some in layers.items():
        settings |= some
        origin |= dict.fromkeys(some, layer)
    given = {word: settings.pop(word) for word in Words.model_fields if word in settings}
    words = checked(Words, given, path, key, origin)
    tuned_on, members = words.tuned_on, []
    for overrides in words.each:
        entry = labelled(name, overrides)
        for values in itertools.product(*words.grid.values()):
            varied = dict(zip(words.grid, values, strict=True))
            source = origin | dict.fromkeys(overrides, f"{origin.get('each')}.each")
            source |= dict.fromkeys(varied, f"{origin.get('grid')}.grid")
            full = with_sources({**settings, **overrides, **varied}, path, source)
            arm = checked(Arm, with_targets(full, data, path, source), path, key, source)
            check_data(path, source, arm, data, tuned_on)
            tried = labelled(name, overrides | varied)
            members.append(Member(tried, arm, entry if tuned_on else None))
    if len(members) == 1:  # a grid of one is an arm like any other
        members = [replace(members[0], name=name) if tuned_on is None else members[0]]
    return Group(name, tuple(members), tuned_on, words.seeds or seeds)


def with_members(groups: Mapping[str, Group]) -> dict[str, Group]:
    """The groups, and each of their arms and tries as a group of one, under its name in the observations."""
    found = dict(groups)
    for group in groups.values():
        for name, members in group.arms.items():
            found.setdefault(name, replace(group, name=name, members=tuple(members)))
        for member in group.members:
            alone = (replace(member, tuned=None),)
            found.setdefault(member.name, Group(member.name, alone, None, group.seeds))
    return found


def with_sources(settings: dict[str, Any], path: Path, origin: dict[str, str]) -> dict[str, Any]:
    """An arm's settings with the digest of what it imports."""
    found = {}
    for part in settings.keys() & {"model", "loss"}:
        try:
            found[part] = with_digest(settings[part])
        except ValueError as error:
            raise ConfigError(f"{path}: {origin[part]}.{part}.import: wanted {error}") from error
    return settings | found


def with_targets(
    settings: dict[str, Any], known: Mapping[str, Targets], path: Path, origin: dict[str, str]
) -> dict[str, Any]:
    """An arm's settings with what the targets of its data set are, if these are no classes."""
    data = settings.get("data")
    if not isinstance(data, dict):
        return settings
    if "targets" in data:
        where = f"{path}: {origin['data']}.data.targets"
        raise ConfigError(f"{where}: wanted it under arrays; got {data['targets']!r} in an arm")
    targets = known.get(str(data.get("name")), "classes")
    return settings if targets == "classes" else settings | {"data": data | {"targets": targets}}


def labelled(name: str, varied: dict[str, Any]) -> str:
    """'sweep[batch_size=8,lr=0.1]'"""
    label = ",".join(f"{k}={as_written(v)}" for k, v in varied.items())
    return f"{name}[{label}]" if label else name


def check_data(
    path: Path, origin: dict[str, str], arm: Arm, known: Collection[str], tuned_on: str | None
) -> None:
    """An arm's data set is one that there is, with a validation part if something is tuned on that."""
    if arm.data.name not in known:
        near = get_close_matches(arm.data.name, sorted(known), n=3, cutoff=0.0)
        raise ConfigError(
            f"{path}: {origin['data']}.data.name: wanted a data set that there is, or one of folders "
            f"or arrays, such as {near}; got {arm.data.name!r}"
        )
    if tuned_on is not None and not arm.data.validation:
        raise ConfigError(
            f"{path}: {origin['tuned_on']}.tuned_on: wanted data.validation above 0 with "
            f"tuned_on: {tuned_on}; got 0"
        )
    if tuned_on in PART_METRICS and tuned_on not in arm.part_metrics:
        has = [metric for metric in get_args(MetricToTuneOn) if metric in arm.part_metrics]
        raise ConfigError(f"{path}: {origin['tuned_on']}.tuned_on: wanted one of {has}; got {tuned_on!r}")
