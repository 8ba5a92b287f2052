"""Modules as people write them, for images of 1 x 4 x 4 pixels and three classes."""

import functools

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils import spectral_norm as old_spectral_norm

from largebatch.nets.stack import Residual


def mlp(*between, width=6):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, width), *between, nn.Linear(width, 3))


class OnColours(nn.Module):
    """A net for colour images on grey ones."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x.expand(-1, 3, -1, -1))


def resnet18():
    from torchvision.models import resnet18  # late, for it takes seconds

    return OnColours(resnet18(num_classes=3))


def mobilenet():
    from torchvision.models import mobilenet_v3_small

    return OnColours(mobilenet_v3_small(num_classes=3))


class Transformer(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.embed = nn.Linear(4, 8)
        self.place = nn.Parameter(0.1 * torch.randn(4, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x[:, 0]) + self.place).mean(1))


class Tied(nn.Module):
    """There and back by the same matrix; two names for it."""

    def __init__(self):
        super().__init__()
        self.there, self.back, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.back.weight = self.there.weight

    def forward(self, x):
        return self.head(self.back(torch.tanh(self.there(x.flatten(1)))))


class Noisy(nn.Module):
    """Acts by its mode, and draws numbers of its own."""

    def __init__(self):
        super().__init__()
        self.body = mlp(nn.Tanh())

    def forward(self, x):
        x = x + 0.1 * torch.randn_like(x) if self.training else 2 * x
        return self.body(F.dropout(x, 0.2, self.training))


class Counting(nn.Module):
    """Buffers: one changed in place, one bound anew, one of whole numbers, one that is not saved."""

    def __init__(self):
        super().__init__()
        self.body = mlp(nn.Tanh())
        self.register_buffer("mean", torch.zeros(1, 4, 4))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("last", torch.zeros(3), persistent=False)

    def forward(self, x):
        if self.training:
            self.mean.lerp_(x.mean(0), 0.1)
            self.scale = 0.9 * self.scale + 0.1 * x.std().detach()
            self.calls += 1
        out = self.body((x - self.mean) / self.scale * (1 + 0.1 * self.calls)) + self.last
        if self.training:
            self.last.copy_(0.1 * out.detach().mean(0))
        return out


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rows, self.head = kind(4, 5, num_layers=2, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.rows(x[:, 0])[0][:, -1])


class Embedded(nn.Module):
    """Pixels as words."""

    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(5, 4, padding_idx=0), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.words((2 * x).round().long().clamp(0, 4).flatten(1)).mean(1))


class Block(nn.Module):
    """BatchNorm and dropout in a forward of its own, with a skip connection and a ReLU for two places."""

    def __init__(self, norm=nn.BatchNorm2d, dropout=0.3):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.last = norm(4), nn.BatchNorm1d(4)
        self.relu, self.dropout = nn.ReLU(inplace=True), nn.Dropout(dropout)
        self.branch, self.head = nn.Conv2d(1, 4, 1), nn.Linear(4, 3)

    def forward(self, x):
        out = self.relu(self.norm(self.first(x)))
        out = self.relu(self.second(out) + self.branch(x))
        return self.head(self.dropout(self.last(out.mean((2, 3)))))


class Activated(nn.BatchNorm2d):
    """BatchNorm with an activation, as a class of its own."""

    def forward(self, x):
        return F.leaky_relu(super().forward(x))


class Renormalised(nn.BatchNorm2d):
    """Uses its running average in training, as batch renormalisation does."""

    def forward(self, x):
        return super().forward(x) + (self.running_mean * self.weight).view(-1, 1, 1)


class FrozenBackbone(nn.Module):
    """Keeps its BatchNorm in evaluation mode, as detection nets do."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(16, 3)

    def train(self, mode=True):
        super().train(mode)
        self.body[1].eval()
        return self

    def forward(self, x):
        return self.head(self.body(x))


