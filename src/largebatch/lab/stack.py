"""Many seeds of one plain model as a single module with a leading seed dimension.

Each standard layer has a stacked twin: activations are (s, b, ...), s seeds by b examples, and one
kernel call serves all seeds. A module of an unknown type is run through torch.func.vmap.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """body(x) + shortcut(x), the container to write skip connections with."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None):
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class Stacked(nn.Module):
    """A twin: knows its tensors by the names and shapes of the plain layer, with a leading s."""

    def plain(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach() for name, tensor in [*self.named_parameters(), *self.named_buffers()]}

    def fill(self, plain: dict[str, torch.Tensor]) -> None:
        for name, tensor in self.plain().items():
            tensor.copy_(plain[name])


class StackedLinear(Stacked):
    """weight is kept (s, in, out): the forward product then runs up to twice as fast on a CPU."""

    def __init__(self, layers: list[nn.Linear]):
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]).contiguous())
        bias = (
            None if layers[0].bias is None else torch.stack([layer.bias.detach()[None] for layer in layers])
        )
        self.bias = None if bias is None else nn.Parameter(bias)  # (s, 1, out)

    def forward(self, x):  # (s, b, in) -> (s, b, out)
        return torch.bmm(x, self.weight) if self.bias is None else torch.baddbmm(self.bias, x, self.weight)

    def plain(self):
        tensors = {"weight": self.weight.detach().transpose(1, 2)}
        return tensors if self.bias is None else tensors | {"bias": self.bias.detach()[:, 0]}


class StackedConv2d(Stacked):
    """A convolution with one group a seed."""

    def __init__(self, layers: list[nn.Conv2d]):
        super().__init__()
        like = layers[0]
        if like.padding_mode != "zeros":
            raise TypeError(f"Conv2d with padding_mode zeros; got {like.padding_mode!r}")
        self.options = {"stride": like.stride, "padding": like.padding, "dilation": like.dilation}
        self.groups = like.groups
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        bias = None if like.bias is None else torch.stack([layer.bias.detach() for layer in layers])
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x):  # (s, b, c, h, w) -> (s, b, o, h', w')
        seeds = x.shape[0]
        side_by_side = x.transpose(0, 1).flatten(1, 2)  # (b, s*c, h, w)
        bias = None if self.bias is None else self.bias.flatten()
        out = F.conv2d(
            side_by_side, self.weight.flatten(0, 1), bias, groups=self.groups * seeds, **self.options
        )
        return out.unflatten(1, (seeds, -1)).transpose(0, 1)


