"""How every figure looks: sizes for a paper, colours told apart without colour vision, plain numbers."""

import string
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal

from largebatch import files
from largebatch.figures.png import PNG_DPI, palette_file

COLUMN_WIDTH_IN = 3.4
PAGE_WIDTH_IN = 7.0
GREY = "#8c8c8c"
FAINT = "#d4d4d4"
# A range wider than this share of its largest value is drawn on a logarithmic axis.
LOG_FROM = 10.0
LOG_TICKS_FROM = 2.5  # a logarithmic axis whose values are less apart has even ticks, as a linear one
# Space in a legend for a line's sample, and for each letter at 7 points.
HANDLE_IN, LETTER_IN, LEGEND_ROW_IN = 0.5, 0.058, 0.15
# Inches between the first and last setting of a panel, for either width; and between tick labels.
AXIS_IN, TICK_GAP_IN, TICK_OCTAVES = 2.5, 0.03, 0.6
# Share of a panel's height for labels of marks; letters that fit along a panel's shorter side.
MARK_ROOM, LABEL_LETTERS = 0.07, 34
END_ROOM = 0.02  # share of an axis beyond its metric's largest value: half a marker, and no tick

RC = {
    "axes.grid": True,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "errorbar.capsize": 1.5,
    "figure.dpi": 300,
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters on every machine
    "font.size": 8,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "largebatch",  # otherwise the names of clip paths are random
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}
UNPRINTED = "\u200b"  # a letter without width
# The place of a panel's letter: left of its upper left corner.
LETTER = {
    "xycoords": "axes fraction",
    "xytext": (-4, 3),
    "textcoords": "offset points",
    "ha": "right",
    "va": "bottom",
    "fontsize": 8,
    "fontweight": "bold",
    # as a path: a second font in the pdf, for one or two letters, would take a seventh of the time
    "path_effects": [Normal()],
    "gid": "letter",
}
WIDEST, THINNEST = 3.6, 1.0  # line widths for lines that coincide, in points
ACROSS_DASHES = (0, (6, 4))


@contextmanager
def paper_style() -> Iterator[None]:
    """matplotlib's defaults with RC on top, whatever the user's settings, which are restored afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


def canvas(width_in: float, height_in: float) -> Figure:
    """An empty figure that keeps labels and legends inside its edges."""
    return Figure(figsize=(width_in, height_in), dpi=PNG_DPI, layout="constrained")


def save(figure: Figure, stem: Path, metadata: dict[str, dict]) -> None:
    """Write a file per format, with its metadata; a letter that the font lacks is an error, not a box."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Glyph .* missing", UserWarning)
            if any(axes.get_aspect() != "auto" for axes in figure.axes):
                figure.draw_without_rendering()  # the layout of such axes comes to rest at the second time
            # the png first: its letters, fitted to pixels, are the widest, and the first makes the layout
            for ending, own in sorted(metadata.items(), key=lambda item: item[0] != "png"):
                with files.atomic(stem.with_name(f"{stem.name}.{ending}")) as temporary:
                    SAVE.get(ending, figure_file)(figure, temporary, own)
                figure.set_layout_engine("none")  # laid out once, alike in every format
    except UserWarning as lack:
        raise ValueError(
            f"{stem}: wanted labels of letters that {RC['font.family']} has; got: {lack}"
        ) from lack


def figure_file(figure: Figure, path: Path, metadata: dict) -> None:
    """Write a figure as matplotlib does."""
    figure.savefig(path, metadata=metadata)


SAVE = {"png": palette_file}


def literal(shown: Any) -> Any:
    """What matplotlib draws as text in place of `shown`, which may be text within lists and mappings.

    Otherwise two $ would begin mathematics, and a label that begins with _ would be missing in the legend.
    """
    match shown:
        case str():
            return UNPRINTED * shown.startswith("_") + shown.replace("$", r"\$")
        case list():
            return [literal(each) for each in shown]
        case dict():
            return {literal(key): literal(value) for key, value in shown.items()}
    return shown


