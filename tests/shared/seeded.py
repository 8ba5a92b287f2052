"""A study in which experiments and arms have seeds of their own: one and two share a run."""

import json
from pathlib import Path

import yaml

from largebatch.config.study import Study, load_study
from tests.shared.claims import written

SMALL, LARGE = {"batch_size": 16}, {"batch_size": 64}
BASE = {"lr": 0.1, "epochs": 1, "data": {"name": "digits", "train": 64, "validation": 16, "test": 32}}


def sides(a: str, b: str) -> dict:
    return {"a": {"arm": a}, "b": {"arm": b}, "expect": {"above": 0.0}}


def asked(name: str, start: str, end: str, *claims: dict) -> dict:
    """A question on two arms, what lies between them, and the curvature of the first."""
    figure = {"name": "error", "kind": "finals", "caption": "C.", "y": "test_error_percent"}
    return {
        "title": name,
        "question": "What?",
        "measures": {"curvature": [start]},
        "paths": {f"between_{name}": {"start": start, "end": end}},
        "claims": list(claims),
        "figures": [figure | {"lines": {"start": start, "end": end}, "against": {"end": "start"}}],
    }


CLAIMS = [
    written("difference", id="T1", **sides("most", "again")),
    written("level", id="T2", a={"arm": "most"}),
]
CONTENT = {
    "extends": "smoke",
    "scale": "seeded",
    "seeds": 2,
    "experiments": ["one", "two"],
    "measures": {"curvature": {"examples": 16, "probes": 2}, "path": {"points": 25, "plane_points": None}},
    "numbers": {
        "one": {"base": BASE, "arms": {"small": SMALL, "large": LARGE}},
        "two": {"seeds": 3, "base": BASE, "arms": {"again": SMALL, "most": {**LARGE, "lr": 0.2, "seeds": 5}}},
    },
    "questions": {
        "one": asked("one", "small", "large", written("difference", id="O1", **sides("large", "small"))),
        "two": asked("two", "again", "most", *CLAIMS),
    },
}


def seeded(folder: Path, *edits, **overrides) -> Study:
    """The study, with its file in a copy of config/; edits: (keys with /, value) of the file."""
    content = json.loads(json.dumps(CONTENT))  # each part by itself
    for key, value in edits:
        *way, last = key.split("/")
        place = content
        for part in way:
            place = place.setdefault(part, {})
        place[last] = value
    (folder / "seeded.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_study(folder / "seeded.yaml", overrides)
