"""Claims, and what may stand beside them."""

from pydantic import TypeAdapter

from largebatch.config.claims import Claim

ERROR, LOSS = "test_error_percent", "train_loss_nats"
ARMS = {"a": {"arm": "x"}, "b": {"arm": "y"}}
CURVES = {"a": "x", "b": "y", "after": 0.5}
OTHER = {"says": "It must fail.", "a": {"arm": "z"}}
FIT = {"metric": "train_error_percent"}


def written(kind, expect=None, metric=ERROR, **fields) -> dict:
    """A claim as a question has it, not checked; every kind can be expected above 1."""
    base = {"id": "T1", "says": "s", "source": "p", "expect": expect or {"above": 1.0}}
    return {**base, "kind": kind, "metric": metric, **fields}


def claim(kind, expect=None, metric=ERROR, **fields):
    return TypeAdapter(Claim).validate_python(written(kind, expect, metric, **fields))
