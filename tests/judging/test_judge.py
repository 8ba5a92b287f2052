import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from largebatch.config.claims import Claim
from largebatch.judging.claims import COLUMNS, read_claims
from largebatch.judging.effects import EFFECTS
from largebatch.judging.judge import judge

ERROR = "test_error_percent"
NOISE = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])


def claim(kind, expect, name="T1", metric=ERROR, **more):
    return {"id": name, "says": "s", "source": "p", "kind": kind, "metric": metric, "expect": expect, **more}


def operands(a="a", b="b"):
    return {"a": {"arm": a}, "b": {"arm": b}}


@pytest.fixture
def verdict(write_table, tmp_path):
    """Judges claims alone on rows, through files; a Series for one claim, a DataFrame for more."""

    def run(rows, *claims):
        out = tmp_path / "judged.csv"
        judge({"experiment": "e", "claims": list(claims)}, write_table(rows), out)
        found = read_claims(out)
        return found.iloc[0] if len(claims) == 1 else found

    return run


@pytest.fixture
def two_arms(helpers):
    """Arms a and b with final errors a and b, one value per seed."""

    def rows(a, b, metric=ERROR):
        return pd.concat(
            [helpers.arm("a", {metric: a, "diverged": [0] * len(a)}), helpers.arm("b", {metric: b})]
        )

    return rows


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
    asked = claim("difference", expect, **operands(), paper_value=0.3)
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
    found = verdict(two_arms(b * factor * np.exp(NOISE), b), claim("ratio", expect, **operands()))
    interval = stats.ttest_1samp(NOISE + np.log(factor), 0).confidence_interval(0.95)
    assert found["verdict"] == wanted
    assert found[["estimate", "low", "high"]].tolist() == pytest.approx(
        [factor, np.exp(interval.low), np.exp(interval.high)]
    )
    assert ("a factor of" in found["note"]) == (wanted == "inconclusive")


def test_ratio_of_a_value_that_is_not_positive_is_not_run(two_arms, verdict):
    found = verdict(two_arms([1.0, -1.0, 2.0], [1.0, 1.0, 1.0]), claim("ratio", {"above": 1.0}, **operands()))
    assert found["verdict"] == "not_run"
    assert "1 of 3 seeds" in found["note"]


@pytest.mark.parametrize(
    ("mean", "wanted", "p"), [(1, "supported", 0), (0, "inconclusive", 1), (-1, "contradicted", 0)]
)
def test_no_variance(two_arms, verdict, mean, wanted, p):
    found = verdict(two_arms([2 + mean] * 3, [2.0] * 3), claim("difference", {"above": 0.0}, **operands()))
    assert found[["verdict", "estimate", "low", "high", "p_value"]].tolist() == [wanted, mean, mean, mean, p]
    on_it = "Every seed lies on the threshold itself. " if mean == 0 else ""
    assert found["note"] == f"{on_it}All seeds give the same value, so the t test does not apply."


def sweep(helpers, orders):
    """A group over batch sizes 8, 16, 32, 64; orders: one permutation per seed."""
    sizes = (8, 16, 32, 64)
    return helpers.group("g", "batch_size", {s: {ERROR: [o[i] for o in orders]} for i, s in enumerate(sizes)})


@pytest.mark.parametrize(
    ("gap", "wanted"), [(0.5, "supported"), (2.0, "contradicted"), (1.0, "inconclusive")]
)
def test_curve_gap(helpers, verdict, gap, wanted):
    seeds = np.array([-0.1, 0.1, 0.0])
    # far apart before a quarter of the run; then, where b is evaluated too, `gap` apart on average
    apart = {2: gap + 0.2, 4: -gap, 6: gap, 8: gap - 0.2}
    a = {float(e): 50 if e < 2 else 10 + apart.get(e, 99) + seeds for e in range(9)}
    a = {e: np.broadcast_to(values, 3) for e, values in a.items()}
    b = {float(e): np.full(3, 10.0) for e in range(0, 9, 2)}
    rows = pd.concat([helpers.arm("a", {ERROR: a}), helpers.arm("b", {ERROR: b})])
    found = verdict(rows, claim("curve_gap", {"below": 1.0}, a="a", b="b", after=0.25))
    assert found["verdict"] == wanted
    assert found["estimate"] == pytest.approx(gap)


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        ({"after": 0.1, "before": 0.3}, 3, 9),  # both ends belong to it; 0.1 * 30 is above 3 by rounding
        ({"after": 0.11, "before": 0.29}, 4, 8),
        ({"after": 0.9}, 27, 30),
        ({"after": 0.0, "before": 0.01}, 0, 0),
    ],
)
def test_curve_gap_over_a_window(helpers, verdict, window, first, last):
    a = {float(e): 1 + e + NOISE - NOISE.mean() for e in range(31)}
    b = {float(e): np.zeros(5) for e in range(41)}
    rows = pd.concat([helpers.arm("a", {ERROR: a}), helpers.arm("b", {ERROR: b})])
    found = verdict(rows, claim("curve_gap", {"above": 0.5}, a="a", b="b", **window))
    epochs = np.arange(first, last + 1)
    assert found["estimate"] == pytest.approx((1 + epochs).mean())
    assert found["verdict"] == "supported"


