"""Final metrics over batch size and peak learning rate, one cell per arm with its mean as text."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_rgb
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from largebatch.config.figures import HeatMap
from largebatch.figures import style
from largebatch.figures.drawn import LINEAR, always, summary_at
from largebatch.metrics import METRICS, SETTINGS
from largebatch.observations.reading import Missing, members

marks = always("Numbers and colours are means")
X, Y = "batch_size", "learning_rate"
COLOUR_MAP = "viridis"
# Scaled rates and ratios have rounding errors beyond so many digits.
DIGITS = 9
# Room beside and around the cells of a panel; the height of a cell; what all cells take at least and at most.
BESIDE_IN, AROUND_IN, CELL_IN, LEAST_IN, MOST_IN = 1.35, 0.9, 0.3, 1.2, 5.5
# Of a cell's width and height, what its number may fill; a number's largest and smallest size in points.
FILLED, TALL, LARGEST_PT, SMALLEST_PT = 0.86, 0.62, 6.5, 3.0
MOST_LETTERS = 5  # of a number, from which on a digit is left out
LETTER_EM = 0.62  # the width of a digit of DejaVu Sans at size 1
DIAGONAL_PT, DIAGONAL_GAP_IN = 5.5, 0.09
WHITE_BELOW = 0.5  # luminance of a cell up to which white letters are read better than black ones


def table(observations: pd.DataFrame, figure: HeatMap) -> pd.DataFrame:
    """Columns metric, arm, batch_size, learning_rate, n, mean, low, high, axis; one row per cell."""
    cells = pd.concat([members(observations, group) for group in figure.lines.values()])
    cells[Y] = rounded(cells["lr_over_batch"] * cells[X])
    if cells.duplicated([X, Y]).any():
        raise Missing(f"one arm for each batch size and rate of {list(figure.lines.values())}")
    cells = cells.sort_values([X, Y])
    rows = []
    for metric in figure.y:
        at = figure.at_of(metric)
        for arm, cell in cells.iterrows():
            found = summary_at(observations, arm, metric, at)
            rows.append({"metric": metric, "arm": arm, X: cell[X], Y: cell[Y], **found, "axis": LINEAR})
    return pd.DataFrame(rows)


def rounded(values: pd.Series) -> pd.Series:
    """Values without the rounding errors of a product, so that equal ones are equal."""
    return values.map(lambda value: float(f"{value:.{DIGITS}g}"))


def picture(drawn: pd.DataFrame, figure: HeatMap) -> Canvas:
    """One panel per metric."""
    panels = len(figure.y)
    width_in = style.COLUMN_WIDTH_IN if panels == 1 else style.PAGE_WIDTH_IN
    diagonals = diagonals_of(drawn) if figure.diagonals else {}
    width, height = cell_octaves(drawn)
    left, right, bottom, top = edges(drawn, behind=1.0 if diagonals else 0.0)
    panel_in = width_in / panels - BESIDE_IN, np.clip(CELL_IN * (top - bottom) / height, LEAST_IN, MOST_IN)
    octave_in = panel_in[0] / (right - left), panel_in[1] / (top - bottom)
    cell_in = width * octave_in[0], height * octave_in[1]
    canvas = style.canvas(width_in, panel_in[1] + AROUND_IN)
    (all_axes,) = style.panels(canvas, panels, panels, sharey=True)
    for axes, metric in zip(all_axes, figure.y, strict=True):
        rows = drawn[drawn["metric"] == metric]
        axes.set(xlim=(left, right), ylim=(bottom, top), xlabel=SETTINGS[X])
        axes.grid(False)
        octave_ticks(axes, rows, octave_in[0])
        colours = colours_of(rows["mean"].dropna().to_numpy())
        paint(axes, rows, (width, height), colours, letters_pt(rows["mean"], cell_in))
        draw_diagonals(axes, diagonals, (width, height), octave_in)
        axes.set_title(
            METRICS[metric], loc="left", pad=2
        )  # beside the bar it would seem to belong to the next panel
        bar = canvas.colorbar(colours, ax=axes, aspect=25)
        if isinstance(colours.norm, LogNorm):
            style.log_axis(bar.ax, "y", np.array([colours.norm.vmin, colours.norm.vmax]))
        else:
            bar.ax.yaxis.set_major_formatter(style.PLAIN)
    all_axes[0].set_ylabel(METRICS["peak_learning_rate"])
    return canvas


def octaves(values: pd.Series) -> pd.Series:
    """Positions on an axis where every doubling is one step."""
    return np.log2(values)


def cell_octaves(drawn: pd.DataFrame) -> tuple[float, float]:
    """Width and height of all cells in octaves: the largest at which none covers another."""
    width = closest(octaves(drawn[X]))
    height = min(closest(octaves(of_batch[Y])) for _, of_batch in drawn.groupby(X))
    return tuple(side if np.isfinite(side) else 1.0 for side in (width, height))


def closest(places: pd.Series) -> float:
    """The distance of the two nearest places that differ; infinite if there is only one."""
    return float(np.diff(np.unique(places)).min(initial=np.inf))


def edges(drawn: pd.DataFrame, behind: float) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of a panel in octaves, with room for so many cells behind the last."""
    x, y = octaves(drawn[X]), octaves(drawn[Y])
    width, height = cell_octaves(drawn)
    return (
        x.min() - width / 2,
        x.max() + (0.5 + behind) * width,
        y.min() - height / 2,
        y.max() + (0.5 + behind) * height,
    )


