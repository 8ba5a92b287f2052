"""The formulas on the page, read back from their MathML and computed."""

from xml.etree import ElementTree

import numpy as np
import pytest

from largebatch.config.surfaces import SURFACES, Surface
from largebatch.page.page_formula import formula

SIGNS = {"−": "-", "⋅": "*", "exp": "np.exp"}
POINTS = np.random.default_rng(1).uniform(-2, 2, (20, 2))


def python_of(node) -> str:
    """Python's text of what a node means; neighbours are factors."""
    tag, inside = node.tag, [python_of(child) for child in node]
    if tag == "msup":
        return f"({inside[0]})**({inside[1]})"
    if tag == "mfrac":
        return f"(({inside[0]})/({inside[1]}))"
    if tag in ("mrow", "math"):
        return joined(inside)
    return SIGNS.get(node.text, node.text)


def joined(texts) -> str:
    """With * where two factors stand side by side."""
    whole = ""
    for text in texts:
        factor_before = whole and (whole[-1].isalnum() or whole[-1] == ")") and not whole.endswith("exp")
        whole += f"*{text}" if factor_before and (text[0].isalnum() or text[0] == "(" != text) else text
    return whole


def computed(surface):
    """The formula's value at POINTS."""
    whole = ElementTree.fromstring(f"<p>{formula(surface)}</p>")
    left, right = joined([python_of(math) for math in whole]).split("=")
    assert left.replace("*", "") == "f(x,y)"
    return eval(right, {"np": np, "x": POINTS[:, 0], "y": POINTS[:, 1]}) + np.zeros(len(POINTS))


@pytest.mark.parametrize("name", SURFACES)
def test_a_formula_is_the_surface(name):
    assert computed(SURFACES[name]) == pytest.approx(SURFACES[name].value(POINTS), rel=1e-12)


def test_signs_of_a_first_term_and_of_centres():
    surface = Surface(((-1.5, 1, 2), (2.0, 0, 1)), ((0.5, -1.0, 2.0, 0.3),), (-1, 1, -1, 1), (0, 0), "")
    assert computed(surface) == pytest.approx(surface.value(POINTS), rel=1e-12)