@pytest.mark.parametrize(
    ("kind", "window", "wanted"),
    [
        ("curve_gap", {"after": 0.5, "before": 0.5}, "after below before = 0.5; got 0.5"),
        ("curve_gap", {"after": 0.6, "before": 0.5}, "after below before = 0.5; got 0.6"),
        ("curve_gap", {"after": 1.0, "before": 1.0}, "after below before = 1; got 1"),
        ("slope", {"low_at": 2.0, "high_at": 2.0}, "low_at below high_at = 2; got 2"),
    ],
)
def test_a_window_has_to_end_after_it_starts(kind, window, wanted):
    arms = {"arm": "a"} if kind == "slope" else {"a": "a", "b": "b"}
    with pytest.raises(ValidationError, match=wanted):
        TypeAdapter(Claim).validate_python(claim(kind, {"above": 0.0}, **arms, **window))


def test_a_window_without_an_epoch_is_not_run(helpers, verdict):
    rows = helpers.arm("a", {ERROR: {float(e): NOISE for e in range(4)}})
    found = verdict(rows, claim("curve_gap", {"above": 0.0}, a="a", b="a", after=0.4, before=0.5))
    assert found["verdict"] == "not_run"
    assert "lack epochs 1.2 to 1.5 at which both a and a were evaluated" in found["note"]


@pytest.mark.parametrize(("centre", "wanted"), [(3.0, "supported"), (1.0, "contradicted")])
def test_level(helpers, verdict, centre, wanted):
    rows = helpers.arm("a", {"path_rise_behind_nats": centre + NOISE, "diverged": [0, 0, 0, 0, 0]})
    found = verdict(rows, claim("level", {"above": 2.0}, metric="path_rise_behind_nats", a={"arm": "a"}))
    interval = stats.ttest_1samp(centre + NOISE, 2.0).confidence_interval(0.95)
    assert found["verdict"] == wanted
    assert found[["n", "estimate", "low", "high"]].tolist() == pytest.approx(
        [5, centre, interval.low, interval.high]
    )


def test_level_at_a_training_loss_leaves_out_seeds_that_never_reach_it(helpers, verdict):
    loss = {0.0: [1.0, 1.0, 1.0], 1.0: [0.01, 0.01, 0.5]}
    rows = helpers.arm("a", {"train_loss_nats": loss, ERROR: {0.0: [9, 7, 5], 1.0: [5, 1, 1]}})
    asked = claim("level", {"above": 0.0}, a={"arm": "a", "at": {"train_loss_nats": 0.1}})
    found = verdict(rows, asked)
    assert (found["n"], found["estimate"]) == (2, pytest.approx((7 + 4) / 2))
    assert "1 seeds without a finite value in every arm are left out" in found["note"]
    both = claim("difference", {"above": 0.0}, a=asked["a"], b=asked["a"])
    assert "1 seeds without a finite value" in verdict(rows, both)["note"]


def powers(helpers, exponents, positions=(1, 2, 4, 8, 16), metric="gradient_variance"):
    """A profile that is 3 * at ** exponent of each seed."""
    profile = {float(at): [3.0 * at**e for e in exponents] for at in positions}
    return helpers.arm("a", {metric: profile})


@pytest.mark.parametrize(
    ("expect", "wanted"),
    [
        ({"within": [-1.3, -0.7]}, "supported"),
        ({"above": 0.0}, "contradicted"),
        ({"below": -1}, "inconclusive"),
    ],
)
def test_slope_is_the_exponent(helpers, verdict, expect, wanted):
    rows = powers(helpers, -1 + NOISE)
    found = verdict(rows, claim("slope", expect, metric="gradient_variance", arm="a"))
    interval = stats.ttest_1samp(-1 + NOISE, 0).confidence_interval(0.95)
    assert found["verdict"] == wanted
    assert found[["estimate", "low", "high"]].tolist() == pytest.approx([-1, interval.low, interval.high])


