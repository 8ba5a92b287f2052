"""Code for a GPU on a machine without one: tensors carry a label that says on which device they would lie.

Everything is computed by the CPU, so that results are those of the CPU and control flow that reads a number
goes on. What a GPU would refuse is refused: tensors of two devices in one operation, a generator of
another device, NumPy's view of a GPU's memory. Kernels themselves, memory and speed are not looked at.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)

# What has the CPU wait until the GPU has got there; with a boolean index so have the next ones.
WAITING = {
    *(aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten.is_nonzero),
    *(aten._unique2, aten.unique_dim, aten.repeat_interleave, aten.bincount),
}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._unsafe_index}
TAKING_NUMBERS = {aten.fill_, aten.index_put, aten.index_put_}
FUSED = {aten._fused_sgd_, aten._fused_adam_}
COPYING = {aten.copy_, aten._to_copy}


class Stream(torch._C.Generator):
    """A generator that says it is of the device asked for, and draws what one of the CPU draws."""

    def __new__(cls, device: torch.device | str = "cpu"):
        made = super().__new__(cls)
        made.place = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:
        return self.place


class Labels:
    """Which tensors lie on the GPU. Views do where their base does, for the label is of the memory."""

    def __init__(self):
        # As long as they are referred to, even weakly, no other memory gets their number.
        self.on_gpu: dict[int, StorageWeakRef] = {}
        self.waits = True  # whether the CPU may wait for the GPU
        self.recorded = False  # whether this is to become part of a graph
        self.within = CPU  # where functions make what they need by themselves: where their arguments lie

    def of(self, tensor: torch.Tensor) -> torch.device:
        return GPU if tensor.untyped_storage()._cdata in self.on_gpu else CPU

    def put(self, tensor: torch.Tensor, device: torch.device) -> None:
        storage = tensor.untyped_storage()
        if device.type == "cuda":
            self.on_gpu[storage._cdata] = StorageWeakRef(storage)
        else:
            self.on_gpu.pop(storage._cdata, None)

    def require_no_wait(self, what) -> None:
        if not self.waits:
            raise RuntimeError(f"wanted nothing that waits for the GPU; got {what}")


class Operations(TorchDispatchMode):
    """Every operation, those of backward passes included: checks its devices and labels what it gives."""

    def __init__(self, labels: Labels):
        super().__init__()
        self.labels = labels

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = tensors_of((args, kwargs))
        on_gpu = any(self.labels.of(t) == GPU for t in given)
        if on_gpu:
            self._check(func, args, given)
        elif self.labels.recorded and given:
            raise RuntimeError(f"wanted only tensors of the GPU in what is recorded; got {func} of the CPU's")
        out = func(*args, **kwargs)
        if func.overloadpacket is not aten.copy_ and (on_gpu or (not given and self.labels.within == GPU)):
            for tensor in tensors_of(out):
                self.labels.put(tensor, GPU)
        return out

    def _check(self, func, args, given) -> None:
        kind = func.overloadpacket
        on_cpu = [t for t in given if self.labels.of(t) == CPU]
        if self.labels.recorded and on_cpu:
            raise RuntimeError(f"wanted only tensors of the GPU in what is recorded; got {func} of {on_cpu}")
        if kind in WAITING:
            self.labels.require_no_wait(func)
        if kind in INDEXING:
            indices = [t for t in args[1] if t is not None]
            if any(t.dtype in (torch.bool, torch.uint8) for t in indices):
                self.labels.require_no_wait(f"{func} by booleans")
            if self.labels.of(args[0]) == GPU:  # indices may lie elsewhere, and are copied
                on_cpu = [t for t in on_cpu if not any(t is index for index in indices)]
        if kind in COPYING:
            if self.labels.of(args[0]) == CPU:
                self.labels.require_no_wait(func)
            return
        if kind in FUSED:
            require_alike(args)
        written = {
            id(given_)
            for argument, given_ in zip(func._schema.arguments, args, strict=False)
            if argument.alias_info is not None and argument.alias_info.is_write
        }
        # Where values meet one by one a number may come from the CPU, but nothing of the GPU's goes into it.
        by_value = torch.Tag.pointwise in func.tags or kind in TAKING_NUMBERS
        wrong = [t for t in on_cpu if not by_value or t.ndim > 0 or id(t) in written]
        if wrong:
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"cuda:0 and cpu! {func} of {[(tuple(t.shape), str(self.labels.of(t))) for t in given]}"
            )


def require_alike(args) -> None:
    """Fused optimisers go through a weight, its gradient and its state in one order; CUDA's check it."""
    weights, *others = (tensors for tensors in args[:4] if tensors and tensors[0].ndim)
    for tensors in others:
        for weight, tensor in zip(weights, tensors, strict=True):
            if layout(weight) != layout(tensor):
                raise RuntimeError(
                    "params, grads, exp_avgs, and exp_avg_sqs must have same dtype, device, and layout; got "
                    f"{layout(weight)} and {layout(tensor)}"
                )


def layout(tensor: torch.Tensor) -> tuple:
    """Type, sizes, and the strides that matter."""
    strides = zip(tensor.stride(), tensor.shape, strict=True)
    return tensor.dtype, tensor.shape, [stride for stride, size in strides if size > 1]


