import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.judging.claims import read_statements, write_statements
from largebatch.judging.ledger import corrected
from largebatch.judging.statements import at_least, levels, levels_within, partial_conjunction, statements
from tools.simulated import decisive_levels

P = np.array([0.03, 0.01, 0.02, 0.012])


@pytest.mark.parametrize(
    ("least", "wanted"),
    [
        (1, min(4 * 0.01, 4 / 2 * 0.012, 4 / 3 * 0.02, 0.03)),
        (2, min(3 * 0.012, 3 / 2 * 0.02, 0.03)),
        (3, min(2 * 0.02, 0.03)),
        (4, 0.03),
    ],
)
def test_partial_conjunction_by_hand(least, wanted):
    """Benjamini and Heller 2008 with Simes' test: all but the least - 1 smallest of .01, .012, .02, .03."""
    assert partial_conjunction(P, least) == pytest.approx(wanted)


def test_all_is_the_largest_and_one_is_the_best_of_benjamini_and_hochberg():
    p = np.random.default_rng(0).uniform(size=7)
    assert partial_conjunction(p, 7) == p.max()
    assert partial_conjunction(p, 1) == pytest.approx(stats.false_discovery_control(p).min())


def test_many_ledgers_at_once_are_each_as_alone():
    """Against Simes and scipy's Benjamini-Hochberg, statement by statement and ledger by ledger."""
    p = np.random.default_rng(2).uniform(size=(9, 5)) ** 3
    statement = pd.Series(list("abacbbdad"))
    found = levels(p, statement)
    for ledger in range(5):
        of = pd.Series(p[:, ledger]).groupby(statement)
        first = of.agg(lambda each: partial_conjunction(each.to_numpy(), 1))
        screen = pd.Series(stats.false_discovery_control(first), first.index)
        selected = (screen < 0.05).sum()
        assert found.screen[:, ledger] == pytest.approx(statement.map(screen))
        assert found.within[:, ledger] == pytest.approx(of.transform(stats.false_discovery_control))
        wanted = (screen < 0.05).map({True: 4 / max(1, selected), False: 1.0})
        assert found.factor[:, ledger] == pytest.approx(statement.map(wanted))


@pytest.mark.parametrize(("level", "wanted"), [(0.05, 4), (0.03, 1), (0.02, 0), (0.0, 0)])
def test_in_at_least_how_many(level, wanted):
    assert at_least(P, level) == wanted


