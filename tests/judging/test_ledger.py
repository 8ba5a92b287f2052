import numpy as np
import pandas as pd
import pytest

from largebatch.judging.claims import COLUMNS, read_claims, read_ledger, write_claims
from largebatch.judging.ledger import corrected, ledger
from largebatch.judging.variants import COLUMNS as VARIANT_COLUMNS
from largebatch.judging.variants import VARIANTS, write_variants


def claims_of(p_values, verdict="supported", prefix="T", **columns):
    """Claims as the judge stage writes them; NaN was not run."""
    judged = pd.notna(p_values)
    rows = {
        "id": [f"{prefix}{i}" for i in range(len(p_values))],
        "statement": [f"{prefix}{i}" for i in range(len(p_values))],
        "tier": "empirical",
        **dict.fromkeys(("experiment", "source", "says", "kind", "metric", "unit"), "x"),
        **dict.fromkeys(("estimate", "low", "high"), np.where(judged, 0.1, np.nan)),
        "n": np.where(judged, 5, np.nan),
        "p_value": p_values,
        "detectable": np.where(judged, 1.12, np.nan),
        "detectable_as": np.where(judged, "factor", ""),
        "expect": "above 1",
        "verdict": np.where(judged, verdict, "not_run"),
        "note": "A remark.",
    }
    return pd.DataFrame(rows | columns).reindex(columns=list(COLUMNS))


@pytest.fixture
def write(tmp_path):
    """Writes <experiment>/judged.csv, beside it variants if there are any, and returns the path."""

    def write(experiment, claims, variants=None):
        path = tmp_path / experiment / "judged.csv"
        write_claims(path, claims)
        rows = pd.DataFrame(variants or [], columns=list(VARIANT_COLUMNS))
        write_variants(path.with_name(VARIANTS), rows.astype(VARIANT_COLUMNS))
        return path

    return write


def test_worked_example():
    """Benjamini and Hochberg 1995, section 4: four of these fifteen are rejected at 5 %."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719]
    p += [0.6528, 0.759, 1.0]
    settled = corrected(claims_of(p[::-1]))[::-1]
    assert settled["verdict"].tolist() == ["supported"] * 4 + ["inconclusive"] * 11
    wanted = [15 * p_value / (i + 1) for i, p_value in enumerate(p[:4])]
    assert settled["p_adjusted"].tolist()[:4] == pytest.approx(wanted)


def test_only_claims_that_were_judged_count():
    settled = corrected(claims_of([0.03, np.nan, 0.03, np.nan, 0.9]))
    assert settled["p_adjusted"].tolist() == pytest.approx([0.045, np.nan, 0.045, np.nan, 0.9], nan_ok=True)
    wanted = ["supported", "not_run", "supported", "not_run", "inconclusive"]
    assert settled["verdict"].tolist() == wanted
    assert corrected(claims_of([np.nan]))["verdict"].tolist() == ["not_run"]


@pytest.mark.parametrize("verdict", ["supported", "contradicted"])
def test_the_note_of_an_undone_verdict(verdict):
    first = f"Only the correction over the 2 statements of the ledger makes it inconclusive, else {verdict}."
    settled = corrected(claims_of([0.03, 0.9], [verdict, "inconclusive"]))
    assert settled["verdict"].tolist() == ["inconclusive"] * 2
    assert settled["note"].tolist() == [
        f"{first} Could have detected an effect a factor of 1.12 away from the threshold "
        "(80 % power, before correction). A remark.",
        "A remark.",
    ]
    assert settled["p_adjusted"].tolist() == pytest.approx([0.06, 0.9])


def test_all_experiments_are_one_family_in_the_order_given(write, tmp_path):
    paths = [write("z", claims_of([0.03], prefix="Z")), write("y", claims_of([0.9], prefix="Y"))]
    ledger(paths, tmp_path / "claims.csv")
    found = read_claims(tmp_path / "claims.csv")
    assert found["id"].tolist() == ["Z0", "Y0"]
    assert found["p_adjusted"].tolist() == pytest.approx([0.06, 0.9])
    ledger(paths[:1], tmp_path / "z" / "claims.csv")
    (alone,) = read_claims(tmp_path / "z" / "claims.csv").to_dict("records")
    assert (alone["verdict"], alone["p_adjusted"]) == ("supported", 0.03)


def test_numbers_pass_through_unchanged(write, tmp_path):
    estimates = np.random.default_rng(0).normal(size=200)
    ledger([write("e", claims_of([0.01] * 200, estimate=estimates))], tmp_path / "claims.csv")
    assert read_claims(tmp_path / "claims.csv")["estimate"].tolist() == estimates.tolist()


def test_bad_inputs(write, tmp_path):
    path = write("e", claims_of([0.01]))
    with pytest.raises(ValueError, match="wanted at least one file of judged claims; got none"):
        ledger([], tmp_path / "claims.csv")
    with pytest.raises(ValueError, match=r"wanted each claim's id once; got \['T0'\] repeatedly"):
        ledger([path] * 2, tmp_path / "claims.csv")
    ledger([path], tmp_path / "claims.csv")
    write_variants(tmp_path / VARIANTS, pd.DataFrame(columns=["id"]))
    with pytest.raises(ValueError, match="wanted claims without p_adjusted; got 1 with it"):
        ledger([tmp_path / "claims.csv"], tmp_path / "again.csv")


@pytest.mark.parametrize("columns", [{}, {"tier": "sanity"}], ids=["not run", "no evidence"])
def test_a_ledger_in_which_nothing_counts_says_nothing_of_robustness(write, tmp_path, columns):
    ledger([write("e", claims_of([np.nan, np.nan], **columns))], tmp_path / "claims.csv")
    found = read_ledger(tmp_path / "claims.csv")
    assert found["robust"].tolist() == found["statement_robust"].tolist() == ["", ""]
