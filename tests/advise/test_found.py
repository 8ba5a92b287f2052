"""What the sentences read of a finished study."""

import numpy as np
import pandas as pd
import pytest

from largebatch.advise.found import in_brief


def test_what_is_skewed_has_a_geometric_mean():
    values = pd.Series([1.0, 10.0, 100.0])
    assert in_brief(values, on_logarithms=True).startswith("10 [")
    assert in_brief(values, on_logarithms=False).startswith("37 [")
    assert in_brief(pd.Series([-1.0, 0.0, 4.0]), on_logarithms=True).startswith("1 [")
    low, high = (float(text) for text in in_brief(values, True)[4:-1].split(", "))
    assert low * high == pytest.approx(100, rel=0.02)
    assert np.log10(high) == pytest.approx(1 + 4.303 / 3**0.5, abs=0.01)
