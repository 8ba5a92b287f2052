import numpy as np
import pytest

from largebatch.report.forest import Axis, axis_of, marks


@pytest.fixture
def table(helpers, judged):
    def table(*rows):
        return judged(*(helpers.claim(f"T{i}", **row) for i, row in enumerate(rows)))

    return table


def test_everything_fits_where_nothing_lies_far_out(table):
    claims = table({"low": -1.0, "high": 2.0, "estimate": 0.5, "paper_value": 3.0}, {"low": 0.0, "high": 1.0})
    axis = axis_of(claims)
    assert axis.low < -1.0 and axis.high > 3.0 and not axis.log
    found = marks(claims.iloc[0], axis)
    low, high = found["interval"]
    places = [low, found["expected"][0], found["estimate"], high, found["paper"]]
    assert places == sorted(places) and found["beyond"] == ""
    # linear: 0.5 is the middle between -1 and 2
    assert found["estimate"] == pytest.approx(sum(found["interval"]) / 2, abs=0.1)


def test_ratios_lie_on_a_logarithmic_axis(table):
    row = {"unit": "ratio", "expect": "above 1", "low": 0.1, "high": 10.0, "estimate": 1.0}
    row["paper_value"] = None
    axis = axis_of(table(row))
    found = marks(table(row).iloc[0], axis)
    assert axis.log and found["estimate"] == found["expected"][0] == 50.0
    assert [label for _, label in axis.ticks()] == ["0.1", "1", "10"]


def test_one_effect_far_out_does_not_hide_the_others(table):
    near = [{"low": -0.5, "high": 0.5, "estimate": 0.0, "paper_value": None}] * 9
    claims = table(*near, {"low": 90.0, "high": 110.0, "estimate": 100.0, "paper_value": None})
    axis = axis_of(claims)
    assert axis.high < 90.0
    assert marks(claims.iloc[9], axis)["beyond"] == ">"
    assert marks(claims.iloc[0], axis)["beyond"] == ""


def test_an_interval_without_end_and_a_claim_that_was_not_run(table):
    claims = table(
        {"unit": "ratio", "expect": "above 1", "low": 0.5, "high": np.inf},
        {"unit": "ratio", "verdict": "not_run"},
    )
    axis = axis_of(claims)
    assert np.isfinite([axis.low, axis.high]).all()
    assert marks(claims.iloc[0], axis)["beyond"] == ">"
    assert marks(claims.iloc[1], axis)["interval"] is None


def test_claims_that_were_not_run_do_not_push_an_effect_off_the_axis(table):
    absent = {"verdict": "not_run", "low": None, "high": None, "estimate": None, "paper_value": None}
    claims = table({"low": 2.0, "high": 3.0, "estimate": 2.5, "paper_value": 2.8}, *[absent] * 9)
    axis = axis_of(claims)
    assert marks(claims.iloc[0], axis)["beyond"] == "" and axis.high > 3.0
    assert np.isfinite([axis_of(claims[1:]).low, axis_of(claims[1:]).high]).all()


def test_all_on_one_spot(table):
    axis = axis_of(table({"low": 0.0, "high": 0.0, "estimate": 0.0, "paper_value": None}))
    assert axis.low < 0.0 < axis.high and axis.at(0.0) == 50.0


@pytest.mark.parametrize(
    ("low", "high", "log", "labels"),
    [
        (-2.5, 1.0, False, ["−2", "−1", "0", "1"]),
        (-0.4, 3.9, False, ["0", "2"]),
        (-0.8, 2.4, True, ["1", "10", "100"]),
        (-0.8, 0.3, True, ["0.2", "0.5", "1"]),
        (-0.1, 0.1, True, ["0.8", "1", "1.2"]),
        (-9.0, 9.0, True, ["1e−09", "1e−05", "0.1", "1000", "1e+07"]),
    ],
)
def test_ticks_are_round_and_few(low, high, log, labels):
    found = Axis(low, high, log).ticks()
    assert [label for _, label in found] == labels
    assert all(0 <= place <= 100 for place, _ in found)
