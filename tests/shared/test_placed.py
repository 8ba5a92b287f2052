"""What a GPU refuses is refused where tensors only say that they are on one."""

import pytest
import torch

from tests.shared.placed import placed


@pytest.fixture
def labels(monkeypatch):
    with placed(monkeypatch) as labels:
        yield labels


@pytest.fixture
def there(labels):
    return torch.arange(6.0, device="cuda").view(2, 3)


def adam(weight, gradient, steps):
    options = dict.fromkeys(("lr", "beta1", "beta2", "weight_decay", "eps"), 0.1)
    tensors = ([t] for t in (weight, gradient, weight.clone(), weight.clone()))
    torch._fused_adam_(*tensors, [], [steps], amsgrad=False, maximize=False, **options)


TWO_DEVICES = {
    "a sum": lambda x: x + torch.ones(2, 3),
    "a product": lambda x: x @ torch.ones(3, 1),
    "a stack": lambda x: torch.stack([x, torch.ones(2, 3)]),
    "a number in a list": lambda x: torch.cat([x.sum()[None], torch.zeros(())[None]]),
    "a number in an optimiser": lambda x: adam(x.clone(), x.clone(), torch.zeros(())),
    "gathering": lambda x: x.gather(1, torch.zeros(2, 1, dtype=torch.int64)),
    "indices on the GPU": lambda x: torch.ones(6)[x.long()],
    "a number that is written": lambda x: torch.zeros(()).add_(x.sum()),
    "what came from NumPy": lambda x: x * torch.from_numpy(torch.ones(2, 3).numpy()),
}


@pytest.mark.parametrize("name", TWO_DEVICES)
def test_two_devices_do_not_meet(name, there):
    with pytest.raises(RuntimeError, match="same device"):
        TWO_DEVICES[name](there)


def test_numbers_meet_both(there):
    assert (there * torch.tensor(2.0) + 1.0).device == torch.device("cuda", 0)


LEAVING = {
    "to": lambda x: x.to("cpu"),
    "to another": lambda x: x.to(torch.zeros(1)),
    "cpu": lambda x: x.cpu(),
}


@pytest.mark.parametrize("name", LEAVING)
def test_a_copy_lies_elsewhere(name, there):
    copy = LEAVING[name](there)
    assert not copy.is_cuda
    assert there.is_cuda
    assert copy.numpy().sum() == 15


STAYING = {
    "a view": lambda x: x[0, 1:],
    "a new one": lambda x: torch.zeros_like(x),
    "of its kind": lambda x: x.new_ones(2),
    "a gradient": lambda x: torch.autograd.grad(x.requires_grad_().square().sum(), x)[0],
    "data": lambda x: x.data,
    "another type": lambda x: x.to(torch.float64),
    "where another is": lambda x: torch.ones(3).to(x),
}


@pytest.mark.parametrize("name", STAYING)
def test_what_comes_of_it_stays(name, there):
    assert STAYING[name](there).is_cuda


def test_fused_optimisers_want_one_layout(there):
    steps = torch.zeros((), device="cuda")
    adam(there.clone(), there.clone(), steps)
    with pytest.raises(RuntimeError, match="same dtype, device, and layout"):
        adam(there.clone(), there.T.contiguous().T, steps)


def test_modules_move(labels, there):
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with pytest.raises(RuntimeError, match="same device"):
        net(there)
    assert net.to("cuda")(there).is_cuda


def test_numpy_sees_only_ordinary_memory(there):
    with pytest.raises(TypeError, match=r"Use Tensor.cpu\(\)"):
        there.numpy()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_generators_are_of_a_device(device, labels):
    stream, other = torch.Generator(device), {"cpu": "cuda", "cuda": "cpu"}[device]
    assert torch.rand(2, device=device, generator=stream).device.type == device
    with pytest.raises(RuntimeError, match=f"Expected a '{other}' device type"):
        torch.rand(2, device=other, generator=stream)
    with pytest.raises(RuntimeError, match=f"Expected a '{other}' device type"):
        torch.zeros(2, device=other).bernoulli_(0.5, generator=stream)


WAITING = {
    "a number": lambda x: x.sum().item(),
    "a decision": lambda x: bool((x > 0).all()),
    "a list": lambda x: x.tolist(),
    "a copy": lambda x: x.cpu(),
    "a choice by booleans": lambda x: x[x > 1],
    "places": lambda x: x.nonzero(),
    "a copy into ordinary memory": lambda x: torch.zeros(2, 3).copy_(x),
}


@pytest.mark.parametrize("name", WAITING)
def test_waiting_is_refused_on_demand(name, labels, there):
    WAITING[name](there)
    labels.waits = False
    with pytest.raises(RuntimeError, match="waits for the GPU"):
        WAITING[name](there)


RECORDED = {
    "another device": lambda x: x * torch.tensor(2.0),
    "a list": lambda x: torch.tensor([1.0, 2.0], device="cuda"),
    "a move": lambda x: torch.ones(3).to("cuda"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_recorded_is_of_the_device_alone(name, labels, there):
    RECORDED[name](there)
    labels.recorded = True
    with pytest.raises(RuntimeError, match="in what is recorded"):
        RECORDED[name](there)


def test_outside_all_is_as_before(monkeypatch):
    with placed(monkeypatch):
        there = torch.ones(2, device="cuda")
    assert not there.is_cuda
    assert type(torch.Generator()) is torch._C.Generator
