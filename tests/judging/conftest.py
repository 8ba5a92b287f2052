"""Claims judged alone, and the arms that most of them compare."""

import pandas as pd
import pytest

from largebatch.judging.claims import read_claims
from largebatch.judging.judge import judge
from tests.shared.claims import ERROR


@pytest.fixture
def verdict(write_table, tmp_path):
    """Judges claims alone on rows, through files; a Series for one claim, a DataFrame for more."""

    def run(rows, *claims):
        out = tmp_path / "judged.csv"
        judge({"experiment": "e", "claims": list(claims)}, write_table(rows), out)
        found = read_claims(out)
        return found.iloc[0] if len(claims) == 1 else found

    return run


@pytest.fixture
def two_arms(helpers):
    """Arms a and b with final errors a and b, one value per seed."""

    def rows(a, b, metric=ERROR):
        return pd.concat(
            [helpers.arm("a", {metric: a, "diverged": [0] * len(a)}), helpers.arm("b", {metric: b})]
        )

    return rows
