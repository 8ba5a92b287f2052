"""Where runs end, on losses and errors by hand; whole runs that end early are in test_train.py."""

import pytest

from largebatch.training.stopping import ceased, falls_to, goal_rows, updates_to
from tests.conftest import small_arm

GOAL = small_arm(goal={"error_percent": 10.0})
STOP = small_arm(stop={"patience_epochs": 2, "tolerance": 0.1, "floor_nats": 0.01})


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([1.0], False),
        ([1.0, 0.95, 0.91], True),  # less than a tenth better in two epochs
        ([1.0, 0.95, 0.89], False),
        ([1.0, 0.01], False),  # once at the floor
        ([1.0, 0.01, 0.005], True),  # twice in a row
    ],
)
def test_a_run_ends_where_its_loss_improves_no_more_or_is_at_the_floor(losses, stops):
    assert ceased(STOP, list(enumerate(losses)), {}) == stops


@pytest.mark.parametrize(
    ("losses", "stops"),
    [([-1.0, -1.05, -1.09], True), ([-1.0, -1.05, -1.11], False)],
)
def test_a_loss_below_zero_improves_by_a_share_of_its_size(losses, stops):
    arm = small_arm(stop={"patience_epochs": 2, "tolerance": 0.1})
    assert ceased(arm, list(enumerate(losses)), {}) == stops


def test_a_run_ends_where_both_parts_reach_the_goal():
    reached, missed = [(0, 20.0), (6, 8.0)], [(0, 20.0), (6, 11.0)]
    assert ceased(GOAL, [], {"validation": reached, "test": reached})
    assert not ceased(GOAL, [], {"validation": reached, "test": missed})


@pytest.mark.parametrize(
    ("errors", "updates"),
    [
        ([(0, 9.0)], 1.0),
        ([(0, 30.0), (8, 20.0), (16, 0.0)], 12.0),  # linear between the last two
        ([(0, 30.0), (8, 20.0)], None),
        ([], None),
    ],
)
def test_updates_are_read_where_the_error_passes_the_goal(errors, updates):
    assert updates_to(10.0, errors) == updates


def test_examples_are_counted_at_the_test_goal_only():
    rows = list(goal_rows(GOAL, 3, {"validation": [(0, 30.0)], "test": [(0, 20.0), (8, 0.0)]}))
    assert [(row.seed, row.metric, row.value) for row in rows] == [
        (3, "updates_to_test_goal", 4.0),
        (3, "examples_to_test_goal", 4.0 * GOAL.batch_size),
    ]
    assert list(goal_rows(small_arm(), 3, {"test": [(0, 0.0)]})) == []


def test_a_loss_falls_to_a_level_once():
    assert falls_to(0.5, [(0, 1.0)], 0.5)
    assert not falls_to(0.5, [(0, 1.0)], 0.6)
    assert not falls_to(0.5, [(0, 1.0), (1, 0.4)], 0.3)
    assert not falls_to(None, [(0, 1.0)], 0.1)
