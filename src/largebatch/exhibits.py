"""Small studies in NumPy that train no arm: which there are, the arms each makes, the metrics each gives.

An exhibit's arms are named `<exhibit>.<arm>` in claims, figures and tables. Its settings stand under
`numbers.<experiment>.exhibits` of a scale file. A new one is an entry in EXHIBITS with a class of options,
its metrics in metrics.py, and a function in lab/primer/exhibits.py.
"""

import hashlib
import json
from typing import NamedTuple

from pydantic import create_model

from largebatch.spec import Settings


class Exhibit(NamedTuple):
    """arms: as the exhibit calls them; metrics: all that it gives of any arm; options: what can be chosen."""

    arms: tuple[str, ...]
    metrics: tuple[str, ...]
    options: type[Settings]


class Worked(Settings):
    """The numbers that the text works out by hand: there is nothing to choose."""


EXHIBITS = {
    "worked": Exhibit(
        arms=("full", "pairs", "other_pairs", "online", "batch_of_two", "arithmetic"),
        metrics=("worked_value", "worked_error"),
        options=Worked,
    ),
}

# The settings of each exhibit that a scale shows in an experiment.
Exhibits = create_model(
    "Exhibits", __base__=Settings, **{name: (e.options | None, None) for name, e in EXHIBITS.items()}
)
NO_EXHIBITS = Exhibits()

# <exhibit>.<arm> -> the exhibit
EXHIBIT_OF = {f"{name}.{arm}": name for name, exhibit in EXHIBITS.items() for arm in exhibit.arms}


def options_of(name: str, text: str) -> Settings:
    """The options of an exhibit from JSON; a ValueError if there is no such exhibit."""
    if name not in EXHIBITS:
        raise ValueError(f"exhibit must be one of {sorted(EXHIBITS)}; got {name!r}")
    return EXHIBITS[name].options.model_validate_json(text)


def exhibit_stem(name: str, options: Settings) -> str:
    """What an exhibit's file is called, without its ending: the name, and a digest of the chosen options."""
    text = json.dumps(options.chosen(), sort_keys=True)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
