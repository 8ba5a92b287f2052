"""The exhibits: each gives rows (arm, observation); config/exhibits.py says which arms and metrics."""

from collections import Counter
from collections.abc import Callable, Iterator

from largebatch.config.exhibits import EXHIBITS
from largebatch.files import Observation
from largebatch.primer.clipping import clipping
from largebatch.primer.noise import noise
from largebatch.primer.rates import edge, rates
from largebatch.primer.regression import regression
from largebatch.primer.rule import rule
from largebatch.primer.shuffling import shuffling
from largebatch.primer.speed import speed
from largebatch.primer.surfaces import surfaces
from largebatch.primer.worked import worked
from largebatch.primer.workers import ring, three_ways
from largebatch.primer.xor import xor

Row = tuple[str, Observation]

# name -> function of (seeds, **options); which options there are, and their defaults, config/exhibits.py says
FUNCTIONS: dict[str, Callable[..., Iterator[Row]]] = {
    "worked": worked,
    "rule": rule,
    "noise": noise,
    "regression": regression,
    "rates": rates,
    "edge": edge,
    "clipping": clipping,
    "xor": xor,
    "surfaces": surfaces,
    "shuffling": shuffling,
    "speed": speed,
    "ring": ring,
    "three_ways": three_ways,
}


def rows_of(name: str, seeds: list[int], options: dict) -> list[Row]:
    """The rows of an exhibit; ValueError if its arms or metrics are not those of the registry."""
    rows = list(FUNCTIONS[name](seeds, **options))
    registered = EXHIBITS[name]
    for what, wanted, got in (
        ("arms", set(registered.arms), {arm for arm, _ in rows}),
        ("metrics", set(registered.metrics), {row.metric for _, row in rows}),
        ("seeds", set(seeds), {row.seed for _, row in rows}),
    ):
        if wanted != got:
            raise ValueError(f"exhibit {name}: wanted the {what} {sorted(wanted)}; got {sorted(got)}")
    places = Counter((arm, row.seed, row.metric, row.at) for arm, row in rows)
    if repeated := [place for place, count in places.items() if count > 1]:
        raise ValueError(
            f"exhibit {name}: wanted each (arm, seed, metric, at) once; got {repeated[0]} repeatedly"
        )
    return rows
