"""Modules of any kind against a plain PyTorch loop, one seed after another."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from largebatch.nets import models
from largebatch.nets.one_by_one import OneByOne
from largebatch.nets.stack import decay_groups, estimate_population_statistics, stack
from largebatch.training import train as train_module
from tests.conftest import small_arm
from tests.shared.groups import DATA, OLDER_WAYS, SEEDS, SGD, group_of
from tests.shared.modules import MODULES, STACKED, Block
from tests.shared.plain_loop import plain_loop
from tests.shared.trained import train

# Some of these weights have a gradient of rounding alone, which a small epsilon would turn into steps.
ADAM = {"optimiser": {"name": "adam", "epsilon": 1e-4}, "lr": 0.01, "weight_decay": 0.01}
pytestmark = OLDER_WAYS


def require_equal(group, index, net):
    """All weights and buffers of one seed; a stacked net's BatchNorm has no running average."""
    tensors = group.model.plain()
    is_stacked = not isinstance(group.model, OneByOne)
    for name, tensor in (dict(net.named_parameters()) if is_stacked else net.state_dict()).items():
        near = max(1e-12, 1e-10 * tensor.abs().max().item())
        torch.testing.assert_close(tensors[name][index], tensor.detach(), rtol=0, atol=near, msg=name)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # PyTorch 2.11 takes pre-hooks for these
