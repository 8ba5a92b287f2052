"""Small trained-looking nets in double precision, and their dense Hessians, for tests of curvature."""

import torch
import torch.nn.functional as F
from torch import nn

from largebatch.measures.landscape import Landscape
from largebatch.nets import models
from largebatch.nets.stack import Residual, estimate_population_statistics, stack

SHAPE, CLASSES = (1, 4, 4), 3


def residual(_shape, classes):
    body = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))
    return nn.Sequential(nn.Flatten(), Residual(body), nn.ReLU(), nn.Linear(16, classes))


def basic_blocks(_shape, classes):
    """A narrow ResNet for CIFAR: both kinds of shortcuts."""
    return nn.Sequential(
        *(nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2), nn.ReLU()),
        *(models.basic_block(2, 2), nn.ReLU(), models.basic_block(2, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes)),
    )


NETS = {
    "relu": lambda seed: models.build(seed, "mlp", SHAPE, CLASSES, hidden=[6, 5]),
    "dropout": lambda seed: models.build(seed, "mlp", SHAPE, CLASSES, hidden=[6], dropout=0.5),
    "batch_norm": lambda seed: models.build(seed, "mlp", SHAPE, CLASSES, hidden=[6], batch_norm=True),
    "cnn": lambda seed: models.build(seed, "cnn", SHAPE, CLASSES, channels=[3, 2]),
    "cnn_batch_norm": lambda seed: models.build(seed, "cnn", SHAPE, CLASSES, channels=[3], batch_norm=True),
    "residual": lambda seed: residual(SHAPE, CLASSES),
    "resmlp": lambda seed: models.build(seed, "resmlp", SHAPE, CLASSES, width=5, blocks=2),
    "basic_blocks": lambda seed: basic_blocks(SHAPE, CLASSES),
    "rows": lambda seed: nn.Sequential(
        nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, bias=False), nn.Flatten(), nn.Linear(8, CLASSES)
    ),
    "tanh": lambda seed: models.build(seed, "mlp", SHAPE, CLASSES, hidden=[6], activation="tanh"),
}
# Nets whose Hessian has the diagonal of the Gauss-Newton matrix.
PIECEWISE_LINEAR = [name for name in NETS if name != "tanh"]


def plain_nets(name, seeds=2, grown=2.0):
    """Nets with initial weights `grown` times as large, so that the loss is neither flat nor saturated."""
    nets = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        net = NETS[name](seed).double().eval()
        for p in net.parameters():
            p.data *= grown
        nets.append(net)
    return nets


def landscape_of(name, dataset, seeds=2, loss="cross_entropy"):
    """Plain nets and their landscape on 30 images, others for each seed; BatchNorm's statistics estimated."""
    nets = plain_nets(name, seeds)
    images = torch.stack([dataset.images[10 * s : 10 * s + 30] for s in range(seeds)])
    labels = torch.stack([dataset.labels[10 * s : 10 * s + 30] for s in range(seeds)])
    model = stack(nets)
    estimate_population_statistics(model, [images])
    model.eval()
    for net, state in zip(nets, lanes(model.plain(), seeds), strict=True):
        net.load_state_dict(state, strict=False)
    return nets, Landscape(model, images, labels, loss)


def lanes(tensors, seeds):
    return [{name: tensor[s] for name, tensor in tensors.items()} for s in range(seeds)]


def dense_hessian(net, images, labels, loss=F.cross_entropy):
    """(p, p) Hessian of the mean loss of a plain net, by differentiating twice."""
    names = [n for n, _ in net.named_parameters()]
    shapes = [p.shape for p in net.parameters()]

    def of_flat(flat):
        parts = flat.split([s.numel() for s in shapes])
        weights = {n: part.view(s) for n, part, s in zip(names, parts, shapes, strict=True)}
        return loss(torch.func.functional_call(net, weights, (images,)), labels)

    flat = torch.cat([p.detach().flatten() for p in net.parameters()])
    return torch.func.jacrev(torch.func.grad(of_flat))(flat)


def squared_error(logits, labels):
    return 0.5 * (logits - F.one_hot(labels, CLASSES)).square().sum(1).mean()


def dense_of(name, dataset, loss="cross_entropy"):
    """Dense Hessians of each seed, and the landscape."""
    nets, landscape = landscape_of(name, dataset, loss=loss)
    of = {"cross_entropy": F.cross_entropy, "squared_error": squared_error}[loss]
    hessians = [
        dense_hessian(net, landscape.images[s], landscape.labels[s], of) for s, net in enumerate(nets)
    ]
    return hessians, landscape


def streams(seeds, first=0):
    """One generator a seed."""
    return [torch.Generator().manual_seed(first + s) for s in range(seeds)]


class Quadratic:
    """½ (x - c)ᵀ A (x - c) + f0 of several seeds, with a Landscape's questions; A: (s, p, p)."""

    def __init__(self, matrices, weights, centre=None, lowest=0.0):
        self.matrices, self.weights = matrices.double(), weights.double()
        self.centre = torch.zeros_like(self.weights) if centre is None else centre.double()
        self.lowest = lowest
        self.seeds, self.parameters = self.weights.shape

    def loss(self, at):
        x = at - self.centre
        return 0.5 * torch.einsum("sp,spq,sq->s", x, self.matrices, x) + self.lowest

    def gradient(self, at):
        return self.loss(at), torch.einsum("spq,sq->sp", self.matrices, at - self.centre)

    def hessian_vector_product(self, v):
        return torch.einsum("spq,sq->sp", self.matrices, v)


def with_spectrum(values, seed=0):
    """(1, p, p) symmetric matrix with these eigenvalues, in a random basis."""
    values = torch.as_tensor(values, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(len(values), len(values), generator=generator, dtype=torch.float64)
    basis, _ = torch.linalg.qr(random)
    return (basis * values @ basis.T)[None]
