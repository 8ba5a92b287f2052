"""Files of config/ to spoil, and what is said of them."""

import pytest
import yaml

from largebatch.config.study import ConfigError, load_study

ABSENT = object()


def put(content, key, value):
    """Set the value at a dotted key; ABSENT takes it away, a function is given the value that is there.

    Items of a list go by their id or name.
    """
    *way, last = key.split("/")
    for part in way:
        content = content[place_of(part, content)]
    last = place_of(last, content)
    if value is ABSENT:
        del content[last]
    else:
        content[last] = value(content[last]) if callable(value) else value


def place_of(part, content):
    """A key, or the place in a list of the item of that id or name."""
    if isinstance(content, dict):
        return part
    return [item.get("id") or item["name"] for item in content].index(part)


def spoil(path, edits):
    """Set values in a YAML file by their keys, written with /."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in edits.items():
        put(content, key, value)
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def complaints(folder, scale="smoke.yaml", overrides=None) -> list[str]:
    """The lines that load_study says, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load_study(folder / scale, overrides)
    lines = str(caught.value).split("\n")
    assert len(set(lines)) == len(lines)
    assert all(line.startswith(f"{folder}/") and len(line) < 700 for line in lines), lines
    return [line.removeprefix(f"{folder}/") for line in lines]


def complaint(folder, scale="smoke.yaml", overrides=None) -> str:
    """The first of them."""
    return complaints(folder, scale, overrides)[0]


SMOKE, KESKAR, GOYAL = "smoke.yaml", "experiments/keskar.yaml", "experiments/goyal.yaml"
K = "numbers/keskar"
CLAIM = "claims/K1"
