"""How each condition looks, in every figure.

A condition is known by its label in figures. Others get one of the remaining looks of their figure; to give a
condition a fixed look, add it here.
"""

from itertools import product
from typing import NamedTuple


class Look(NamedTuple):
    """What tells one line from the others, also without colour."""

    color: str
    linestyle: object
    marker: str


# Okabe and Ito 2008, without the yellow, which is hardly visible on white paper.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
BLACK, ORANGE, SKY = "#000000", "#E69F00", "#56B4E9"
SOLID, DASHED, DOTTED, CHAIN, LONG, FINE = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (5, 1.2, 1.2, 1.2)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, BLACK, ORANGE, SKY)
DASHES = (SOLID, DASHED, DOTTED, CHAIN, LONG, FINE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

SMALL, LARGE = Look(BLUE, SOLID, "o"), Look(VERMILLION, DASHED, "s")
FULL, SINGLE = Look(GREEN, DOTTED, "^"), Look(PURPLE, CHAIN, "D")
CONSTANT, STEP, GROWTH = Look(BLACK, SOLID, "v"), Look(ORANGE, DASHED, "P"), Look(SKY, LONG, "X")
INVERSE_SQRT, INVERSE_TIME = Look(PURPLE, CHAIN, "D"), Look(GREEN, DOTTED, "^")
REFERENCE, DOT = Look(BLACK, SOLID, "v"), Look(BLACK, SOLID, "o")
GRADUAL, FIXED_WARMUP, NO_WARMUP = Look(GREEN, DASHED, "^"), Look(ORANGE, DOTTED, "P"), Look(SKY, CHAIN, "X")
SQRT = Look(PURPLE, LONG, "D")
ADAM, SGD, SAM = Look(PURPLE, SOLID, "D"), Look(ORANGE, DASHED, "P"), Look(SKY, CHAIN, "X")

LOOKS = {
    # batches
    "small batch": SMALL,
    "large batch": LARGE,
    "full batch": FULL,
    "large batch, same rate": LARGE,
    "large batch from the start": LARGE,
    "one at a time": SINGLE,
    "one at a time, large rate": Look(VERMILLION, SOLID, "s"),
    "batches of two": Look(ORANGE, DASHED, "P"),
    "batches of 8": Look(ORANGE, DASHED, "P"),
    "small batch, weight decay": Look(BLUE, CHAIN, "v"),
    "large batch, weight decay": Look(VERMILLION, DOTTED, "D"),
    "small batch, gamma 0": Look(BLUE, CHAIN, "v"),
    "large batch, gamma 0": Look(VERMILLION, DOTTED, "D"),
    **{f"{rest}small batch": SMALL for rest in ("Adam, ", "SGD, ", "SAM, ")},
    **{f"{rest}large batch": LARGE for rest in ("Adam, ", "SGD, ", "SAM, ")},
    **{f"Adam, full batch{rest}": FULL for rest in ("", " (cut off)")},
    **{f"SGD, full batch{rest}": FULL for rest in ("", " (cut off)")},
    **{f"small batch, {rest}": SMALL for rest in ("shifted images", "gamma 1")},
    **{f"large batch, {rest}": LARGE for rest in ("shifted images", "conservative", "robust", "gamma 1")},
    # optimisers
    "Adam": ADAM,
    "SGD": SGD,
    "plain SGD": SGD,
    "SAM": SAM,
    # scaling the rate with the batch
    "baseline": REFERENCE,
    "baseline, k = 1": REFERENCE,
    "k = 1": REFERENCE,
    "k = 8, linear": GRADUAL,
    **{f"gradual warm-up, k = {k}": GRADUAL for k in (8, 32, 64)},
    "constant warm-up, k = 32": FIXED_WARMUP,
    "no warm-up, k = 32": NO_WARMUP,
    "square root, k = 32": SQRT,
    "gradual warm-up": GRADUAL,
    "constant warm-up": FIXED_WARMUP,
    "no warm-up": NO_WARMUP,
    "linear, gradual warm-up": GRADUAL,
    "linear, constant warm-up": FIXED_WARMUP,
    "linear, no warm-up": NO_WARMUP,
    "square root, gradual warm-up": SQRT,
    "fixed rate": Look(VERMILLION, FINE, "s"),
    # what is done about large batches
    "all three": Look(GREEN, DOTTED, "^"),
    "+ equal updates (all three)": Look(GREEN, DOTTED, "^"),
    "equal updates only": Look(ORANGE, CHAIN, "P"),
    "large batch, equal updates only": Look(ORANGE, CHAIN, "P"),
    "large batch, root rate, ghost batches": Look(SKY, CHAIN, "X"),
    "+ ghost batches": Look(SKY, CHAIN, "X"),
    "+ root rate": Look(PURPLE, LONG, "D"),
    # gradient noise
    **{f"{net}, with replacement": SMALL for net in ("regression", "net")},
    **{f"{net}, without": LARGE for net in ("regression", "net")},
    "the formula": Look(BLUE, SOLID, ""),
    "the formula, without": Look(VERMILLION, DASHED, ""),
    # schedules
    "constant": CONSTANT,
    "neither": CONSTANT,
    "step": STEP,
    "decaying rate": STEP,
    "batch growth": GROWTH,
    "growing batch": GROWTH,
    "growing batch, start × 5": Look(BLUE, DOTTED, "o"),
    "1/√t": INVERSE_SQRT,
    "1/t": INVERSE_TIME,
}


def looks(labels: list[str]) -> dict[str, Look]:
    """A look for each line: that of its condition, or one of the remaining colours."""
    known = {label: LOOKS[label] for label in labels if label in LOOKS}
    others = [label for label in labels if label not in LOOKS]
    taken = {look.color for look in known.values()}
    free = [colour for colour in COLOURS if colour not in taken] or list(COLOURS)
    left = dict(zip(others, remaining(free), strict=False))
    return {label: known.get(label) or left[label] for label in labels}


def remaining(colours: list[str]):
    """Looks in these colours, without end: first each colour once, then again with other dashes."""
    for turn, (place, colour) in product(range(len(DASHES)), enumerate(colours)):
        turned = place + turn
        yield Look(colour, DASHES[turned % len(DASHES)], MARKERS[turned % len(MARKERS)])


def dots(labels: list[str]) -> dict[str, Look]:
    """Looks if each label is beside its line: the conditions' if all are known, else a black circle."""
    known = all(label in LOOKS for label in labels)
    return {label: LOOKS[label] if known else DOT for label in labels}