def test_slope_is_scipys_between_its_positions(helpers, verdict):
    rng = np.random.default_rng(0)
    at = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
    values = np.exp(rng.normal(size=(5, 4)))
    rows = helpers.arm("a", {"gradient_variance": dict(zip(at, values, strict=True))})
    asked = claim("slope", {"above": 9.0}, metric="gradient_variance", arm="a", low_at=0.2, high_at=0.8)
    slopes = [stats.linregress(np.log(at[1:4]), np.log(seed)).slope for seed in values[1:4].T]
    assert verdict(rows, asked)["estimate"] == pytest.approx(np.mean(slopes))


def test_slope_leaves_out_a_seed_that_lacks_a_position(helpers, verdict):
    rows = powers(helpers, [1.0, 1.1, 1.2])
    rows = rows[~((rows["seed"] == 2) & (rows["at"] == 4))]
    found = verdict(rows, claim("slope", {"above": 0.0}, metric="gradient_variance", arm="a"))
    assert (found["n"], found["estimate"]) == (2, pytest.approx(1.05))
    assert "1 seeds without a finite value" in found["note"]


@pytest.mark.parametrize(
    ("change", "positions", "note"),
    [
        ({"low_at": 8.0, "high_at": 9.0}, (1, 2, 4, 8), "at least 2 positions of gradient_variance; got 1."),
        ({"low_at": 20.0}, (1, 2, 4, 8), "at least 2 positions of gradient_variance; got 0."),
        ({}, (0, 1, 2), "positions above 0; got 0."),
    ],
)
def test_a_slope_that_is_not_there_is_not_run(helpers, verdict, change, positions, note):
    asked = claim("slope", {"above": 0.0}, metric="gradient_variance", arm="a", **change)
    found = verdict(powers(helpers, [1.0, 1.1], positions), asked)
    assert (found["verdict"], found["note"]) == ("not_run", f"A slope wants {note}")


def test_a_slope_has_no_logarithm_of_nought(helpers, verdict):
    rows = powers(helpers, [1.0, 1.1, 1.2])
    rows.loc[rows["seed"] == 1, "value"] = 0.0
    found = verdict(rows, claim("slope", {"above": 0.0}, metric="gradient_variance", arm="a"))
    assert "in 1 of 3 seeds, which have a value of 0 or below" in found["note"]


def test_ratio_of_an_arm_and_a_path_at_positions(helpers, verdict):
    line = helpers.arm("line", {"path_loss_nats": {0.5: 2 * np.exp(NOISE), 1.0: np.full(5, 9.0)}})
    arm = helpers.arm("a", {"sam_sharpness_nats": {0.05: np.ones(5), 0.1: np.full(5, 7.0)}})
    asked = claim(
        "ratio",
        {"within": [1.5, 3.0]},
        metric="path_loss_nats",
        a={"arm": "line", "at": {"value": 0.5}},
        b={"arm": "a", "at": {"value": 0.05}, "metric": "sam_sharpness_nats"},
    )
    found = verdict(pd.concat([line, arm]), asked)
    assert (found["verdict"], found["estimate"]) == ("supported", pytest.approx(2.0))


def rates(helpers, group, best, seeds=6):
    """A group over rates 1/4 ... 4; each seed's error is lowest at its best rate."""
    bests = np.resize(best, seeds)
    grid = [0.25, 0.5, 1.0, 2.0, 4.0]
    return helpers.group(group, "lr", {r: {ERROR: np.abs(np.log2(r) - np.log2(bests))} for r in grid})


@pytest.mark.parametrize(
    ("a", "b", "wanted", "estimate"),
    [
        ([1.0], [1.0], "supported", 0.0),
        ([2.0, 1.0, 1.0], [1.0], "supported", 1 / 3),
        ([4.0, 4.0, 2.0], [1.0, 0.5, 0.5], "contradicted", 7 / 3),
        ([2.0], [1.0], "inconclusive", 1.0),
        ([4.0, 0.25], [1.0], "inconclusive", 0.0),
    ],
)
def test_best_setting(helpers, verdict, a, b, wanted, estimate):
    rows = pd.concat([rates(helpers, "a", a), rates(helpers, "b", b)])
    found = verdict(rows, claim("best_setting", {"within": [-1.0, 1.0]}, a="a", b="b", setting="lr"))
    assert found["verdict"] == wanted
    assert found["estimate"] == pytest.approx(estimate)
    at_edge = sum(value in (0.25, 4.0) for value in np.resize(a, 6))
    assert f"edge of the grid in {at_edge} of 6 seeds of a" in found["note"]
    assert found["expect"] == "within [-1, 1]"


