"""The gradients that an arm trains by, of all seeds together: micro-batches and mitigations included.

Everywhere `size` is what the loss summed over a batch is divided by: a short last batch counts by its share.
A worker has a share of the batch; what it gets is the gradient of the whole.
"""

import torch

from largebatch.config.losses import facts_of
from largebatch.config.spec import Arm
from largebatch.nets.layers import Stacked
from largebatch.training import mitigations
from largebatch.training.losses import loss_of
from largebatch.training.optimise import Collected, Sink
from largebatch.training.team import ALONE, Team


class Gradients:
    """Gradients of an arm's loss by the weights of a stacked model, wherever these stand."""

    def __init__(self, arm: Arm, model: Stacked, outputs: int, team: Team = ALONE):
        self.arm, self.model, self.outputs, self.team = arm, model, outputs, team
        self.weights = list(model.parameters())
        self.loss = loss_of(arm.loss)
        self.loss_options = {"smoothing": arm.label_smoothing} if arm.label_smoothing else {}
        # Numbers of the weights that the last gradient was not by: torch.optim leaves them as they are, too.
        self.untouched: set[int] = set()

    def of_batch(self, images: torch.Tensor, labels: torch.Tensor, size: int) -> list[torch.Tensor]:
        """What the arm takes for a batch's gradient, by each weight; some want a second one, from uphill."""
        gradients = self.over_micro_batches(images, labels, size)
        sam, penalty = self.arm.sharpness_aware, self.arm.gradient_penalty
        if sam is None and penalty is None:
            return gradients
        way = mitigations.ascent(gradients, sam.rho if sam else penalty.step)
        with mitigations.moved(self.weights, way):
            uphill = self.over_micro_batches(images, labels, size)
        if sam:
            return uphill
        # Both gradients of a short batch have its share as a factor, and the penalty multiplies the two.
        strength = penalty.strength * size / sum(self.team.gathered(images.shape[1]))
        mitigations.add_penalty(gradients, uphill, strength, penalty.step)
        return gradients

    def over_micro_batches(self, images: torch.Tensor, labels: torch.Tensor, size: int) -> list[torch.Tensor]:
        """The gradient of a batch at the weights as they stand, summed over its micro-batches and workers."""
        micro = self.arm.micro_batch_size or images.shape[1]
        for part, part_labels in zip(images.split(micro, 1), labels.split(micro, 1), strict=True):
            self._accumulate(part, part_labels, size)
        gradients = [w.grad for w in self.weights]
        self.untouched = {i for i, g in enumerate(gradients) if g is None}
        for i in self.untouched:
            gradients[i] = torch.zeros_like(self.weights[i])
        for w in self.weights:
            w.grad = None
        return self.team.summed(gradients)

    def _accumulate(self, images: torch.Tensor, labels: torch.Tensor, size: int) -> None:
        """Add a micro-batch's gradient to .grad, its adversarial examples' included."""
        adversarial = self.arm.adversarial
        if adversarial is None:
            self.give(images, labels, size, Collected())
            return
        by_image = self.give(images, labels, size, Collected(1 - adversarial.share), to_input=True)
        moved = mitigations.fast_gradient_sign(images, by_image, adversarial.size)
        self.give(moved, labels, size, Collected(adversarial.share))

    def give(
        self, images: torch.Tensor, labels: torch.Tensor, size: int, sink: Sink, to_input: bool = False
    ) -> torch.Tensor | None:
        """Hand the sink the gradient by each weight, one pass; return that by the images, if asked."""
        outputs = self.require_outputs(self.model.push(images, to_input))
        gradient = self.loss.gradient(outputs, labels, **self.loss_options).div_(size)
        return self.model.pull(gradient, sink)

    def require_outputs(self, outputs: torch.Tensor) -> torch.Tensor:
        """The same (s, b, outputs), if they are."""
        if outputs.ndim != 3 or outputs.shape[2] != self.outputs:
            each = {"classes": "class", "numbers": "number of a target"}[self.arm.data.targets]
            each = "example" if facts_of(self.arm.loss).one_output else each
            raise ValueError(
                f"model {self.arm.model.name}: wanted outputs (b, {self.outputs}), one per {each}; "
                f"got {('b', *outputs.shape[2:])}"
            )
        return outputs
