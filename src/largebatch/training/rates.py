"""The learning rate and the batch size of an arm at every point of its run."""

from largebatch.config.spec import Arm
from largebatch.training import schedules


class Rates:
    """An arm's rate rule, warm-up and schedule together."""

    def __init__(self, arm: Arm):
        self.arm, self.options = arm, arm.schedule_options()

    def rate(self, epoch: float) -> float:
        """Learning rate at a point of the run, in epochs."""
        arm = self.arm
        rate = arm.peak_lr * schedules.SCHEDULES[arm.schedule.name](epoch / arm.epochs, **self.options)
        if arm.warmup:
            start = arm.warmup.start if arm.warmup.start is not None else min(1.0, arm.lr / arm.peak_lr)
            rate *= schedules.warmup(epoch, arm.warmup.kind, arm.warmup_ends_at_epoch(), start)
        return rate

    def batch_size(self, epoch: int) -> int:
        """Examples per update in this epoch."""
        size_at = schedules.BATCH_SIZES.get(self.arm.schedule.name)
        return size_at(epoch / self.arm.epochs, **self.options) if size_at else self.arm.batch_size

    def batches_in(self, epoch: int) -> int:
        """Batches in this epoch."""
        return self.arm.batches_of(self.batch_size(epoch))