class Calls(TorchFunctionMode):
    """What Python asks of tensors: where they lie, to make or to move them, numbers out of them."""

    def __init__(self, labels: Labels):
        super().__init__()
        self.labels = labels

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in ANSWERS:
            return ANSWERS[func](self.labels.of(args[0]))
        if func in MOVING:
            return self._move(func, args, kwargs)
        if func in OF_THE_CPU and self.labels.of(args[0]) == GPU:
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor first."
            )
        if func is torch.Tensor.tolist and self.labels.of(args[0]) == GPU:
            self.labels.require_no_wait(func)
        device = kwargs.pop("device", None)
        if (stream := kwargs.get("generator")) is not None:
            self._check_stream(stream, device, args)
        if func is torch.nn.functional.one_hot:
            return self._one_hot(func, args, kwargs)
        if device is not None and torch.device(device).type == "cuda":
            if self.labels.recorded and func in FROM_LISTS:
                raise RuntimeError(f"wanted nothing moved in what is recorded; got {func}")
            with without(self.labels):
                out = func(*args, **kwargs)
            self.labels.put(out, GPU)
            return out
        if device is not None:
            kwargs["device"] = device
        before = self.labels.within
        self.labels.within = GPU if any(self.labels.of(t) == GPU for t in tensors_of((args, kwargs))) else CPU
        try:
            out = func(*args, **kwargs)
        finally:
            self.labels.within = before
        if func is torch.Tensor.__deepcopy__:
            self.labels.put(out, self.labels.of(args[0]))
        return out

    def _check_stream(self, stream, device, args) -> None:
        of_tensors = [self.labels.of(t).type for t in args if isinstance(t, torch.Tensor)]
        wanted = torch.device(device).type if device is not None else (of_tensors or ["cpu"])[0]
        if stream.device.type != wanted:
            raise RuntimeError(
                f"Expected a '{wanted}' device type for generator but found '{stream.device.type}'"
            )

    def _one_hot(self, func, args, kwargs):
        """On a GPU it looks at no class where their number is given, and makes its tensors there."""
        device = self.labels.of(args[0])
        with _disable_current_modes():
            out = func(*args, **kwargs)
        self.labels.put(out, device)
        return out

    def _move(self, func, args, kwargs):
        tensor, *others = args
        before = self.labels.of(tensor)
        device, dtype, layout = target(self.labels, func, others, kwargs)
        options = {} if layout is None else {"memory_format": layout}
        out = torch.Tensor.to(tensor, dtype or tensor.dtype, **options)
        if device is not None and device.type != before.type:
            if self.labels.recorded:
                raise RuntimeError(f"wanted nothing moved in what is recorded; got {before} to {device}")
            if device == CPU:
                self.labels.require_no_wait(f"a copy to {device}")
            with without(self.labels):
                out = out.clone()
                self.labels.put(out, device)
        return out


def tensors_of(values) -> list[torch.Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


def target(labels: Labels, func, others, kwargs):
    """Device, dtype and memory format that a call of Tensor.to, cpu or cuda asks for."""
    if func is not torch.Tensor.to:
        return (CPU if func is torch.Tensor.cpu else GPU), None, None
    if others and isinstance(others[0], torch.Tensor):
        return labels.of(others[0]), others[0].dtype, None
    device, dtype, _non_blocking, layout = torch._C._nn._parse_to(*others, **kwargs)
    return device, dtype, layout


@contextmanager
def without(labels: Labels) -> Iterator[None]:
    """No checks inside, where tensors are between two devices."""
    kept = labels.waits, labels.recorded
    labels.waits, labels.recorded = True, False
    try:
        yield
    finally:
        labels.waits, labels.recorded = kept


ANSWERS = {
    torch.Tensor.device.__get__: lambda device: device,
    torch.Tensor.is_cuda.__get__: lambda device: device.type == "cuda",
    torch.Tensor.is_cpu.__get__: lambda device: device.type == "cpu",
}
MOVING = {torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda}
FROM_LISTS = {torch.tensor, torch.as_tensor}
OF_THE_CPU = {torch.Tensor.numpy, torch.Tensor.__array__}


GROUPING = "_group_tensors_by_device_and_dtype"


def grouping(labels: Labels):
    """Optimisers' way to sort tensors, which asks for devices where no call is seen."""
    plain = getattr(torch.optim.Optimizer, GROUPING)

    def grouped(lists, with_indices=False):
        return {
            (labels.of(found[0][0][0]), dtype): found
            for (_, dtype), found in plain(lists, with_indices).items()
        }

    return grouped


@contextmanager
def placed(monkeypatch) -> Iterator[Labels]:
    """Inside, `cuda` is a device."""
    labels = Labels()
    with ExitStack() as stack, monkeypatch.context() as patch:
        patch.setattr(torch, "Generator", Stream)
        patch.setattr(torch.optim.Optimizer, GROUPING, staticmethod(grouping(labels)))
        stack.enter_context(Operations(labels))
        stack.enter_context(Calls(labels))
        yield labels
