"""The least that a mean loss can be, where a closed form knows it."""

import torch
import torch.nn.functional as F

from largebatch.training.losses import squared_error


def least_squared_error(images: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Mean squared error of the best linear net with a bias; images (s, n, ...), labels (s, n) -> (s,).

    Least squares in float64. The driver copes with pixels that never vary (a rank below their number);
    it is of the processor.
    """
    inputs = images.flatten(2).double().cpu()  # (s, n, pixels)
    inputs = F.pad(inputs, (0, 1), value=1.0)  # (s, n, pixels + 1): a column for the bias
    labels = labels.cpu()
    targets = F.one_hot(labels, classes).to(inputs)  # (s, n, classes)
    weights = torch.linalg.lstsq(inputs, targets, driver="gelsd").solution
    return squared_error(inputs @ weights, labels).mean(1)
