"""The loss between two minima, as passed to the page."""

import numpy as np
import pytest

from largebatch.page.page_line import measured_line, shifts
from tests.shared.tables import line_rows

AT = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
PATHS = [{"label": "Adam", "path": "between", "small": 4, "large": 102}]


def test_losses_are_those_of_the_mean_and_of_each_seed(write_table):
    path = write_table(line_rows({at: [at * at, 3 * at * at] for at in AT}))
    found = measured_line(PATHS, path)
    assert found["at"] == AT
    (one,) = found["paths"]
    assert (one["label"], one["small"], one["large"]) == ("Adam", 4, 102)
    assert [losses["whose"] for losses in one["losses"]] == ["the mean of 2 seeds", "seed 0", "seed 1"]
    assert [losses["distance"] for losses in one["losses"]] == [4.0, 3.0, 5.0]
    for losses, factor in zip(one["losses"], [2, 1, 3], strict=True):
        assert losses["train"] == [factor * at * at for at in AT]
        assert losses["test"] == [1.0] * len(AT)


def test_a_seed_that_lacks_a_position_is_left_out_of_the_mean_too(write_table):
    train = {at: [1.0, 3.0] for at in AT}
    train[1.5] = [1.0, np.inf]  # diverged there
    (one,) = measured_line(PATHS, write_table(line_rows(train)))["paths"]
    assert [losses["whose"] for losses in one["losses"]] == ["the mean of 1 seed", "seed 0"]
    assert one["losses"][0]["train"] == [1.0] * len(AT) and one["losses"][0]["distance"] == 3.0


def test_a_path_without_a_whole_seed_is_left_out_and_no_path_is_no_line(write_table):
    two = [*PATHS, {"label": "SGD", "path": "other", "small": 4, "large": 102}]
    whole = line_rows({at: [1.0, 1.0] for at in AT})
    train = {at: [1.0, 1.0] for at in AT}
    train[0.5], train[1.5] = [np.inf, 1.0], [1.0, np.inf]
    holes = line_rows(train, name="other")
    diverged = line_rows({at: [np.nan, np.nan] for at in AT}, name="other")
    shorter = line_rows({at: [1.0, 1.0] for at in AT[1:]}, name="other")
    for other in (holes, diverged, shorter):
        assert [path["label"] for path in measured_line(two, write_table(whole, other))["paths"]] == ["Adam"]
    for other in (holes, diverged):
        assert measured_line(two[1:], write_table(other)) is None
        assert measured_line(PATHS, write_table(other)) is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (AT, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        ([0.0, 1.0], [0.0]),
        ([-0.25, 0.0, 0.5, 1.0, 1.25], [0.0]),  # 0 + .25 was not measured
        ([*np.linspace(-1, 2, 31)], np.linspace(-1, 1, 21)),  # tenths, which floats only approximate
    ],
)
def test_both_minima_shifted_either_way_are_at_measured_positions(at, expected):
    assert shifts(np.array(at)) == pytest.approx(list(expected))


def test_the_page_begins_half_of_the_way_off(write_table):
    assert measured_line(PATHS, write_table(line_rows({at: [1.0, 2.0] for at in AT})))["shift"] == -0.5
