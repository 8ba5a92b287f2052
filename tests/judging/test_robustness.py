import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.judging.claims import read_claims, read_statements
from largebatch.judging.judge import judge
from largebatch.judging.ledger import ledger
from largebatch.judging.robustness import (
    CORRECTIONS,
    Choice,
    holm,
    read_changes,
    read_robustness,
    robustness,
)
from largebatch.judging.variants import COLUMNS as VARIANT_COLUMNS

ERROR = "test_error_percent"
N = 12
NOISE = stats.norm.ppf((np.arange(N) + 0.5) / N)  # normal, mean 0


@pytest.fixture
def judged_of(write_table, tmp_path, helpers):
    """(robustness of claims, single changes, claims, statements) from {id: values}, expected above 0."""

    def run(values, overlap=None, statements=None):
        table = write_table(*(helpers.arm(id.lower(), {ERROR: each}) for id, each in values.items()))
        claims = [
            {"id": id, "says": "s", "source": "p", "kind": "level", "metric": ERROR, "a": {"arm": id.lower()}}
            | {"expect": {"above": 0.0}, "statement": (statements or {}).get(id, "")}
            for id in values
        ]
        folder = tmp_path / "e"
        judge({"experiment": "e", "claims": claims, "overlap": overlap or {}}, table, folder / "judged.csv")
        ledger([folder / "judged.csv"], tmp_path / "claims.csv")
        found = read_robustness(tmp_path / "robustness.csv")
        return (
            found[found["of"] == "claim"].set_index("id"),
            read_changes(tmp_path / "single_changes.csv"),
            read_claims(tmp_path / "claims.csv").set_index("id"),
            read_statements(tmp_path / "statements.csv").set_index("statement"),
        )

    return run


def test_a_strong_effect_is_robust_and_one_that_hangs_on_a_seed_is_fragile(judged_of):
    found, _, claims, statements = judged_of({"T1": 3 + NOISE, "T2": 0.75 + NOISE})
    assert found.loc["T1", ["verdict", "agree", "changed_by", "robust"]].tolist() == [
        *("supported", 1.0, "", "robust")
    ]
    assert found.loc["T2", "robust"] == "fragile" and "without seed" in found.loc["T2", "changed_by"]
    assert found.loc["T1", "variants"] == 5 * 4 * (N + 1) - 1
    assert claims["robust"].tolist() == found["robust"].tolist() == statements["robust"].tolist()


def test_a_verdict_that_an_outlier_hides_is_fragile(judged_of):
    """Eleven seeds say the same, and one so much the other way that t says nothing; ranks do."""
    values = 1 + 0.1 * NOISE
    values[4] = -9.0
    found, changes, _, _ = judged_of({"T1": values})
    assert found.loc["T1", ["verdict", "robust"]].tolist() == ["inconclusive", "fragile"]
    assert found.loc["T1", "changed_by"] == "supported: Wilcoxon, without seed 4"
    assert found.loc["T1", "by_seeds"] == pytest.approx(11 / 12, abs=1e-3)
    of_claim = changes[(changes["of"] == "claim") & (changes["in_force"] != changes["verdict"])]
    assert of_claim["change"].tolist() == ["without seed 4", "Wilcoxon"]


def test_shared_images_make_a_verdict_fragile(judged_of):
    found, _, _, _ = judged_of({"T1": 1.2 + NOISE, "T2": 1.2 + NOISE}, overlap={"T1": 0.5})
    assert found.loc["T1", ["by_overlap", "changed_by"]].tolist() == [0.0, "inconclusive: overlap corrected"]
    assert found.loc["T2", "robust"] == "robust" and np.isnan(found.loc["T2", "by_overlap"])
    assert found.loc["T1", "variants"] == 5 * 6 * (N + 1) - 1


def test_the_verdict_on_a_statement_changes_with_that_of_a_condition(judged_of):
    values = {"T1": 3 + NOISE, "T1.b": 0.75 + NOISE, "T2": 3 + NOISE}
    _, changes, _, statements = judged_of(values, statements={"T1.b": "T1"})
    assert statements["robust"].to_dict() == {"T1": "fragile", "T2": "robust"}
    of_statement = changes[(changes["of"] == "statement") & (changes["id"] == "T1")]
    assert set(of_statement["verdict"]) == {"supported", "mixed"}


