"""Which statements would have another verdict by other choices: one row each, one column for each choice."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from largebatch import files
from largebatch.config.decision import LEAST_AGREEING
from largebatch.figures import style
from largebatch.figures.citation import FIGURE, Citation, metadata
from largebatch.judging.claims import (
    CONFOUNDED,
    CONTRADICTED,
    FRAGILE,
    INCONCLUSIVE,
    MIXED,
    ORDER,
    ROBUST,
    SUPPORTED,
    UNINFORMATIVE,
)
from largebatch.judging.robustness import (
    CHANGES,
    DIMENSIONS,
    STATEMENT,
    WITHOUT,
    read_changes,
    read_robustness,
)
from largebatch.provenance import provenance
from largebatch.seals import verified

COLUMNS = ("statement", "verdict", "robust", "agree", "dimension", "change", "changed_to")
CAPTION = (
    "Which statements have another verdict if one choice of how they are judged is changed. "
    "A grey field is the same verdict, a coloured one another, an empty one a choice that does not apply. "
    "On the right, the share of all combinations of choices that agree; a statement is robust (dark) if no "
    f"single change gives another verdict and at least {LEAST_AGREEING:.0%} of the combinations agree.\n"
)
SAME, NOTHING = "same verdict", "No verdict follows from a p-value."
COLOURS = {
    SAME: "#e4e4e4",
    SUPPORTED: "#0072b2",
    CONTRADICTED: "#d55e00",
    MIXED: "#1a1a1a",
    INCONCLUSIVE: "#f0c808",
    UNINFORMATIVE: "#56b4e9",
    CONFOUNDED: "#cc79a7",
}
BARS = {ROBUST: "#4d4d4d", FRAGILE: "#bdbdbd"}
ROW_IN, AROUND_IN, LETTERS_PT = 0.105, 2.1, 5.5
WIDTHS = (4.2, 1.0)


def draw_robustness(robustness: Path, stem: Path, scale: str) -> None:
    """Write stem.pdf, .png, .svg, .csv (the drawn data), .txt (caption), .json (provenance).

    robustness: the file beside claims.csv; the single changes lie beside it.
    """
    changes = robustness.with_name(CHANGES)
    drawn = table(read_robustness(robustness), read_changes(changes))
    with files.atomic(stem.with_name(f"{stem.name}.csv")) as temporary:
        drawn.to_csv(temporary, index=False, float_format="%.4g")
    files.write_text(stem.with_name(f"{stem.name}.txt"), CAPTION)
    citation = Citation(FIGURE, stem.name, scale, CAPTION.strip())
    with style.paper_style():
        style.save(picture(drawn), stem, metadata(citation))
    inputs = {path.name: verified(path) for path in (robustness, changes)}
    files.write_json(stem.with_name(f"{stem.name}.json"), provenance("robustness", {}, inputs))


def table(robustness: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Columns COLUMNS: a row for each statement and single change that applies to it, the least agreed first.

    changed_to: the other verdict, empty where it is the same.
    """
    found = robustness[(robustness["of"] == STATEMENT) & (robustness["variants"] > 0)]
    found = found.assign(order=found["verdict"].map(ORDER.index))
    found = found.sort_values(["order", "agree", "id"], kind="stable")
    rows = changes[changes["of"] == STATEMENT].drop(columns=["of", "in_force"])
    rows = rows.rename(columns={"verdict": "changed_to"})
    drawn = found[["id", "verdict", "robust", "agree"]].merge(rows, on="id", sort=False)
    drawn["changed_to"] = drawn["changed_to"].mask(drawn["changed_to"] == drawn["verdict"], "")
    return drawn.rename(columns={"id": "statement"})[list(COLUMNS)]


def picture(drawn: pd.DataFrame) -> Canvas:
    """Fields of single changes, and bars of the share of all combinations that agree."""
    statements = drawn.drop_duplicates("statement")
    if statements.empty:
        canvas = style.canvas(style.COLUMN_WIDTH_IN, AROUND_IN)
        canvas.text(0.5, 0.5, NOTHING, ha="center", va="center")
        return canvas
    canvas = style.canvas(style.PAGE_WIDTH_IN, AROUND_IN + ROW_IN * len(statements))
    fields, bars = canvas.subplots(1, 2, sharey=True, width_ratios=WIDTHS)
    draw_fields(fields, drawn, statements)
    places = np.arange(len(statements))
    bars.barh(places, 100 * statements["agree"], height=0.75, color=statements["robust"].map(BARS))
    bars.axvline(100 * LEAST_AGREEING, color="black", linewidth=0.6)
    bars.set(xlim=(0, 100), xlabel="all combinations\nthat agree (%)")
    for axes in (fields, bars):
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    canvas.legend(handles=legend_of(drawn), loc="outside lower center", ncols=4)
    return canvas


def legend_of(drawn: pd.DataFrame) -> list[Patch]:
    """What the colours that occur mean."""
    shown = [name for name in COLOURS if name == SAME or (drawn["changed_to"] == name).any()]
    fields = [Patch(color=COLOURS[name], label=name if name == SAME else f"becomes {name}") for name in shown]
    return fields + [Patch(color=colour, label=name) for name, colour in BARS.items()]


def draw_fields(axes: Axes, drawn: pd.DataFrame, statements: pd.DataFrame) -> None:
    """A field for each statement and change, in the colour of the other verdict that it gives."""
    changes = changes_in_order(drawn)
    rows = pd.Index(statements["statement"]).get_indexer(drawn["statement"])
    columns = pd.Index(changes).get_indexer(drawn["change"])
    grid = np.full((len(statements), len(changes)), np.nan)
    grid[rows, columns] = [list(COLOURS).index(name or SAME) for name in drawn["changed_to"]]
    edges = [np.arange(size + 1) - 0.5 for size in reversed(grid.shape)]
    colours, limits = ListedColormap(list(COLOURS.values())), {"vmin": -0.5, "vmax": len(COLOURS) - 0.5}
    axes.pcolormesh(
        *edges, np.ma.masked_invalid(grid), cmap=colours, **limits, edgecolor="white", linewidth=0.4
    )
    names = [style.literal(f"{row.statement}  {row.verdict}") for row in statements.itertuples()]
    for edge in np.flatnonzero(np.diff([dimension_of(name, drawn) for name in changes])):
        axes.axvline(edge + 0.5, color="white", linewidth=2.5)
    axes.set_yticks(range(len(names)), names, fontsize=LETTERS_PT)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(changes)), changes, rotation=90, fontsize=LETTERS_PT + 1)


def dimension_of(change: str, drawn: pd.DataFrame) -> int:
    """The place of a change's dimension."""
    return DIMENSIONS.index(drawn.loc[drawn["change"] == change, "dimension"].iloc[0])


def changes_in_order(drawn: pd.DataFrame) -> list[str]:
    """The changes that apply to any statement, by dimension, with seeds by their number at the end."""
    found = drawn.drop_duplicates("change")
    of = {name: list(found.loc[found["dimension"] == name, "change"]) for name in DIMENSIONS}
    seeds = sorted(of.pop("seeds"), key=lambda change: int(change.removeprefix(WITHOUT)))
    return [*(change for changes in of.values() for change in changes), *seeds]
