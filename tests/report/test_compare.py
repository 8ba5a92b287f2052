import pytest

from largebatch.report.compare import compare, verdicts


@pytest.fixture
def both(results, tmp_path):
    return results(tmp_path / "ours"), tmp_path / "theirs"


def test_equal_results_agree(both, results):
    ours, theirs = both
    found = compare(ours, results(theirs))
    assert found.same_verdicts
    assert "3 of 3 common claims have the same verdict." in str(found)
    assert "2 of 2 of our estimates lie inside their intervals." in str(found)
    assert "3 of 3 common files of claims, figures and tables are byte-identical." in str(found)


def test_a_changed_verdict_is_found(both, results):
    ours, theirs = both
    found = compare(
        ours, results(theirs, results.rows | {"T1": ("contradicted", -1.0, -1.5, -0.5)}, figure="other")
    )
    assert not found.same_verdicts
    assert "supported *" in found.text
    assert "2 of 3 common claims" in found.text
    assert "1 of 2 of our estimates" in found.text
    assert "1 of 3 common files" in found.text


@pytest.mark.parametrize("metric", ["train_seconds", "cost"])
def test_files_with_training_times_are_not_compared(both, results, metric):
    ours, theirs = both
    results(theirs, figure="other")
    for folder, seconds in ((ours, 1), (theirs, 2)):
        (folder / "figures" / "e_f.csv").write_text(
            f"line,metric,mean\na,updates,1\nb,{metric},{seconds}\n", encoding="utf-8"
        )
        (folder / "figures" / "e_g.csv").write_text("x,y,mean\n1,2,3\n", encoding="utf-8")
    text = str(compare(ours, theirs))
    assert "3 of 3 common files of claims, figures and tables are byte-identical." in text
    assert "2 more show training times, which no two runs share." in text


def test_claims_of_one_side_are_named(both, results):
    ours, theirs = both
    results(theirs, results.rows | {"T4": results.rows["T1"]})
    found = compare(ours, theirs)
    assert not found.same_verdicts and f"only in {theirs}: T4" in found.text
    assert compare(theirs, ours).same_verdicts  # more claims than published are no difference


def test_verdicts_fit_a_terminal(both):
    text = verdicts(both[0] / "claims.csv")
    assert max(map(len, text.splitlines())) <= 120
    assert text.endswith("3 statements of 3 claims: 1 supported, 1 inconclusive, 1 not run.")
    for wanted in ("T1", "not run", "[0.5, 1.5]", "above 0", "0.3"):
        assert wanted in text


def test_missing_folders_are_named(both, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.claims.csv: wanted"):
        compare(both[0], tmp_path / "nowhere")
