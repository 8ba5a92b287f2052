"""Small nets in double precision, their landscapes and dense Hessians, for tests of measures."""

import copy
from contextlib import contextmanager

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
    for net, state in zip(nets, by_seed(model.plain(), seeds), strict=True):
        net.load_state_dict(state, strict=False)
    return nets, Landscape(model, images, labels, loss)


def by_seed(tensors, seeds):
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


def by_products(product, like):
    """(s, p, p) matrices of an operator on vectors shaped like (s, p), column by column."""
    units = torch.eye(like.shape[1], dtype=torch.float64)
    return torch.stack([product(unit.expand(len(like), -1)) for unit in units], 2)


def operator(matrices):
    """What symmetric matrices (s, p, p) make of vectors (s, p)."""
    return lambda v: torch.einsum("spq,sq->sp", matrices.to(v.dtype), v)


def dense_of(name, dataset, loss="cross_entropy"):
    """Dense Hessians of each seed, and the landscape."""
    nets, landscape = landscape_of(name, dataset, loss=loss)
    of = {"cross_entropy": F.cross_entropy, "squared_error": squared_error}[loss]
    hessians = [
        dense_hessian(net, landscape.images[s], landscape.labels[s], of) for s, net in enumerate(nets)
    ]
    return hessians, landscape


def streams(seeds=3, first=0):
    """One generator per seed."""
    return [torch.Generator().manual_seed(first + s) for s in range(seeds)]


def on_forty_images(plain, dataset):
    """The landscape of plain nets, in evaluation mode, on the same 40 images for each."""
    images, labels = (t[:40].expand(len(plain), *t[:40].shape) for t in (dataset.images, dataset.labels))
    return Landscape(stack(plain).double().eval(), images, labels)


def linear(inputs, labels, classes=2):
    """The landscape of linear layers without biases on squared error; inputs (s, n, p), labels (s, n)."""
    seeds, _, width = inputs.shape
    plain = [nn.Sequential(nn.Flatten(), nn.Linear(width, classes, bias=False)) for _ in range(seeds)]
    return Landscape(stack(plain).double().eval(), inputs[:, :, None, None], labels, "squared_error")


def quadratic(offset=0.0, dense=False, inputs=1.0):
    """Linear layers on squared error at `offset` from their minimum, and their Hessians (s, p, p).

    Diagonal unless `dense`; its size goes with the square of the `inputs`.
    """
    stream = torch.Generator().manual_seed(7)
    x = torch.diag_embed(torch.rand(3, 5, generator=stream, dtype=torch.float64) + 0.5)
    if dense:
        x = torch.randn(3, 5, 5, generator=stream, dtype=torch.float64)
    x = inputs * x
    labels = torch.randint(2, (3, 5), generator=stream)
    model = linear(x, labels).model
    with torch.no_grad():
        model.layers[1].weight.copy_(torch.linalg.solve(x, F.one_hot(labels, 2).double()) + offset)
    hessian = torch.stack([torch.kron(each.T @ each / 5, torch.eye(2).double()) for each in x])
    return Landscape(model, x[:, :, None, None], labels, "squared_error"), hessian


@contextmanager
def left_as_found(*landscapes):
    """What is done within changes no landscape, none of their models and not the global generator."""
    before = [(one.weights.clone(), copy.deepcopy(one.model.state_dict())) for one in landscapes]
    random = torch.random.get_rng_state()
    yield
    assert torch.equal(torch.random.get_rng_state(), random)
    for landscape, (weights, state) in zip(landscapes, before, strict=True):
        model = landscape.model
        assert torch.equal(landscape.weights, weights)
        assert not model.training and all(p.grad is None for p in model.parameters())
        assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())


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
        return self.loss(at), self.hessian_vector_product(at - self.centre)

    def hessian_vector_product(self, v):
        return operator(self.matrices)(v)


def with_spectrum(values, seed=0):
    """(1, p, p) symmetric matrix with these eigenvalues, in a random basis."""
    values = torch.as_tensor(values, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(len(values), len(values), generator=generator, dtype=torch.float64)
    basis, _ = torch.linalg.qr(random)
    return (basis * values @ basis.T)[None]
