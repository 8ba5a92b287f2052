"""Texts that say a setting take it from the scale: <sweep goal.error_percent | 5>.

That is an arm or group, a setting of it, and what is written where the scale has no such arm. With `least` or
`most` behind the setting: of a group whose arms differ in it. All else in a text stays as it is.
"""

import re
from collections.abc import Mapping
from typing import Any

from largebatch.config.groups import Group

NAME = r"[a-z][a-z0-9_.]*"
SETTING = re.compile(rf"<({NAME}) ({NAME})(?: (least|most))? \| ([^<>|]+)>")
OF_GROUP = {"least": min, "most": max}


def filled(content: Any, groups: Mapping[str, Group]) -> Any:
    """A question's content with the scale's settings in its texts; a ValueError if an arm has no such one."""
    if isinstance(content, dict):
        return {key: filled(value, groups) for key, value in content.items()}
    if isinstance(content, list):
        return [filled(value, groups) for value in content]
    if not isinstance(content, str) or "<" not in content:
        return content
    return SETTING.sub(lambda found: setting(*found.groups(), groups), content)


def setting(name: str, key: str, which: str | None, otherwise: str, groups: Mapping[str, Group]) -> str:
    """A setting of a group as texts show it."""
    if name not in groups:
        return otherwise
    found = {value_of(member.arm, key) for member in groups[name].members}
    if len(found) > 1 and which is None:
        raise ValueError(f"least or most of {key} of {name}, whose arms differ; got neither")
    value = OF_GROUP.get(which, min)(found)
    return f"{value:,g}" if isinstance(value, int | float) else str(value)


def value_of(arm: Any, key: str) -> Any:
    """A setting of an arm, by its key with dots."""
    value = arm
    for part in key.split("."):
        value = getattr(value, part, None)
    if value is None or not isinstance(value, int | float | str):
        raise ValueError(f"a number or a name that the arms in question have; got {key}")
    return value
