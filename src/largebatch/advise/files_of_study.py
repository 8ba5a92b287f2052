"""The files of a study: a scale file for each stage, and what the stages ask; all readable, and kept."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from largebatch import files
from largebatch.advise.plan import SEARCH_SEEDS, SHARES, Parts
from largebatch.advise.targets import CLASSES, NUMBERS, Target
from largebatch.config.checking import read_yaml
from largebatch.config.images import Images

QUESTIONS = Path(__file__).parent / "questions"
DATA = "mine"  # what the user's data set is called
SEARCH, FINAL = "search", "final"  # scales: choices are made in one, numbers reported from the other


class WithoutAliases(yaml.SafeDumper):
    """Writes what stands in two places twice, as people read it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@dataclass(frozen=True)
class Asked:
    """What the user asks for, as a file in `folder` says it.

    model: {"import": ...}; data: {"folders" or "arrays": settings}.
    """

    model: dict[str, str]
    data: dict[str, dict[str, Any]]
    images: Images
    folder: Path
    minutes: float
    cores: int

    @property
    def target(self) -> Target:
        """What is learnt of the data."""
        of_numbers = any(settings.get("targets") == "numbers" for settings in self.data.values())
        return NUMBERS if of_numbers else CLASSES

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def file(self, stage: str) -> Path:
        """The scale file of a stage."""
        return self.folder / f"{[*SHARES].index(stage) + 1}-{stage}.yaml"

    def observations(self, stage: str) -> Path:
        scale = FINAL if stage == "advice" else SEARCH
        return self.results / scale / stage / "observations.parquet"


@dataclass(frozen=True)
class Stage:
    """What a stage trains: `base` and `arms` in the words of a scale file; `why` stands at the file's top."""

    why: list[str]
    parts: Parts
    base: dict[str, Any]
    arms: dict[str, dict[str, Any]]
    measures: dict[str, Any] | None = None
    seeds: int = SEARCH_SEEDS


def write(asked: Asked, name: str, stage: Stage, question: dict[str, Any] | None = None) -> None:
    """Write a stage's scale file and its question, unless they are there; the scale file last."""
    final = name == "advice"
    content = {
        "scale": FINAL if final else SEARCH,
        "seeds": stage.seeds,
        **({"first_seed": SEARCH_SEEDS} if final else {}),
        "sources": ".",
        **{kind: {DATA: settings} for kind, settings in asked.data.items()},
        "experiments": [name],
        **({"measures": stage.measures} if stage.measures else {}),
        "base": {"data": {"name": DATA, **stage.parts._asdict()}, "model": asked.model}
        | asked.target.base
        | stage.base,
        "numbers": {name: {"arms": stage.arms}},
    }
    path = asked.folder / "experiments" / f"{name}.yaml"
    if not path.exists():
        if question is None and asked.target is CLASSES:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(QUESTIONS / path.name, path)
        else:
            write_text(path, dumped(question or asked_question(asked, name)))
    top = "".join(f"# {line}\n" for line in stage.why)
    write_text(asked.file(name), f"{top}{dumped(content)}")


def write_text(path: Path, text: str) -> None:
    """Write a file that people may edit: without the seal by which an edit would be taken for damage."""
    with files.atomic(path, sealed=False) as temporary:
        temporary.write_text(text, encoding="utf-8")


def dumped(content: dict[str, Any]) -> str:
    """YAML whose innermost lists and mappings stand on one line each."""
    how = {"sort_keys": False, "width": 110, "allow_unicode": True, "default_flow_style": None}
    return yaml.dump(content, Dumper=WithoutAliases, **how)


def asked_question(asked: Asked, name: str) -> dict[str, Any]:
    return asked.target.asked(read_yaml(QUESTIONS / f"{name}.yaml"))


def parts_in(asked: Asked, stage: str) -> Parts:
    """The parts of the data that a stage's file takes."""
    data = read_yaml(asked.file(stage))["base"]["data"]
    return Parts(**{part: data[part] for part in Parts._fields})


def arms_in(asked: Asked, stage: str) -> dict[str, dict[str, Any]]:
    return read_yaml(asked.file(stage))["numbers"][stage]["arms"]


def base_in(asked: Asked, stage: str) -> dict[str, Any]:
    return read_yaml(asked.file(stage))["base"]


def require_same(asked: Asked) -> None:
    """A ValueError if the folder holds the study of another net or other data."""
    path = asked.file(next(iter(SHARES)))
    if not path.exists():
        return
    found = read_yaml(path)
    ours = {"model": asked.model, **asked.data}
    theirs = {"model": found["base"]["model"]} | {key: found.get(key, {}).get(DATA) for key in asked.data}
    if ours != theirs:
        raise ValueError(
            f"{asked.folder}: wanted a study of {ours}, or --out with another folder; got {theirs}"
        )
