"""Several seeds of any module: each seed's own module called as a whole, one after another, by autograd.

This is what stack.py does with a net that it cannot stack exactly. Because the user's own module is
called, everything PyTorch attaches to it works as in a plain loop: hooks of all kinds, tied weights,
parametrisations, pruning, a `train` of its own.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm

from largebatch.nets.batch_norm import moments_of, pooled
from largebatch.nets.layers import Stacked

# Normalisation layers whose weights may have more than one dimension.
NORMALISATION = (nn.LayerNorm, nn.RMSNorm)


class Own(NamedTuple):
    """A seed's own module, and its trained parameters."""

    net: nn.Module
    weights: list[nn.Parameter]


class Shared(tuple):
    """Modules that a copy of their holder shares: tensors in them may have graphs, which cannot be copied,
    and hooks refer to the originals."""

    def __deepcopy__(self, memo):
        return self


class OneByOne(Stacked):
    """Trained weights are parameters; frozen weights and buffers are buffers; all are (s, ...).

    A weight without dimensions is (s, 1). A seed's module sees its slices of them while it is called.

    `push` in training mode is a step of a plain loop: it updates buffers, and random numbers come from the
    seed's stream. `forward` changes nothing: buffers are copies, and the stream is read without moving it.

    generators: one stream per seed; without any, `forward` always draws the same numbers.
    """

    def __init__(self, modules: list[nn.Module]):
        super().__init__()
        like = modules[0]
        if like.training:  # parts that their builder froze in evaluation mode
            self.kept = [name for name, part in like.named_modules() if not part.training]
        else:
            self.kept = []
        self.names = [name for name, p in like.named_parameters() if p.requires_grad]
        self.nets = Shared(Own(m, [dict(m.named_parameters())[n] for n in self.names]) for m in modules)
        self.generators: list[torch.Generator] = []
        if len({id(p) for own in self.nets for p in own.weights}) < len(self.nets) * len(self.names):
            raise ValueError(
                f"{type(like).__name__}: wanted weights of its own for each seed; got shared ones"
            )
        states = [dict([*m.named_parameters(), *m.named_buffers()]) for m in modules]
        self.shapes = require_equal_shapes(states)
        for name, shape in self.shapes.items():
            tensor = torch.stack([state[name].detach() for state in states])
            if name in self.names:
                self.register_parameter(
                    place("weight", name), nn.Parameter(tensor if shape else tensor[:, None])
                )
            else:
                self.register_buffer(place("held", name), tensor)
        self.held = [name for name in self.shapes if name not in self.names]
        self.statistics = [
            f"{name}.{part}" if name else part
            for name, layer in like.named_modules()
            if has_running_statistics(layer)
            for part in ("running_mean", "running_var")
        ]
        for name in self.statistics:
            self.register_buffer(place("population", name), self._part("held", name).clone())
        by_id = {id(tensor): name for name, tensor in states[0].items()}
        self.places = {key: by_id[id(tensor)] for key, tensor in places_of(like).items()}
        # A state_dict names a tied weight once per use, and leaves out what is not saved.
        self.saved = {
            key: by_id[id(tensor)]
            for key, tensor in like.state_dict(keep_vars=True).items()
            if id(tensor) in by_id
        }

    def _part(self, kind: str, name: str) -> torch.Tensor:
        return getattr(self, place(kind, name))

    def plain(self):
        """As the mode it is in uses them: running statistics are the population's in evaluation mode."""
        tensors = {}
        for key, name in self.saved.items():
            kind = "weight" if name in self.names else self._kind_held(name)
            tensors[key] = self._part(kind, name).detach().view(-1, *self.shapes[name])
        return tensors

    def _kind_held(self, name: str) -> str:
        return "population" if name in self.statistics and not self.training else "held"

    def spared(self):
        """Weights of at most one dimension (biases, scales, numbers), and all of normalisation layers."""
        net = self.nets[0].net
        of_norms = {id(p) for m in net.modules() if isinstance(m, NORMALISATION) for p in m.parameters(False)}
        own = zip(self.names, self._parameters.values(), self.nets[0].weights, strict=True)
        return [w for name, w, p in own if len(self.shapes[name]) <= 1 or id(p) in of_norms]

    def keep(self, kept: list[int]) -> None:
        """Drop the modules and streams of all seeds but these."""
        self.nets = Shared(self.nets[index] for index in kept)
        self.generators = [self.generators[index] for index in kept] if self.generators else []

    def parts(self):
        return [part for own in self.nets for part in own.net.modules() if not list(part.children())]

    def _apply(self, fn, recurse=True):
        for own in self.nets:
            own.net._apply(fn)  # for what a module converts by itself
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True):
        super().train(mode)
        for own in self.nets:
            self._set_mode(own.net)
        return self

    def _set_mode(self, net: nn.Module) -> None:
        net.train(self.training)
        if self.training:
            for name in self.kept:
                net.get_submodule(name).training = False

    def forward(self, x):  # (s, b, ...) -> (s, b, ...)
        outs = []
        for index, own in enumerate(self.nets):
            tensors = self._held_by(index, copies=True)
            for name, weight in zip(self.names, self._parameters.values(), strict=True):
                tensors[name] = weight[index].view(self.shapes[name])
            with ExitStack() as stack:
                if torch.is_grad_enabled() and not self.training:
                    stack.enter_context(twice_differentiable(own.net))
                stack.enter_context(self._drawing(index, x.device))
                outs.append(self._called(own.net, tensors, x[index].clone()))
        return torch.stack(outs)

    def push(self, x, to_input=True):
        self.leaves, self.outs = [], []
        for index, own in enumerate(self.nets):
            for p, weight in zip(own.weights, self._parameters.values(), strict=True):
                p.data, p.grad = weight.data[index].view(p.shape), None
            held = self._held_by(index, copies=not self.training)
            leaf = x[index].detach().requires_grad_(to_input)
            with torch.enable_grad(), self._drawing(index, x.device, move=self.training):
                # a copy: modules may write into their input
                self.outs.append(self._called(own.net, held, leaf.clone()))
            self.leaves.append(leaf)
        return torch.stack([out.detach() for out in self.outs])

    def pull(self, g, sink):
        outs, leaves = self.outs, self.leaves
        self.outs, self.leaves = [], []
        torch.autograd.backward(outs, list(g.unbind(0)))
        for number, (name, weight) in enumerate(zip(self.names, self._parameters.values(), strict=True)):
            gradients = [own.weights[number].grad for own in self.nets]
            for own in self.nets:
                own.weights[number].grad = None
            if all(gradient is None for gradient in gradients):
                continue  # as torch.optim does: not moved, not decayed
            if any(gradient is None for gradient in gradients):
                raise ValueError(f"{name}: wanted a gradient for all seeds or for none; got one for some")
            dense = [gradient.to_dense() if gradient.is_sparse else gradient for gradient in gradients]
            sink.take(weight, torch.stack(dense).view_as(weight))
        if not leaves[0].requires_grad:
            return None
        return torch.stack([torch.zeros_like(x) if x.grad is None else x.grad for x in leaves])

    @torch.no_grad()
    def estimate_population_statistics(self, batches: Iterable[torch.Tensor]) -> None:
        """Of its normalisation layers with running statistics, from batches (s, b, ...).

        Everything else is in evaluation mode meanwhile, and the whole model afterwards.

        BatchNorm: pooled mean, and variance by the law of total variance; a layer used twice pools both.
        InstanceNorm: means over the instances. Layers frozen in evaluation mode keep what they have.
        """
        names = self._estimated()
        self.eval()
        if not names:
            return
        moments = [{name: [] for name in names} for _ in self.nets]
        layers = [
            (own.net.get_submodule(name), found[name])
            for own, found in zip(self.nets, moments, strict=True)
            for name in names
        ]
        with ExitStack() as stack:
            for layer, found in layers:
                stack.enter_context(watched(layer, found))
            for images in batches:
                self(images)
        for index, found in enumerate(moments):
            for name, seen in found.items():
                if seen:
                    between = not isinstance(self.nets[index].net.get_submodule(name), _InstanceNorm)
                    values = pooled(*zip(*seen, strict=True), between)
                    for part, value in zip(("running_mean", "running_var"), values, strict=True):
                        self._part("population", f"{name}.{part}" if name else part)[index].copy_(value)

    def _estimated(self) -> list[str]:
        """Names of the layers whose running statistics follow the data in training mode."""
        self.train()
        parts = self.nets[0].net.named_modules()
        return [name for name, layer in parts if layer.training and has_running_statistics(layer)]

    def _held_by(self, index: int, copies: bool) -> dict[str, torch.Tensor]:
        """Frozen weights and buffers of a seed."""
        slices = {name: self._part(self._kind_held(name), name).data[index] for name in self.held}
        return {name: tensor.clone() for name, tensor in slices.items()} if copies else slices

    def _called(self, net: nn.Module, tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """The module's output with these tensors in place; buffers that it binds anew are taken over."""
        if net.training != self.training:  # a copy that shares it was in another mode
            self._set_mode(net)
        given = {key: tensors[name] for key, name in self.places.items() if name in tensors}
        out = called_with(net, given, x) if given else net(x)
        for key, tensor in given.items():
            if tensor is not tensors[self.places[key]]:
                self._replace(tensors[self.places[key]], tensor, key)
        if not isinstance(out, torch.Tensor):
            raise TypeError(
                f"{type(net).__name__}: wanted outputs as one tensor (b, classes); got {type(out).__name__}"
            )
        return out

    def _replace(self, held: torch.Tensor, tensor: torch.Tensor, name: str) -> None:
        """Take over a buffer that the module has bound anew."""
        if held.shape != tensor.shape:
            raise ValueError(
                f"{name}: wanted a buffer of constant shape {tuple(held.shape)}; got {tuple(tensor.shape)}"
            )
        held.copy_(tensor.detach())

    @contextmanager
    def _drawing(self, index: int, device: torch.device, move: bool = False) -> Iterator[None]:
        """The global generators at the seed's stream; then as found, and the stream moved on if `move`."""
        on_gpu = device.type == "cuda"
        stream = self.generators[index] if self.generators else torch.Generator().manual_seed(0)
        with torch.random.fork_rng(devices=[device] if on_gpu else []):
            torch.default_generator.set_state(stream.get_state())
            if on_gpu:
                torch.cuda.manual_seed(int(torch.randint(1 << 62, ())))
            yield
            if move:
                stream.set_state(torch.default_generator.get_state())


def places_of(net: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by each attribute that holds them: a tied weight has several.

    A module that stands in two places counts once.
    """
    return {
        f"{name}.{key}" if name else key: tensor
        for name, part in net.named_modules()
        for key, tensor in (*part._parameters.items(), *part._buffers.items())
        if tensor is not None
    }


def called_with(net: nn.Module, tensors: dict[str, torch.Tensor], x: torch.Tensor):
    """The output with these tensors in their places, which `places_of` names."""
    # With tie_weights a module that stands in two places would not get its own weights back.
    return torch.func.functional_call(net, tensors, (x,), tie_weights=False)


def place(kind: str, name: str) -> str:
    """What a tensor of the plain module is called here; attributes of modules may not have dots."""
    return f"{kind}/{name.replace('.', '/')}"


def require_equal_shapes(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Size]:
    """name -> shape, the same for each seed."""
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    for other in shapes[1:]:
        if other != shapes[0]:
            name = next(n for n in [*shapes[0], *other] if shapes[0].get(n) != other.get(n))
            got = f"{shapes[0].get(name)} and {other.get(name)}"
            raise ValueError(f"{name}: wanted the same shape for each seed; got {got}")
    return shapes[0]


def has_running_statistics(layer: nn.Module) -> bool:
    """BatchNorm, InstanceNorm and what derives from them, if they track statistics."""
    return isinstance(layer, _NormBase) and layer.running_mean is not None and layer.running_var is not None


@contextmanager
def watched(layer: nn.Module, found: list[tuple]) -> Iterator[None]:
    """A normalisation layer in training mode that adds each input's `weighted_moments` to `found`."""

    def add(layer, inputs, named):
        found.append(weighted_moments(layer, next(iter((*inputs, *named.values())))))

    handle = layer.register_forward_pre_hook(add, with_kwargs=True)
    layer.training = True
    try:
        yield
    finally:
        layer.training = False
        handle.remove()


def weighted_moments(layer: nn.Module, x: torch.Tensor) -> tuple[int, torch.Tensor, torch.Tensor]:
    """(weight, mean, variance) of an input (b, c, ...), by channel; InstanceNorm's of its mean instance."""
    if isinstance(layer, _InstanceNorm):
        var, mean = torch.var_mean(x.flatten(2), 2)  # divided by n - 1, as PyTorch's own
        return len(x), mean.mean(0), var.mean(0)
    mean, var, _ = moments_of(x, [0, *range(2, x.ndim)])
    return x.numel() // x.shape[1], mean.flatten(), var.flatten()


@contextmanager
def twice_differentiable(net: nn.Module) -> Iterator[None]:
    """Kernels whose gradient has a gradient: fused attention has none, nor have cuDNN's recurrent layers."""
    cudnn, enabled = torch.backends.cudnn, torch.backends.cudnn.enabled
    with sdpa_kernel(SDPBackend.MATH):
        cudnn.enabled = enabled and not any(isinstance(layer, nn.RNNBase) for layer in net.modules())
        try:
            yield
        finally:
            cudnn.enabled = enabled
