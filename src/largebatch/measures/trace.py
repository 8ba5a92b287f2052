"""Trace and Frobenius norm of the Hessian: exact where the net allows it, else estimated with an error.

A net of linear, convolution, frozen BatchNorm, ReLU and maximum layers is piecewise linear in every
single weight. So the second derivative of its outputs by one weight is zero, the Hessian has the
diagonal of the generalised Gauss-Newton matrix G = mean Jᵀ L J (Schraudolph 2002), and the traces agree:

    trace H = trace G = mean over examples of Σ_c ‖Jᵀ l_c‖²,   L = Σ_c l_c l_cᵀ

with L the Hessian of the loss by the outputs. That is one backward pass per class, without probes.
"""

from dataclasses import dataclass

import torch

from largebatch.config.losses import called
from largebatch.measures.gradient_norms import NORMS, has_norms, leaves, summed_squares
from largebatch.measures.krylov import Operator
from largebatch.measures.lanczos import gaussian
from largebatch.measures.landscape import Landscape
from largebatch.nets import weightless
from largebatch.nets.layers import Stacked
from largebatch.nets.products import product

# Layers without weights that are piecewise linear in evaluation mode.
WITHOUT_WEIGHTS = (
    weightless.StackedDropout,
    weightless.StackedFlatten,
    weightless.StackedIdentity,
    weightless.StackedPerImage,
    weightless.StackedReLU,
)


def is_exact_for(landscape: Landscape) -> bool:
    """Whether trace H = trace G, and the factors of its loss are known."""
    return landscape.loss_of.factors is not None and is_linear(landscape.model)


def is_linear(model: Stacked) -> bool:
    """Whether the net is piecewise linear in every single weight, so that trace H = trace G."""
    linear = (type(layer) in NORMS or isinstance(layer, WITHOUT_WEIGHTS) for layer in leaves(model))
    return has_norms(model) and all(linear)


def exact_by_tensor(landscape: Landscape) -> torch.Tensor:
    """trace H at the landscape's own weights, split by weight tensor; (tensors, s) in double precision.

    ValueError for a net with another kind of layer, or a loss without factors (see is_exact_for).
    """
    factors = landscape.loss_of.factors
    if factors is None:
        raise ValueError(f"trace: wanted a loss with known factors; got {called(landscape.kind)}")
    if not is_linear(landscape.model):
        kinds = sorted({type(layer).__name__ for layer in leaves(landscape.model)})
        raise ValueError(f"trace: wanted a net that is piecewise linear in each weight; got layers {kinds}")
    return summed_squares(landscape, lambda logits, _labels: factors(logits)) / landscape.examples


# How a number was found, by its place here in the observations.
METHODS = ("exact", "xtrace", "hutchinson")


@dataclass
class Estimate:
    """Of each seed: value and standard error, both (s,); products: operator calls; method: one of METHODS."""

    value: torch.Tensor
    error: torch.Tensor
    products: int
    method: str


def known(value: torch.Tensor, products: int = 0) -> Estimate:
    """A value that is exact."""
    return Estimate(value, torch.zeros_like(value), products, "exact")


@dataclass
class Sketch:
    """What XTrace needs of A, from 2m products with A. All in double precision.

    Ω (s, p, m) Gaussian, Q R = A Ω; for each probe i, the projector leaves its own image out:
    P_i = Q (I - s_i s_iᵀ) Qᵀ, and u_i = (I - P_i) ω_i.
    """

    inner: torch.Tensor  # H = Qᵀ A Q: (s, m, m)
    images: torch.Tensor  # (A Q)ᵀ A Q: (s, m, m)
    left_out: torch.Tensor  # S: the unit vectors s_i, columns of (s, m, m)
    outside_length: torch.Tensor  # ‖u_i‖²: (s, m)
    by_a: torch.Tensor  # u_iᵀ A u_i: (s, m)
    by_square: torch.Tensor  # ‖A u_i‖²: (s, m)
    freedom: int  # dimensions that u_i lies in

    def trace(self) -> Estimate:
        """XTrace (Epperly, Tropp and Webber 2024, section 2): unbiased."""
        found = trace_of(self.inner)[:, None] - quadratic(self.inner, self.left_out)
        return self._mean(found + self.freedom * self.by_a / self.outside_length)

    def squared_norm(self) -> Estimate:
        """‖A‖²_F = trace A², in the same manner and from the same products."""
        found = trace_of(self.images)[:, None] - quadratic(self.images, self.left_out)
        return self._mean(found + self.freedom * self.by_square / self.outside_length)

    def _mean(self, each: torch.Tensor) -> Estimate:
        """(s, m) estimates, whose scatter is the usual guess of the error.

        As they share products it is on the low side: by 20 to 30 % on the nets here.
        """
        probes = each.shape[1]
        return Estimate(each.mean(1), each.std(1) / probes**0.5, 2 * probes, "xtrace")