def descents(helpers, arm, reached_at, seeds=6, epochs=10):
    """Error 20 until the epoch a seed reaches 1; 8 updates per epoch. None: never."""
    at = np.array([np.inf if e is None else e for e in np.resize(reached_at, seeds)])
    error = {float(e): np.where(e >= at, 1.0, 20.0) for e in range(epochs + 1)}
    updates = {float(e): np.full(seeds, 8.0 * e) for e in range(epochs + 1)}
    return helpers.arm(arm, {ERROR: error, "updates": updates})


@pytest.mark.parametrize(
    ("a", "b", "expect", "wanted", "estimate", "note"),
    [
        ([2], [4], {"below": 1.0}, "supported", 0.5, ""),
        ([4], [2], {"below": 1.0}, "contradicted", 2.0, ""),
        ([2, 4, 3], [4, 2, 3], {"below": 1.0}, "inconclusive", 1.0, ""),
        ([0], [1], {"below": 1.0}, "supported", 1 / 8, ""),  # met before training: counts as one update
        ([2], [None], {"below": 1.0}, "supported", 0.2, "6 of 6 seeds of b never reached 5"),
        ([None], [None], {"below": 1.0}, "not_run", np.nan, "No seed of a or b reached 5"),
        ([2], [4], {"within": [0.4, 0.6]}, "supported", 0.5, ""),
        # half of the seeds may lie beyond any bound
        ([2, None], [4], {"within": [1e-3, 1e3]}, "inconclusive", (1 / 2 * 10 / 4) ** 0.5, "of a never"),
    ],
)
def test_updates_to_target(helpers, verdict, a, b, expect, wanted, estimate, note):
    rows = pd.concat([descents(helpers, "a", a), descents(helpers, "b", b)])
    found = verdict(rows, claim("updates_to_target", expect, a="a", b="b", target=5.0))
    assert found["verdict"] == wanted
    assert found["estimate"] == pytest.approx(estimate, nan_ok=True)
    assert note in found["note"] and ("reached 5" in found["note"]) == bool(note)


def test_a_lower_bound_does_not_support_what_it_flatters(helpers, verdict):
    # a stops after 2 epochs without reaching the target: its 16 updates are no result
    rows = pd.concat([descents(helpers, "a", [None], epochs=2), descents(helpers, "b", [4])])
    found = verdict(rows, claim("updates_to_target", {"below": 1.0}, a="a", b="b", target=5.0))
    assert found["verdict"] == "inconclusive"
    assert "bound" in found["note"]


def test_one_seed_that_never_arrives_does_not_undo_many_that_do(helpers, verdict):
    rows = pd.concat([descents(helpers, "a", [2] * 9 + [None], 10), descents(helpers, "b", [8], 10)])
    found = verdict(rows, claim("updates_to_target", {"below": 1.0}, a="a", b="b", target=5.0))
    assert found["verdict"] == "supported"
    assert "1 of 10 seeds of a never reached 5" in found["note"]


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
    rows = descents(helpers, "a", [2])
    found = verdict(rows, claim(kind, {"above": 1.0}, **ABSENT[kind], deviation="Another data set."))
    assert found["verdict"] == "not_run"
    assert found["note"] == "The observations lack arm absent. Another data set."
    assert found[["n", "estimate", "low", "high", "p_value", "p_adjusted", "detectable"]].isna().all()


def test_a_claim_that_is_left_out_is_not_run_and_says_why(two_arms, verdict):
    b = np.array([3.0, 5.0, 2.0])
    left_out = claim("difference", {"above": 0.0}, **operands(), not_run="Too rarely.", deviation="Digits.")
    found = verdict(two_arms(b + 1, b), left_out)
    assert (found["verdict"], found["note"]) == ("not_run", "Too rarely. Digits.")


def test_a_missing_metric_is_not_run(two_arms, verdict):
    asked = claim("ratio", {"above": 1}, metric="hessian_trace", **operands())
    found = verdict(two_arms([1, 2], [1, 2]), asked)
    note = "The observations lack metric hessian_trace of arm a."
    assert (found["verdict"], found["note"]) == ("not_run", note)


def test_one_seed_is_not_run(two_arms, verdict):
    found = verdict(two_arms([1.0], [2.0]), claim("difference", {"above": 0}, **operands()))
    assert (found["verdict"], found["n"]) == ("not_run", 1)


def test_remarks_on_seeds(helpers, verdict):
    a = helpers.arm("a", {ERROR: [1, 2, 3], "diverged": [0, 1, 1]})
    b = helpers.arm("b", {ERROR: [0, 1, None], "diverged": [0, 0, 0]})
    found = verdict(pd.concat([a, b]), claim("difference", {"above": 0}, **operands()))
    assert "2 of 3 seeds of a diverged" in found["note"]
    assert "1 seeds without a finite value" in found["note"]
    assert found["n"] == 2