def plain(value: float, _position: int | None = None) -> str:
    """A tick's number as people write it: 0.01, 4, 1024, 10⁵."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.10g}".replace("-", "−")
    exponent = int(np.floor(np.log10(abs(value)) + 1e-9))
    digits = value / 10.0**exponent
    power = f"10^{{{exponent}}}"
    return f"${power}$" if np.isclose(digits, 1) else f"${digits:.3g}\\cdot{power}$"


PLAIN = ticker.FuncFormatter(plain)


def wide(values: np.ndarray) -> bool:
    """Whether values are positive and so far apart that a linear axis would hide most of them."""
    values = values[np.isfinite(values)]
    return len(values) > 0 and values.min() > 0 and values.max() / values.min() > LOG_FROM


def log_axis(axes: Axes, which: str, values: np.ndarray) -> None:
    """Make an axis ("x" or "y") logarithmic for the values on it.

    With a value of 0 or below, it is linear from 0 to the power of ten below the smallest positive value.
    """
    values = values[np.isfinite(values)]
    positive = values[values > 0]
    if len(positive) == 0:
        return
    set_scale, axis = (axes.set_xscale, axes.xaxis) if which == "x" else (axes.set_yscale, axes.yaxis)
    decades = np.log10(positive.max() / positive.min())
    subs = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 3 else (1.0,)
    if len(positive) == len(values):
        set_scale("log", nonpositive="clip")
        few = 10**decades < LOG_TICKS_FROM  # between them there may be no 1, 2 or 5
        most = 3 if plain(positive.max()).startswith("$") else 5  # powers of ten are long
        even = ticker.MaxNLocator(most, steps=[1, 2, 5, 10])
        axis.set_major_locator(even if few else ticker.LogLocator(base=10, subs=subs, numticks=8))
    else:
        from_power = float(10.0 ** np.floor(np.log10(positive.min())))
        set_scale("symlog", linthresh=from_power, linscale=0.4)
        axis.set_major_locator(ticker.SymmetricalLogLocator(base=10, linthresh=from_power, subs=subs))
    axis.set_major_formatter(PLAIN)
    axis.set_minor_formatter(ticker.NullFormatter())


def end_at(axes: Axes, which: str, most: float) -> None:
    """End an axis ("x" or "y") at the largest value that its metric can have, if it goes further."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    if high <= most:
        return
    start, end = axis.get_transform().transform(np.array([low, most]))
    beyond = axis.get_transform().inverted().transform(np.array([end + END_ROOM * (end - start)]))[0]
    axes.set(**{f"{which}lim": (low, min(high, beyond))})


