"""What is evaluated of a net's outputs on a part of the data: the loss, and scores by what its targets are.

Each way sums over blocks of examples first; a score is made of the sums. All in double precision.
"""

import torch

from largebatch.training.losses import cross_entropy, with_zero

Sums = dict[str, torch.Tensor]


def predicted(outputs: torch.Tensor) -> torch.Tensor:
    """The class of each example; outputs: (s, b, k), of which one alone is the logit of class 1; (s, b)."""
    # argmax over values that do not lie side by side is five times slower
    return (with_zero(outputs) if outputs.shape[2] == 1 else outputs).contiguous().argmax(2)


class OfClasses:
    """Cross-entropy in nats, errors and hits in percent; one output is the logit of class 1."""

    def each(self, outputs: torch.Tensor, labels: torch.Tensor) -> Sums:
        """Of outputs (s, b, k) and labels (s, b); (s, b) each."""
        logits = with_zero(outputs) if outputs.shape[2] == 1 else outputs
        return {"loss_nats": cross_entropy(logits, labels), "wrong": predicted(outputs) != labels}

    def of(self, sums: Sums, examples: int) -> Sums:
        """(s,) each."""
        error = 100.0 * sums.pop("wrong") / examples
        means = {name: total / examples for name, total in sums.items()}
        return means | {"error_percent": error, "accuracy_percent": 100.0 - error}


class OfNumbers:
    """Root mean squared error, mean absolute error and R², each of every target, then their mean.

    targets: (s, n, k) of the whole part; spread: (s, k), what they were divided by: both errors are in the
    units in which the data set has its targets. Where a target does not vary, R² is 1 without error, else 0,
    as in scikit-learn.
    """

    def __init__(self, targets: torch.Tensor, spread: torch.Tensor):
        self.spread, targets = spread.double(), targets.double()
        self.varying = (targets - targets.mean(1, keepdim=True)).square().sum(1)
        self.varies = targets.amax(1) > targets.amin(1)

    def each(self, outputs: torch.Tensor, targets: torch.Tensor) -> Sums:
        """Of outputs and targets (s, b, k); (s, b, k) each."""
        residual = outputs.double() - targets.double()
        return {"squares": residual.square(), "distances": residual.abs()}

    def of(self, sums: Sums, examples: int) -> Sums:
        """(s,) each."""
        squares, distances = sums.pop("squares"), sums.pop("distances")
        r_squared = torch.where(self.varies, 1 - squares / self.varying, (squares == 0).double())
        by_target = {
            "rmse": (squares / examples).sqrt() * self.spread,
            "mae": distances / examples * self.spread,
            "r_squared": r_squared,
        }
        means = {name: total / examples for name, total in sums.items()}
        return means | {name: values.mean(1) for name, values in by_target.items()}