def test_in_at_least_how_many_is_rarely_too_many():
    """Two of five effects are real: more are claimed in at most 5 % of cases."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(2000):
        z = rng.normal(size=5) + np.array([4.0, 4.0, 0.0, 0.0, 0.0])
        found.append(at_least(2 * stats.norm.sf(np.abs(z)), 0.05))
    assert (np.array(found) > 2).sum() <= stats.binom.ppf(0.999, 2000, 0.05)
    assert np.mean(np.array(found) >= 2) > 0.5


@pytest.fixture
def settle(helpers, judged):
    """(claims, statements) from {statement: [(p, estimate) of each condition]}; 'above 0' is expected."""

    def settle(tree, **columns):
        rows = []
        for statement, conditions in tree.items():
            for i, (p, value) in enumerate(conditions):
                decided = "supported" if value > 0 else "contradicted"
                verdict = "not_run" if p is None else decided if p < 0.05 else "inconclusive"
                rows.append(
                    helpers.claim(f"{statement}.c{i}", statement=statement, verdict=verdict)
                    | {"p_value": p, "estimate": value, "p_adjusted": None}
                    | columns
                )
        alone = judged(*rows).astype({"p_value": float})
        claims = corrected(alone)
        return claims, statements(alone, claims["verdict"]).set_index("statement")

    return settle


def test_a_statement_is_supported_by_all_its_conditions(settle):
    """Berger 1982, by hand: the largest p of A is .03; alone in the ledger nothing else is corrected."""
    claims, found = settle({"A": [(0.001, 1.0), (0.03, 0.5), (None, np.nan)]})
    assert claims["verdict"].tolist() == ["supported", "supported", "not_run"]
    row = found.loc["A"]
    assert (row["verdict"], row["p_value"], row["p_adjusted"]) == ("supported", 0.03, 0.03)
    assert (row["conditions"], row["not_run"], row["supported_in"], row["contradicted_in"]) == (2, 1, 2, 0)


def test_conditions_are_tested_at_the_level_that_the_screen_leaves(settle):
    """By hand: Simes gives .002, .04, .9 and .9. Benjamini and Hochberg keep A alone: R/m = 1/4.

    So the conditions of A are tested at 5 %/4 = .0125, and its second, .03, is not decided.
    """
    claims, found = settle(
        {"A": [(0.001, 1.0), (0.03, 1.0)], "B": [(0.04, 1.0)], "C": [(0.9, 1.0)], "D": [(0.9, 1.0)]}
    )
    assert claims["p_adjusted"].tolist() == pytest.approx([0.008, 0.12, 0.08, 0.9, 0.9])
    assert claims["verdict"].tolist() == ["supported", *["inconclusive"] * 4]
    assert claims["note"][1].startswith("Only the correction over the 4 statements of the ledger")
    assert found["verdict"].tolist() == ["mixed", "inconclusive", "inconclusive", "inconclusive"]
    assert found["supported_in"].tolist() == [1, 0, 0, 0]


def test_conditions_that_disagree_are_mixed(settle):
    _, found = settle({"A": [(0.001, 1.0), (0.002, -1.0)]})
    row = found.loc["A"]
    assert (row["verdict"], row["p_value"]) == ("mixed", 1.0)
    assert (row["supported_in"], row["contradicted_in"]) == (1, 1)


def test_the_verdict_is_that_of_the_largest_p(settle):
    """In random ledgers the conditions share what the intersection-union test says at their level."""
    rng = np.random.default_rng(2)
    for _ in range(100):
        tree = {
            f"A{i}": [(p, rng.choice([1.0, 1.0, -1.0])) for p in rng.beta(0.3, 4, rng.integers(1, 5))]
            for i in range(8)
        }
        _, found = settle(tree)
        whole = found["verdict"].isin(["supported", "contradicted"])
        assert (whole == (found["p_adjusted"] < 0.05)).all()
        counted = found.loc[whole, ["supported_in", "contradicted_in"]].max(axis=1)
        assert (counted == found["conditions"][whole]).all()


def test_the_level_is_where_a_p_begins_to_decide(settle):
    """By hand: with A selected R is 2, whatever its own p; both its conditions must be below 5 % · 2/3."""
    tree = {"A": [(0.4, 1.0), (0.5, 1.0)], "B": [(0.001, 1.0)], "C": [(0.9, 1.0)]}
    claims, found = settle(tree)
    assert found["level"].tolist() == pytest.approx([0.05 * 2 / 3, 0.05 / 3, 0.05 * 2 / 3])
    alone = claims.assign(p_adjusted=np.nan)
    assert decisive_levels(alone).tolist() == pytest.approx([0.05 / 3, 0.05 / 3, 0.05 / 3, 0.05 * 2 / 3])


def test_a_claim_is_decided_exactly_below_its_level(settle):
    rng = np.random.default_rng(4)
    for _ in range(50):
        tree = {f"A{i}": [(p, 1.0) for p in rng.beta(0.3, 4, rng.integers(1, 5))] for i in range(8)}
        claims, _ = settle(tree)
        p_values, at = claims["p_value"], decisive_levels(claims)
        assert ((claims["p_adjusted"] < 0.05) == (p_values < at)).all()


def test_identities_and_sanity_checks_are_in_no_family(settle, helpers, judged):
    alone, _ = settle({"A": [(0.03, 1.0)]})
    checks = [
        helpers.claim(f"S{i}", tier="sanity", verdict="inconclusive", p_value=0.9, p_adjusted=None)
        for i in range(5)
    ]
    identity = helpers.claim("I", tier="identity", verdict="holds", p_value=None, p_adjusted=None)
    rows = pd.concat([alone.assign(p_adjusted=np.nan), judged(*checks, identity)], ignore_index=True)
    claims = corrected(rows.astype({"p_value": float}))
    assert claims["p_adjusted"].notna().tolist() == [True, *[False] * 6]
    assert claims["p_adjusted"][0] == 0.03
    assert statements(rows, claims["verdict"])["statement"].tolist() == ["A"]


def test_a_ledger_in_which_nothing_was_tested_decides_nothing(settle):
    claims, found = settle({"A": [(None, np.nan)]})
    assert claims["verdict"].tolist() == found["verdict"].tolist() == ["not_run"]


@pytest.mark.parametrize("verdict", ["inconclusive", "uninformative", "confounded"])
def test_a_small_p_that_did_not_suffice_alone_does_not_count(settle, verdict):
    claims, found = settle({"A": [(0.001, 1.0)]}, verdict=verdict)
    assert claims["verdict"].tolist() == found["verdict"].tolist() == [verdict]
    assert found["p_value"].tolist() == [1.0] and found["supported_in"].tolist() == [0]


def test_statements_come_back_as_written(settle, tmp_path):
    _, found = settle({"A": [(0.001, 1.0)], "B": [(None, np.nan)]})
    write_statements(tmp_path / "statements.csv", found.reset_index())
    back = read_statements(tmp_path / "statements.csv")
    assert back["verdict"].tolist() == ["supported", "not_run"]
    assert back["conditions"].tolist() == [1, 0] and np.isnan(back["p_value"][1])


def test_a_placebo_ledger_is_rarely_decided(settle):
    """No effect anywhere: in at most 5 % of ledgers any statement is decided, mixed ones too."""
    rng = np.random.default_rng(3)
    decided = 0
    for _ in range(200):
        tree = {
            f"A{i}": [(p, rng.choice([1.0, -1.0])) for p in rng.uniform(size=rng.integers(1, 4))]
            for i in range(20)
        }
        decided += (settle(tree)[1]["verdict"] != "inconclusive").any()
    assert decided <= stats.binom.ppf(0.999, 200, 0.05)


def test_without_a_statement_there_are_no_levels():
    """As in a study whose claims are all without one; pandas takes an empty column for texts."""
    nothing = pd.DataFrame({"statement": pd.Series([], dtype="str"), "p": pd.Series([], dtype="float64")})
    assert levels_within(nothing).dtype == "float64" and levels_within(nothing).empty
