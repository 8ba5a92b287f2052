"""The words for what a model refuses; test_mistakes.py has the whole lines."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from largebatch.config.checking import ConfigError, checked, hint_at_number, read_yaml, shortened
from largebatch.config.settings import Settings


class Leaf(Settings):
    kind: Literal["leaf"]
    leaf: float = 0.0


class Branch(Settings):
    kind: Literal["branch"]
    parts: list[Annotated["Leaf | Branch", Field(discriminator="kind")]]
    spare: Leaf | None = None


LEAF = {"kind": "leaf"}
FILE = Path("tree.yaml")


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ({"kind": "branch"}, "parts: wanted a value; got none"),
        (
            {"kind": "branch", "parts": [LEAF, LEAF | {"name": "oak", "leaf": "1"}]},
            "parts[oak].leaf: wanted a valid number; got '1' (text: take off the quotes)\n"
            "tree.yaml: parts[oak].leaf: wanted a key among ['kind', 'leaf']; got 'name'",
        ),
        (
            {"kind": "branch", "parts": [{"kind": "branch", "parts": [LEAF | {"stem": 1}]}]},
            "parts[0].parts[0].stem: wanted a key among ['kind', 'leaf']; got 'stem'",
        ),
        (
            {"kind": "branch", "parts": [], "spare": LEAF | {"stem": 1}},
            "spare.stem: wanted a key among ['kind', 'leaf']; got 'stem'",
        ),
        (
            {"kind": "branch", "parts": [{"kind": "root"}]},
            "parts[0].kind: wanted one of 'leaf', 'branch'; got 'root'",
        ),
        ({"kind": "branch", "parts": {"leaf": 1}}, "parts: wanted a valid list; got {'leaf': 1}"),
    ],
    ids=["absent", "named", "nested", "optional", "tag", "type"],
)
def test_the_key_is_the_one_in_the_file(raw, line):
    with pytest.raises(ConfigError) as caught:
        checked(Branch, raw, FILE)
    assert str(caught.value) == f"tree.yaml: {line}"


def test_a_key_from_elsewhere_is_named_where_it_stands():
    def line(raw, origin):
        with pytest.raises(ConfigError) as caught:
            checked(Leaf, raw, FILE, "garden.tree", origin)
        return str(caught.value)

    raw = LEAF | {"leaf": "green"}
    assert line(raw, {}).startswith("tree.yaml: garden.tree.leaf: ")
    assert line(raw, {"leaf": "garden.all"}).startswith("tree.yaml: garden.all.leaf: ")
    assert line({}, {"leaf": "garden.all"}).startswith("tree.yaml: garden.tree.kind: wanted a value")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("-007", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-3", 1e-3),
        ("-2.5E+4", -2.5e4),
        (".5", 0.5),
        ("3.", 3.0),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        # YAML 1.1 takes these for 90, 90.5, 3, 1000, booleans and a date
        *((text, text) for text in ("1:30", "1:30.5", "0b11", "1_000", "yes", "no", "on", "Off", "y")),
        ("2026-10-12", "2026-10-12"),
        ("=", "="),
        ("1e", "1e"),
        ("'010'", "010"),
        ("!!str 10", "10"),
        ("!!int '010'", 10),
    ],
)
def test_values_are_those_of_yaml_1_2(tmp_path, text, value):
    """The core schema of YAML 1.2.2, section 10.3.2."""
    (tmp_path / "x.yaml").write_text(f"\ufeffx: {text}\n", encoding="utf-8")  # as some editors begin a file
    read = read_yaml(tmp_path / "x.yaml")["x"]
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("got", "hint"),
    [
        *((text, " (text: take off the quotes)") for text in ("0.05", "1e-3", "-3", "0x1F")),
        *(
            (text, " (text: write a number as ")
            for text in ("1_0", "1:30", "0b1", "1e2e3", "2026-10-12", "5 epochs")
        ),
        *((other, "") for other in ("", "small", "e", "e-3", None, [1])),
    ],
)
def test_what_was_meant_as_a_number_is_hinted_at(got, hint):
    assert hint_at_number(got).startswith(hint) and bool(hint_at_number(got)) == bool(hint)


def test_values_are_cut_where_they_are_long():
    assert shortened("x" * 98) == repr("x" * 98)
    assert len(shortened("x" * 99)) == 100


def test_keys_are_looked_at_before_they_are_merged(tmp_path):
    """<<: with a key of one's own is no repetition."""
    (tmp_path / "x.yaml").write_text(
        "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, y: 4}\n", encoding="utf-8"
    )
    read = read_yaml(tmp_path / "x.yaml")
    assert (read["b"], read["c"]) == ({"x": 3, "y": 2}, {"x": 3, "y": 4})
    (tmp_path / "x.yaml").write_text("a: {x: 1, b: {y: 1, x: 2, y: 3}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.yaml: line 1: wanted valid YAML; got: the key 'y' twice"):
        read_yaml(tmp_path / "x.yaml")
