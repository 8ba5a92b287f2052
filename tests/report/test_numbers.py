"""The LaTeX macros of a results folder, looked up as TeX does."""

import re

import numpy as np
import pandas as pd
import pytest

from largebatch.cli import main
from largebatch.judging.claims import COLUMNS, read_claims
from largebatch.report.numbers import FIELDS, in_mathematics
from tests.conftest import REPOSITORY
from tests.shared.tables import write_ledger

PUBLISHED = REPOSITORY / "results" / "published" / "digits" / "claims.csv"


def macros(claims, out, scale="digits"):
    """(id, field) -> the macro's value, read from the file that the command writes."""
    assert main(["numbers", "--claims", str(claims), "--scale", scale, "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert f"\\lbScale{{{scale}}}\n" in text
    found = re.findall(r"^\\lb@set\{([^{}]+)\}\{([^{}]+)\}\{(.*)\}$", text, re.M)
    assert len(found) == len(re.findall(r"^\\lb@set\{", text, re.M))
    return {(name, field): value for name, field, value in found}


def test_every_published_estimate_and_interval_has_its_macro(tmp_path):
    claims, found = read_claims(PUBLISHED), macros(PUBLISHED, tmp_path / "numbers.tex")
    assert {name for name, _ in found} == set(claims["id"])
    for _, row in claims.iterrows():
        for field, column in (("estimate", "estimate"), ("low", "low"), ("high", "high")):
            text = found[row["id"], field]
            assert text == "" if pd.isna(row[column]) else float(text) == pytest.approx(row[column], rel=5e-4)
        assert found[row["id"], "verdict"].replace(" ", "_") == row["verdict"]
        assert all((row["id"], field) in found for field in FIELDS)


def test_what_was_not_run_and_long_numbers(tmp_path):
    rows = {
        "id": ["A_b.c", "Z"],
        "statement": ["A_b", "Z"],
        "tier": "empirical",
        **dict.fromkeys(("experiment", "source", "says", "metric", "unit"), "x"),
        "n": [3, np.nan],
        "estimate": [-1.23456e-7, np.nan],
        "low": [-np.inf, np.nan],
        "high": [np.inf, np.nan],
        "expect": "within [0.5, 2]",
        "verdict": ["inconclusive", "not_run"],
    }
    write_ledger(tmp_path / "claims.csv", pd.DataFrame(rows).reindex(columns=list(COLUMNS)))
    found = macros(tmp_path / "claims.csv", tmp_path / "numbers.tex", "mnist-5k")
    assert found["A_b.c", "estimate-math"] == r"-1.235\times 10^{-7}"
    assert (found["A_b.c", "low-math"], found["A_b.c", "high-math"]) == (r"-\infty", r"\infty")
    assert found["Z", "estimate-math"] == r"\mbox{--}" and found["Z", "verdict"] == "not run"
    assert (found["A_b.c", "statement"], found["A_b.c", "together"]) == (r"A\_b", "inconclusive")
    assert found["Z", "seeds"] == "" and found["A_b.c", "expected"] == "within [0.5, 2]"


@pytest.mark.parametrize("value", [1e-12, 0.1234567, 3.0, 123456.0, -1e30])
def test_mathematics_means_the_number(value):
    digits, _, power = in_mathematics(value).partition(r"\times 10^{")
    assert float(digits) * 10.0 ** int(power.rstrip("}") or 0) == pytest.approx(value, rel=5e-4)
