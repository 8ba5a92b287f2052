"""The primer's interactive page: two runs of gradient descent, and the measured loss around two minima.

One file that needs no network. Its script contains no surface, setting or measured number: they are exported
from here.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode

from largebatch import files
from largebatch.config.surfaces import EXAMPLES, SURFACES
from largebatch.page.page_formula import formula
from largebatch.page.page_line import measured_line
from largebatch.page.page_plane import measured_plane
from largebatch.page.templates import template


@dataclass(frozen=True)
class Slider:
    """A setting that the reader chooses among stops; unit: the text after its number."""

    label: str
    stops: tuple[float, ...]
    start: float
    unit: str


BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, EXAMPLES)
# The two runs differ by this one setting.
RUNS = {
    "batch": Slider("Left batch", BATCHES, 1, ""),
    "against": Slider("Right batch", BATCHES, EXAMPLES, ""),
}
SHARED = {
    # Twenty stops per decade, each the two digits that the page shows.
    "rate": Slider("Learning rate", tuple(float(f"{10 ** (k / 20):.2g}") for k in range(-40, 13)), 0.1, ""),
    "momentum": Slider("Momentum", (*(k / 20 for k in range(20)), 0.99), 0.0, ""),
    "noise": Slider("Noise", tuple(k / 4 for k in range(17)), 1.0, "standard deviation"),
    "speed": Slider("Speed", (1, 2, 5, 10, 20, 50), 10, "updates per second"),
}
SLIDERS = RUNS | SHARED

# What a reader may try first, and what then happens; a test runs each.
TRIES = {
    "A batch of one leaves the saddle, the full batch stops on it.": {"surface": "saddle"},
    "A batch of one leaves the trap, the full batch stays.": {"surface": "trap", "rate": 0.2, "noise": 2},
    "The full batch crosses the ravine at once and creeps along it; a batch of one thrashes.": {
        "surface": "ravine",
        "rate": 0.5,
    },
    "Momentum is fast along the ravine, and adds up the noise of a batch of one.": {
        "surface": "ravine",
        "rate": 0.5,
        "momentum": 0.7,
    },
    "Too large a rate climbs out of the bowl, whatever the batch.": {"surface": "bowl", "rate": 2.2},
    "A batch of 16 comes closer to the minimum than a batch of one.": {"surface": "bowl", "against": 16},
}

# The claims that a section is about, by id; those that the study does not judge are left out.
CLAIMS = {
    "rule": ("P.rule", "P1", "P3", "P3.updates"),
    "bowl": ("P2", "S7.edge", "S7.diverges", "S5.stalls"),
    "ravine": ("S7.edge", "S7.crawls", "P8.thrashes"),
    "saddle": ("P8", "P8.leaves"),
    "trap": ("P8.trap",),
    "line": ("K1", "K2", "K3", "K6", "K7", "X.order"),
    "plane": ("K11", "K11.small", "K6.at_loss", "K12"),
}


def page(ask: dict, observations: Path | None, out: Path) -> None:
    """Write the page.

    ask: {"claims": {id: what it says}, "line": paths for measured_line(), or None, "plane": path for
    measured_plane(), or None}; see Study.to_page(). observations: of the experiment that measured the paths.
    Without a line the page says so.
    """
    line = measured_line(ask["line"], observations) if ask["line"] and observations else None
    plane = measured_plane(ask["plane"], observations) if line and ask["plane"] else None
    text = template("page.html.jinja").render(
        definitions=definitions() | {"line": line, "plane": plane},
        line=line,
        plane=plane,
        surfaces=SURFACES,
        formulas={name: formula(surface) for name, surface in SURFACES.items()},
        runs=RUNS,
        shared=SHARED,
        tries={text: urlencode(defaults() | settings | {"play": 1}) for text, settings in TRIES.items()},
        links={section: claim_links(ids, ask["claims"]) for section, ids in CLAIMS.items()},
        examples=EXAMPLES,
    )
    files.write_text(out, text)


def claim_links(ids: tuple[str, ...], says: dict[str, str]) -> list[dict[str, str]]:
    """For each claim that the study judges: its id, its link to the report beside the page, what it says."""
    return [{"id": i, "place": f"report.html#{i}", "says": says[i]} for i in ids if i in says]


def defaults() -> dict[str, float | str]:
    """The settings that a run begins with, without speed, which changes no number."""
    chosen = {name: slider.start for name, slider in SLIDERS.items() if name != "speed"}
    return {"surface": next(iter(SURFACES)), **chosen, "seed": 1}


def definitions() -> dict:
    """What the script needs for gradient descent: surfaces, number of examples, sliders, first settings."""
    return {
        "surfaces": {name: asdict(surface) for name, surface in SURFACES.items()},
        "examples": EXAMPLES,
        "stops": {name: list(slider.stops) for name, slider in SLIDERS.items()},
        "runs": list(RUNS),
        "defaults": defaults(),
    }
