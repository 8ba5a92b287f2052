"""Read a YAML file as a model; whatever is wrong is a ConfigError, one line per mistake.

A line says file, key, what was wanted, what was got.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)  # PEP 695 needs Python 3.12


class ConfigError(Exception):
    """A configuration that cannot run; its text has one line per mistake, for the person who wrote it."""


class Mistakes:
    """Collects what is wrong in several places, to say it all at once."""

    def __init__(self):
        self.lines: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Takes note of a ConfigError and goes on behind the block."""
        try:
            yield
        except ConfigError as error:
            self.lines += str(error).splitlines()

    def require_none(self) -> None:
        """A ConfigError of all mistakes, each once, if there are any."""
        if self.lines:
            raise ConfigError("\n".join(dict.fromkeys(self.lines)))


MOST_BYTES = 1 << 20  # ten times the longest of ours
MOST_DEEP = 40  # levels of lists and mappings
SHALLOW = f"wanted at most {MOST_DEEP} levels of lists and mappings"
MOST_VALUES = 100_000  # with those that an alias stands for


class CoreSchema(yaml.SafeLoader):
    """The core schema of YAML 1.2: numbers are decimal as people write them, booleans true and false alone.

    PyYAML's own loaders follow YAML 1.1, where 010 is 8, 1:30 is 90, 1e-3 a text and no a boolean. A key that
    is written twice, which plain YAML drops silently, is an error, as is one that is no text.
    """

    yaml_implicit_resolvers: dict = {}

    def compose_mapping_node(self, anchor):
        node, seen = super().compose_mapping_node(anchor), set()
        for key, _ in node.value:
            text = str(key.value)
            if key.tag not in KEYS:
                raise mistake(f"the key {text!r}, which is no text (maybe for want of quotes)", key)
            if text in seen:
                raise mistake(f"the key {text!r} twice", key)
            seen.add(text)
        return node

    def flatten_mapping(self, node):
        super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise mistake(f"more than {MOST_VALUES} merged keys", node)

    def construct_int(self, node):
        text = self.construct_scalar(node)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def construct_float(self, node):
        text = self.construct_scalar(node)
        number = float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
        if not math.isfinite(number):
            raise mistake(f"{text}, which is no finite number", node)
        return number


