"""The primer's exhibits by name: each takes the seeds and its own options, and yields (arm, observation)."""

from collections.abc import Callable, Iterator

from largebatch.files import Observation
from largebatch.lab.primer.rule import rule

EXHIBITS: dict[str, Callable[..., Iterator[tuple[str, Observation]]]] = {
    "rule": rule,
}
