"""How to cite a figure, a table or a claim of a results folder, with its caption and provenance."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from largebatch import files
from largebatch.figures.citation import CLAIM, FIGURE, TABLE, Citation, bibtex, software
from largebatch.figures.tabulate import caption_of
from largebatch.judging.claims import in_full, interval, number, read_claims

UNKNOWN = "unknown"


class Cited(NamedTuple):
    """Something that can be cited, and its files."""

    citation: Citation
    stem: Path

    @property
    def record(self) -> dict:
        """Its provenance; that of the whole snapshot if it has none of its own; empty without either."""
        own, whole = (
            Path(f"{self.stem}.json"),
            self.stem.parents[self.citation.what != CLAIM] / "provenance.json",
        )
        return next((files.read_json(path) for path in (own, whole) if path.is_file()), {})

    @property
    def files(self) -> list[str]:
        """Its files, each as a path."""
        return sorted(path.as_posix() for path in self.stem.parent.glob(f"{self.stem.name}.*"))


def cite(name: str, results: Path) -> str:
    """BibTeX, caption, licence, commit, settings of everything called `name`; ValueError if nothing is.

    A figure and a table may share a name. The whole text is a .bib file: its facts are comments.
    """
    found = list(named(name, results))
    if not found:
        raise ValueError(
            f"{results}: wanted a claim's id or the name of a figure or table, "
            f"such as {', '.join(examples(results)) or 'none here'}; got {name!r}"
        )
    return "\n\n".join(entry(cited) for cited in found)


def named(name: str, results: Path) -> Iterator[Cited]:
    """Everything of that name in a results folder."""
    scale = results.resolve().name
    claims = read_claims(results / "claims.csv") if (results / "claims.csv").is_file() else None
    if claims is not None:
        for _, row in claims[claims["id"] == name].iterrows():
            yield Cited(Citation(CLAIM, name, scale, claim_caption(row)), results / "claims")
    for path in (results / "figures").glob("*.txt"):
        if path.stem == name:
            yield Cited(Citation(FIGURE, name, scale, files.read_text(path).strip()), path.with_suffix(""))
    for path in (results / "tables").glob("*.md"):
        if path.stem == name:
            yield Cited(Citation(TABLE, name, scale, caption_of(files.read_text(path))), path.with_suffix(""))


def examples(results: Path) -> list[str]:
    """A few names that can be cited."""
    claims = read_claims(results / "claims.csv")["id"][:1] if (results / "claims.csv").is_file() else []
    shown = [sorted(results.glob(pattern))[:1] for pattern in ("figures/*.txt", "tables/*.md")]
    return list(dict.fromkeys([*claims, *(path.stem for paths in shown for path in paths)]))


def claim_caption(row) -> str:
    """What a claim says, and its result."""
    ours = f"{number(row['estimate'])} {interval(row['low'], row['high'])}".strip()
    paper = number(row["paper_value"])
    parts = [
        f"expected {row['expect']}",
        f"estimate {ours} over {row['n']:.0f} seeds" if ours else "",
        f"paper {paper}" if paper else "",
        f"in training {row['fit']}" if row["fit"] else "",
        f"control {row['control']}" if row["control"] else "",
        in_full(row["verdict"], row["robust"]),
    ]
    return f"{row['says']} {row['source']}: {', '.join(part for part in parts if part)}."


def entry(cited: Cited) -> str:
    """The facts of one thing, then its BibTeX entry."""
    record, citation = cited.record, cited.citation
    commit = record.get("commit", UNKNOWN)
    asked = record.get("settings", {}).get(citation.what, {})
    facts = [
        citation.source,
        f"caption: {citation.caption}",
        f"licence: {software().licence}",
        f"commit: {commit}",
        f"files: {', '.join(cited.files)}",
        *(["settings:", *(f"  {line}" for line in settings(asked))] if asked else []),
    ]
    # BibTeX takes all text between entries as a comment, up to the next @
    return "\n".join([*(f"% {fact.replace('@', ' at ')}" for fact in facts), bibtex(citation, commit)])


def settings(asked: dict) -> list[str]:
    """Settings as lines of YAML, without the caption."""
    kept = {key: value for key, value in asked.items() if key != "caption"}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=100).splitlines()