def test_a_claim_is_judged_alone_whatever_stands_beside_it(two_arms, verdict):
    rows = two_arms(0.15 + NOISE, np.zeros(5))
    asked = claim("difference", {"above": -0.1}, **operands())
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
    found = verdict(two_arms(a, b), claim(kind, {"within": within}, **operands()))
    assert found["verdict"] == wanted
    distance = np.log(found["detectable"]) if kind == "ratio" else found["detectable"]
    shift = distance / NOISE.std(ddof=1) * np.sqrt(5)
    assert stats.nct.sf(stats.t.ppf(0.975, 4), 4, shift) == pytest.approx(0.8)
    assert found["detectable_as"] == {"ratio": "factor", "difference": "distance"}[kind]


def test_without_variance_there_is_no_power_to_speak_of(two_arms, verdict):
    found = verdict(two_arms([2.0] * 3, [1.0] * 3), claim("difference", {"above": 0.0}, **operands()))
    assert np.isnan(found["detectable"])
    # equal to rounding only: neither above the threshold nor certainly on it
    found = verdict(two_arms([0.3] * 3, [0.0] * 3), claim("difference", {"below": 0.1 + 0.2}, **operands()))
    assert (found["verdict"], found["p_value"]) == ("inconclusive", 1.0)
    assert found["note"].startswith("Every seed lies on the threshold itself.")


def test_the_file_has_exactly_these_columns_and_the_same_bytes_twice(two_arms, verdict, tmp_path):
    asked = claim("difference", {"above": 0}, **operands())
    contents = []
    for _ in range(2):
        verdict(two_arms([1.0, 2.0], [0.0, 0.5]), asked)
        contents.append((tmp_path / "judged.csv").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].decode().splitlines()[0] == ",".join(COLUMNS)


def test_a_ratio_beyond_all_numbers_is_infinite(two_arms, verdict):
    found = verdict(two_arms([1e-300, 1e300], [1.0, 1.0]), claim("ratio", {"above": 1.0}, **operands()))
    assert (found["verdict"], found["high"]) == ("inconclusive", np.inf)


def test_bad_inputs(two_arms, write_table, tmp_path):
    table = write_table(two_arms([1.0, 2.0], [0.0, 0.5]))
    with pytest.raises(ValidationError):
        judge({"experiment": "e", "claims": [claim("guess", {"above": 0})]}, table, tmp_path / "c.csv")
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
    found = verdict(rows, claim("ratio", {"below": 2.0}, metric="update_seconds", **sides))
    assert found["verdict"] == wanted
    assert ("rounds" in found["note"]) == (wanted == "not_run")


def test_a_time_by_itself_is_not_judged(helpers, verdict):
    rows = helpers.arm("a", {"update_seconds": {1.0: [1.0, 1.1]}, "time_spread": {1.0: [1.0, 1.0]}})
    side = {"arm": "a", "at": {"value": 1}}
    found = verdict(rows, claim("level", {"below": 2.0}, metric="update_seconds", a=side))
    assert found["verdict"] == "not_run" and "ratios" in found["note"]


@pytest.mark.parametrize(("last", "wanted"), [(2.0, "holds"), (2.1, "broken")])
def test_an_identity_holds_if_every_seed_lies_within_its_bounds(helpers, verdict, last, wanted):
    """A mean far inside the bounds does not save one seed outside; no test is made of it."""
    rows = helpers.arm("a", {ERROR: [1.0, 1.0, 1.0, 1.0, last]})
    asked = claim("level", {"within": [1.0, 2.0]}, a={"arm": "a"}, tier="identity", paper_value=1.0)
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
    found = verdict(rows, claim("ratio", {"above": 1.0}, **operands(), paper_value=2.25, **more))
    assert found["replication"] == wanted


def test_a_claim_on_an_arm_that_wholly_diverged_says_so(helpers, verdict):
    """It is data, not a gap: what is lacking has a reason."""
    arms = {
        "a": {"updates": {0.0: [0, 0, 0]}, "diverged": [1.0] * 3},
        "b": {"updates": {0.0: [0, 0, 0]}, "diverged": [0.0] * 3, ERROR: [1.0, 2.0, 3.0]},
    }
    rows = pd.concat([helpers.arm(name, metrics) for name, metrics in arms.items()])
    found = verdict(rows, claim("difference", {"above": 0.0}, **operands()))
    assert found["verdict"] == "not_run"
    assert found["note"] == f"The observations lack metric {ERROR} of arm a, of which all 3 seeds diverged."