@pytest.mark.parametrize("settings", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("name", [*MODULES, *STACKED])
def test_weights_and_buffers_equal_those_of_a_plain_loop(name, settings, dataset, monkeypatch):
    if name == "resnet18" and settings is ADAM:
        pytest.skip("says no more than mobilenet_v3_small")
    seeds, epochs = (SEEDS[:1], 1) if name == "resnet18" else (SEEDS, 2)  # it takes long
    build = (MODULES | STACKED)[name]
    group = group_of(build, dataset, monkeypatch, seeds, **settings, epochs=epochs)
    before = torch.random.get_rng_state()
    for _ in range(epochs):
        group.train_epoch()
    assert torch.equal(torch.random.get_rng_state(), before)
    for index, seed in enumerate(seeds):
        net = plain_loop(group.arm, seed, dataset, calls_train=name != "frozen in evaluation")
        require_equal(group, index, net)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # of torch's own second derivatives
@pytest.mark.parametrize(
    "settings",
    [
        {"sharpness_aware": {"rho": 0.3}, "clip_norm": 0.5},
        {"adversarial": {"size": 0.2, "share": 0.3}, "loss": "squared_error"},
        {"proximal": {"strength": 0.5, "steps": 2}},
        {"gradient_penalty": {"strength": 0.3, "step": 1e-7}},
        {"batch_size": 10, "last_batch": "weigh", "label_smoothing": 0.1},
        {"micro_batch_size": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["tied weights", "frozen in evaluation"])
def test_settings_of_an_update_do_what_they_do_in_a_plain_loop(name, settings, dataset, monkeypatch):
    group = group_of(MODULES[name], dataset, monkeypatch, **SGD | {"epochs": 1} | settings)
    group.train_epoch()
    near = {"rtol": 1e-5, "atol": 1e-7} if group.arm.gradient_penalty else {"rtol": 1e-9, "atol": 1e-11}
    for index, seed in enumerate(SEEDS):
        for key, weight in plain_loop(group.arm, seed, dataset).named_parameters():
            torch.testing.assert_close(group.model.plain()[key][index], weight.detach(), **near, msg=key)


def test_a_block_that_is_left_out_at_random_is_not_decayed_meanwhile(dataset, monkeypatch):
    class Skipping(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.block, self.head = nn.Linear(16, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            x = self.first(x.flatten(1))
            return self.head(x if self.training and torch.rand(()) < 0.5 else self.block(x))

    for settings in (SGD, ADAM, SGD | {"clip_norm": 0.1}):
        group = group_of(Skipping, dataset, monkeypatch, seeds=[3], **settings)
        for _ in range(2):
            group.train_epoch()
        net = plain_loop(group.arm, 3, dataset, calls_train=True)
        for name, weight in net.named_parameters():
            torch.testing.assert_close(group.model.plain()[name][0], weight.detach(), rtol=1e-5, atol=1e-6)
    group = group_of(Skipping, dataset, monkeypatch, seeds=range(8))
    with pytest.raises(ValueError, match=r"block\.weight: wanted a gradient for all seeds or for none"):
        group.train_epoch()


# Of each kind of state: random numbers, running statistics, buffers.
STATEFUL = [
    "own forward",
    "transformer with dropout",
    "buffers",
    "running average in training",
    "spectral norm",
]


@pytest.mark.parametrize("name", [*STATEFUL, "shared layer", "tied weights", "pruned", "gru"])
def test_company_and_evaluations_change_nothing(name, dataset, monkeypatch):
    alone, company = (
        group_of(MODULES[name], dataset, monkeypatch, seeds, **SGD) for seeds in ([3], [0, 3, 1])
    )
    for epoch in range(2):
        company.estimate_population_statistics()
        company.evaluate("test")
        for group in (alone, company):
            group.train_epoch()
        if epoch == 0:
            company.keep([1, 2])
    for key, tensor in alone.model.plain().items():
        torch.testing.assert_close(company.model.plain()[key][0], tensor[0], rtol=1e-10, atol=1e-12, msg=key)


@pytest.mark.parametrize("name", [*STATEFUL, "own input overwritten", "instance norm"])
def test_evaluation_leaves_the_model_its_streams_and_the_images_as_they_were(name, dataset, monkeypatch):
    group = group_of(MODULES[name], dataset, monkeypatch, **SGD)
    group.train_epoch()
    group.estimate_population_statistics()
    state = copy.deepcopy(group.model.state_dict())
    streams, images = [stream.get_state() for stream in group.streams()], dataset.images.clone()
    first, second = (group.evaluate("test") for _ in range(2))
    assert all(torch.equal(first[metric], second[metric]) for metric in first)
    assert all(torch.equal(tensor, state[key]) for key, tensor in group.model.state_dict().items())
    assert all(torch.equal(stream.get_state(), s) for stream, s in zip(group.streams(), streams, strict=True))
    assert torch.equal(dataset.images, images)


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", [*STATEFUL, "frozen in evaluation", "unused weights"])
def test_continuing_equals_never_having_stopped(name, dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(models.MODELS, "mlp", lambda *_, **__: MODULES[name]())
    arm, checkpoint = small_arm(**DATA | SGD | {"epochs": 4}), tmp_path / "checkpoint.pt"
    net = models.initial(arm, SEEDS[0], dataset)
    assert [len(group) for group in train_module.seed_groups(arm, SEEDS, dataset, net)] == [1, 1]
    expected = train(arm, SEEDS, dataset)
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)

    def kill(text):
        if "epoch 3" in text or "epoch 2/4 of seeds 3" in text:
            raise Killed

    with pytest.raises(Killed):
        train(arm, SEEDS, dataset, checkpoint, kill)
    trained = train(arm, SEEDS, dataset, checkpoint)
    if name != "unused weights":  # which counts its calls where no checkpoint looks
        assert trained.history == expected.history
        assert all(np.array_equal(trained.weights[n], expected.weights[n]) for n in expected.weights)
    # What is kept is what the plain module is made of.
    net = models.build(0, "mlp", (1, 4, 4), 3).double()
    net.load_state_dict({n: torch.as_tensor(w[0]) for n, w in trained.weights.items()}, strict=True)


NORMALISED = [
    "resnet18",
    "own forward",
    "synchronised BatchNorm",
    "class from BatchNorm",
    "class from Sequential",
]


@pytest.mark.parametrize("name", NORMALISED)
def test_population_statistics_of_one_batch_make_evaluation_equal_training(name, dataset, monkeypatch):
    group = group_of(MODULES[name], dataset, monkeypatch)
    images, _ = group.splits.examples(group.splits.rows["train"])
    for own in group.model.nets:
        for part in own.net.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
    expected = group.model.train()(images)
    estimate_population_statistics(group.model, [images])
    assert not any(part.training for own in group.model.nets for part in own.net.modules())
    torch.testing.assert_close(group.model(images), expected, rtol=1e-9, atol=1e-9)


def test_population_statistics_are_pooled_over_batches_and_uses(dataset):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.own = (
                nn.BatchNorm1d(3, momentum=0.5),
                nn.InstanceNorm1d(3, track_running_stats=True),
            )
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            self.own(x)
            return self.scale * self.norm(x) + self.norm(3 * x[:, :, :2])[:, :, :1]

    x = torch.randn(1, 10, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model = stack([Twice().double()])
    estimate_population_statistics(model, x.split([2, 7, 1], dim=1))
    seen = torch.cat([x[0].transpose(0, 1).flatten(1), 3 * x[0, :, :, :2].transpose(0, 1).flatten(1)], 1)
    tensors = model.plain()
    torch.testing.assert_close(tensors["norm.running_mean"][0], seen.mean(1))
    torch.testing.assert_close(tensors["norm.running_var"][0], seen.var(1, correction=0))
    torch.testing.assert_close(tensors["own.running_mean"][0], x[0].mean((0, 2)))
    torch.testing.assert_close(tensors["own.running_var"][0], x[0].var(2).mean(0))


@pytest.mark.parametrize("name", ["frozen backbone", "frozen in evaluation"])
def test_frozen_statistics_are_not_estimated(name, dataset, monkeypatch):
    group = group_of(MODULES[name], dataset, monkeypatch)
    group.train_epoch()
    group.estimate_population_statistics()
    means = [t for key, t in group.model.plain().items() if key.endswith("running_mean")]
    assert len(means) == 1 and not means[0].any()


def test_frozen_weights_count_nowhere(dataset, monkeypatch):
    group = group_of(MODULES["frozen layer"], dataset, monkeypatch, **SGD | {"clip_norm": 0.1})
    assert {tuple(w.shape[1:]) for w in group.weights} == {(6,), (3, 6), (3,)}
    before = group.model.plain()
    before = {key: before[key].clone() for key in ("1.weight", "1.bias")}
    group.train_epoch()
    assert all(torch.equal(group.model.plain()[key], tensor) for key, tensor in before.items())


def test_weight_decay_spares_what_has_one_dimension_and_normalisation():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix, self.number = nn.Linear(3, 3), nn.Parameter(torch.ones(()))
            self.norm = nn.LayerNorm((1, 3))

    model = stack([Scaled(), Scaled()])
    decayed, _ = decay_groups(model, everything=False)
    names = [name for name, _ in model.named_parameters()]
    assert [names[i] for i in decayed] == ["weight/matrix/weight"]


@pytest.mark.parametrize(
    "settings", [{"ghost_batch_size": 4}, {"precision": "bfloat16"}, {"workers": 2}], ids=str
)
def test_settings_of_stacked_layers_are_refused(settings, dataset, monkeypatch):
    with pytest.raises(
        ValueError, match=rf"{next(iter(settings))}: wanted .* \(the net: Block has no stacked"
    ):
        group_of(MODULES["own forward"], dataset, monkeypatch, **settings)


class Pair(Block):
    """Puts out more than its logits."""

    def forward(self, x):
        return super().forward(x), x


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 4)),
            ValueError,
            r"wanted outputs \(b, 3\).*got .*4",
        ),
        (lambda: nn.Sequential(nn.Conv2d(1, 3, 4)), ValueError, r"wanted outputs \(b, 3\)"),
        (Pair, TypeError, "Pair: wanted outputs as one tensor .*; got tuple"),
        (lambda: Block().requires_grad_(False), ValueError, "wanted weights to train; got none"),
    ],
)
def test_bad_modules_are_told(build, error, match, dataset, monkeypatch):
    with pytest.raises(error, match=match):
        group_of(build, dataset, monkeypatch).evaluate("test")


def test_seeds_that_do_not_fit_together_are_told():
    with pytest.raises(ValueError, match=r"weight: wanted the same shape for each seed; got .*2.* and .*3"):
        stack([nn.LayerNorm(2), nn.LayerNorm(3)])
    with pytest.raises(ValueError, match="LayerNorm: wanted weights of its own for each seed"):
        stack([nn.LayerNorm(2)] * 2)


def test_a_buffer_that_grows_is_told(dataset, monkeypatch):
    class Queue(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(16, 3)
            self.register_buffer("queue", torch.zeros(1, 3))

        def forward(self, x):
            out = self.head(x.flatten(1))
            self.queue = torch.cat([self.queue, out.detach()])
            return out

    with pytest.raises(ValueError, match=r"queue: wanted a buffer of constant shape \(1, 3\); got \(9, 3\)"):
        group_of(Queue, dataset, monkeypatch).train_epoch()
