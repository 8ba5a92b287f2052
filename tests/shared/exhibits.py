"""An exhibit with the defaults of its options."""

from largebatch.config.exhibits import EXHIBITS
from largebatch.primer.exhibits import FUNCTIONS


def exhibit(name, seeds, **options):
    """What an exhibit gives of these seeds, row by row; the options are not checked."""
    chosen = EXHIBITS[name].options.model_construct(**options)
    return FUNCTIONS[name](seeds, **chosen.model_dump())
