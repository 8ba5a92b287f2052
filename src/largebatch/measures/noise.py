"""How noisy mini-batch gradients are, with a finite training set as the whole population.

G is the gradient of the mean loss over the set, Σ the covariance of the gradients of single examples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from largebatch.config.measures import Noise as Settings
from largebatch.files import Observation
from largebatch.measures.gradient_norms import has_norms, summed_squares
from largebatch.measures.landscape import Landscape
from largebatch.measures.nets import Nets


@dataclass
class Noise:
    """variance: tr Σ, squared_norm: |G|²; both (s,) in double precision."""

    variance: torch.Tensor
    squared_norm: torch.Tensor

    @property
    def scale(self) -> torch.Tensor:
        """The gradient noise scale tr Σ / |G|² in examples; (s,). McCandlish et al. 2018, equation 2.9."""
        return self.variance / self.squared_norm


def exact_noise(landscape: Landscape) -> Noise:
    """From the gradient of every example; nothing is estimated.

    tr Σ is the unbiased total variance, with n - 1. |G|² is that of the set itself: it is not corrected
    for being above that of unlimited data, by tr Σ / n on average.
    """
    if landscape.examples < 2:
        raise ValueError(f"noise: a variance needs at least 2 examples; got {landscape.examples}")
    count = landscape.examples
    squared_norm = squared(landscape.gradient(landscape.weights)[1])
    if has_norms(landscape.model):
        gradient = landscape.loss_of.gradient
        squares = summed_squares(landscape, lambda logits, labels: iter([gradient(logits, labels)])).sum(0)
    else:
        squares = sum(map(squared, example_gradients(landscape)))
    return Noise((squares - count * squared_norm) / (count - 1), squared_norm)


def example_gradients(landscape: Landscape) -> Iterator[torch.Tensor]:
    """The gradient of each example's loss at the landscape's weights, one after another; (s, p)."""
    for images, labels in zip(landscape.images.split(1, 1), landscape.labels.split(1, 1), strict=True):
        one = Landscape(landscape.model, images, labels, landscape.kind)
        yield one.gradient(landscape.weights)[1]


def two_batch_noise(
    landscape: Landscape, small: int, large: int, draws: int, generators: list[torch.Generator]
) -> Noise:
    """From the norms of mini-batch gradients at two batch sizes. McCandlish et al. 2018, appendix A.1.

        |G|² = (B_large |G_large|² - B_small |G_small|²) / (B_large - B_small)
        tr Σ = (|G_small|² - |G_large|²) / (1/B_small - 1/B_large)

    Both unbiased, averaged over `draws` before any ratio is taken. Batches are drawn with replacement, so
    tr Σ is that of the set as the population: (n - 1)/n of the one of `exact_noise`.
    """
    if not 1 <= small < large:
        raise ValueError(f"noise: batch sizes 1 <= small < large; got {small} and {large}")
    require_draws(landscape, draws, generators)

    def mean_square(size: int) -> torch.Tensor:
        drawn = (batch_gradient(landscape, size, generators) for _ in range(draws))
        return torch.stack([squared(gradient) for gradient in drawn]).mean(0)

    norms = {size: mean_square(size) for size in (small, large)}
    return Noise(
        variance=(norms[small] - norms[large]) / (1 / small - 1 / large),
        squared_norm=(large * norms[large] - small * norms[small]) / (large - small),
    )


def gradient_variance(
    landscape: Landscape, batch_sizes: Sequence[int], draws: int, generators: list[torch.Generator]
) -> torch.Tensor:
    """Measured E|G_B - G|² of the mini-batch gradient for each batch size; (sizes, s).

    Batches are drawn with replacement: expected is (n - 1)/n tr Σ / B.
    """
    if min(batch_sizes) < 1:
        raise ValueError(f"noise: batch sizes from 1; got {list(batch_sizes)}")
    require_draws(landscape, draws, generators)
    full = landscape.gradient(landscape.weights)[1]
    rows = []
    for size in batch_sizes:
        deviations = (batch_gradient(landscape, size, generators) - full for _ in range(draws))
        rows.append(sum(squared(deviation) for deviation in deviations) / draws)
    return torch.stack(rows)


def batch_gradient(landscape: Landscape, size: int, generators: list[torch.Generator]) -> torch.Tensor:
    """Gradient of the mean loss over a random mini-batch of each seed, drawn with replacement; (s, p)."""
    rows = [torch.randint(landscape.examples, (size,), generator=g, device=g.device) for g in generators]
    picked = torch.stack(rows).to(landscape.images.device)
    seeds = torch.arange(landscape.seeds, device=picked.device)[:, None]
    batch = Landscape(
        landscape.model, landscape.images[seeds, picked], landscape.labels[seeds, picked], landscape.kind
    )
    return batch.gradient(landscape.weights)[1]


def squared(gradients: torch.Tensor) -> torch.Tensor:
    """|g|² of each of (s, p); (s,) in double precision."""
    return gradients.double().square().sum(1)


def require_draws(landscape: Landscape, draws: int, generators: list[torch.Generator]) -> None:
    if draws < 1:
        raise ValueError(f"noise: draws from 1; got {draws}")
    if len(generators) != landscape.seeds:
        raise ValueError(f"wanted a generator for each of {landscape.seeds} seeds; got {len(generators)}")


def measure_noise(nets: Nets, settings: Settings) -> Iterator[Observation]:
    """Variance of the gradient over examples and mini-batches, and the gradient noise scale."""
    landscape, draws = nets.landscape(settings.examples), settings.draws
    exact = exact_noise(landscape)
    yield from nets.rows("per_example_gradient_variance", None, exact.variance)
    yield from nets.rows("gradient_noise_scale", None, exact.scale)
    estimated = two_batch_noise(landscape, settings.small, settings.large, draws, nets.streams("noise"))
    yield from nets.rows("gradient_noise_scale_two_batch", None, estimated.scale)
    variances = gradient_variance(landscape, settings.batch_sizes, draws, nets.streams("noise"))
    for size, values in zip(settings.batch_sizes, variances, strict=True):
        yield from nets.rows("gradient_variance", size, values)
