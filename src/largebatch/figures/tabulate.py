"""Tables of final numbers: mean ± half of the 95 % interval, the paper's numbers beside ours."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from largebatch import files
from largebatch.config.tables import Table
from largebatch.figures.drawn import BESIDE, seeds, summary_of
from largebatch.figures.lost import DIVERGED, counted, lost_seeds, sentence
from largebatch.judging.claims import read_columns
from largebatch.metrics import METRICS, SETTINGS
from largebatch.observations.reading import Missing, members, read_uses, reading
from largebatch.provenance import provenance
from largebatch.seals import verified

COLUMNS = ("row", "metric", "n", "mean", "low", "high", "paper")
TEXTS = ("row", "metric", "paper")
NONE = "–"  # for a row that was not measured
TEX = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "√": r"$\surd$",
    "‖": r"$\|$",
    "−": "$-$",
    "–": "--",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "η": r"$\eta$",
    "λ": r"$\lambda$",
    "₀": "$_0$",
    "⁻": "$^{-}$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    **{digit: f"$^{i}$" for i, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
JOINED = "-',"  # two of them would become one: a dash, a quotation mark
# A regular expression for what has a meaning within a line of Markdown.
MARKDOWN = r"[\\`*_\[\]<>#&$~|]"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def tabulate(ask: dict, observations: Path, stem: Path) -> None:
    """Write stem.csv (numbers), stem.md and stem.tex (rounded), stem.json (provenance).

    ask: {"experiment": name, "table": a Table as JSON}.
    """
    table = TypeAdapter(Table).validate_python(ask["table"])
    rows = read_uses(observations, table.uses(), BESIDE)
    lost, cells = lost_seeds(rows), cells_of(table, rows)
    arms = rows_of(table, rows)
    cells = counted(cells, lost, cells["row"].map(arms))
    with files.atomic(stem.with_name(f"{stem.name}.csv")) as temporary:
        cells.to_csv(temporary, index=False)
    caption = f"{one_line(table.caption)} Mean ± half of the 95 % interval (Student t) over {seeds(cells)}."
    caption += sentence(lost, {arm: label for label, arm in arms.items()})
    if table.paper_of:
        caption += f" The paper's numbers: {table.paper_of}."
    header, body = layout(cells)
    files.write_text(stem.with_name(f"{stem.name}.md"), markdown(caption, header, body))
    files.write_text(stem.with_name(f"{stem.name}.tex"), tex(caption, f"tab:{stem.name}", header, body))
    inputs = {observations.name: verified(observations)}
    files.write_json(stem.with_name(f"{stem.name}.json"), provenance("tabulate", ask, inputs))


def cells_of(table: Table, observations: pd.DataFrame) -> pd.DataFrame:
    """One row per cell, columns COLUMNS; n is 0 if an arm lacks the metric."""
    cells = []
    for label, arm in rows_of(table, observations).items():
        for metric in table.metrics:
            paper = table.paper.get(label, {}).get(metric, "")
            found = summary_of(metric, values_of(observations, label, arm, metric, table))
            cells.append({"row": label, "metric": metric, **found, "paper": paper})
    return pd.DataFrame(cells, columns=list(COLUMNS))


def rows_of(table: Table, observations: pd.DataFrame) -> dict[str, str]:
    """Label -> arm of each row: as the table names them, or one for each value of a group's setting."""
    if table.over is None:
        return table.rows
    return {
        f"{label}, {SETTINGS[table.over]} {value:g}": arm
        for label, group in table.rows.items()
        for arm, value in members(observations, group)[table.over].sort_values().items()
    }


def values_of(observations: pd.DataFrame, label: str, arm: str, metric: str, table: Table) -> pd.Series:
    """One value per seed; none if the arm lacks the metric. An arm without observations is an error."""
    at = table.at_of(label)
    at = at.of(metric) if at else None
    try:
        return reading(observations, arm, metric, at)
    except Missing as missing:
        if arm not in set(observations["arm"]):
            raise ValueError(f"table {table.name}: wanted {missing}; got none") from None
        return pd.Series(dtype=float)


