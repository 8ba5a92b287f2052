"""Labels of any text, shown as they are written."""

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from largebatch.figures import draw as drawing
from largebatch.figures import style
from largebatch.figures.citation import metadata
from largebatch.figures.draw import draw
from tests.shared.figures import ERROR, KINDS, asked, of_kind

# Text with a special meaning in matplotlib, XML, LaTeX or Markdown.
ODD = [
    "$5 & $6",
    "cost $_$",
    "a $ alone",
    r"\$5 \\ $\alpha$ \q",
    "_hidden",
    "__x__",
    "a_b^c{d}%#~",
    "<b>1 < 2</b> &amp; 'x' \"y\"",
    "a--b-->",
    "a|b",
    "None",
    "1e5",
    "größer √2 ± ≤ Ж",
]


def relabelled(kind: str, labels: list[str]) -> dict:
    """A figure of this kind with these labels of lines, positions and axes."""
    figure = of_kind(kind).EXAMPLE
    if kind == "walks":
        return asked(kind, panels={"bowl": dict.fromkeys(labels, "surfaces.bowl_mini")})
    more = {"x_label": labels[0], "marks": dict.fromkeys(labels, 0.0)} if kind == "profile" else {}
    return asked(kind, **more, lines=dict.fromkeys(labels, next(iter(figure["lines"].values()))))


@pytest.fixture
def texts_of(monkeypatch, tmp_path):
    """Draws a figure, as SVG alone; returns its texts as a reader sees them."""
    monkeypatch.setitem(style.RC, "svg.fonttype", "none")
    monkeypatch.setattr(drawing, "metadata", lambda citation: {"svg": metadata(citation)["svg"]})

    def draw_and_read(ask: dict, table: Path) -> list[str]:
        draw(ask, table, tmp_path / "f")
        found = ElementTree.parse(tmp_path / "f.svg").iter("{http://www.w3.org/2000/svg}text")
        return ["".join(text.itertext()).replace("\u200b", "") for text in found]

    return draw_and_read


@pytest.mark.parametrize("labels", [ODD, ["_hidden", "$5 & $6"], ["cost $_$"]], ids=["many", "two", "one"])
@pytest.mark.parametrize("kind", sorted({*KINDS} - {"heat_map", "descent"}))  # without lines
def test_labels_are_shown_as_they_are_written(rows, write_table, texts_of, tmp_path, kind, labels):
    shown = texts_of(relabelled(kind, labels), write_table(rows))
    if len(labels) > 1:  # a single line has no legend
        assert set(labels) <= set(shown)
    if kind == "profile" and len(labels) > 1:  # in the legend, at each mark of each panel, under each panel
        assert shown.count(labels[0]) == 1 + 2 + 2
    table = pd.read_csv(tmp_path / "f.csv", keep_default_na=False, dtype=str)
    assert set(labels) <= set(table["line"])  # without what matplotlib needs
    assert "\u200b" not in (tmp_path / "f.txt").read_text(encoding="utf-8")


def test_a_mark_on_a_setting_is_shown_as_it_is_written(rows, write_table, texts_of):
    ask = asked("against_setting", y=[ERROR], marks={label: {"arm": "small"} for label in ODD[:2]})
    assert set(ODD[:2]) <= set(texts_of(ask, write_table(rows)))


def test_powers_of_ten_are_still_mathematics(helpers, write_table, texts_of):
    lines = {f"$a{i} $b": f"arm_{i}" for i in range(2)}
    arms = [helpers.arm(arm, {ERROR: [10.0 ** (5 + 3 * i)] * 3}) for i, arm in enumerate(lines.values())]
    shown = texts_of(asked("finals", y=ERROR, at=None, lines=lines), write_table(*arms))
    assert set(lines) <= set(shown) and not any("^" in text for text in shown)


def test_a_letter_that_the_font_lacks_is_named(rows, write_table, texts_of, tmp_path):
    with pytest.raises(
        ValueError, match=r"f: wanted labels of letters that DejaVu Sans has; got: Glyph 28450"
    ):
        texts_of(relabelled("finals", ["漢"]), write_table(rows))
    assert not (tmp_path / "f.svg").exists()
