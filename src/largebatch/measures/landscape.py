"""The mean loss of several seeds' nets as a function of their weights, on fixed examples.

All seeds are one stacked model in evaluation mode, and a point is one flat vector per seed: (s, p).
Whatever is asked about sharpness is asked of a Landscape.
"""

from collections.abc import Iterator
from functools import cached_property

import torch

from largebatch.nets.layers import Stacked
from largebatch.nets.models import output_sizes
from largebatch.nets.one_by_one import OneByOne
from largebatch.training.losses import Kind, loss_of
from largebatch.training.scores import predicted

# Examples of one seed processed at a time: fixed, so that a value never depends on the company.
CHUNK = 1024
# Graphs of the gradient up to this size are kept from one Hessian-vector product to the next; a GPU has the
# memory for larger ones.
KEPT_GRAPH_BYTES, KEPT_ON_GPU_BYTES = 512 << 20, 4 << 30
# From so many activations of one seed on, a CPU multiplies by the Hessian seed after seed: no slower than all
# at once, and a seed that has no more use for products costs none.
APART_ACTIVATIONS = 1 << 17

# Of some seeds and examples: the gradient (k, p), which can be differentiated by the point (k, p).
Graph = tuple[slice, torch.Tensor, torch.Tensor]


class Landscape:
    """Loss, gradient and curvature of s nets at any weights; the model itself is never changed.

    model: stacked, in evaluation mode, with finite weights; images (s, n, c, h, w); labels (s, n), or targets
    (s, n, k) that are numbers.
    Everything is the mean over the n examples, in the model's precision.
    """

    def __init__(
        self, model: Stacked, images: torch.Tensor, labels: torch.Tensor, loss: Kind = "cross_entropy"
    ):
        require_finite(model)
        if model.training:
            raise ValueError("landscape: wanted a model in evaluation mode; got one in training mode")
        self.model, self.images, self.labels, self.loss_of = model, images, labels, loss_of(loss)
        self.kind = loss
        self.names = [name for name, _ in model.named_parameters()]
        parameters = [p.detach() for p in model.parameters()]
        self.shapes = [p.shape for p in parameters]
        self.sizes = [p[0].numel() for p in parameters]
        self.weights = torch.cat([p.flatten(1) for p in parameters], dim=1)
        self.seeds, self.parameters = self.weights.shape
        self.examples = images.shape[1]
        self._graphs: list[Graph] | None = None

    def tensors(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """A flat point (s, p), or of some seeds alone, as the model's stacked tensors, in its order."""
        parts = flat.split(self.sizes, dim=1)
        return [part.reshape(-1, *shape[1:]) for part, shape in zip(parts, self.shapes, strict=True)]

    def logits(self, at: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """(s, b, classes) at a flat point."""
        weights = dict(zip(self.names, self.tensors(at), strict=True))
        return torch.func.functional_call(self.model, weights, (images,))

    def chunks(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(images, labels) of at most CHUNK examples per seed."""
        yield from zip(self.images.split(CHUNK, 1), self.labels.split(CHUNK, 1), strict=True)

    @torch.no_grad()
    def evaluate(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mean loss and accuracy in percent at a point, both (s,), summed in double precision.

        Of targets that are numbers there is no accuracy.
        """
        loss = right = torch.zeros(self.seeds, dtype=torch.float64, device=at.device)
        for images, labels in self.chunks():
            logits = self.logits(at, images)
            loss = loss + self.loss_of.each(logits, labels).sum(1, dtype=torch.float64)
            if self.has_classes:
                right = right + (predicted(logits) == labels).sum(1)
        accuracy = 100.0 * right / self.examples if self.has_classes else None
        return loss / self.examples, accuracy

    def loss(self, at: torch.Tensor) -> torch.Tensor:
        """Mean loss at a point; (s,) in double precision."""
        return self.evaluate(at)[0]

    @property
    def has_classes(self) -> bool:
        return not self.labels.is_floating_point()

    def gradient(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean loss (s,) and its gradient (s, p) at a point."""
        loss, gradient = torch.zeros(self.seeds, dtype=torch.float64, device=at.device), torch.zeros_like(at)
        for images, labels in self.chunks():
            point = at.detach().requires_grad_()
            each = self.loss_of.each(self.logits(point, images), labels)
            # Seeds do not meet in the sum, so each gets the gradient of its own mean.
            gradient += torch.autograd.grad(each.sum() / self.examples, point)[0]
            loss += each.detach().sum(1, dtype=torch.float64)
        return loss / self.examples, gradient

    def hessian_vector_product(self, v: torch.Tensor) -> torch.Tensor:
        """H v at the model's own weights; v: (s, p) -> (s, p). Pearlmutter 1994, by double backward."""
        product = torch.zeros_like(v)
        for seeds, gradient, point in self._gradient_graphs():
            if self._apart and not v[seeds].any():
                continue
            if not gradient.requires_grad:  # as of |x - y| of a linear net
                continue
            kept = self._graphs is not None
            product[seeds] += torch.autograd.grad(gradient, point, v[seeds], retain_graph=kept)[0]
        return product

    @cached_property
    def _apart(self) -> bool:
        """Whether Hessian-vector products are made seed after seed: of large nets without shared state."""
        shared = isinstance(self.model, OneByOne) or any(True for _ in self.model.buffers())
        large = self.examples * self._activations() >= APART_ACTIVATIONS
        return self.weights.is_cpu and self.seeds > 1 and large and not shared

    def _gradient_graphs(self) -> Iterator[Graph]:
        """The graphs of every chunk, and of every seed if apart; kept where they are small."""
        most = KEPT_GRAPH_BYTES if self.weights.is_cpu else KEPT_ON_GPU_BYTES
        if self._graphs is None and self._graph_bytes() <= most:
            self._graphs = list(self._graphs_anew())
        yield from self._graphs or self._graphs_anew()

    def _graphs_anew(self) -> Iterator[Graph]:
        each = map(slice, range(self.seeds), range(1, self.seeds + 1))
        for seeds in each if self._apart else [slice(None)]:
            for images, labels in self.chunks():
                point = self.weights[seeds].detach().requires_grad_()
                losses = self.loss_of.each(self.logits(point, images[seeds]), labels[seeds])
                loss = losses.sum() / self.examples
                yield seeds, torch.autograd.grad(loss, point, create_graph=True)[0], point

    def _graph_bytes(self) -> int:
        """About what the graphs of all chunks hold: a gradient each, and a few copies of the activations."""
        chunks = -(-self.examples // CHUNK)
        return (
            self.weights.element_size()
            * self.seeds
            * (chunks * 2 * self.parameters + self.examples * self._activations() * 4)
        )

    def _activations(self) -> int:
        """Values that all layers together put out for one example."""
        with output_sizes(self.model.parts()) as sizes, torch.no_grad():
            some = self.images[:, :2]
            self.model(some)
        return sum(sizes) // (self.seeds * some.shape[1])


def require_finite(model: Stacked) -> None:
    """Refuse weights with NaN or infinity, which no measure of a minimum survives."""
    for name, tensor in model.plain().items():
        if not tensor.isfinite().all():
            raise ValueError(f"landscape: wanted finite weights; got NaN or infinity in {name}")