class StackedBatchNorm(Stacked):
    """Statistics of the batch in training (of each ghost batch, Hoffer 2017), of the population after.

    There is no running average: population statistics are re-estimated on the training set
    (`estimating`), because an average over few large-batch updates is stale.
    """

    def __init__(self, layers: list[nn.BatchNorm1d | nn.BatchNorm2d]):
        super().__init__()
        like = layers[0]
        if not like.affine or not like.track_running_stats:
            raise TypeError("BatchNorm with affine and track_running_stats; got one without")
        self.eps = like.eps
        self.ghost: int | None = None
        self.moments: list[tuple[int, torch.Tensor, torch.Tensor]] | None = None
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))  # (s, c)
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        self.register_buffer("running_mean", torch.stack([layer.running_mean for layer in layers]))
        self.register_buffer("running_var", torch.stack([layer.running_var for layer in layers]))

    def forward(self, x):  # (s, b, c, ...) -> same
        if not self.training:
            return self._affine(x, self._shaped(self.running_mean, x), self._shaped(self.running_var, x))
        ghost = self.ghost if self.ghost and self.moments is None else x.shape[1]
        parts = [self._by_batch(part) for part in x.split(ghost, dim=1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _by_batch(self, x):
        others = [1, *range(3, x.ndim)]
        var, mean = torch.var_mean(x, others, correction=0, keepdim=True)
        if self.moments is not None:
            seeds, channels = x.shape[0], x.shape[2]
            self.moments.append((x.shape[1], mean.view(seeds, channels), var.view(seeds, channels)))
        return self._affine(x, mean, var)

    def _affine(self, x, mean, var):
        scale = self._shaped(self.weight, x) * torch.rsqrt(var + self.eps)
        return torch.addcmul(self._shaped(self.bias, x) - mean * scale, x, scale)

    def _shaped(self, tensor, x):  # (s, c) -> (s, 1, c, 1, ...)
        return tensor.reshape(x.shape[0], 1, x.shape[2], *[1] * (x.ndim - 3))

    def settle(self) -> None:
        """Population statistics from the batches seen: pooled mean, and the law of total variance."""
        sizes = torch.tensor([size for size, _, _ in self.moments], dtype=self.running_mean.dtype)
        share = (sizes / sizes.sum()).to(self.running_mean.device)[:, None, None]
        means = torch.stack([mean for _, mean, _ in self.moments])  # (batches, s, c)
        variances = torch.stack([var for _, _, var in self.moments])
        mean = (share * means).sum(0)
        self.running_mean.copy_(mean)
        self.running_var.copy_((share * (variances + (means - mean).square())).sum(0))
        self.moments = None


class StackedDropout(Stacked):
    """Each seed draws its masks from its own stream, so company does not change them."""

    def __init__(self, layers: list[nn.Dropout]):
        super().__init__()
        self.p = layers[0].p
        self.generators: list[torch.Generator] = []

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        mask = torch.empty_like(x, memory_format=torch.contiguous_format)
        for lane, stream in zip(mask, self.generators, strict=True):
            lane.bernoulli_(1 - self.p, generator=stream)
        return x * mask.div_(1 - self.p)


class StackedPerImage(Stacked):
    """A layer without weights that treats every image alike."""

    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        self.layer = layers[0]

    def forward(self, x):  # (s, b, c, h, w) -> (s, b, c, h', w')
        return self.layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class StackedElementwise(Stacked):
    """A layer without weights that treats every value alike."""

    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        self.layer = layers[0]

    def forward(self, x):
        return self.layer(x)


class StackedFlatten(Stacked):
    def __init__(self, layers: list[nn.Flatten]):
        super().__init__()
        if (layers[0].start_dim, layers[0].end_dim) != (1, -1):
            raise TypeError("Flatten of everything but the batch; got another one")

    def forward(self, x):  # (s, b, ...) -> (s, b, n)
        return x.flatten(2)


class StackedContainer(Stacked):
    """A container keeps its children's names, so that weights keep theirs."""

    def __init__(self, containers: list[nn.Module]):
        super().__init__()
        for name, _ in containers[0].named_children():
            self.add_module(name, stack([getattr(c, name) for c in containers]))

    def plain(self):
        return {
            f"{name}.{key}": tensor
            for name, child in self.named_children()
            for key, tensor in child.plain().items()
        }

    def fill(self, plain):
        for name, child in self.named_children():
            prefix = f"{name}."
            child.fill({k.removeprefix(prefix): v for k, v in plain.items() if k.startswith(prefix)})


class StackedSequential(StackedContainer):
    def forward(self, x):
        for child in self.children():
            x = child(x)
        return x


class StackedResidual(StackedContainer):
    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class StackedByVmap(Stacked):
    """Any other module, through torch.func.vmap: about as fast for large batches, slower for small."""

    def __init__(self, modules: list[nn.Module]):
        super().__init__()
        for part in modules[0].modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
                raise TypeError(
                    f"{type(part).__name__} inside {type(modules[0]).__name__}, a module without a "
                    "stacked twin: wanted it in nn.Sequential or Residual"
                )
        # Kept out of the module tree: its own weights are not trained.
        self.template = (modules[0],)
        states = [dict(m.named_parameters()) for m in modules]
        self.names = list(states[0])
        self.stacked = nn.ParameterList(
            torch.stack([s[name].detach() for s in states]) for name in self.names
        )

    def forward(self, x):
        def one(weights, x):
            return torch.func.functional_call(self.template[0], weights, (x,))

        return torch.func.vmap(one)(dict(zip(self.names, self.stacked, strict=True)), x)

    def plain(self):
        return {name: p.detach() for name, p in zip(self.names, self.stacked, strict=True)}


TWINS: dict[type[nn.Module], type[Stacked]] = {
    nn.Linear: StackedLinear,
    nn.Conv2d: StackedConv2d,
    nn.BatchNorm1d: StackedBatchNorm,
    nn.BatchNorm2d: StackedBatchNorm,
    nn.Dropout: StackedDropout,
    nn.Flatten: StackedFlatten,
    nn.Identity: StackedElementwise,
    nn.ReLU: StackedElementwise,
    nn.Tanh: StackedElementwise,
    nn.GELU: StackedElementwise,
    nn.Softplus: StackedElementwise,
    nn.MaxPool2d: StackedPerImage,
    nn.AvgPool2d: StackedPerImage,
    nn.AdaptiveAvgPool2d: StackedPerImage,
    nn.Sequential: StackedSequential,
    Residual: StackedResidual,
}


def stack(modules: list[nn.Module]) -> Stacked:
    """One module for several of the same architecture; the weights are copied."""
    return TWINS.get(type(modules[0]), StackedByVmap)(modules)


def keep_lanes(stacked: Stacked, lanes: torch.Tensor) -> None:
    """Drop all seeds but these from a stacked module; lanes: (s,) indices."""
    for tensor in [*stacked.parameters(), *stacked.buffers()]:
        tensor.data = tensor.data[lanes]
    for layer in stacked.modules():
        if isinstance(layer, StackedDropout):
            layer.generators = [layer.generators[lane] for lane in lanes.tolist()]
