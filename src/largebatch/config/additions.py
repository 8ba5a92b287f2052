"""What a scale file asks under `questions:`, beside the experiments' files.

Under the name of an experiment that has a file: claims, figures, tables, measures and paths beside those of
the file. Under another name: an experiment of its own, all of it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from largebatch.config.checking import ConfigError, checked, read_yaml
from largebatch.config.groups import Group
from largebatch.config.question import Asked, Question
from largebatch.config.texts import filled

# Where a mistake in a question is, as mistakes() says it: the item of a list, or the key of a mapping.
PLACE = re.compile(r"(?:claims|figures|tables)\[[^]]*\]|(?:measures|paths)\.\w+")


class Placed(NamedTuple):
    """A question with the files that it stands in."""

    question: Question
    path: Path
    added: frozenset[str]  # the places in it that the scale file says
    key: str  # where those stand in the scale file

    def at(self, mistake: str, scale_path: Path) -> str:
        """A mistake in the question, with the file that it is in."""
        place = PLACE.match(mistake)
        if self.path == scale_path or (place and place[0] in self.added):
            return f"{scale_path}: {self.key}.{mistake}"
        return f"{self.path}: {mistake}"


def asked_by(
    raw: dict[str, Any], scale_path: Path, path: Path | None, name: str, groups: Mapping[str, Group]
) -> Placed:
    """The question `name` of its file, if it has one, with what the scale file says under `questions:`.

    groups: the scale's, for texts that say a setting of theirs.
    """
    key = f"questions.{name}"
    raw = in_texts(raw, groups, f"{scale_path}: {key}")
    if path is None:
        question = checked(Question, {"experiment": name, **raw}, scale_path, key)
        return Placed(question, scale_path, frozenset(), key)
    question = checked(Question, in_texts(read_yaml(path), groups, f"{path}"), path)
    if question.experiment != name:
        raise ConfigError(
            f"{path}: experiment: wanted {name!r}, the file's name; got {question.experiment!r}"
        )
    more = checked(Asked, raw, scale_path, key)
    return Placed(together(question, more), path, frozenset(places(more)), key)


def in_texts(raw: dict[str, Any], groups: Mapping[str, Group], where: str) -> dict[str, Any]:
    """What is asked with the settings of the scale in its texts."""
    try:
        return filled(raw, groups)
    except ValueError as error:
        raise ConfigError(f"{where}: in a text: wanted {error}") from error


def together(question: Question, more: Asked) -> Question:
    """A question with more beside it."""
    measures = dict(question.measures)
    for measure, arms in more.measures.items():
        measures[measure] = list(dict.fromkeys([*measures.get(measure, []), *arms]))
    return question.model_copy(
        update={
            "measures": measures,
            "paths": question.paths | more.paths,
            "exhibits": list(dict.fromkeys([*question.exhibits, *more.exhibits])),
            **{
                what: [*getattr(question, what), *getattr(more, what)]
                for what in ("claims", "figures", "tables")
            },
        }
    )


def places(more: Asked) -> Iterator[str]:
    """The places of what a scale file adds."""
    yield from (key for key, _ in more.readers())
    yield from (f"measures.{measure}" for measure in more.measures)
    yield from (f"paths.{path}" for path in more.paths)
