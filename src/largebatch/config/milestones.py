"""Where a schedule steps, in whole updates, and what a batch has grown to by then."""

import math


def nearest_update(epoch: float, updates_per_epoch: int) -> float:
    """The update nearest to a point of the run, both in epochs; of two as near, the later."""
    updates = math.floor(epoch * updates_per_epoch + 0.5)
    # As the engine counts: a quotient of all updates could differ from this sum in its last bit.
    return updates // updates_per_epoch + updates % updates_per_epoch / updates_per_epoch


def grown_size(batch_size: int, factor: float, stages: int, most: int) -> int:
    """Examples per update after so many growths of the batch."""
    return min(round(batch_size * factor**stages), most)