def sketch(operator: Operator, like: torch.Tensor, generators: list[torch.Generator], probes: int) -> Sketch:
    """2 * probes products of a symmetric operator; like: (s, p)."""
    parameters = like.shape[1]
    if not 2 <= probes <= parameters // 2:
        raise ValueError(f"trace: probes between 2 and half of the {parameters} weights; got {probes}")
    omega = torch.stack([gaussian(like, generators) for _ in range(probes)], dim=2)
    image = applied(operator, omega)
    q, r = torch.linalg.qr(image)
    image_of_q = applied(operator, q)
    left_out = left_out_directions(r.double())
    inside = product(q.transpose(1, 2), omega).double()
    inside = inside - left_out * (left_out * inside).sum(1, keepdim=True)
    inner = product(q.transpose(1, 2), image_of_q).double()
    outside = omega - product(q, inside.to(q.dtype))
    image_of_outside = image - product(image_of_q, inside.to(q.dtype))
    return Sketch(
        inner=(inner + inner.transpose(1, 2)) / 2,
        images=product(image_of_q.transpose(1, 2), image_of_q).double(),
        left_out=left_out,
        outside_length=outside.square().sum(1, dtype=torch.float64),
        by_a=(outside * image_of_outside).sum(1, dtype=torch.float64),
        by_square=image_of_outside.square().sum(1, dtype=torch.float64),
        freedom=parameters - probes + 1,
    )


def applied(operator: Operator, vectors: torch.Tensor) -> torch.Tensor:
    """The operator on every column of (s, p, m)."""
    return torch.stack([operator(column) for column in vectors.unbind(2)], dim=2)


def left_out_directions(r: torch.Tensor) -> torch.Tensor:
    """The s_i of a Sketch, columns of (s, m, m), from the R (s, m, m) of its image."""
    probes = r.shape[1]
    # A rank-deficient image would leave s_i undefined; a trace of regularity picks some direction.
    size = r.diagonal(dim1=1, dim2=2).abs().amax(1)[:, None, None]
    regular = 1e-12 * torch.where(size > 0, size, 1.0)
    safe = r + regular * torch.eye(probes, dtype=r.dtype, device=r.device)
    directions = torch.linalg.inv(safe).transpose(1, 2)
    return directions / directions.norm(dim=1, keepdim=True)


def trace_of(matrices: torch.Tensor) -> torch.Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)


def quadratic(matrices: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """cᵀ M c of every column c; (s, m, m), (s, m, k) -> (s, k)."""
    return (columns * product(matrices, columns)).sum(1)


def hutchinson(
    operator: Operator, like: torch.Tensor, generators: list[torch.Generator], probes: int
) -> tuple[Estimate, Estimate]:
    """trace A and trace A² as means of zᵀ A z and ‖A z‖² over random signs z (Hutchinson 1989)."""
    by_a, by_square = [], []
    for _ in range(probes):
        z = gaussian(like, generators).sign()
        image = operator(z)
        by_a.append((z * image).sum(1, dtype=torch.float64))
        by_square.append(image.square().sum(1, dtype=torch.float64))
    means = (torch.stack(each, 1) for each in (by_a, by_square))
    return tuple(Estimate(each.mean(1), each.std(1) / probes**0.5, probes, "hutchinson") for each in means)


def by_columns(operator: Operator, like: torch.Tensor) -> tuple[Estimate, Estimate]:
    """trace A and trace A² from every column of A, for small operators; like: (s, p)."""
    seeds, parameters = like.shape
    units = torch.eye(parameters, dtype=like.dtype, device=like.device)
    dense = torch.stack([operator(unit.expand(seeds, -1)) for unit in units], 2).double()
    return known(trace_of(dense), parameters), known(dense.square().sum((1, 2)), parameters)
