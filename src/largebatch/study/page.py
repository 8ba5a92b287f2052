"""The primer's interactive page: gradient descent on a surface, in one file that needs no network.

The page's script has no surface and no setting of its own: they are exported from here.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode

from largebatch import files
from largebatch.study.templates import template
from largebatch.surfaces import EXAMPLES, SURFACES


@dataclass(frozen=True)
class Slider:
    """A setting that the reader chooses among stops; unit: what follows its number."""

    label: str
    stops: tuple[float, ...]
    start: float
    unit: str


SLIDERS = {
    "batch": Slider(
        "Batch size", (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, EXAMPLES), 4, f"of {EXAMPLES} examples"
    ),
    # Twenty stops a decade, each the two digits that the page shows.
    "rate": Slider("Learning rate", tuple(float(f"{10 ** (k / 20):.2g}") for k in range(-40, 13)), 0.1, ""),
    "momentum": Slider("Momentum", (*(k / 20 for k in range(20)), 0.99), 0.0, ""),
    "noise": Slider("Noise", tuple(k / 4 for k in range(17)), 1.0, "standard deviation"),
    "speed": Slider("Speed", (1, 2, 5, 10, 20, 50), 10, "updates a second"),
}

# What a reader may try first, and what then happens: a test runs them.
TRIES = {
    "Too large a rate climbs out of the bowl.": {"surface": "bowl", "batch": 64, "rate": 2.2},
    "The full batch crosses the ravine at once and creeps along it.": {
        "surface": "ravine",
        "batch": 64,
        "rate": 0.5,
    },
    "Momentum hurries along the ravine.": {"surface": "ravine", "batch": 64, "rate": 0.5, "momentum": 0.7},
    "The full batch stops on the saddle.": {"surface": "saddle", "batch": 64, "rate": 0.1},
    "A batch of one leaves the saddle.": {"surface": "saddle", "batch": 1, "rate": 0.1},
    "The full batch stays in the shallow trap.": {"surface": "trap", "batch": 64, "rate": 0.2, "noise": 2},
    "A batch of one leaves the trap.": {"surface": "trap", "batch": 1, "rate": 0.2, "noise": 2},
}


def page(out: Path) -> None:
    """Write the page."""
    tries = {text: urlencode(defaults() | settings) for text, settings in TRIES.items()}
    text = template("page.html.jinja").render(
        definitions=definitions(), surfaces=SURFACES, sliders=SLIDERS, tries=tries, examples=EXAMPLES
    )
    files.write_text(out, text)


def defaults() -> dict[str, float | str]:
    """The settings that a run begins with; speed is none: it changes no number."""
    chosen = {name: slider.start for name, slider in SLIDERS.items() if name != "speed"}
    return {"surface": next(iter(SURFACES)), **chosen, "seed": 1}


def definitions() -> dict:
    """All that the script is told: surfaces, number of examples, stops of the sliders, first settings."""
    return {
        "surfaces": {name: asdict(surface) for name, surface in SURFACES.items()},
        "examples": EXAMPLES,
        "stops": {name: list(slider.stops) for name, slider in SLIDERS.items()},
        "defaults": defaults(),
    }
