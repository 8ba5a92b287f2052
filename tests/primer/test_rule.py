"""The rule against the engine; test_descent.py has it against PyTorch's own optimiser."""

import numpy as np
import pytest

from largebatch.config.exhibits import ENGINE_PARTS
from largebatch.primer.rule import both, engine_arm
from tests.shared.exhibits import exhibit


def test_the_rule_is_the_engines_to_rounding():
    found = list(exhibit("rule", [3, 5], examples=20, updates=20))
    assert [(arm, o.seed) for arm, o in found] == [(a, s) for a in ("full", "mini", "online") for s in (3, 5)]
    assert all(o.metric == "rule_difference" and o.value <= 1e-12 for _, o in found)


def test_the_weights_have_moved_and_differ_between_seeds_and_batches():
    mini, _ = both([3, 5], 20, 2, 20, 0.1)
    online, _ = both([3, 5], 20, 1, 20, 0.1)
    start, _ = both([3, 5], 20, 20, 1, 1e-9)
    assert np.abs(mini - start).max() > 1e-2
    assert np.abs(mini - online).max() > 1e-3
    assert np.abs(mini[0] - mini[1]).max() > 1e-2


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="ten batches share evenly; got 15"):
        next(exhibit("rule", [0], examples=15))
    with pytest.raises(ValueError, match="updates that fill epochs of 10; got 15"):
        both([0], 50, 5, 15, 0.1)


def test_the_engines_net_is_of_the_parts_whose_code_counts():
    assert engine_arm(64, 8, 1, 0.1).parts == {*ENGINE_PARTS}