class Unused(nn.Module):
    """One weight never used, one only by images that are rare, and a temperature without dimensions."""

    def __init__(self):
        super().__init__()
        self.body, self.spare = mlp(nn.Tanh()), nn.Linear(7, 7)
        self.temperature = nn.Parameter(torch.tensor(1.5))
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        out = self.body(x) * self.temperature
        return out + self.spare(x.flatten(1)[:, :7])[:, :3] if self.training and self.calls == 3 else out


class Unpooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.up, self.norm = nn.ConvTranspose2d(1, 2, 3), nn.GroupNorm(2, 2)
        self.head = nn.Linear(72, 3)

    def forward(self, x):
        return self.head(self.norm(self.up(self.unpool(*self.pool(x)))).flatten(1))


class Rooms(nn.Sequential):
    """A sequence that does something more."""

    def forward(self, x):
        return super().forward(x) + x.flatten(1)[:, :3]


class Overwriting(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp()

    def forward(self, x):
        return self.body(x.mul_(2.0).relu_())


def hooked(register, hook, layer=1):
    net = mlp(nn.BatchNorm1d(6), nn.Tanh())
    getattr(net[layer], register)(hook)
    return net


def half(gradients):
    return tuple(None if g is None else 0.5 * g for g in gradients)


def by_the_first_layer():
    """A hook on one layer that reads another's weight."""
    net = mlp(nn.Tanh())
    net[3].register_forward_hook(lambda _m, _i, out: out * net[1].weight.square().mean())
    return net


def of_one_weight(register):
    net = mlp(nn.Tanh())
    if register == "register_hook":
        net[1].weight.register_hook(lambda g: g * (g.abs() > g.abs().median()))
    else:
        net[1].weight.register_post_accumulate_grad_hook(clamp_gradient)
    return net


def clamp_gradient(weight):
    weight.grad.clamp_(-0.01, 0.01)


def frozen(*names):
    net = mlp(nn.BatchNorm1d(6), nn.Tanh())
    for name in names:
        net.get_parameter(name).requires_grad_(False)
    return net


def frozen_in_evaluation():
    net = mlp(nn.BatchNorm1d(6), nn.Tanh())
    net[2].eval()
    return net


def with_its_own_forward():
    net = mlp(nn.Tanh())
    net[1].forward = functools.partial(lambda layer, x: F.linear(x, layer.weight.abs(), layer.bias), net[1])
    return net


def parametrised(how):
    net = mlp(nn.Tanh())
    net[1] = how(net[1])
    return net


def pruned():
    net = mlp(nn.Tanh())
    prune.l1_unstructured(net[1], "weight", amount=0.5)
    prune.random_structured(net[3], "weight", amount=0.3, dim=1)
    return net


def shared(*between):
    layer = nn.Linear(6, 6)
    return mlp(layer, nn.ReLU(), layer, *between)


def convolved(**options):
    return nn.Sequential(nn.Conv2d(1, 2, 3, **options), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))


def in_place_beside_a_shortcut():
    body = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 6))
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), Residual(body), nn.Linear(6, 3))


