"""Draws the figures of an experiment, each with its data, caption and provenance.

Each kind of figure has a module draw_<kind>, found by this name. `table` makes the data, `picture` draws
them, and `marks` says what the marks are.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure as Canvas
from pydantic import TypeAdapter

from largebatch import files
from largebatch.config.question import Figure
from largebatch.figures import style
from largebatch.figures.citation import FIGURE, Citation, metadata
from largebatch.figures.drawn import BESIDE, INTERVALS, LOG, seeds
from largebatch.figures.lost import (
    counted,
    empty,
    is_nothing,
    labels_of,
    lost_seeds,
    note,
    nothing_of,
    sentence,
)
from largebatch.observations.reading import Lost, Missing, read_uses
from largebatch.provenance import provenance
from largebatch.seals import verified

# The data of figures are read by people, and committed: seven digits.
CSV_DIGITS = "%.7g"
ON_LOGARITHMS = ", of the logarithm on logarithmic axes"


def module_of(kind: str) -> ModuleType:
    """The module that draws figures of this kind."""
    return import_module(f"{__package__}.draw_{kind}")


def draw(ask: dict, observations: Path, stem: Path) -> None:
    """Write stem.pdf, .png, .svg (the figure), .csv (its data), .txt (caption), .json (provenance).

    ask: {"experiment": name, "figure": a Figure as JSON, "scale": whose it is, if any}. The same observations
    give the same bytes.
    """
    figure = TypeAdapter(Figure).validate_python(ask["figure"])
    drawn, lost = table_of(figure, observations)
    said = sentence(lost, labels_of(drawn))
    with files.atomic(named(stem, "csv")) as temporary:
        marked = counted(drawn, lost, drawn.get("arm"))
        marked.to_csv(temporary, index=False, float_format=CSV_DIGITS)
    text = caption(figure, drawn, said)
    files.write_text(named(stem, "txt"), text)
    citation = Citation(FIGURE, f"{ask['experiment']}_{figure.name}", ask.get("scale", ""), text.strip())
    with style.paper_style():
        style.save(canvas_of(drawn, ask["figure"], said), stem, metadata(citation))
    inputs = {observations.name: verified(observations)}
    files.write_json(named(stem, "json"), provenance("draw", ask, inputs))


def as_drawn(drawn: pd.DataFrame, figure: dict) -> tuple[pd.DataFrame, Figure]:
    """The data and the figure, with labels that matplotlib shows as they are written."""
    labelled = drawn.assign(line=drawn["line"].map(style.literal)) if "line" in drawn else drawn
    return labelled, TypeAdapter(Figure).validate_python(style.literal(figure))


def canvas_of(drawn: pd.DataFrame, figure: dict, said: str) -> Canvas:
    """The picture, with what is said of diverged seeds."""
    if is_nothing(drawn):
        return empty(said)
    canvas = module_of(figure["kind"]).picture(*as_drawn(drawn, figure))
    note(canvas, said)
    return canvas


def table_of(figure: Figure, observations: Path) -> tuple[pd.DataFrame, dict[str, tuple[int, int]]]:
    """The data that a figure draws, and of its arms the seeds that diverged, as lost_seeds() counts them."""
    uses = list(figure.uses())
    rows = read_uses(observations, uses, BESIDE)
    try:
        return module_of(figure.kind).table(rows, figure), lost_seeds(rows)
    except Lost as reason:
        return nothing_of(dict.fromkeys(use.metric for use in uses if use.metric), reason), lost_seeds(rows)
    except Missing as missing:
        raise ValueError(f"{observations}: figure {figure.name}: wanted {missing}; got none") from None


def named(stem: Path, ending: str) -> Path:
    """The figure's file with that ending."""
    return stem.with_name(f"{stem.name}.{ending}")


def caption(figure: Figure, drawn: pd.DataFrame, said: str = "") -> str:
    """The figure's caption, and what its marks mean; then what is said. Numbers are in the data."""
    marks = module_of(figure.kind).marks(figure)
    if INTERVALS in marks and (drawn["axis"] == LOG).any():
        marks += ON_LOGARITHMS
    return f"{figure.caption.strip()} {marks} over {seeds(drawn)}.{said}\n"