def mistake(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


TAG = "tag:yaml.org,2002:"
KEYS = {f"{TAG}str", f"{TAG}merge"}
# YAML 1.2.2, section 10.3.2, and YAML 1.1's merge key; the first that fits is taken.
PATTERNS = {
    "merge": "<<",
    "null": "null|Null|NULL|~|",
    "bool": "true|True|TRUE|false|False|FALSE",
    "int": "[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
for kind, pattern in PATTERNS.items():
    CoreSchema.add_implicit_resolver(TAG + kind, re.compile(f"^(?:{pattern})$"), None)
CoreSchema.add_constructor(f"{TAG}int", CoreSchema.construct_int)
CoreSchema.add_constructor(f"{TAG}float", CoreSchema.construct_float)


def read_yaml(path: Path) -> dict:
    """The mapping in a YAML file."""
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ConfigError(f"{path}: wanted at most {MOST_BYTES} bytes; got {size}")
        content = yaml.load(path.read_text(encoding="utf-8"), CoreSchema)
    except RecursionError as error:
        raise ConfigError(f"{path}: {SHALLOW}; got more") from error
    except OSError as error:
        raise ConfigError(f"{path}: wanted a readable file; got {error.strerror}") from error
    except UnicodeDecodeError as error:
        got = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        raise ConfigError(f"{path}: wanted a text saved as UTF-8; got {got}") from error
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"{path}: {line}wanted valid YAML; got: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:  # a letter that may not be there, or 5,000 digits
        raise ConfigError(f"{path}: wanted valid YAML; got: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: wanted keys and values; got {type(content).__name__}")
    if problem := too_much(content):
        raise ConfigError(f"{path}: {problem}")
    return content


def too_much(content: Any) -> str:
    """What is wrong with the number of values, each alias replaced by what it stands for; else empty."""
    count, level = 0, [content]
    for _ in range(MOST_DEEP):
        count += len(level)
        if count > MOST_VALUES:
            return f"wanted at most {MOST_VALUES} values; got more (aliases stand for all that is in them)"
        inside = (each.values() if isinstance(each, dict) else each for each in level if each)
        level = [value for values in inside if not isinstance(values, str | int | float) for value in values]
        if not level:
            return ""
    return f"{SHALLOW}; got more"


def checked(kind: type[T], raw: Any, path: Path, key: str = "", origin: dict[str, str] | None = None) -> T:
    """`raw` as `kind`, or a ConfigError of all its mistakes.

    key: where `raw` stands in the file; origin: where those of its keys stand that are elsewhere.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        lines: dict[tuple, str] = {}
        for mistake in error.errors():
            head = (origin or {}).get(mistake["loc"][0], key) if mistake["loc"] else key
            where = ".".join(filter(None, (head, dotted(mistake, raw))))
            # the first of one place: each type that could stand there says what is wrong with it
            unknown = mistake["loc"][-1] if mistake["type"] == "extra_forbidden" else None
            lines.setdefault((where, unknown), f"{path}: {where}: {explain(mistake, kind)}")
        raise ConfigError("\n".join(lines.values())) from None


def dotted(mistake: dict, raw: Any) -> str:
    """The key of a pydantic mistake as in the file: no union tags, list items by their id or name."""
    key = ""
    for part in mistake["loc"]:
        if isinstance(raw, list) and isinstance(part, int):
            raw = raw[part]
            name = (raw.get("id") or raw.get("name")) if isinstance(raw, dict) else None
            key += f"[{name or part}]"
        elif isinstance(raw, dict) and part in raw:
            raw = raw[part]
            seen = str(part).isprintable() and str(part).strip()
            key += f".{part if seen else repr(part)}"
    if mistake["type"] == "missing":
        key += f".{mistake['loc'][-1]}"
    if mistake["type"].startswith("union_tag"):
        key += "." + mistake["ctx"]["discriminator"].strip("'")
    return key.removeprefix(".")


# What is wanted, by the type of a pydantic mistake, where pydantic's own words do not say it.
WANTED = {
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "literal_error": "one of {expected}",
    "union_tag_invalid": "one of {expected_tags}",
    "string_pattern_mismatch": "text like {pattern}",
    "string_too_long": "at most {max_length} letters",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
}


def explain(mistake: dict, kind: type[BaseModel]) -> str:
    """'wanted ...; got ...' of a pydantic mistake."""
    what, got, context = mistake["type"], mistake["input"], mistake.get("ctx", {})
    if what == "value_error":
        return f"wanted {context['error']}"
    if what == "extra_forbidden":
        return f"wanted a key among {known_keys(kind, mistake['loc'])}; got {mistake['loc'][-1]!r}"
    if what in ("missing", "union_tag_not_found"):
        return "wanted a value; got none"
    if what == "union_tag_invalid":
        got = context["tag"]
    words = mistake["msg"].removeprefix("Input should be ")
    wanted = WANTED[what].format(**context) if what in WANTED else words
    hint = hint_at_number(got) if what in ("int_type", "float_type") else ""
    return f"wanted {wanted}; got {shortened(got)}{hint}"


def known_keys(kind: type[BaseModel], location: tuple) -> list[str]:
    """The keys that may stand where a mistake's location does, by the model's JSON schema."""
    schema = kind.model_json_schema()

    def resolved(node: dict) -> dict:
        while "$ref" in node or "anyOf" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node["anyOf"][0]
        return node

    node = schema
    for part in location[:-1]:
        node = resolved(node)
        if "discriminator" in node:  # the part is the tag of a union
            node = {"$ref": node["discriminator"]["mapping"][part]}
        elif "oneOf" in node:  # the same, of words and one model
            (node,) = (option for option in node["oneOf"] if "$ref" in option)
        elif "items" in node:
            node = node["items"]
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        else:  # a mapping of names to models
            (node,) = node["patternProperties"].values()
    return sorted(resolved(node)["properties"])


def hint_at_number(got: Any) -> str:
    """How to write what a person meant as a number and YAML reads as text."""
    if not isinstance(got, str) or not re.match(r"[-+]?\.?[0-9]", got):
        return ""
    quoted = any(re.fullmatch(PATTERNS[kind], got) for kind in ("int", "float"))
    return " (text: take off the quotes)" if quoted else " (text: write a number as 1000, 0.001 or 1e-3)"


def shortened(value: Any) -> str:
    """A value as code, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def repeats(names: Iterable[str]) -> list[str]:
    """The names that occur more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
