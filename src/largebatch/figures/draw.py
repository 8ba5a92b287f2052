"""Draws the figures of an experiment, each with its data, caption and provenance."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure as Canvas
from pydantic import TypeAdapter

from largebatch import files
from largebatch.config.question import Figure
from largebatch.figures import (
    draw_curves,
    draw_descent,
    draw_finals,
    draw_gap,
    draw_heat_map,
    draw_profile,
    draw_rates,
    draw_settings,
    draw_surface,
    draw_walks,
    style,
)
from largebatch.figures.citation import FIGURE, Citation, metadata
from largebatch.figures.drawn import BESIDE, LOG, seeds
from largebatch.observations.reading import Missing, read_uses
from largebatch.provenance import provenance


class Kind(NamedTuple):
    """How one kind of figure is made: its data, its picture, and what its marks are."""

    table: Callable[[pd.DataFrame, Figure], pd.DataFrame]
    picture: Callable[[pd.DataFrame, Figure], Canvas]
    marks: str


INTERVALS = "95 % intervals (Student t)"
BARS, BANDS = f"Markers are means and bars {INTERVALS}", f"Lines are means and bands {INTERVALS}"
KINDS = {
    "against_setting": Kind(draw_settings.table, draw_settings.picture, BARS),
    "curves": Kind(draw_curves.table, draw_curves.picture, BANDS),
    "rates": Kind(draw_rates.table, draw_rates.picture, BANDS),
    "finals": Kind(draw_finals.table, draw_finals.picture, BARS),
    "profile": Kind(draw_profile.table, draw_profile.picture, BANDS),
    "surface": Kind(draw_surface.table, draw_surface.picture, "Colours and contours are means"),
    "heat_map": Kind(draw_heat_map.table, draw_heat_map.picture, "Numbers and colours are means"),
    "gap_closed": Kind(draw_gap.table, draw_gap.picture, BARS),
    "descent": Kind(
        draw_descent.table, draw_descent.picture, "Shades are means and lines the ways of single seeds,"
    ),
    "walks": Kind(
        draw_walks.table, draw_walks.picture, "Lines are paths from the dot to a marker, one per seed,"
    ),
}
# The data of figures are read by people, and committed: seven digits.
CSV_DIGITS = "%.7g"
ON_LOGARITHMS = ", of the logarithm on logarithmic axes"


def draw(ask: dict, observations: Path, stem: Path) -> None:
    """Write stem.pdf, .png, .svg (the figure), .csv (its data), .txt (caption), .json (provenance).

    ask: {"experiment": name, "figure": a Figure as JSON, "scale": whose it is, if any}. The same observations
    give the same bytes.
    """
    figure = TypeAdapter(Figure).validate_python(ask["figure"])
    kind, drawn = KINDS[figure.kind], table_of(figure, observations)
    with files.atomic(named(stem, "csv")) as temporary:
        drawn.to_csv(temporary, index=False, float_format=CSV_DIGITS)
    text = caption(figure, drawn)
    files.write_text(named(stem, "txt"), text)
    citation = Citation(FIGURE, f"{ask['experiment']}_{figure.name}", ask.get("scale", ""), text.strip())
    with style.paper_style():
        style.save(kind.picture(*as_drawn(drawn, ask["figure"])), stem, metadata(citation))
    inputs = {observations.name: files.checksum(observations)}
    files.write_json(named(stem, "json"), provenance("draw", ask, inputs))


def as_drawn(drawn: pd.DataFrame, figure: dict) -> tuple[pd.DataFrame, Figure]:
    """The data and the figure, with labels that matplotlib shows as they are written."""
    labelled = drawn.assign(line=drawn["line"].map(style.literal)) if "line" in drawn else drawn
    return labelled, TypeAdapter(Figure).validate_python(style.literal(figure))


def table_of(figure: Figure, observations: Path) -> pd.DataFrame:
    """The data that a figure draws."""
    rows = read_uses(observations, figure.uses(), BESIDE)
    try:
        return KINDS[figure.kind].table(rows, figure)
    except Missing as missing:
        raise ValueError(f"{observations}: figure {figure.name}: wanted {missing}; got none") from None


def named(stem: Path, ending: str) -> Path:
    """The figure's file with that ending."""
    return stem.with_name(f"{stem.name}.{ending}")


def caption(figure: Figure, drawn: pd.DataFrame) -> str:
    """Two sentences: the figure's caption, and what its marks mean. Numbers are in the data."""
    marks = KINDS[figure.kind].marks
    if INTERVALS in marks and (drawn["axis"] == LOG).any():
        marks += ON_LOGARITHMS
    return f"{figure.caption.strip()} {marks} over {seeds(drawn)}.\n"
