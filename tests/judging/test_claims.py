import numpy as np
import pytest

from largebatch.judging import claims
from tests.shared.tables import write_ledger


@pytest.fixture
def path(tmp_path, helpers, judged):
    path = tmp_path / "claims.csv"
    rows = helpers.claim("T1", estimate=0.1 + 0.2), helpers.claim("T2", verdict="not_run", note="No arm.")
    judged(*rows).to_csv(path, index=False)
    return path


def test_numbers_come_back_as_written_and_absent_texts_are_empty(path):
    judged, not_run = (row for _, row in claims.read_claims(path).iterrows())
    assert judged["estimate"] == 0.1 + 0.2
    assert judged["note"] == ""
    assert np.isnan(not_run["estimate"]) and not_run["note"] == "No arm."


def test_an_unknown_verdict_is_an_error(path):
    path.write_text(path.read_text(encoding="utf-8").replace("supported", "perhaps"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"claims.csv: wanted verdicts among .*; got \['perhaps'\]"):
        claims.read_claims(path)


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1234"), (-0.5, "−0.5"), (0.0, "0"), (1e-5, "1e−05"), (np.nan, "")]
)
def test_numbers_as_texts(value, text):
    assert claims.number(value) == text


@pytest.mark.parametrize(
    ("value", "kind", "expect", "text", "sentence"),
    [
        (0.20114, "distance", "above 0", "0.2011", "an effect 0.201 away from the threshold"),
        (1.12345, "factor", "below 1", "× 1.123", "an effect a factor of 1.12 away from the threshold"),
        (1.5, "factor", "within [0.5, 2]", "× 1.5", "an effect a factor of 1.5 away from a bound"),
        (np.nan, "distance", "within [0, 2]", "", "Every seed lies on a bound itself."),
    ],
)
def test_detectable_effects_as_texts(value, kind, expect, text, sentence):
    row = {"kind": "level", "detectable": value, "detectable_as": kind, "expect": expect}
    assert claims.detectable(row) == text
    assert sentence in claims.sensitivity(row)


def test_a_test_of_order_has_no_detectable_effect():
    assert claims.sensitivity({"kind": "monotone", "expect": "above 0", "detectable": np.nan}) == ""


def test_intervals_as_texts():
    assert claims.interval(-1.0, 2.25) == "[−1, 2.25]"
    assert claims.interval(np.nan, np.nan) == ""


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.24286, 0.0551, 0.431, "0.243 [0.0551, 0.431]"),
        (-0.5, -1.0, np.inf, "−0.5 [−1, ∞]"),
        (-4.8e-17, -0.362, 0.362, "0 [−0.362, 0.362]"),
        (5.3e-16, 5e-16, 6e-16, "5.3e−16 [5e−16, 6e−16]"),
        (np.nan, np.nan, np.nan, ""),
    ],
)
def test_estimates_as_texts(value, low, high, text):
    assert claims.estimate({"estimate": value, "low": low, "high": high}) == text


def test_minus_zero_is_zero():
    assert claims.brief(-0.0) == "0"
    assert [claims.brief(v) for v in (999.4, 1954, -1e3, 65432, 1.23e6)] == [
        *("999", "1950", "−1000", "65400", "1.23e+06")
    ]


@pytest.mark.parametrize(
    ("source", "paper"),
    [
        ("Keskar et al. 2017, table 2", "Keskar et al. 2017"),
        ("Robbins and Monro 1951; Bottou et al. 2018, section 4", "Robbins and Monro 1951"),
        ("this study; no paper's number", "this study"),
        ("Teaching texts that draw it as a U", "Teaching texts that draw it as a U"),
    ],
)
def test_the_paper_of_a_source(source, paper):
    assert claims.paper_of(source) == paper


@pytest.mark.parametrize(
    ("expect", "ends"),
    [
        ("above 0.3", (0.3, np.inf)),
        ("below -1", (-np.inf, -1.0)),
        ("within [0.5, 2]", (0.5, 2.0)),
        ("above 1e-09", (1e-9, np.inf)),
    ],
)
def test_bounds_are_read_from_what_is_expected(expect, ends):
    assert claims.bounds(expect) == ends


@pytest.mark.parametrize(
    ("verdict", "robust", "words"),
    [
        ("supported", "robust", "supported"),
        ("mixed", "fragile", "mixed (fragile)"),
        ("not_run", "", "not run"),
    ],
)
def test_a_fragile_verdict_is_called_fragile(verdict, robust, words):
    assert claims.in_full(verdict, robust) == words


def test_a_ledger_is_read_with_what_is_said_of_its_statements(tmp_path, helpers, judged):
    rows = [
        helpers.claim("A"),
        helpers.claim("A.b", statement="A", robust="fragile"),
        helpers.claim("B", tier="sanity", robust=""),
    ]
    write_ledger(tmp_path / "claims.csv", judged(*rows))
    found = claims.read_ledger(tmp_path / "claims.csv")
    assert found["robust"].tolist() == ["robust", "fragile", ""]
    assert found["statement_robust"].tolist() == ["fragile", "fragile", ""]
    (tmp_path / "statements.csv").unlink()
    with pytest.raises(ValueError, match=r"statements.csv: wanted a csv file of statements"):
        claims.read_ledger(tmp_path / "claims.csv")


@pytest.fixture
def two_tiers(helpers, joined):
    """A statement of two conditions and one more, an identity, a sanity check."""
    return joined(
        helpers.claim("A", verdict="contradicted", replication="smaller", robust="fragile"),
        helpers.claim("A.b", statement="A", replication="no number", robust="fragile"),
        helpers.claim("B", verdict="not_run", replication=""),
        helpers.claim("C", tier="identity", verdict="holds", replication=""),
        helpers.claim("D", tier="sanity", verdict="inconclusive"),
    )


def test_statements_are_counted_and_not_their_conditions_nor_what_must_hold(two_tiers):
    found = claims.counts(two_tiers)
    assert list(found) == [
        *("supported", "contradicted", "mixed", "inconclusive", "uninformative", "confounded", "not_run")
    ]
    assert list(found.values()) == [0, 0, 1, 0, 0, 0, 1]
    assert {name: n for name, n in claims.replications(two_tiers).items() if n} == {
        "smaller": 1,
        "no number": 1,
    }
    assert claims.checks(two_tiers) == {"identity": {"holds": 1}, "sanity": {"inconclusive": 1}}
    said = "2 statements of 3 claims: 1 mixed, 1 not run; 1 is fragile. "
    assert claims.fragile(two_tiers) == 1
    assert claims.tally_words(two_tiers) == (
        f"{said}Beside them: 1 identities (1 holds), 1 sanity checks (1 inconclusive)."
    )


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        (["supported", "supported", "not_run"], "supported"),
        (["contradicted"], "contradicted"),
        (["supported", "contradicted"], "mixed"),
        (["supported", "inconclusive"], "mixed"),
        (["inconclusive", "inconclusive"], "inconclusive"),
        (["supported", "uninformative"], "mixed"),
        (["contradicted", "confounded"], "mixed"),
        (["uninformative", "inconclusive", "not_run"], "uninformative"),
        (["inconclusive", "confounded"], "confounded"),
        (["uninformative", "confounded"], "confounded"),
        (["not_run"], "not_run"),
    ],
)
def test_the_verdict_on_a_statement_is_what_its_conditions_share(verdicts, wanted):
    assert claims.together(verdicts) == wanted


def test_an_unknown_tier_is_an_error(path):
    path.write_text(path.read_text(encoding="utf-8").replace("empirical", "firm"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"claims.csv: wanted tiers among .*; got \['firm'\]"):
        claims.read_claims(path)
