"""Claims over arms, from observations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.judging.effect import NotJudgeable
from largebatch.judging.effects import EFFECTS
from largebatch.judging.judge import judged
from largebatch.observations.reading import Missing
from tests.shared.claims import ERROR, claim

BATCHES = 2.0 ** np.arange(2, 42)
SHARPNESS = "sharpness_percent"


def over_arms(kind, expect, metric=ERROR, **settings):
    return claim(kind, expect, metric, **{"arm": "g", "setting": "batch_size"} | settings)


def sweep(helpers, values, metric=ERROR, seeds=4):
    """Arms of a group g by batch size; values: (arms,), and what seeds add to all of them."""
    beside = np.random.default_rng(0).normal(size=(len(values), seeds)) * 1e-3 + np.arange(seeds)
    found = {b: {metric: value + row} for b, value, row in zip(BATCHES, values, beside, strict=False)}
    return helpers.group("g", "batch_size", found)


def effect(rows, asked):
    return EFFECTS[asked.kind](rows, asked)


@pytest.mark.parametrize("kind", ["monotone", "trend"])
@pytest.mark.parametrize(
    ("change", "expect", "wanted"),
    [
        (0.5, {"above": 0.0}, "supported"),
        (0.5, {"below": 0.0}, "contradicted"),
        (-0.5, {"below": -0.4}, "supported"),
        (0.5, {"within": [0.4, 0.6]}, "supported"),
        (0.5, {"within": [0.0, 0.4]}, "contradicted"),
        (0.5, {"above": 0.5}, "inconclusive"),
    ],
)
def test_a_change_per_doubling(helpers, kind, change, expect, wanted):
    rows = sweep(helpers, 9 + change * np.arange(7))
    found = judged(over_arms(kind, expect), rows)
    assert found["verdict"] == wanted
    assert found["estimate"] == pytest.approx(change, abs=2e-3)
    assert found["low"] <= found["estimate"] <= found["high"]
    assert found["n"] == 4


@pytest.mark.parametrize("kind", ["monotone", "trend"])
def test_a_skewed_metric_has_an_exponent(helpers, kind):
    rows = sweep(helpers, np.zeros(7), SHARPNESS)
    rows = rows.assign(value=np.exp(rows["value"]) * rows["batch_size"] ** 1.5)
    assert effect(rows, over_arms(kind, {"above": 0.0}, SHARPNESS)).tested[0] == pytest.approx(1.5, abs=2e-3)
    with pytest.raises(NotJudgeable, match=r"logarithm of sharpness_percent is not defined in 28 of 28"):
        effect(rows.assign(value=-rows["value"]), over_arms(kind, {"above": 0.0}, SHARPNESS))


def test_arm_effects_that_all_seeds_share_do_not_decide(helpers):
    values = np.array([5.0, 1.0, 4.0, 2.0, 6.0, 3.0, 5.5])
    rho = stats.spearmanr(BATCHES[:7], values).statistic
    assert rho > 0.3  # in every seed, so that a t test over seeds would be certain
    rows = sweep(helpers, values)
    for kind in ("monotone", "trend"):
        assert judged(over_arms(kind, {"above": 0.0}), rows)["verdict"] == "inconclusive"


def test_too_few_arms(helpers):
    rows = sweep(helpers, np.arange(4.0))
    found = judged(over_arms("monotone", {"above": 0.0}), rows)
    assert found["verdict"] == "not_run"
    assert found["note"].startswith("4 arms cannot decide: no order of theirs has a p below 0.083")
    for kind in ("change_point", "elbow"):
        asked = over_arms(kind, {"above": 1.0}, direction="rises")
        with pytest.raises(NotJudgeable, match="A break needs at least 5 arms; got 4"):
            effect(rows, asked)
    with pytest.raises(NotJudgeable, match="A trend needs at least 2 arms more than levels; got 2 arms"):
        effect(sweep(helpers, np.arange(2.0)), over_arms("trend", {"above": 0.0}))
    with pytest.raises(NotJudgeable, match="Wanted at least 2 seeds in every arm; got 1"):
        effect(sweep(helpers, np.arange(7.0), seeds=1), over_arms("trend", {"above": 0.0}))


def test_arms_with_one_mean_have_no_order(helpers):
    """Accuracies of 100 % in every arm, say."""
    rows = helpers.group("g", "batch_size", {b: {ERROR: [0.0, 0.0, 0.0]} for b in BATCHES[:6]})
    found = judged(over_arms("monotone", {"above": 0.0}), rows)
    assert found["verdict"] == "not_run" and "All arms have the same mean." in found["note"]


def test_an_order_that_one_seed_alone_makes(helpers):
    """Without it all arms have one mean, which is no evidence."""
    rows = helpers.group("g", "batch_size", {b: {ERROR: [b, 0.0, 0.0]} for b in BATCHES[:6]})
    found = effect(rows, over_arms("monotone", {"above": 0.0}))
    assert found.tested[0] > 0 and found.test(found.values.to_numpy()[1:]) == (0.0, 1.0)


def test_the_smallest_p_of_few_arms_is_said(helpers):
    note = judged(over_arms("monotone", {"above": 0.0}), sweep(helpers, np.arange(5.0)))["note"]
    assert note.startswith("Rising values explain 100% of what varies between the arms, falling ones 0%.")
    assert "The smallest p that an order of 5 arms can have is 0.017." in note


def test_the_trend_of_a_gap(helpers):
    """Each group rises with the setting; their gap falls."""
    widths = (1.0, 2.0, 4.0, 8.0)
    small = helpers.group("s", "width", {w: {"updates": [w, w]} for w in widths})
    large = helpers.group("g", "width", {w: {"updates": [w - np.log2(w)] * 2} for w in widths[::-1]})
    asked = over_arms("trend", {"below": 0.0}, "updates", minus="s", setting="width")
    rows = pd.concat([small, large])
    assert effect(rows, asked).tested[0] == pytest.approx(-1.0)
    with pytest.raises(Missing, match="arms of s at each width of g"):
        effect(rows[rows["width"] != 4.0].pipe(lambda kept: pd.concat([kept, large])), asked)


def test_the_trend_within_a_setting(helpers):
    """Along the diagonals the metric falls with the batch, across them it rises."""
    cells = [(8, 0.1, 5), (16, 0.2, 4), (8, 0.2, 9), (16, 0.4, 8), (32, 0.8, 7), (8, 0.8, 99)]
    rows = pd.concat(
        helpers.arm(f"g{i}", {"updates": [v, v]}, group="g", batch_size=b, lr=lr, lr_over_batch=lr / b)
        for i, (b, lr, v) in enumerate(cells)
    )
    asked = over_arms("trend", {"below": 0.0}, "updates", within="lr_over_batch")
    assert effect(rows, asked).tested[0] == pytest.approx(-1.0)  # 99 is alone on its diagonal


@pytest.mark.parametrize(("sign", "direction"), [(1, "rises"), (-1, "falls")])
@pytest.mark.parametrize(
    ("kind", "broken", "at"),
    [("change_point", [0, 0, 0, 0, 1, 1, 1], 64), ("elbow", [0, 0, 0, 0, 1, 2, 3], 64)],
)
def test_a_break_and_a_line(helpers, kind, broken, at, sign, direction):
    noise = 0.03 * np.random.default_rng(3).normal(size=7)
    asked = over_arms(kind, {"above": 1.0}, direction=direction)
    found = judged(asked, sweep(helpers, 9 + sign * np.array(broken) + noise))
    assert found["verdict"] == "supported" and found["estimate"] > 10
    assert f"It fits best at batch_size = {at}." in found["note"]
    found = judged(asked, sweep(helpers, 9 + sign * np.arange(7) + noise))
    assert found["verdict"] == "contradicted" and found["estimate"] < 0.2