# What a stacked net cannot do: each runs seed after seed.
MODULES = {
    "resnet18": resnet18,
    "mobilenet_v3_small": mobilenet,
    "transformer": lambda: Transformer(0.0),
    "transformer with dropout": lambda: Transformer(0.2),
    "tied weights": Tied,
    "weight norm": lambda: parametrised(parametrizations.weight_norm),
    "spectral norm": lambda: parametrised(parametrizations.spectral_norm),
    "orthogonal": lambda: parametrised(parametrizations.orthogonal),
    "old weight norm": lambda: parametrised(torch.nn.utils.weight_norm),
    "old spectral norm": lambda: parametrised(old_spectral_norm),
    "pruned": pruned,
    "forward hook": lambda: hooked("register_forward_hook", lambda _m, _i, out: out.abs()),
    "forward pre-hook": lambda: hooked("register_forward_pre_hook", lambda _m, i: (i[0] ** 2,)),
    "backward hook": lambda: hooked("register_full_backward_hook", lambda _m, i, _o: half(i), 3),
    "backward pre-hook": lambda: hooked("register_full_backward_pre_hook", lambda _m, o: half(o)),
    "a hook that reads another layer": by_the_first_layer,
    "hook of a weight": lambda: of_one_weight("register_hook"),
    "hook of a gradient": lambda: of_one_weight("register_post_accumulate_grad_hook"),
    "frozen layer": lambda: frozen("1.weight", "1.bias"),
    "frozen bias and scale": lambda: frozen("1.bias", "2.weight"),
    "frozen head": lambda: frozen("4.weight", "4.bias"),
    "frozen backbone": FrozenBackbone,
    "frozen in evaluation": frozen_in_evaluation,
    "acts by its mode": Noisy,
    "buffers": Counting,
    "gru": lambda: Recurrent(nn.GRU),
    "lstm": lambda: Recurrent(nn.LSTM),
    "embedding": Embedded,
    "own forward": Block,
    "instance norm": lambda: Block(lambda c: nn.InstanceNorm2d(c, affine=True, track_running_stats=True)),
    "layer norm": lambda: mlp(nn.LayerNorm(6), nn.GELU("tanh")),
    "synchronised BatchNorm": lambda: Block(nn.SyncBatchNorm),
    "class from BatchNorm": lambda: Block(Activated),
    "running average in training": lambda: Block(Renormalised, 0.0),
    "shared layer": shared,
    "unused weights": Unused,
    "unpooled": Unpooled,
    "class from Sequential": lambda: Rooms(nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3)),
    "own input overwritten": Overwriting,
    "forward of one object": with_its_own_forward,
    "circular padding": lambda: convolved(padding=1, padding_mode="circular"),
    "padding by name": lambda: convolved(padding="same"),
    "BatchNorm without weights": lambda: mlp(nn.BatchNorm1d(6, affine=False)),
    "BatchNorm without statistics": lambda: mlp(nn.BatchNorm1d(6, track_running_stats=False)),
    "dropout of all": lambda: mlp(nn.Dropout(1.0)),
    "dropout of channels": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout2d(0.5), *convolved()[2:]),
    "another flattening": lambda: nn.Sequential(nn.Flatten(1, 2), nn.Linear(4, 3), *convolved()[2:]),
    "in place beside a shortcut": in_place_beside_a_shortcut,
    "further weights": lambda: with_a_spare_weight(mlp(nn.Tanh())),
    "weighted activation": lambda: mlp(nn.PReLU()),
}
# What is stacked, though it looks unusual.
STACKED = {
    "lazy": lambda: nn.Sequential(nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(3)),
    "rows of images": lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2), *convolved()[2:]),
    "shared activation": lambda: mlp(*[nn.ReLU()] * 2),
    "activations": lambda: mlp(nn.SiLU(), nn.LeakyReLU(0.2), nn.ELU(0.5), nn.Sigmoid(), nn.Softplus(2.0)),
    "rectified in place": lambda: mlp(nn.ReLU(inplace=True)),
    "normalised otherwise": lambda: mlp(nn.BatchNorm1d(6, eps=0.1, momentum=None)),
    "two precisions": lambda: mlp(nn.Linear(6, 6).double()),
    "convolved otherwise": lambda: nn.Sequential(
        nn.Conv2d(1, 4, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1), bias=False),
        nn.Conv2d(4, 2, 1, groups=2),
        nn.MaxPool2d((2, 1), stride=(1, 2), padding=(1, 0), ceil_mode=True),
        nn.AvgPool2d(2, 1, padding=1, count_include_pad=False),
        *convolved()[2:],
    ),
}


def with_a_spare_weight(net):
    net.register_parameter("spare", nn.Parameter(torch.ones(2)))
    return net
