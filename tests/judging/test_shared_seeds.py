"""Claims on arms with different numbers of seeds, through the files of the stage."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.judging.claims import read_claims
from largebatch.judging.judge import judge
from largebatch.judging.variants import VARIANTS, read_variants
from tests.shared.claims import ERROR, written

A, B = np.array([3.1, 5.2, 2.9, 9.3, 4.4, 40.0]), np.array([3.0, 5.0, 2.0, 9.0])
C = np.array([0.1, -0.2, 0.3, 0.1, 0.2]) + A[:5]
SIDES = {"a": {"arm": "a"}, "b": {"arm": "b"}, "expect": {"above": 0.0}}
LAST = {"a": 5, "b": 3}


@pytest.fixture
def judged(helpers, write_table, tmp_path):
    """Judges claims on arms a, b and c with six, four and five seeds; (verdicts by id, variants)."""

    def run(*claims, of_a=A, last=LAST):
        rows = [
            helpers.arm(name, {ERROR: values, "diverged": [0] * len(values)})
            for name, values in (("a", of_a), ("b", B), ("c", C))
        ]
        ask = {"experiment": "e", "claims": list(claims), "last_seeds": last}
        judge(ask, write_table(pd.concat(rows)), out := tmp_path / "judged.csv")
        return read_claims(out).set_index("id"), read_variants(tmp_path / VARIANTS)

    return run


def test_a_claim_reads_the_seeds_that_all_its_arms_have(judged):
    level = written("level", id="T2", a={"arm": "a"}, expect={"above": 0.0})
    found, variants = judged(written("difference", **SIDES), level)
    pair, alone = found.loc["T1"], found.loc["T2"]
    assert (pair["n"], alone["n"]) == (4, 6)
    assert pair["estimate"] == pytest.approx((A[:4] - B).mean()) and alone["estimate"] == pytest.approx(
        A.mean()
    )
    assert pair["p_value"] == pytest.approx(stats.ttest_1samp(A[:4] - B, 0).pvalue)
    assert pair["note"].endswith("2 seeds that not every arm has are left out.")
    assert "not every arm" not in str(alone["note"])
    of_pair = variants[variants["id"] == "T1"]
    assert set(of_pair["left_out"]) == {-1, 0, 1, 2, 3} and set(variants["left_out"]) == {-1, *range(6)}


def test_seeds_without_a_value_are_told_apart_from_those_that_were_not_asked_for(judged):
    """And a seed that diverged counts among those that are read."""
    note = judged(written("difference", **SIDES), of_a=[np.nan, *A[1:]])[0].loc["T1", "note"]
    assert "1 seeds without a finite value in every arm are left out." in note
    assert "2 seeds that not every arm has are left out." in note


def test_a_control_reads_the_seeds_of_its_own_arms(judged):
    control = {"says": "It must fail.", "b": {"arm": "c"}}
    found, _ = judged(written("difference", **SIDES, control=control), last=LAST | {"c": 4})
    assert found.loc["T1", "n"] == 4 and f"[{interval(A[:5] - C)}]" in found.loc["T1", "control"]


def interval(values):
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return f"{low:.3g}, {high:.3g}".replace("-", "−")


def test_nothing_is_said_where_all_have_the_same(judged):
    found, variants = judged(written("difference", **SIDES), of_a=A[:4], last={})
    same, again = judged(written("difference", **SIDES), of_a=A[:4], last={"a": 3, "b": 3})
    assert found.equals(same) and variants.equals(again) and "not every arm" not in str(found["note"])
