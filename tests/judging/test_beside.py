"""What controls and fits make of verdicts, on observations whose effects are planted."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.judging.claims import read_claims
from largebatch.judging.judge import judge

ERROR, TRAIN, LOSS, CURVATURE = (
    "test_error_percent",
    "train_error_percent",
    "train_loss_nats",
    "hessian_trace",
)
NOISE = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
CLOSE = {
    "kind": "difference",
    "metric": ERROR,
    "expect": {"below": 0.3},
    "a": {"arm": "a"},
    "b": {"arm": "b"},
}
WORSE = CLOSE | {"expect": {"above": 0.0}, "fit": {"metric": TRAIN}}
CONTROL = {"says": "It must fail.", "a": {"arm": "c"}}


@pytest.fixture
def verdict(write_table, tmp_path, helpers):
    """The row of one claim, from {arm: {metric: mean}}; `spread` is that of the seeds."""

    def run(claim, arms, spread=1.0):
        noise = {"b": 0 * NOISE}  # the effect varies, not only its sides
        rows = [
            helpers.arm(arm, {metric: mean + spread * noise.get(arm, NOISE) for metric, mean in of.items()})
            for arm, of in arms.items()
        ]
        out = tmp_path / "judged.csv"
        asked = {"id": "T1", "says": "s", "source": "p", **claim}
        judge({"experiment": "e", "claims": [asked]}, write_table(pd.concat(rows)), out)
        return read_claims(out).iloc[0]

    return run


@pytest.mark.parametrize(
    ("control", "spread", "wanted", "said"),
    [
        (5.2, 1, "uninformative", "It holds of its control as well, 0.2 ["),
        (7.0, 1, "supported", ""),
        (5.3, 1, "supported", "Its control is not shown to fail, 0.3 ["),
    ],
)
def test_a_claim_of_closeness_says_something_only_if_its_control_fails(
    verdict, control, spread, wanted, said
):
    arms = {arm: {ERROR: mean} for arm, mean in {"a": 5.1, "b": 5.0, "c": control}.items()}
    found = verdict(CLOSE | {"control": CONTROL}, arms, spread)
    assert found["verdict"] == wanted
    assert found["note"].startswith(said) and ("It must fail." in found["note"]) == bool(said)
    of_control = {5.2: "supported", 7.0: "contradicted", 5.3: "inconclusive"}[control]
    interval = stats.ttest_1samp(control - 5.0 + NOISE, 0).confidence_interval(0.95)
    assert found["control"] == f"{of_control} {control - 5:.3g} [{interval.low:.3g}, {interval.high:.3g}]"
    # the claim's own numbers are as without it
    alone = verdict(CLOSE, arms, spread)
    assert found[["estimate", "low", "high", "p_value"]].equals(alone[["estimate", "low", "high", "p_value"]])
    assert (alone["verdict"], alone["control"]) == ("supported", "")


@pytest.mark.parametrize(("own", "wanted"), [(7.0, "contradicted"), (5.3, "inconclusive")])
def test_a_control_changes_no_verdict_but_supported(verdict, own, wanted):
    arms = {arm: {ERROR: mean} for arm, mean in {"a": own, "b": 5.0, "c": 5.1}.items()}
    found = verdict(CLOSE | {"control": CONTROL}, arms)
    assert (found["verdict"], found["control"].split(" ")[0]) == (wanted, "supported")


@pytest.mark.parametrize(
    ("control", "said"),
    [(CONTROL, "The observations lack arm c."), (CONTROL | {"not_run": "Left out here."}, "Left out here.")],
)
def test_a_control_that_was_not_run_is_told(verdict, control, said):
    found = verdict(CLOSE | {"control": control}, {"a": {ERROR: 5.1}, "b": {ERROR: 5.0}})
    assert (found["verdict"], found["control"]) == ("supported", "not run")
    assert found["note"] == f"Its control was not run. {said}"


@pytest.mark.parametrize(
    ("train", "spread", "wanted", "said"),
    [
        (0.0, 1, "supported", ""),
        (0.3, 1, "supported", ""),  # below 0.5 points, and below half of the effect of 1 point
        (0.8, 1, "confounded", "The fits differ, training error (%) by a difference of 0.8 ["),
        (-0.8, 1, "confounded", "The fits differ"),
        (0.49, 1, "confounded", "The fits are not shown to be equal"),
        (0.3, 20, "confounded", "The fits are not shown to be equal"),
    ],
)
def test_a_gap_is_one_at_equal_fit(verdict, train, spread, wanted, said):
    arms = {"a": {ERROR: 6.0, TRAIN: 1 + train}, "b": {ERROR: 5.0, TRAIN: 1.0}}
    found = verdict(WORSE, arms, spread)
    assert found["verdict"] == wanted
    assert found["note"].startswith(said) and ("Else supported." in found["note"]) == bool(said)
    interval = stats.ttest_1samp(train + spread * NOISE, 0).confidence_interval(0.95)
    numbers = [train, interval.low, interval.high]
    value, low, high = (f"{number:.3g}".replace("-", "−") for number in numbers)
    assert found["fit"] == f"{value} [{low}, {high}], margin 0.5"


def test_a_fit_may_be_no_more_than_half_of_the_effect(verdict):
    arms = {"a": {ERROR: 5.4, TRAIN: 1.3}, "b": {ERROR: 5.0, TRAIN: 1.0}}
    found = verdict(WORSE, arms)
    assert found["verdict"] == "confounded" and found["fit"].endswith("margin 0.2")
    # half of the distance from the threshold: 0.4 - 0.3
    found = verdict(WORSE | {"expect": {"above": 0.3}}, arms)
    assert found["fit"].endswith("margin 0.05")


def test_a_contradicted_gap_can_be_confounded_and_an_undecided_one_cannot(verdict):
    fits = {"a": {TRAIN: 9.0}, "b": {TRAIN: 1.0}}
    for value, wanted in ((4.0, "confounded"), (5.0, "inconclusive")):
        arms = {"a": fits["a"] | {ERROR: value}, "b": fits["b"] | {ERROR: 5.0}}
        found = verdict(WORSE, arms)
        assert (found["verdict"], found["fit"][:3]) == (wanted, "8 [")


@pytest.mark.parametrize(
    ("loss", "wanted", "limit"),
    [(1.2, "supported", "below 2"), (5.0, "confounded", "below 2"), (0.1, "supported", "below 2")],
)
def test_only_a_higher_loss_explains_a_sharper_minimum(verdict, loss, wanted, limit):
    claim = {"kind": "ratio", "metric": CURVATURE, "expect": {"above": 1.0}, "fit": {"metric": LOSS}}
    claim |= {"a": {"arm": "a"}, "b": {"arm": "b"}}
    arms = {"a": {CURVATURE: 10.0, LOSS: loss}, "b": {CURVATURE: 1.0, LOSS: 1.0}}
    found = verdict(claim, arms)
    assert (found["verdict"], found["fit"].split(", ")[-1]) == (wanted, limit)
    flatter = verdict(
        claim | {"expect": {"below": 1.0}},
        {"a": {CURVATURE: 0.1, LOSS: 1 / loss}, "b": {CURVATURE: 1.0, LOSS: 1.0}},
    )
    assert (flatter["verdict"], flatter["fit"].split(", ")[-1]) == (wanted, "above 0.5")


def test_over_arms_the_worst_of_them_counts(helpers, write_table, tmp_path):
    sizes = (8, 16, 32, 64, 128)
    claim = {"id": "T1", "says": "s", "source": "p", "kind": "monotone", "metric": ERROR, "arm": "g"}
    claim |= {"setting": "batch_size", "expect": {"above": 0.0}, "fit": {"metric": TRAIN}}

    def found(train, other=None):
        at = {s: {ERROR: i + NOISE, TRAIN: train[i] + NOISE * (i > 0)} for i, s in enumerate(sizes)}
        rows = [helpers.group("g", "batch_size", at)]
        asked = claim
        if other:
            at = {s: {ERROR: 0.0 * NOISE, TRAIN: other[i] + 0 * NOISE} for i, s in enumerate(sizes)}
            rows.append(helpers.group("h", "batch_size", at))
            asked = claim | {"minus": "h"}
        out = tmp_path / "judged.csv"
        judge({"experiment": "e", "claims": [asked]}, write_table(pd.concat(rows)), out)
        return read_claims(out).iloc[0]

    equal = found([1.0, 1.1, 1.0, 0.9, 1.0])
    assert equal["verdict"] == "supported" and equal["fit"].startswith("0.1 [")
    assert found([1.0, 1.0, 1.0, 1.0, 4.0])["verdict"] == "confounded"
    # with a second group, only what differs at the same setting counts
    assert found([1.0, 1.0, 1.0, 1.0, 4.0], [1.0, 1.0, 1.0, 1.0, 4.0])["verdict"] == "supported"
    assert found([1.0] * 5, [1.0, 1.0, 1.0, 1.0, 4.0])["verdict"] == "confounded"


def test_without_the_training_metric_a_gap_is_not_judged(verdict):
    found = verdict(WORSE, {"a": {ERROR: 6.0}, "b": {ERROR: 5.0}})
    assert found["verdict"] == "not_run"
    assert found["note"] == f"The observations lack metric {TRAIN} of arm a."


def test_a_fit_that_cannot_be_judged_leaves_the_claim_out(verdict):
    """A ratio of losses of 0, as of separable data fitted to underflow."""
    sharper = {
        "kind": "ratio",
        "metric": CURVATURE,
        "expect": {"above": 1.0},
        "fit": {"metric": LOSS},
        "a": {"arm": "a"},
        "b": {"arm": "b"},
    }
    found = verdict(sharper, {"a": {CURVATURE: 4.0, LOSS: 0.0}, "b": {CURVATURE: 2.0, LOSS: 1.0}}, 0.0)
    assert found["verdict"] == "not_run" and "The ratio is not defined in 5 of 5 seeds" in found["note"]


def test_fit_comes_before_control(verdict):
    arms = {"a": {ERROR: 5.1, TRAIN: 9.0}, "b": {ERROR: 5.0, TRAIN: 1.0}, "c": {ERROR: 5.1}}
    found = verdict(CLOSE | {"fit": {"metric": TRAIN}, "control": CONTROL}, arms)
    assert found["verdict"] == "confounded" and found["control"].startswith("supported")