def marks(axes: Axes, positions: dict[str, float]) -> None:
    """A thin vertical line at each position of x, its label at the top inside the axes, above the data."""
    if not positions:
        return
    to_height, to_value = axes.yaxis.get_transform(), axes.yaxis.get_transform().inverted()
    low, high = to_height.transform(np.array(axes.get_ylim()))
    axes.set_ylim(*to_value.transform(np.array([low, high + MARK_ROOM * (high - low)])))
    for label, position in positions.items():
        axes.axvline(position, color=GREY, linewidth=0.6, zorder=1)
        axes.annotate(
            label,
            (position, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(1.5, -1),
            textcoords="offset points",
            va="top",
            fontsize=6,
        )


def wrapped(label: str) -> str:
    """An axis' label in lines that a panel has room for."""
    return folded(label, LABEL_LETTERS)


def folded(text: str, letters: int) -> str:
    """A text in lines of at most so many letters, where its words allow it."""
    return textwrap.fill(text, letters)


def doubling_axis(axes: Axes, settings: np.ndarray, axis_in: float = AXIS_IN) -> None:
    """Make x logarithmic to base 2, with ticks at the settings: (m,) whose labels fit into its inches.

    A setting of 0, such as the epoch of an event at the start, leaves x linear.
    """
    settings = np.unique(settings)
    if settings[0] <= 0:
        axes.xaxis.set_major_formatter(PLAIN)
        return
    axes.set_xscale("log", base=2)
    axes.set_xticks(thinned(settings, axis_in))
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_locator(ticker.NullLocator())


def whole_numbers(axes: Axes, most: int | str = "auto") -> None:
    """At most so many ticks of x, at whole numbers: there is no half update or epoch."""
    axes.xaxis.set_major_locator(ticker.MaxNLocator(most, integer=True))
    axes.xaxis.set_major_formatter(PLAIN)


def thinned(settings: np.ndarray, axis_in: float = AXIS_IN) -> np.ndarray:
    """Settings, ascending, whose labels do not overlap on a logarithmic axis.

    Those at least 0.6 octaves apart; if their labels do not fit, every second, every third, ...
    """
    kept = apart(settings)
    return next(ticks for step in range(1, len(kept) + 1) if labels_fit(ticks := kept[::step], axis_in))


def apart(settings: np.ndarray, octaves: float = TICK_OCTAVES) -> np.ndarray:
    """The settings, ascending, that are at least so far from the one before."""
    kept = [settings[0]]
    for value in settings[1:]:
        if np.log2(value / kept[-1]) >= octaves:
            kept.append(value)
    return np.array(kept)


def labels_fit(ticks: np.ndarray, axis_in: float) -> bool:
    """Whether a gap remains between the labels of all neighbouring ticks, spread over so many inches."""
    if len(ticks) == 1:
        return True
    places_in = axis_in * np.log2(ticks / ticks[0]) / np.log2(ticks[-1] / ticks[0])
    widths_in = LETTER_IN * np.array([letters_of(plain(tick)) for tick in ticks])
    return bool((np.diff(places_in) >= (widths_in[1:] + widths_in[:-1]) / 2 + TICK_GAP_IN).all())


def letters_of(tick: str) -> int:
    """How many letters a tick's number shows: powers are written with marks that are not printed."""
    return len(tick.replace("\\cdot", "·").translate(str.maketrans("", "", "${}^")))


def legend_below(figure: Figure, axes: Axes, least: int = 2) -> None:
    """One legend under the panels, where it covers no data, in as many columns as its labels allow.

    Fewer lines than `least` need none.
    """
    handles, names = axes.get_legend_handles_labels()
    if len(names) < least:
        return
    entry_in = HANDLE_IN + LETTER_IN * max(len(name) for name in names)
    columns = max(1, min(len(names), 4, int(figure.get_figwidth() / entry_in)))
    figure.legend(handles, names, loc="outside lower center", ncols=columns)
    rows = -(-len(names) // columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW_IN * rows)  # the panels keep their height


def nested(lines: int) -> np.ndarray:
    """Widths in points for lines that coincide, from wide to narrow: (lines,)."""
    return np.linspace(WIDEST, THINNEST, lines) if lines > 1 else np.array([THINNEST])


def columns_of(panels: int, most: int) -> int:
    """How many panels are in a row: the number near `most` that leaves the fewest places empty."""
    few, many = min(panels, max(2, most - 2)), min(panels, most)
    return min(range(few, many + 1), key=lambda columns: (-panels % columns, -columns))


def panels(figure: Figure, count: int, columns: int, blocks: int = 1, **shared) -> list[list[Axes]]:
    """Axes in rows, with letters, for blocks one above the other; empty places stay empty.

    An axes above an empty place has tick labels.
    """
    rows = -(-count // columns)
    grid = figure.subplots(rows * blocks, columns, squeeze=False, **shared)
    places = [grid[block * rows : (block + 1) * rows].ravel() for block in range(blocks)]
    for block in places:
        for axes in block[count:]:
            axes.set_axis_off()
    for axes in places[-1][max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)
    kept = [list(block[:count]) for block in places]
    letters(axes for block in kept for axes in block)
    return kept


def letters(all_axes: Iterable[Axes]) -> None:
    """a, b, c, ... at the upper left of the panels, for references; a single panel has none."""
    all_axes = list(all_axes)
    if len(all_axes) < 2:
        return
    for letter, axes in zip(string.ascii_lowercase, all_axes, strict=False):
        axes.annotate(letter, (0, 1), **LETTER)


def across(axes: Axes, height: float, color: str = GREY, label: str | None = None, number: str = "") -> None:
    """A thin dashed horizontal line, named in the legend or with a number at its right end."""
    axes.axhline(height, color=color, linestyle=ACROSS_DASHES, linewidth=0.9, zorder=1.5, label=label)
    if number:
        place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "xytext": (2, 0)}
        axes.annotate(number, (1, height), **place, va="center", fontsize=6, color=color)
