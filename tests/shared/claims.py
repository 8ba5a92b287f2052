"""Claims to judge what stands beside them by."""

from pydantic import TypeAdapter

from largebatch.config.claims import Claim

ERROR, LOSS = "test_error_percent", "train_loss_nats"
ARMS = {"a": {"arm": "x"}, "b": {"arm": "y"}}
CURVES = {"a": "x", "b": "y", "after": 0.5}
OTHER = {"says": "It must fail.", "a": {"arm": "z"}}
FIT = {"metric": "train_error_percent"}


def claim(kind, metric=ERROR, expect=None, **fields):
    base = {"id": "T1", "says": "s", "source": "p", "expect": expect or {"below": 0.3}}
    return TypeAdapter(Claim).validate_python({**base, "kind": kind, "metric": metric, **fields})
