"""The same function at other weights: layers of a ReLU net rescaled against each other (Dinh et al. 2017)."""

from collections.abc import Iterator
from copy import deepcopy

import torch

from largebatch.config.flatness import Rescaling
from largebatch.files import Observation
from largebatch.measures import curvature, sharpness
from largebatch.measures.landscape import Landscape
from largebatch.measures.nets import Nets
from largebatch.nets.layers import Stacked, StackedLinear
from largebatch.nets.stack import StackedSequential
from largebatch.nets.weightless import StackedFlatten, StackedReLU

# Gradients of each ascent to a rescaled net's adaptive sharpness.
STEPS = 20
ALLOWED = (StackedFlatten, StackedLinear, StackedReLU)


@torch.no_grad()
def rescaled(model: Stacked, alpha: float) -> Stacked:
    """A copy with the first linear layer multiplied by alpha and the next one's weight divided by it.

    relu(alpha x) = alpha relu(x) for alpha > 0, so the function stays. Dinh et al. 2017, section 3.
    """
    if alpha <= 0:
        raise ValueError(f"rescaling: alpha above 0; got {alpha}")
    changed = deepcopy(model)
    first, second = scalable_pair(changed)
    first.weight.mul_(alpha)
    if first.bias is not None:
        first.bias.mul_(alpha)
    second.weight.div_(alpha)
    return changed


def scalable_pair(model: Stacked) -> tuple[StackedLinear, StackedLinear]:
    """The first two linear layers of a sequence with nothing but ReLU and flattening around them."""
    layers = model.layers if isinstance(model, StackedSequential) else (model,)
    linear = [layer for layer in layers if isinstance(layer, StackedLinear)]
    others = sorted({type(layer).__name__ for layer in layers if not isinstance(layer, ALLOWED)})
    if others or len(linear) < 2:
        raise ValueError(
            "rescaling: wanted a sequence of at least two StackedLinear with StackedReLU and "
            f"StackedFlatten; got {len(linear)} StackedLinear and {others}"
        )
    return linear[0], linear[1]


def measure_rescaling(nets: Nets, settings: Rescaling) -> Iterator[Observation]:
    """Measures of sharpness of the same function at rescaled weights."""
    images, labels = nets.examples(settings.examples)
    images = images.double()
    model = nets.stacked().double()
    with torch.no_grad():
        logits = model(images)
    for factor in settings.alpha:
        twin = rescaled(model, factor)
        landscape = Landscape(twin, images, labels, nets.arm.loss)
        with torch.no_grad():
            change = (twin(images) - logits).abs().amax((1, 2))
        found = curvature.top(landscape, nets.streams("curvature"))
        top = nets.known(f"rescaled_top_eigenvalue at {factor:g}", found)[:, 0]
        box = sharpness.keskar(landscape, settings.epsilon, nets.streams("sharpness"))
        ball = sharpness.adaptive(landscape, settings.rho, STEPS, nets.streams("sharpness"))
        yield from nets.rows("rescaled_logit_change", factor, change)
        yield from nets.rows("rescaled_top_eigenvalue", factor, top)
        yield from nets.rows("rescaled_sharpness_percent", factor, box)
        yield from nets.rows("rescaled_adaptive_sharpness_nats", factor, ball)
