"""Where a seed's run ends before the arm's last epoch: at its goal, or where its loss ceases to improve.

losses: (epoch, what it trains on) at each evaluation; errors: part -> (updates, what the goal is of) at each.
"""

from collections.abc import Iterator

from largebatch.config.images import GOAL_PARTS
from largebatch.config.spec import Arm
from largebatch.files import Observation

Losses = list[tuple[int, float]]
Errors = dict[str, list[tuple[int, float]]]


def falls_to(level: float | None, losses: Losses, loss: float) -> bool:
    """Whether the loss is the first at or below the level."""
    return level is not None and loss <= level and all(before > level for _, before in losses)


def ceased(arm: Arm, losses: Losses, errors: Errors) -> bool:
    """Whether a seed has got to its goal, or its loss ceased to improve by the arm's stopping rule."""
    if arm.goal and all(updates_to(arm.goal.level, errors[part]) for part in GOAL_PARTS):
        return True
    if arm.stop is None:
        return False
    epoch, _ = losses[-1]
    if len(losses) > 1 and all(0 <= loss <= arm.stop.floor_nats for _, loss in losses[-2:]):
        return True
    before = [value for at, value in losses if at <= epoch - arm.stop.patience_epochs]
    if not before:
        return False
    best = min(before)
    least = (1 - arm.stop.tolerance if best > 0 else 1 + arm.stop.tolerance) * best
    return min(v for _, v in losses) > least


def updates_to(goal: float, errors: list[tuple[int, float]]) -> float | None:
    """Updates until the error first is at or below the goal, linear between evaluations; None if it never is.

    errors: (updates, error). At least 1: what is counted in updates is looked at on a logarithmic scale.
    """
    first = next((i for i, (_, error) in enumerate(errors) if error <= goal), None)
    if first is None:
        return None
    if first == 0:
        return 1.0
    (before, above), (after, below) = errors[first - 1 : first + 1]
    return max(1.0, before + (after - before) * (above - goal) / (above - below))


def goal_rows(arm: Arm, seed: int, errors: Errors) -> Iterator[Observation]:
    """Updates, and of the test part examples, until each goal that the seed has reached."""
    for part in GOAL_PARTS if arm.goal else ():
        updates = updates_to(arm.goal.level, errors.get(part, []))
        if updates is not None:
            yield Observation(seed, f"updates_to_{part}_goal", None, updates)
            if part == "test":
                yield Observation(seed, "examples_to_test_goal", None, updates * arm.batch_size)
