"""How many faults are tried: a sample in plain tests, all of them by `make faults`; and what came of them."""

import os

FIRST = os.environ.get("LARGEBATCH_FAULTS")
# Lines that are printed at the end of `make faults`.
TOLD: list[str] = []


def seeds(quick: int, full: int) -> range:
    """The seeds of random cases: LARGEBATCH_FAULTS is the first of `full`, else there are `quick` from 0."""
    return range(quick) if FIRST is None else range(int(FIRST), int(FIRST) + full)