def octave_ticks(axes: Axes, rows: pd.DataFrame, octave_in: float) -> None:
    """Ticks at the batch sizes and rates whose labels have room; octave_in: inches of an octave of x."""
    sizes, rates = np.unique(rows[X]), style.apart(np.unique(rows[Y]))
    sizes = style.thinned(sizes, octave_in * np.log2(sizes[-1] / sizes[0]))
    axes.set_xticks(octaves(sizes), labels=[style.plain(size) for size in sizes])
    axes.set_yticks(octaves(rates), labels=[short(rate) for rate in rates])


def short(value: float) -> str:
    """A rate or ratio with at most 3 significant digits."""
    return style.plain(float(f"{value:.3g}"))


def colours_of(means: np.ndarray) -> ScalarMappable:
    """Colours from the lowest to the highest of means: (m,), logarithmic where they are spread wide."""
    low, high = (means.min(), means.max()) if len(means) else (0.0, 1.0)
    if low == high:  # a scale needs two ends
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    norm = LogNorm if style.wide(means) else Normalize
    return ScalarMappable(norm(low, high), COLOUR_MAP)


def letters_pt(means: pd.Series, cell_in: tuple[float, float]) -> float:
    """The size at which the longest number fits into a cell, in points."""
    longest = max(len(written(mean)) for mean in means)
    widest = FILLED * 72 * cell_in[0] / (LETTER_EM * longest)
    return float(np.clip(min(widest, TALL * 72 * cell_in[1]), SMALLEST_PT, LARGEST_PT))


def written(mean: float) -> str:
    """3 significant digits, 2 if they would be long; a dash if no seed has a value."""
    if np.isnan(mean):
        return "–"
    digits, exponent = f"{mean:.1e}".split("e")
    if mean != 0 and not -3 <= int(exponent) < 5:
        return f"{digits}e{int(exponent)}".replace("-", "−")
    text = rounded_to(3, mean)
    return (text if len(text) <= MOST_LETTERS else rounded_to(2, mean)).replace("-", "−")


def rounded_to(digits: int, mean: float) -> str:
    """So many significant digits, with trailing zeros: 2.70, 12300."""
    value = float(f"{mean:.{digits}g}")
    places = digits - 1 - int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{value:.{max(places, 0)}f}"


def paint(
    axes: Axes, rows: pd.DataFrame, size: tuple[float, float], colours: ScalarMappable, letters: float
) -> None:
    """The cells of one metric, size (width, height) in octaves, with their means."""
    for _, row in rows.iterrows():
        x, y = np.log2(row[X]), np.log2(row[Y])
        colour = style.FAINT if np.isnan(row["mean"]) else colours.to_rgba(row["mean"])
        corner = x - size[0] / 2, y - size[1] / 2
        axes.add_patch(Rectangle(corner, *size, facecolor=colour, edgecolor="white", linewidth=0.5))
        axes.text(
            x,
            y,
            written(row["mean"]),
            ha="center",
            va="center_baseline",
            fontsize=letters,
            color=letter_colour(colour),
            # on the cell's colour, so that a diagonal does not cross the number out
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.4},
            zorder=4,
        )


def letter_colour(colour: str | tuple) -> str:
    """White or black, whichever is read better on a colour (luma, ITU-R BT.709)."""
    luminance = np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722))
    return "white" if luminance < WHITE_BELOW else "black"


def diagonals_of(drawn: pd.DataFrame) -> dict[float, pd.DataFrame]:
    """rate / batch, ascending -> its cells by batch size, for each ratio that several cells share."""
    cells = drawn.drop_duplicates("arm").sort_values(X)
    ratios = rounded(cells[Y] / cells[X])
    return {ratio: on_line for ratio, on_line in cells.groupby(ratios) if len(on_line) > 1}


def draw_diagonals(
    axes: Axes,
    diagonals: dict[float, pd.DataFrame],
    size: tuple[float, float],
    octave_in: tuple[float, float],
) -> None:
    """Lines through cells' centres, their ratios at the ends; octave_in: inches of an octave (right, up)."""
    if not diagonals:
        return
    # lines whose ratios are an octave apart have this distance across
    across_in = octave_in[0] * octave_in[1] / np.hypot(*octave_in)
    labelled = style.apart(np.array(list(diagonals)), DIAGONAL_GAP_IN / across_in)
    out = 0.5 * min(size) + 0.05
    for ratio, on_line in diagonals.items():
        x, y = octaves(on_line[X]).to_numpy(), octaves(on_line[Y]).to_numpy()
        ends = np.append(x, x[-1] + out), np.append(y, y[-1] + out)
        axes.plot(
            *ends, color="black", linewidth=0.5, path_effects=[withStroke(linewidth=1.3, foreground="white")]
        )
        if ratio in labelled:
            axes.text(
                x[-1] + out + 0.04,
                y[-1] + out + 0.04,
                short(ratio),
                rotation=45,  # in octaves, along the line
                transform_rotates_text=True,
                rotation_mode="anchor",
                va="center_baseline",
                fontsize=DIAGONAL_PT,
            )
