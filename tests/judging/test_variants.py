import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from scipy import stats

from largebatch.config.claims import Claim
from largebatch.judging.judge import judge
from largebatch.judging.resampling import wilcoxon
from largebatch.judging.variants import COLUMNS, NONE_LEFT_OUT, VARIANTS, read_variants, variants_on

ERROR = "test_error_percent"
LEVEL = {"id": "T1", "says": "s", "source": "p", "kind": "level", "metric": ERROR, "a": {"arm": "a"}}
VALUES = [1.0, 1.3, 0.8, 2.0, 1.1, 1.4]


@pytest.fixture
def variants(write_table, tmp_path, helpers):
    """Variants through files, of claims on an arm `a` with these values."""

    def run(values=VALUES, overlap=None, rows=None, **claim):
        table = write_table(helpers.arm("a", {ERROR: values}) if rows is None else rows)
        asked = {**LEVEL, "expect": {"above": 1.0}, **claim}
        asked = {key: value for key, value in asked.items() if value is not None}
        judge(
            {"experiment": "e", "claims": [asked], "overlap": overlap or {}}, table, tmp_path / "judged.csv"
        )
        return read_variants(tmp_path / VARIANTS)

    return run


def of(found, test, left_out=NONE_LEFT_OUT, overlap=False):
    """(p, inside) of one variant."""
    rows = found[(found["test"] == test) & (found["left_out"] == left_out) & (found["overlap"] == overlap)]
    (row,) = rows.to_dict("records")
    return row["p_value"], row["inside"]


def test_every_test_of_all_seeds_and_without_each(variants):
    found = variants()
    assert len(found) == 4 * 7 and not found["overlap"].any()
    assert found.groupby("left_out")["n"].first().to_dict() == {-1: 6} | dict.fromkeys(range(6), 5)
    rest = np.delete(VALUES, 3)
    assert of(found, "own", 3) == (pytest.approx(stats.ttest_1samp(rest, 1.0).pvalue), True)
    wanted = 2 * wilcoxon(np.array([rest]))(1.0).above[0]
    assert of(found, "Wilcoxon", 3) == (pytest.approx(wanted), True)


def test_overlap_is_corrected_where_it_is_known(variants):
    found = variants(overlap={"T1": 0.5})
    assert set(found.loc[found["overlap"], "test"]) == {"own", "bootstrap-t"}
    t = (np.mean(VALUES) - 1) / (np.std(VALUES, ddof=1) * np.sqrt(1 / 6 + 0.5))
    assert of(found, "own", overlap=True)[0] == pytest.approx(2 * stats.t.sf(t, 5))
    assert len(variants(overlap={"T2": 0.5})) == 4 * 7


def test_between_two_bounds_both_have_to_be_cleared(variants):
    """With skewed values the farther bound may be the harder one."""
    found = variants(expect={"within": [0.0, 2.4]})
    low, high = (stats.ttest_1samp(VALUES, bound).pvalue for bound in (0.0, 2.4))
    assert of(found, "own") == (pytest.approx(max(low, high)), True)
    beyond = variants(expect={"within": [2.0, 3.0]})
    assert of(beyond, "own") == (pytest.approx(stats.ttest_1samp(VALUES, 2.0).pvalue), False)
    assert of(beyond, "sign flips")[1] is False


def test_a_ratio_is_judged_on_its_logarithm(variants, helpers):
    a, b = np.array(VALUES), np.array([1.0, 0.9, 1.1, 1.2, 0.8, 1.0])
    rows = pd.concat([helpers.arm("a", {ERROR: a}), helpers.arm("b", {ERROR: b})])
    found = variants(rows=rows, kind="ratio", b={"arm": "b"})
    assert of(found, "own")[0] == pytest.approx(stats.ttest_1samp(np.log(a / b), 0.0).pvalue)


def test_limits_that_flatter_decide_nothing(variants, helpers):
    """Five of six seeds of b never reach the target: they count with what they made."""
    along = {0.0: [5.0] * 6, 10.0: [0.0] + [5.0] * 5}
    updates = {0.0: [0] * 6, 10.0: [1000, 1001, 1002, 1003, 1004, 1005]}
    never = helpers.arm("b", {"train_loss_nats": along, "updates": updates})
    soon = helpers.arm(
        "a", {"train_loss_nats": {0.0: [5.0] * 6, 1.0: [0.0] * 6}, "updates": updates | {1.0: [9] * 6}}
    )
    asked = {"kind": "updates_to_target", "metric": "train_loss_nats", "a": "b", "b": "a", "target": 1.0}
    assert (variants(rows=pd.concat([never, soon]), **asked, expect={"below": 5000})["p_value"] == 1.0).all()
    assert of(variants(rows=pd.concat([never, soon]), **asked, expect={"above": 1.0}), "own")[0] < 0.001


def test_a_claim_over_arms_has_its_own_test_only(variants, helpers):
    rng = np.random.default_rng(0)
    at = {2.0**i: {ERROR: i + rng.normal(0, 0.1, 4)} for i in range(6)}
    rows = helpers.group("g", "batch_size", at)
    asked = {"kind": "trend", "arm": "g", "setting": "batch_size", "expect": {"above": 0.0}}
    found = variants(rows=rows, overlap={"T1": 0.5}, **asked | {"a": None})
    assert set(found["test"]) == {"own"} and len(found) == 5
    without = variants(rows=rows[rows["seed"] != 2], **asked | {"a": None})
    assert of(found, "own", 2) == of(without, "own")


def test_what_has_no_p_has_no_variants(variants):
    for left_out in ({"tier": "sanity"}, {"tier": "identity"}, {"not_run": "Too large."}):
        found = variants(**left_out)
        assert found.empty and list(found.columns) == [*COLUMNS]
    assert variants([1.0]).empty
    assert set(variants([1.0, 1.5])["left_out"]) == {NONE_LEFT_OUT}


def test_verdicts_that_do_not_follow_from_a_p_are_left_alone(helpers, judged):
    """Another stage may have settled a verdict, whatever its p."""
    asked = [TypeAdapter(Claim).validate_python(LEVEL | {"expect": {"above": 1.0}})]
    rows = judged(helpers.claim("T1", verdict="holds"))
    assert variants_on(asked, helpers.arm("a", {ERROR: VALUES}), rows, {}).empty


def test_bad_files(tmp_path):
    (tmp_path / VARIANTS).write_text("no parquet", encoding="utf-8")
    with pytest.raises(ValueError, match="wanted a parquet file of variants; got"):
        read_variants(tmp_path / VARIANTS)
    with pytest.raises(ValueError, match="wanted a parquet file of variants; got"):
        read_variants(tmp_path / "none.parquet")
    pd.DataFrame({"id": ["T1"]}).to_parquet(tmp_path / VARIANTS)
    with pytest.raises(ValueError, match=r"wanted columns .*; got \['id'\]"):
        read_variants(tmp_path / VARIANTS)