def read_cells(path: Path) -> pd.DataFrame:
    """The cells in a table's csv, columns COLUMNS, and how many seeds diverged if some did."""
    return read_columns(path, "a table's cells", COLUMNS, TEXTS, (DIVERGED,))


def layout(cells: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Header and rows of text: a column per metric, followed by the paper's if it has any."""
    header, columns = [""], [list(cells["row"].unique())]
    for metric, of_metric in cells.groupby("metric", sort=False):
        header.append(METRICS[metric])
        columns.append([cell(row) for _, row in of_metric.iterrows()])
        if (of_metric["paper"] != "").any():
            header.append(f"paper: {METRICS[metric]}")
            columns.append([paper or NONE for paper in of_metric["paper"]])
    return header, [list(row) for row in zip(*columns, strict=True)]


def cell(row: pd.Series) -> str:
    """'97.81 ± 0.07'; without an interval the mean alone; with the number of seeds that diverged."""
    gone = int(row.get(DIVERGED, 0))
    if row["n"] == 0:
        return DIVERGED if gone else NONE
    mark = f" ({gone} of {row['n']:.0f} diverged)" * bool(gone)
    if np.isnan(row["low"]):
        return f"{row['mean']:.4g} (n = {row['n']:.0f}){mark}"
    return with_half_width(row["mean"], (row["high"] - row["low"]) / 2) + mark


def with_half_width(mean: float, half: float) -> str:
    """Two significant digits of the half width, the mean as precisely; long numbers with a power of ten."""
    if half <= 1e-12 * abs(mean):
        return f"{mean:.4g} ± 0".replace("-", "−")
    exponent = int(np.floor(np.log10(max(abs(mean), half))))
    if -4 <= exponent < 6:
        return pair(mean, half)
    return (
        f"({pair(mean / 10.0**exponent, half / 10.0**exponent)}) × 10{str(exponent).translate(SUPERSCRIPTS)}"
    )


def pair(mean: float, half: float) -> str:
    """Both numbers, rounded to the second significant digit of half."""
    places = 1 - int(np.floor(np.log10(half)))
    shown = max(places, 0)
    return f"{round(mean, places):.{shown}f} ± {round(half, places):.{shown}f}".replace("-", "−")


def markdown(caption: str, header: list[str], body: list[list[str]]) -> str:
    """The caption, an empty line, the table; numbers to the right."""
    escaped = [[escape_markdown(text) for text in row] for row in (header, *body)]
    rule = "|".join(["---", *["---:"] * (len(header) - 1)])
    lines = [f"| {' | '.join(row)} |" for row in escaped]
    return "\n".join([f"{escape_markdown(caption)}\n", lines[0], f"|{rule}|", *lines[1:]]) + "\n"


def caption_of(markdown: str) -> str:
    """The caption of a table in Markdown, as it is shown."""
    return re.sub(rf"\\({MARKDOWN})", r"\1", markdown.partition("\n\n")[0])


def escape_markdown(text: str) -> str:
    """Text that GitHub's Markdown shows unchanged."""
    return re.sub(MARKDOWN, r"\\\g<0>", text)


def tex(caption: str, label: str, header: list[str], body: list[list[str]]) -> str:
    """A LaTeX table; needs the package booktabs."""
    rows = [" & ".join(escape_tex(text) for text in row) + r" \\" for row in (header, *body)]
    rows = [f"{{}}{row}" if row[0] in "[*" else row for row in rows]  # else an argument of the line before
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{escape_tex(caption)}}}",
            f"  \\label{{{label}}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"    \toprule",
            f"    {rows[0]}",
            r"    \midrule",
            *(f"    {row}" for row in rows[1:]),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


def escape_tex(text: str) -> str:
    """Text that LaTeX prints unchanged; {} separates two marks that it would join."""
    return "".join(
        TEX.get(letter, letter) + "{}" * (letter in JOINED and letter == after)
        for letter, after in zip(text, text[1:] + " ", strict=False)
    )
