"""Drawings on a page against the files they come from."""

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from largebatch.report.inline import Drawings, relative, thinned


def drawn(path, scale=1.0, title="a title"):
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    x = np.linspace(0, 1, 200)
    axes.plot(x, scale * x**2, marker="o", markevery=50)
    axes.fill_between(x, x, x**3, alpha=0.2)
    axes.set_title(title)
    with mpl.rc_context({"svg.hashsalt": "x"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path


def end_of(data):
    """The last point of a relative path, by an independent reading of the grammar."""
    at, start = np.zeros(2), np.zeros(2)
    for letter, numbers in re.findall(r"([mlqcz])([^mlqcz]*)", data):
        values = [float(n) for n in re.findall(r"-?\d*\.?\d+", numbers)]
        points = np.array(values).reshape(-1, 2)
        if letter == "z":
            at = start
        elif letter in "ml":
            at = at + points.sum(axis=0)
            start = at if letter == "m" else start
        else:
            size = {"q": 2, "c": 3}[letter]
            at = at + points[size - 1 :: size].sum(axis=0)
    return at


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("M 0 0 \nL 10 0 \nL 10 10 \nz", "m0 0l10 0 0 10z"),
        ("M 1.04 2.06 \nL 1.26 -3.96", "m1 2.1l.3-6.1"),
        ("M 0 0 \nQ 1 1 2 0 \nQ 3 -1 4 0", "m0 0q1 1 2 0 1-1 2 0"),
        ("M 5 5 \nL 6 6 \nz\nM 7 7 \nL 8 8", "m5 5l1 1zm2 2l1 1"),
        ("", ""),
    ],
)
def test_paths_are_written_as_distances(path, found):
    assert relative(path) == found


def test_rounding_does_not_add_up():
    """A thousand steps of a third of a tenth end where they should."""
    path = "M 0 0 " + " ".join(f"L {k / 30} {np.sin(k)}" for k in range(1, 1001))
    assert end_of(relative(path)) == pytest.approx([1000 / 30, np.sin(1000)], abs=0.06)


def test_thinning_keeps_every_point_near_its_line():
    points = [(round(10 * k), round(300 * np.sin(k / 5))) for k in range(200)]
    kept = thinned(points)
    assert kept[-1] == points[-1] and len(kept) < 0.7 * len(points)
    line = np.interp(
        [x for x, _ in points], [points[0][0], *(x for x, _ in kept)], [points[0][1], *(y for _, y in kept)]
    )
    assert np.abs(line - [y for _, y in points]).max() < 15
    assert thinned([(0, 0), (5, 0), (10, 0)]) == [(10, 0)]


def test_letters_and_styles_are_shared_and_ids_are_not(tmp_path):
    drawings = Drawings()
    first = drawings.inline(drawn(tmp_path / "a.svg"))
    letters, styles = dict(drawings.letters), dict(drawings.styles)
    second = drawings.inline(drawn(tmp_path / "b.svg", scale=0.5))
    assert drawings.letters == letters and drawings.styles == styles
    page = first["markup"] + second["markup"] + drawings.markup
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {target.strip("#)") for target in re.findall(r"#[a-z]\d+", page)} <= set(ids)
    assert {name for names in re.findall(r'class="([^"]+)"', page) for name in names.split()} <= set(
        styles.values()
    )
    ET.fromstring(f"<svg>{page}</svg>")
    assert len(first["markup"]) < (tmp_path / "a.svg").stat().st_size / 3


def test_no_metadata_no_white_ground(tmp_path):
    found = Drawings().inline(drawn(tmp_path / "a.svg"))
    assert "Matplotlib" not in found["markup"] and "rdf" not in found["markup"]
    assert [float(n) for n in found["box"].split()] == pytest.approx([0, 0, 216, 144])


@pytest.mark.parametrize("text", ["", "no drawing", '<svg xmlns="http://www.w3.org/2000/svg"/>'])
def test_what_is_no_drawing(tmp_path, text):
    path = tmp_path / "a.svg"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"a.svg: wanted a drawing"):
        Drawings().inline(path)
