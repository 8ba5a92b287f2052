"""The least that a mean loss can be, where a closed form knows it."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from largebatch.config.measures import Excess
from largebatch.files import Observation
from largebatch.measures.nets import Nets
from largebatch.training.losses import as_numbers, squared_error


def least_squared_error(images: torch.Tensor, labels: torch.Tensor, outputs: int) -> torch.Tensor:
    """Mean squared error of the best linear net with a bias; images (s, n, ...), labels or targets -> (s,).

    Least squares in float64. The driver copes with pixels that never vary (a rank below their number);
    it exists on the CPU only.
    """
    inputs = images.flatten(2).double().cpu()  # (s, n, pixels)
    inputs = F.pad(inputs, (0, 1), value=1.0)  # (s, n, pixels + 1): a column for the bias
    labels = labels.cpu()
    targets = as_numbers(labels, outputs).to(inputs)  # (s, n, k)
    weights = torch.linalg.lstsq(inputs, targets, driver="gelsd").solution
    return squared_error(inputs @ weights, labels).mean(1)


def measure_excess(nets: Nets, settings: Excess) -> Iterator[Observation]:
    """Mean squared error of a linear net above the least that any such net has."""
    model, loss = nets.arm.model, nets.arm.loss
    if loss != "squared_error" or model.name != "mlp" or model.hidden:
        wanted = "wanted loss: squared_error and a net that is linear (mlp with hidden: [])"
        raise ValueError(f"excess: {wanted}; got {loss} and {model.name} with {model.chosen()}")
    landscape = nets.landscape(settings.examples, torch.float64)
    images, labels = nets.examples(settings.examples)
    least = least_squared_error(images.double(), labels, nets.dataset.outputs)
    yield from nets.rows("excess_squared_error", None, landscape.loss(landscape.weights).cpu() - least)
