"""The arms behind one name of a scale file: one, or one for each entry of `each` and point of `grid`."""

import itertools
from collections.abc import Collection
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from largebatch.config.checking import ConfigError, checked, shortened
from largebatch.config.spec import Arm

# The test split is read for the reported number only.
METRICS_TO_TUNE_ON = ("validation_loss_nats", "validation_error_percent", "updates_to_validation_goal")


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
    of that metric is lowest.
    """

    name: str
    members: tuple[Member, ...]
    tuned_on: str | None

    @property
    def arms(self) -> dict[str, list[Member]]:
        """Arm that claims and figures read -> its run, or those it is tuned over."""
        found: dict[str, list[Member]] = {}
        for member in self.members:
            found.setdefault(member.tuned or member.name, []).append(member)
        return found


def resolve_group(name: str, layers: dict[str, dict], path: Path, key: str, data: Collection[str]) -> Group:
    """The arms of one group: one for each entry of `each`, and each combination of the values of `grid`.

    layers: place in the file -> settings, later before earlier; data: the data sets that there are.
    """
    settings: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for layer, some in layers.items():
        settings |= some
        origin |= dict.fromkeys(some, layer)
    each, grid, tuned_on = (settings.pop(word, None) for word in ("each", "grid", "tuned_on"))
    check_group_words(path, origin, each, grid, tuned_on)
    members = []
    for overrides in each or [{}]:
        entry = labelled(name, overrides)
        for values in itertools.product(*(grid or {}).values()):
            varied = dict(zip(grid or {}, values, strict=True))
            source = origin | dict.fromkeys(overrides, f"{origin.get('each')}.each")
            source |= dict.fromkeys(varied, f"{origin.get('grid')}.grid")
            arm = checked(Arm, {**settings, **overrides, **varied}, path, key, source)
            check_data(path, source, arm, data, tuned_on)
            tried = labelled(name, overrides | varied)
            members.append(Member(tried, arm, entry if tuned_on else None))
    if len(members) == 1:  # a grid of one is an arm like any other
        members = [replace(members[0], name=name) if tuned_on is None else members[0]]
    return Group(name, tuple(members), tuned_on)


def labelled(name: str, varied: dict[str, Any]) -> str:
    """'sweep[batch_size=8,lr=0.1]'"""
    label = ",".join(f"{k}={v}" for k, v in varied.items())
    return f"{name}[{label}]" if label else name


def check_data(
    path: Path, origin: dict[str, str], arm: Arm, known: Collection[str], tuned_on: str | None
) -> None:
    """An arm's data set is one that there is, with a validation part if something is tuned on that."""
    if arm.data.name not in known:
        near = get_close_matches(arm.data.name, sorted(known), n=3, cutoff=0.0)
        raise ConfigError(
            f"{path}: {origin['data']}.data.name: wanted a data set that there is, or one of folders, "
            f"such as {near}; got {arm.data.name!r}"
        )
    if tuned_on is not None and not arm.data.validation:
        raise ConfigError(
            f"{path}: {origin['tuned_on']}.tuned_on: wanted data.validation above 0 with "
            f"tuned_on: {tuned_on}; got 0"
        )


def check_group_words(path: Path, origin: dict[str, str], each: Any, grid: Any, tuned_on: Any) -> None:
    """What makes several arms of one group: lists of different things, and a metric to choose by."""
    if "each" in origin and not is_each(each):
        raise ConfigError(
            f"{path}: {origin['each']}.each: wanted a list of different settings of an arm; "
            f"got {shortened(not_of_each(each))}"
        )
    if "grid" in origin and not is_grid(grid):
        raise ConfigError(
            f"{path}: {origin['grid']}.grid: wanted settings of an arm, each with a list of different "
            f"values; got {shortened(not_of_a_grid(grid))}"
        )
    if tuned_on is not None and (tuned_on not in METRICS_TO_TUNE_ON or not grid):
        raise ConfigError(
            f"{path}: {origin['tuned_on']}.tuned_on: wanted one of {METRICS_TO_TUNE_ON} beside a grid; "
            f"got {tuned_on!r}{'' if grid else ' without one'}"
        )


def is_each(each: Any) -> bool:
    """Whether these are different sets of settings of an arm."""
    return isinstance(each, list) and bool(each) and not not_of_each(each)


def not_of_each(each: Any) -> Any:
    """What of it cannot be there."""

    def fits(some: Any) -> bool:
        return isinstance(some, dict) and bool(some) and some.keys() <= Arm.model_fields.keys()

    return (
        [some for some in each if not fits(some) or each.count(some) > 1] if isinstance(each, list) else each
    )


def is_grid(grid: Any) -> bool:
    """Whether these are settings of an arm, each with different values."""
    return isinstance(grid, dict) and bool(grid) and not not_of_a_grid(grid)


def not_of_a_grid(grid: Any) -> Any:
    """What of it cannot be there."""

    def fits(key: str, values: Any) -> bool:
        return (
            key in Arm.model_fields
            and isinstance(values, list)
            and bool(values)
            and all(values.count(value) == 1 for value in values)
        )

    return {k: v for k, v in grid.items() if not fits(k, v)} if isinstance(grid, dict) else grid
