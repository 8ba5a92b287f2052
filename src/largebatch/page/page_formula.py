"""A surface's loss as MathML, from the same numbers that the page computes with."""

from markupsafe import Markup

from largebatch.config.surfaces import Surface

AXES = ("x", "y")


def formula(surface: Surface) -> Markup:
    """f(x, y) = ..., one <math> element per term, so that a narrow page can break the line between them."""
    terms = [power(*term) for term in surface.powers] + [bump(*term) for term in surface.bumps]
    left = "<mi>f</mi><mo>(</mo><mi>x</mi><mo>,</mo><mi>y</mi><mo>)</mo><mo form='infix'>=</mo>"
    (c, factors), *others = terms
    first = f"<math>{left}{'' if c > 0 else minus()}{number(abs(c))}{factors}</math>"
    return Markup(" ".join([first, *(added(*term) for term in others)]))


def added(c: float, factors: str) -> str:
    """A term that follows another."""
    return f"<math><mo form='infix'>{'+' if c > 0 else '−'}</mo>{number(abs(c))}{factors}</math>"


def power(c: float, i: int, j: int) -> tuple[float, str]:
    """c x^i y^j."""
    return c, "".join(raised(axis, n) for axis, n in zip(AXES, (i, j), strict=True) if n)


def raised(axis: str, n: int) -> str:
    return f"<mi>{axis}</mi>" if n == 1 else f"<msup><mi>{axis}</mi>{number(n)}</msup>"


def bump(a: float, p: float, q: float, s: float) -> tuple[float, str]:
    """a exp(-((x - p)² + (y - q)²) / 2s²)."""
    squares = plus().join(distance(axis, centre) for axis, centre in zip(AXES, (p, q), strict=True))
    below = f"{number(2)}<mo>⋅</mo><msup>{number(s)}{number(2)}</msup>"
    share = f"<mfrac><mrow>{squares}</mrow><mrow>{below}</mrow></mfrac>"
    return a, f"<mo>⋅</mo><mi>exp</mi><mrow><mo>(</mo>{minus()}{share}<mo>)</mo></mrow>"


def distance(axis: str, centre: float) -> str:
    """(x - p)², as x² where p is 0."""
    if centre == 0:
        return raised(axis, 2)
    sign = minus() if centre > 0 else plus()
    inside = f"<mo>(</mo><mi>{axis}</mi>{sign}{number(abs(centre))}<mo>)</mo>"
    return f"<msup><mrow>{inside}</mrow>{number(2)}</msup>"


def number(value: float) -> str:
    return f"<mn>{value:g}</mn>"


def plus() -> str:
    return "<mo>+</mo>"


def minus() -> str:
    return "<mo>−</mo>"
