"""Drawings for one page: matplotlib's SVG files without what is the same in all of them.

All drawings of a page share letters and styles. Coordinates are rounded to a tenth of a point and written as
distances from the point before.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from largebatch.seals import verified

SVG, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
TRANSLATION = re.compile(r"translate\([^)]*\)")
SEGMENT = re.compile(r"([MLQCZz])([^MLQCZz]*)")
SEEN = 1.5  # tenths of a point: a third of the thinnest line
LETTER = "scale(0.015625)"  # matplotlib's transformation of an outline


@dataclass
class Drawings:
    """Inlines drawings, and collects the letters and styles that they share.

    letters: outline -> id; styles: declarations -> class; ids: how many were given.
    """

    letters: dict[str, str] = field(default_factory=dict)
    styles: dict[str, str] = field(default_factory=dict)
    ids: int = 0

    def inline(self, path: Path) -> dict[str, str]:
        """viewBox and markup of an SVG file, with ids that no other drawing of the page has."""
        root = read_svg(path)
        names = self.new_ids(root) | self.take_letters(root)
        for element in root.iter():
            self.shorten(element, names)
        inside = "".join(ET.tostring(child, encoding="unicode") for child in unwrapped(root))
        return {"box": root.get("viewBox"), "markup": re.sub(r"\s*\n\s*", "", inside).replace(" />", "/>")}

    def take_letters(self, root: ET.Element) -> dict[str, str]:
        """Move the outlines of letters to the shared ones; returns their ids in the file -> on the page."""
        names = {}
        for defs in root.iter("defs"):
            for letter in [path for path in defs if path.get("transform") == LETTER]:
                outline = relative(letter.get("d", ""), 0)
                names[letter.get("id")] = self.letters.setdefault(outline, f"l{len(self.letters)}")
                defs.remove(letter)
        return names

    def new_ids(self, root: ET.Element) -> dict[str, str]:
        """Ids that are referred to in the file -> on the page."""
        text = ET.tostring(root, encoding="unicode")
        used = dict.fromkeys(re.findall(r"""#([\w.-]+)[)"]""", text))
        names = {name: f"d{self.ids + number}" for number, name in enumerate(used)}
        self.ids += len(names)
        return names

    def shorten(self, element: ET.Element, names: dict[str, str]) -> None:
        """Give one element its shared class, its rounded coordinates and its id on the page."""
        if style := element.attrib.pop("style", ""):
            element.set("class", self.styles.setdefault(short_style(style), f"s{len(self.styles)}"))
        target = element.attrib.pop(HREF, "")
        if target:
            element.set("href", f"#{names[target[1:]]}" if target.startswith("#") else target)
        if clip := element.get("clip-path"):
            element.set("clip-path", f"url(#{names[clip[5:-1]]})")
        if name := element.attrib.pop("id", None):
            element.attrib |= {"id": names[name]} if name in names else {}
        for key in {"d", "x", "y", "transform"} & element.attrib.keys():
            element.set(key, SHORT[key](element.get(key)))

    @property
    def markup(self) -> str:
        """The letters, for one hidden drawing."""
        return "".join(
            f'<path id="{name}" transform="scale(.015625)" d="{outline}"/>'
            for outline, name in self.letters.items()
        )

    @property
    def css(self) -> str:
        """The styles."""
        return "".join(f".{name}{{{style}}}" for style, name in self.styles.items())


def read_svg(path: Path) -> ET.Element:
    """The drawing, without namespaces, metadata and its white background; ValueError if it is no drawing."""
    try:
        verified(path)
        root = ET.parse(path).getroot()
    except (ET.ParseError, OSError) as error:
        raise ValueError(f"{path}: wanted a drawing in SVG; got {error}") from error
    if not root.get("viewBox"):
        raise ValueError(f"{path}: wanted a drawing with a viewBox; got none")
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in ("metadata", "style") or c.get("id") == "patch_1"]:
            parent.remove(child)
    return root


def unwrapped(element: ET.Element) -> list[ET.Element]:
    """The children, with groups and definitions without attributes replaced by their own children."""
    children = []
    for child in list(element):
        inner = unwrapped(child)
        if child.tag in ("g", "defs") and not child.attrib and (child.tag == "g" or not inner):
            children += inner
        else:
            child[:] = inner
            children.append(child)
    return children


@cache  # letters and marks are the same in most drawings
def relative(path: str, places: int = 1) -> str:
    """The data of a path as distances, in whole units of the last digit so that they add up."""
    scale, at, start = 10**places, (0, 0), (0, 0)
    words, command = [], ""
    for letter, points in segments(path, scale):
        if letter == "z":
            words, command, at = [*words, "z"], "z", start
            continue
        # a curve's points are relative to its start, those of lines each to the one before
        origins = [at, *points] if letter == "l" else [at] * len(points)
        steps = [(x - x0, y - y0) for (x, y), (x0, y0) in zip(points, origins, strict=False)]
        at = points[-1]
        start = at if letter == "m" else start
        words += [letter] * (command != letter or letter == "m")
        words.append(joined([value / scale for step in steps for value in step], words[-1] == letter))
        command = letter
    return "".join(words)


def segments(path: str, scale: int) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """(letter, points in units of 1 / scale), lines that follow one another as one, thinned."""
    lines, at = [], (0, 0)
    for letter, numbers in SEGMENT.findall(path):
        values = [round(float(number) * scale) for number in numbers.split()]
        points = list(zip(values[::2], values[1::2], strict=True))
        if letter == "L":
            lines += points
            continue
        if lines:
            yield "l", thinned([at, *lines])
            at, lines = lines[-1], []
        yield letter.lower(), points
        at = points[-1] if points else at
    if lines:
        yield "l", thinned([at, *lines])


def thinned(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """A polyline after its first point, without points within SEEN of it (Douglas, Peucker 1973)."""
    xy = np.array(points, float)
    kept, todo = {len(points) - 1}, [(0, len(points) - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        far = distances(xy[first + 1 : last], xy[first], xy[last])
        if far.max() > SEEN:
            middle = first + 1 + int(far.argmax())
            kept.add(middle)
            todo += [(first, middle), (middle, last)]
    return [points[index] for index in sorted(kept)]


def distances(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances of points (m, 2) from the segment between a and b (2,): (m,)."""
    way = b - a
    share = np.clip((points - a) @ way / max(way @ way, 1e-9), 0, 1)
    return np.linalg.norm(points - a - share[:, None] * way, axis=1)


def joined(numbers: list[float], first: bool) -> str:
    """Numbers with a space only where nothing else separates them; first: they follow a command."""
    text = ""
    for number in numbers:
        word = plain(number, 2)
        text += word if (first and not text) or word.startswith("-") else f" {word}"
    return text


@cache  # a page has few different distances
def plain(number: float, places: int) -> str:
    """'0.50' becomes .5, and '3.0' becomes 3."""
    text = f"{number:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return re.sub(r"^(-?)0\.", r"\1.", "0" if text == "-0" else text)


def rounded(text: str, places: int) -> str:
    """Every number in a text to so many places."""
    return NUMBER.sub(lambda found: plain(float(found[0]), places), text)


def short_style(style: str) -> str:
    """Declarations without spaces; numbers to two places."""
    return rounded(re.sub(r"\s*([:;])\s*", r"\1", style).strip(";"), 2)


# How attributes are shortened; the factors of a transformation stay unchanged.
SHORT = {
    "d": relative,
    "x": lambda text: rounded(text, 1),
    "y": lambda text: rounded(text, 1),
    "transform": lambda text: TRANSLATION.sub(lambda found: rounded(found[0], 1), text),
}
