"""The primer's exhibits by name: each takes the seeds and its own options, and yields (arm, observation)."""

from collections.abc import Callable, Iterator

from largebatch.files import Observation
from largebatch.lab.primer.clipping import clipping
from largebatch.lab.primer.noise import noise
from largebatch.lab.primer.rates import edge, rates
from largebatch.lab.primer.regression import regression
from largebatch.lab.primer.rule import rule
from largebatch.lab.primer.shuffling import shuffling
from largebatch.lab.primer.speed import speed
from largebatch.lab.primer.surfaces import surfaces
from largebatch.lab.primer.workers import ring, three_ways
from largebatch.lab.primer.xor import xor

EXHIBITS: dict[str, Callable[..., Iterator[tuple[str, Observation]]]] = {
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
