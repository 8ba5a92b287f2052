"""Claims on sides, and what the file says of any claim."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from largebatch.config.claims import Claim
from largebatch.judging.claims import COLUMNS
from largebatch.judging.effects import EFFECTS
from largebatch.judging.judge import judge
from tests.shared.claims import ERROR, written
from tests.shared.tables import NOISE


def operands(a="a", b="b"):
    return {"a": {"arm": a}, "b": {"arm": b}}


@pytest.mark.parametrize(
    ("centre", "expect", "said", "wanted"),
    [
        (1.0, {"above": 0.0}, "above 0", "supported"),
        (-1.0, {"above": 0.0}, "above 0", "contradicted"),
        (0.05, {"above": 0.0}, "above 0", "inconclusive"),
        (0.05, {"below": 0.5}, "below 0.5", "supported"),
        (1.0, {"below": 0.5}, "below 0.5", "contradicted"),
        (0.5, {"below": 0.5}, "below 0.5", "inconclusive"),
        (0.1, {"within": [-1.0, 1.0]}, "within [-1, 1]", "supported"),
        (0.1, {"within": [-5.0, 0.5]}, "within [-5, 0.5]", "supported"),
        (0.5, {"within": [-5.0, 0.5]}, "within [-5, 0.5]", "inconclusive"),
        (0.9, {"within": [-5.0, 0.5]}, "within [-5, 0.5]", "contradicted"),
        (-9.0, {"within": [-5.0, 0.5]}, "within [-5, 0.5]", "contradicted"),
    ],
)
def test_difference(two_arms, verdict, centre, expect, said, wanted):
    """By the t test against the threshold; `within`, which is equivalence, against the nearer bound."""
    b = np.array([3.0, 5.0, 2.0, 9.0, 4.0])
    asked = written("difference", expect, **operands(), paper_value=0.3)
    found = verdict(two_arms(b + centre + NOISE, b), asked)
    interval = stats.ttest_1samp(centre + NOISE, 0).confidence_interval(0.95)
    assert (found["verdict"], found["expect"]) == (wanted, said)
    assert found[["n", "estimate", "low", "high", "paper_value"]].tolist() == pytest.approx(
        [5, centre, interval.low, interval.high, 0.3]
    )
    nearer = min(np.ravel(list(expect.values())), key=lambda bound: abs(bound - centre))
    assert found["p_value"] == pytest.approx(stats.ttest_1samp(centre + NOISE, nearer).pvalue)
    assert ("Could have detected" in found["note"]) == (wanted == "inconclusive")
    assert ("away from a bound" in found["note"]) == (wanted == "inconclusive" and "within" in expect)


@pytest.mark.parametrize(
    ("factor", "expect", "wanted"),
    [
        (4.0, {"above": 2.0}, "supported"),
        (1.5, {"above": 2.0}, "contradicted"),
        (2.05, {"above": 2.0}, "inconclusive"),
        (1.1, {"within": [0.5, 2.0]}, "supported"),
        (3.0, {"within": [0.5, 2.0]}, "contradicted"),
    ],
)
def test_ratio_is_judged_on_the_logarithm(two_arms, verdict, factor, expect, wanted):
    b = np.array([1.0, 10.0, 3.0, 0.2, 5.0])
    found = verdict(two_arms(b * factor * np.exp(NOISE), b), written("ratio", expect, **operands()))
    interval = stats.ttest_1samp(NOISE + np.log(factor), 0).confidence_interval(0.95)
    assert found["verdict"] == wanted
    assert found[["estimate", "low", "high"]].tolist() == pytest.approx(
        [factor, np.exp(interval.low), np.exp(interval.high)]
    )
    assert ("a factor of" in found["note"]) == (wanted == "inconclusive")


def test_ratio_of_a_value_that_is_not_positive_is_not_run(two_arms, verdict):
    found = verdict(
        two_arms([1.0, -1.0, 2.0], [1.0, 1.0, 1.0]), written("ratio", {"above": 1.0}, **operands())
    )
    assert found["verdict"] == "not_run"
    assert "1 of 3 seeds" in found["note"]


@pytest.mark.parametrize(
    ("mean", "wanted", "p"), [(1, "supported", 0), (0, "inconclusive", 1), (-1, "contradicted", 0)]
)
def test_no_variance(two_arms, verdict, mean, wanted, p):
    found = verdict(two_arms([2 + mean] * 3, [2.0] * 3), written("difference", {"above": 0.0}, **operands()))
    assert found[["verdict", "estimate", "low", "high", "p_value"]].tolist() == [wanted, mean, mean, mean, p]
    on_it = "Every seed lies on the threshold itself. " if mean == 0 else ""
    assert found["note"] == f"{on_it}All seeds give the same value, so the t test does not apply."


@pytest.mark.parametrize(("centre", "wanted"), [(3.0, "supported"), (1.0, "contradicted")])
def test_level(helpers, verdict, centre, wanted):
    rows = helpers.arm("a", {"path_rise_behind_nats": centre + NOISE, "diverged": [0, 0, 0, 0, 0]})
    found = verdict(rows, written("level", {"above": 2.0}, metric="path_rise_behind_nats", a={"arm": "a"}))
    interval = stats.ttest_1samp(centre + NOISE, 2.0).confidence_interval(0.95)
    assert found["verdict"] == wanted
    assert found[["n", "estimate", "low", "high"]].tolist() == pytest.approx(
        [5, centre, interval.low, interval.high]
    )


def test_level_at_a_training_loss_leaves_out_seeds_that_never_reach_it(helpers, verdict):
    loss = {0.0: [1.0, 1.0, 1.0], 1.0: [0.01, 0.01, 0.5]}
    rows = helpers.arm("a", {"train_loss_nats": loss, ERROR: {0.0: [9, 7, 5], 1.0: [5, 1, 1]}})
    asked = written("level", {"above": 0.0}, a={"arm": "a", "at": {"train_loss_nats": 0.1}})
    found = verdict(rows, asked)
    assert (found["n"], found["estimate"]) == (2, pytest.approx((7 + 4) / 2))
    assert "1 seeds without a finite value in every arm are left out" in found["note"]
    both = written("difference", {"above": 0.0}, a=asked["a"], b=asked["a"])
    assert "1 seeds without a finite value" in verdict(rows, both)["note"]


def test_ratio_of_an_arm_and_a_path_at_positions(helpers, verdict):
    line = helpers.arm("line", {"path_loss_nats": {0.5: 2 * np.exp(NOISE), 1.0: np.full(5, 9.0)}})
    arm = helpers.arm("a", {"sam_sharpness_nats": {0.05: np.ones(5), 0.1: np.full(5, 7.0)}})
    asked = written(
        "ratio",
        {"within": [1.5, 3.0]},
        metric="path_loss_nats",
        a={"arm": "line", "at": {"value": 0.5}},
        b={"arm": "a", "at": {"value": 0.05}, "metric": "sam_sharpness_nats"},
    )
    found = verdict(pd.concat([line, arm]), asked)
    assert (found["verdict"], found["estimate"]) == ("supported", pytest.approx(2.0))


ABSENT = {
    "difference": operands("a", "absent"),
    "ratio": operands("a", "absent"),
    "monotone": {"arm": "absent", "setting": "lr"},
    "trend": {"arm": "absent", "setting": "lr"},
    "change_point": {"arm": "absent", "setting": "lr", "direction": "rises"},
    "elbow": {"arm": "absent", "setting": "lr", "direction": "falls"},
    "level": {"a": {"arm": "absent"}},
    "contrast": {side: {"arm": "absent" if side == "d" else "a"} for side in "abcd"},
    "slope": {"arm": "absent"},
    "growth_law": {"arm": "absent"},
    "hyperbola": {"arm": "absent", "show": "r_squared_gain"},
    "curve_gap": {"a": "a", "b": "absent", "after": 0.5},
    "best_setting": {"a": "absent", "b": "a", "setting": "lr"},
    "updates_to_target": {"a": "a", "b": "absent", "target": 1.0},
}


@pytest.mark.parametrize("kind", EFFECTS)
def test_a_missing_arm_is_not_run(helpers, verdict, kind):
    rows = helpers.arm(
        "a", {ERROR: {0.0: [20.0, 20.0], 1.0: [1.0, 1.0]}, "updates": {0.0: [0, 0], 1.0: [8, 8]}}
    )
    found = verdict(rows, written(kind, {"above": 1.0}, **ABSENT[kind], deviation="Another data set."))
    assert found["verdict"] == "not_run"
    assert found["note"] == "The observations lack arm absent. Another data set."
    assert found[["n", "estimate", "low", "high", "p_value", "p_adjusted", "detectable"]].isna().all()


def test_a_claim_that_is_left_out_is_not_run_and_says_why(two_arms, verdict):
    b = np.array([3.0, 5.0, 2.0])
    left_out = written("difference", {"above": 0.0}, **operands(), not_run="Too rarely.", deviation="Digits.")
    found = verdict(two_arms(b + 1, b), left_out)
    assert (found["verdict"], found["note"]) == ("not_run", "Too rarely. Digits.")


def test_a_missing_metric_is_not_run(two_arms, verdict):
    asked = written("ratio", {"above": 1}, metric="hessian_trace", **operands())
    found = verdict(two_arms([1, 2], [1, 2]), asked)
    note = "The observations lack metric hessian_trace of arm a."
    assert (found["verdict"], found["note"]) == ("not_run", note)


def test_one_seed_is_not_run(two_arms, verdict):
    found = verdict(two_arms([1.0], [2.0]), written("difference", {"above": 0}, **operands()))
    assert (found["verdict"], found["n"]) == ("not_run", 1)


def test_remarks_on_seeds(helpers, verdict):
    a = helpers.arm("a", {ERROR: [1, 2, 3], "diverged": [0, 1, 1]})
    b = helpers.arm("b", {ERROR: [0, 1, None], "diverged": [0, 0, 0]})
    found = verdict(pd.concat([a, b]), written("difference", {"above": 0}, **operands()))
    assert "2 of 3 seeds of a diverged" in found["note"]
    assert "1 seeds without a finite value" in found["note"]
    assert found["n"] == 2


def test_a_claim_is_judged_alone_whatever_stands_beside_it(two_arms, verdict):
    rows = two_arms(0.15 + NOISE, np.zeros(5))
    asked = written("difference", {"above": -0.1}, **operands())
    alone = verdict(rows, asked)
    family = verdict(rows, *(asked | {"id": f"T{i}"} for i in range(1, 20)))
    assert alone["verdict"] == "supported" and 0.01 < alone["p_value"] < 0.05
    pd.testing.assert_series_equal(family.iloc[0], alone, check_names=False)


@pytest.mark.parametrize(("shift", "wanted"), [(0.0, "supported"), (3.0, "contradicted")])
@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_every_claim_says_what_it_could_detect(two_arms, verdict, kind, shift, wanted):
    """Whatever its verdict, on its own scale: with 80 % power by the noncentral t distribution."""
    b = np.array([3.0, 5.0, 2.0, 9.0, 4.0])
    a = b * np.exp(shift + NOISE) if kind == "ratio" else b + shift + NOISE
    within = [0.5, 2.0] if kind == "ratio" else [-1.0, 1.0]
    found = verdict(two_arms(a, b), written(kind, {"within": within}, **operands()))
    assert found["verdict"] == wanted
    distance = np.log(found["detectable"]) if kind == "ratio" else found["detectable"]
    shift = distance / NOISE.std(ddof=1) * np.sqrt(5)
    assert stats.nct.sf(stats.t.ppf(0.975, 4), 4, shift) == pytest.approx(0.8)
    assert found["detectable_as"] == {"ratio": "factor", "difference": "distance"}[kind]


def test_without_variance_there_is_no_power_to_speak_of(two_arms, verdict):
    found = verdict(two_arms([2.0] * 3, [1.0] * 3), written("difference", {"above": 0.0}, **operands()))
    assert np.isnan(found["detectable"])
    # equal to rounding only: neither above the threshold nor certainly on it
    found = verdict(two_arms([0.3] * 3, [0.0] * 3), written("difference", {"below": 0.1 + 0.2}, **operands()))
    assert (found["verdict"], found["p_value"]) == ("inconclusive", 1.0)
    assert found["note"].startswith("Every seed lies on the threshold itself.")


def test_the_file_has_exactly_these_columns_and_the_same_bytes_twice(two_arms, verdict, tmp_path):
    asked = written("difference", {"above": 0}, **operands())
    contents = []
    for _ in range(2):
        verdict(two_arms([1.0, 2.0], [0.0, 0.5]), asked)
        contents.append((tmp_path / "judged.csv").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].decode().splitlines()[0] == ",".join(COLUMNS)


def test_a_ratio_beyond_all_numbers_is_infinite(two_arms, verdict):
    found = verdict(two_arms([1e-300, 1e300], [1.0, 1.0]), written("ratio", {"above": 1.0}, **operands()))
    assert (found["verdict"], found["high"]) == ("inconclusive", np.inf)


def test_bad_inputs(two_arms, write_table, tmp_path):
    table = write_table(two_arms([1.0, 2.0], [0.0, 0.5]))
    with pytest.raises(ValidationError):
        judge({"experiment": "e", "claims": [written("guess", {"above": 0})]}, table, tmp_path / "c.csv")
    with pytest.raises(ValueError, match=r"none.parquet: wanted"):
        judge({"experiment": "e", "claims": []}, tmp_path / "none.parquet", tmp_path / "c.csv")


def test_every_kind_of_claim_has_an_effect():
    kinds = {branch.model_fields["kind"].annotation.__args__[0] for branch in Claim.__origin__.__args__}
    assert kinds == set(EFFECTS)


@pytest.mark.parametrize(
    ("factor", "spread", "wanted"),
    [
        (1.1, 1.02, "supported"),
        (1.1, 1.25, "supported"),  # 1.5625 of both sides; the bound is a factor of 1.8 away
        (1.1, 1.5, "not_run"),
        (4.0, 1.3, "contradicted"),
        (4.0, 1.5, "not_run"),
    ],
)
def test_a_time_is_judged_only_where_it_is_farther_from_its_bound_than_rounds_are_apart(
    helpers, verdict, factor, spread, wanted
):
    def timed(arm, seconds):
        spreads = np.full(5, spread)
        spreads[0] = 9.0  # one seed was timed while the machine was busy
        return helpers.arm(arm, {"update_seconds": {64.0: seconds}, "time_spread": {64.0: spreads}})

    b = np.array([1.0, 1.1, 0.9, 1.0, 1.2])
    sides = {name: {"arm": name, "at": {"value": 64}} for name in "ab"}
    rows = pd.concat([timed("a", b * factor * np.exp(NOISE / 10)), timed("b", b)])
    found = verdict(rows, written("ratio", {"below": 2.0}, metric="update_seconds", **sides))
    assert found["verdict"] == wanted
    assert ("rounds" in found["note"]) == (wanted == "not_run")


def test_a_time_by_itself_is_not_judged(helpers, verdict):
    rows = helpers.arm("a", {"update_seconds": {1.0: [1.0, 1.1]}, "time_spread": {1.0: [1.0, 1.0]}})
    side = {"arm": "a", "at": {"value": 1}}
    found = verdict(rows, written("level", {"below": 2.0}, metric="update_seconds", a=side))
    assert found["verdict"] == "not_run" and "ratios" in found["note"]


@pytest.mark.parametrize(("last", "wanted"), [(2.0, "holds"), (2.1, "broken")])
def test_an_identity_holds_if_every_seed_lies_within_its_bounds(helpers, verdict, last, wanted):
    """A mean far inside the bounds does not save one seed outside; no test is made of it."""
    rows = helpers.arm("a", {ERROR: [1.0, 1.0, 1.0, 1.0, last]})
    asked = written("level", {"within": [1.0, 2.0]}, a={"arm": "a"}, tier="identity", paper_value=1.0)
    found = verdict(rows, asked)
    assert found["verdict"] == wanted
    assert np.isnan(found["p_value"]) and found["replication"] == ""


@pytest.mark.parametrize(("sides", "wanted"), [([], "smaller"), (["9.0 ± 6.0", "4.0 ± 3.0"], "inside")])
def test_replication_on_the_scale_of_the_claim(helpers, verdict, sides, wanted):
    """Twice against 2.25 times: on logarithms, so that the deviations of the sides count relatively."""
    rows = pd.concat(
        [helpers.arm("a", {ERROR: [4.0, 4.1, 3.9, 4.05]}), helpers.arm("b", {ERROR: [2.0, 2.1, 1.9, 2.0]})]
    )
    more = {"paper_sides": sides, "paper_runs": 5} if sides else {}
    found = verdict(rows, written("ratio", {"above": 1.0}, **operands(), paper_value=2.25, **more))
    assert found["replication"] == wanted


def test_a_claim_on_an_arm_that_wholly_diverged_says_so(helpers, verdict):
    """It is data, not a gap: what is lacking has a reason."""
    arms = {
        "a": {"updates": {0.0: [0, 0, 0]}, "diverged": [1.0] * 3},
        "b": {"updates": {0.0: [0, 0, 0]}, "diverged": [0.0] * 3, ERROR: [1.0, 2.0, 3.0]},
    }
    rows = pd.concat([helpers.arm(name, metrics) for name, metrics in arms.items()])
    found = verdict(rows, written("difference", {"above": 0.0}, **operands()))
    assert found["verdict"] == "not_run"
    assert found["note"] == f"The observations lack metric {ERROR} of arm a, of which all 3 seeds diverged."