def test_tests_of_signs_are_left_out_where_so_few_seeds_can_never_decide(judged_of):
    """Of five seeds two signs in 2^4, without one 2 in 2^3, that is .125; of bootstrap-t 2 in 4^4."""
    values = [1.0, 1.1, 1.2, 1.3, 1.4]
    _, changes, _, _ = judged_of({f"T{i}": values for i in range(7)})
    assert not (changes["dimension"] == "test").any()
    found, changes, _, _ = judged_of({"T1": values})
    assert set(changes.loc[changes["dimension"] == "test", "change"]) == {"bootstrap-t"}
    assert found.loc["T1", "variants"] == 5 * 2 * 6 - 1


def test_holm_is_that_of_the_paper():
    """Holm 1979, section 3: the k-th smallest of m is compared with the level over m - k + 1."""
    p = np.array([[0.01], [0.04], [0.03], [0.005]])
    assert holm(p).ravel() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.full((3, 2), 0.9)).tolist() == [[1.0, 1.0]] * 3


def test_corrections_by_hand():
    claims = pd.DataFrame({"statement": list("aab"), "experiment": list("xyy")}, index=list("pqr"))
    p = np.array([[0.01], [0.04], [0.03]])
    found = {name: correct(p, claims).ravel().tolist() for name, correct in CORRECTIONS.items()}
    assert found["no correction"] == [0.01, 0.04, 0.03]
    assert found["Benjamini-Hochberg"] == pytest.approx([0.03, 0.04, 0.04])
    assert found["Holm over the ledger"] == pytest.approx([0.03, 0.06, 0.06])
    assert found["Holm in the experiment"] == pytest.approx([0.01, 0.06, 0.06])
    # Simes of a is .02, of b .03; both are selected, so that nothing is added within a
    assert found["in force"] == pytest.approx([0.03, 0.04, 0.03])


def test_the_first_choice_gives_the_verdicts_in_force(judged_of):
    rng = np.random.default_rng(3)
    values = {f"T{i}": rng.normal(0.5, 1.0, N) + 0.3 * (i % 4) for i in range(24)}
    statements = {f"T{i}": f"T{i // 3}" for i in range(24)}
    found, _, claims, said = judged_of(values, statements=statements)
    assert len(set(claims["verdict"])) > 1 and found["verdict"].to_dict() == claims["verdict"].to_dict()
    assert len(said) == 8 and set(said["robust"]) == {"robust", "fragile"}


def test_verdicts_that_follow_from_no_p_have_no_robustness(helpers, judged):
    """Such a verdict counts for its statement, and stays whatever is chosen."""
    rows = [
        helpers.claim("T1", verdict="not_run"),
        helpers.claim("T2", verdict="holds", statement="T3", p_value=0.2),
        helpers.claim("T3", p_value=0.001),
        helpers.claim("T4", tier="sanity"),
    ]
    variants = [
        ("T3", "own", False, left_out, 6, p, True) for left_out, p in ((-1, 0.001), (0, 0.3), (1, 0.001))
    ]
    variants = pd.DataFrame(variants, columns=list(VARIANT_COLUMNS))
    found, changes = robustness(judged(*rows), variants)
    found = found.set_index(["of", "id"])
    assert found.loc[("claim", "T1"), ["verdict", "variants", "robust"]].tolist() == ["not_run", 0, ""]
    assert found.loc[("claim", "T2"), ["verdict", "variants", "robust"]].tolist() == ["holds", 0, ""]
    assert found.loc[("claim", "T3"), ["verdict", "robust"]].tolist() == ["supported", "fragile"]
    assert found.loc[("statement", "T3"), "verdict"] == "mixed" and ("claim", "T4") not in found.index
    assert set(changes["id"]) == {"T3"}


def test_nothing_was_judged(helpers, judged):
    found, changes = robustness(
        judged(helpers.claim("T1", verdict="not_run")), pd.DataFrame(columns=list(VARIANT_COLUMNS))
    )
    assert found["robust"].tolist() == ["", ""] and changes.empty


def test_what_a_choice_changes():
    assert Choice("in force", "own", -1, False).changes == []
    assert Choice("no correction", "own", 3, False).changes == [
        *(("correction", "no correction"), ("seeds", "without seed 3"))
    ]


def test_bad_files(tmp_path):
    (tmp_path / "robustness.csv").write_text("of,id\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"wanted columns .*; got \['of', 'id'\]"):
        read_robustness(tmp_path / "robustness.csv")
    with pytest.raises(ValueError, match="wanted a csv file of single changes"):
        read_changes(tmp_path / "single_changes.csv")
