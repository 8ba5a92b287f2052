"""One self-contained page: verdicts, figures, tables. Opens from disk, needs no network."""

import base64
from collections import Counter
from pathlib import Path

import pandas as pd

from largebatch import files
from largebatch.study.claims import VERDICTS, detectable, interval, number, read_claims
from largebatch.study.tabulate import caption_of, layout, read_cells
from largebatch.study.templates import template


def report(ask: dict, claims: Path, figures: list[Path], tables: list[Path], out: Path) -> None:
    """Write the page.

    ask: {"scale", "seeds", "experiments": [{"experiment", "title", "question", "figures": [name],
    "tables": [name]}]}. figures, tables: their files or stems, named <experiment>_<name>.
    """
    verdicts = read_claims(claims)
    figure_of, table_of = (
        {path.with_suffix("").name: path.with_suffix("") for path in p} for p in (figures, tables)
    )
    experiments = [
        {
            **asked,
            "claims": [claim_texts(row) for _, row in verdicts[verdicts["experiment"] == name].iterrows()],
            "figures": [
                figure(stem_of(figure_of, f"{name}_{figure_name}")) for figure_name in asked["figures"]
            ],
            "tables": [table(stem_of(table_of, f"{name}_{table_name}")) for table_name in asked["tables"]],
        }
        for asked in ask["experiments"]
        for name in [asked["experiment"]]
    ]
    page = template("report.html.jinja").render(
        scale=ask["scale"], seeds=ask["seeds"], counts=counts(verdicts), experiments=experiments
    )
    files.write_text(out, page)


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """How many claims got each verdict, in the order of VERDICTS."""
    found = Counter(claims["verdict"])
    return {verdict: found[verdict] for verdict in VERDICTS}


def claim_texts(row: pd.Series) -> dict[str, str]:
    """A claim as the page shows it."""
    texts = {name: row[name] for name in ("id", "says", "source", "expect", "verdict", "note")}
    return texts | {
        "verdict_words": row["verdict"].replace("_", " "),
        "n": "" if pd.isna(row["n"]) else f"{row['n']:.0f}",
        "estimate": number(row["estimate"]),
        "interval": interval(row["low"], row["high"]),
        "p_adjusted": p_words(row["p_adjusted"]),
        "detectable": detectable(row),
        "paper": number(row["paper_value"]),
    }


def p_words(p: float) -> str:
    """An adjusted p-value as the page shows it."""
    if pd.isna(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def stem_of(stems: dict[str, Path], name: str) -> Path:
    """The stem of that name among those given."""
    if name not in stems:
        raise ValueError(f"report: wanted files of {name}; got {sorted(stems)}")
    return stems[name]


def figure(stem: Path) -> dict[str, str]:
    """The drawing as a data URI, its caption, its file name and its id on the page."""
    encoded = base64.b64encode(bytes_of(stem.with_suffix(".svg"))).decode()
    return {
        "name": stem.name,
        "id": f"figure-{stem.name}",
        "caption": text_of(stem.with_suffix(".txt")),
        "source": f"data:image/svg+xml;base64,{encoded}",
    }


def table(stem: Path) -> dict:
    """Header, rows, caption, file name and id on the page."""
    header, body = layout(read_cells(stem.with_suffix(".csv")))
    caption = caption_of(text_of(stem.with_suffix(".md")))
    return {
        "name": stem.name,
        "id": f"table-{stem.name}",
        "caption": caption,
        "header": header,
        "body": body,
    }


def bytes_of(path: Path) -> bytes:
    """The file's bytes; ValueError if it is missing or empty."""
    content = path.read_bytes() if path.is_file() else b""
    if not content:
        raise ValueError(f"{path}: wanted a file with content; got none")
    return content


def text_of(path: Path) -> str:
    """The file's text without its last line break."""
    return bytes_of(path).decode().strip()
