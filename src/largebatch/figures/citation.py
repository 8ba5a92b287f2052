"""How a figure, a table or a claim is cited, and the metadata of images.

Metadata stay the same when the same numbers are drawn again: the commit is in the .json beside the file.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from largebatch.config.checking import read_yaml
from largebatch.figures.tabulate import escape_tex

PACKAGE = Path(__file__).parents[1]
# At the root of a checkout, or within the package if it was installed as a wheel.
CITATION_FILES = (PACKAGE.parents[1] / "CITATION.cff", PACKAGE / "CITATION.cff")
FIGURE, TABLE, CLAIM = "figure", "table", "claim"


class Software(NamedTuple):
    """What CITATION.cff says about largebatch."""

    name: str
    author: str
    version: str
    year: str
    licence: str


class Citation(NamedTuple):
    """What is cited. what: FIGURE, TABLE or CLAIM; name: <experiment>_<name>, or a claim's id."""

    what: str
    name: str
    scale: str
    caption: str

    @property
    def key(self) -> str:
        """The key of its BibTeX entry."""
        return "-".join(part for part in ("largebatch", self.scale, self.what, self.name) if part)

    @property
    def title(self) -> str:
        """The first sentence of its caption, without the full stop."""
        return re.split(r"(?<=[.?!])\s+(?=[A-Z])", self.caption)[0].removesuffix(".")

    @property
    def source(self) -> str:
        """Its origin, in words."""
        at = f", scale {self.scale}" if self.scale else ""
        return f"{self.what} {self.name} of largebatch{at}"


@cache
def software() -> Software:
    """The contents of CITATION.cff; ValueError if the file is missing."""
    found = next((path for path in CITATION_FILES if path.is_file()), None)
    if found is None:
        raise ValueError(f"{CITATION_FILES[0]}: wanted the file that says how to cite largebatch; got none")
    cff = read_yaml(found)
    authors = " and ".join(author["name"] for author in cff["authors"])
    name = cff["title"].partition(":")[0]
    return Software(name, authors, str(cff["version"]), str(cff["date-released"])[:4], cff["license"])


def metadata(citation: Citation) -> dict[str, dict]:
    """The metadata for images of each format, under the format's own keys.

    PDF: the document information of ISO 32000; PNG: the keywords of its specification; SVG: Dublin Core.
    No dates: the same numbers give the same bytes.
    """
    author, licence = software().author, software().licence
    words = {"Title": citation.title, "Author": author}
    keywords = [f"citation key: {citation.key}", f"licence: {licence}", f"source: {citation.source}"]
    return {
        "pdf": {**words, "Subject": citation.caption, "Keywords": "; ".join(keywords), "CreationDate": None},
        "png": {
            **words,
            "Description": citation.caption,
            "Copyright": licence,
            "Source": citation.source,
            "Citation key": citation.key,
        },
        "svg": {
            "Title": citation.title,
            "Creator": author,
            "Description": citation.caption,
            "Rights": licence,
            "Source": citation.source,
            "Identifier": citation.key,
            "Date": None,
        },
    }


def bibtex(citation: Citation, commit: str) -> str:
    """Its BibTeX entry, which names version and commit."""
    made = software()
    words = f"{citation.what.capitalize()} {citation.name} of {made.name} {made.version}"
    at = f", scale {citation.scale}, commit {commit[:12]}"
    fields = {
        "author": f"{{{escape_tex(made.author)}}}",
        "title": f"{{{escape_tex(citation.title)}}}",
        "year": made.year,
        "version": made.version,
        "note": escape_tex(words + at),
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items()]
    return "\n".join([f"@misc{{{citation.key},", *lines, "}"])
