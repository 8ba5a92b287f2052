"""Stacked modules against the plain modules, one seed after another."""

import pytest
import torch
from torch import nn

from largebatch.nets import models
from largebatch.nets.batch_norm import StackedBatchNorm
from largebatch.nets.one_by_one import OneByOne
from largebatch.nets.stack import Residual, estimate_population_statistics, keep_seeds, obstacle, stack
from largebatch.training.optimise import Collected, PlainSgd
from tests.shared.modules import MODULES, STACKED

SEEDS = 3  # as of the images


class Gate(nn.Module):
    """A layer without a stacked twin."""

    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.sigmoid(self.inner(x)) * self.scale


def conv_block(width=4):
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())


def contained_bottlenecks():
    """ResNet-50's stem and head, with few and narrow blocks."""
    from torchvision.models.resnet import Bottleneck, ResNet  # late, for it takes seconds

    return models.contained(ResNet(Bottleneck, [1, 2, 1, 1], num_classes=3, width_per_group=4))


NETS = {
    "mlp": lambda: models.mlp((1, 4, 4), 3, [7, 5]),
    "tanh": lambda: models.mlp((1, 4, 4), 3, [7], activation="tanh"),
    "f1": lambda: models.mlp((1, 4, 4), 3, [7, 5], batch_norm=True),
    "cnn": lambda: models.cnn((1, 4, 4), 3, [4, 6], batch_norm=True),
    "residual": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False),
        Residual(conv_block()),
        Residual(nn.Conv2d(4, 6, 1), nn.Conv2d(4, 6, 1)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3, bias=False),
    ),
    "grouped": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 1, groups=2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3)
    ),
    "unknown layer": lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 6), Gate(6), nn.Linear(6, 3)),
    "unknown net": lambda: Gate(4),
    "relu on its own": lambda: nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(16, 3), nn.ReLU()),
    "c1": lambda: models.keskar_cnn((1, 4, 4), 3, dropout=0.0),
    "resnet": lambda: models.resnet((1, 4, 4), 3, depth=14),
    "residual first": lambda: nn.Sequential(
        Residual(conv_block(1)),
        Residual(nn.ReLU()),
        Residual(nn.Sequential(nn.ReLU(), nn.Tanh())),
        nn.Flatten(),
    ),
    "smooth": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(16, 4), nn.GELU(), nn.Linear(4, 3), nn.Softplus()
    ),
}


def seeded(build, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().double()


@pytest.fixture(params=NETS)
def plain(request):
    return [seeded(NETS[request.param], seed) for seed in range(SEEDS)]


@pytest.mark.parametrize("training", [True, False])
def test_forward_and_gradients_equal_the_plain_modules(plain, images, training):
    require_equal_to_plain(plain, images, training)


def require_equal_to_plain(plain, images, training):
    together = stack(plain).train(training)
    out = together(images)
    gradients = torch.autograd.grad(out.square().sum(), list(together.parameters()))
    for tensor, gradient in zip(together.parameters(), gradients, strict=True):
        tensor.data.copy_(gradient)  # so that plain() tells gradients by their plain names
    for index, module in enumerate(plain):
        alone = module.train(training)(images[index])
        torch.testing.assert_close(out[index], alone)
        alone.square().sum().backward()
        stacked = together.plain()
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(stacked[name][index], parameter.grad, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize(("training", "ghost"), [(True, None), (True, 5), (True, 4), (False, 5)])
def test_push_and_pull_equal_autograd(plain, images, training, ghost):
    """4 leaves a short last ghost batch of the 10 images."""
    require_equal_to_autograd(plain, images, training, ghost)


def require_equal_to_autograd(plain, images, training, ghost):
    together = stack(plain)
    estimate_population_statistics(together, [images + 1.0])
    together.train(training)
    for layer in together.modules():
        if isinstance(layer, StackedBatchNorm):
            layer.ghost = ghost
    x = images.clone().requires_grad_()
    out = together(x)
    g = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weights = list(together.parameters())
    by_input, *expected = torch.autograd.grad(out, [x, *weights], g)
    with torch.no_grad():
        torch.testing.assert_close(together.push(images), out)
        torch.testing.assert_close(together.pull(g.clone(), Collected()), by_input)
        for weight, gradient in zip(weights, expected, strict=True):
            torch.testing.assert_close(weight.grad, gradient)
        # A sink that moves each weight at once must not disturb the gradients that follow.
        together.push(images, to_input=False)
        before = [w.clone() for w in weights]
        assert together.pull(g.clone(), PlainSgd(0.1, 0.0, set())) is None
        for weight, old, gradient in zip(weights, before, expected, strict=True):
            torch.testing.assert_close(weight.detach(), old - 0.1 * gradient)
    torch.testing.assert_close(images, x, msg="the images were overwritten")


# Nets too large to be tried in every way, and the images that each takes.
LARGE = {
    "vgg": (lambda: models.vgg((3, 32, 32), 3, dropout=False), (1, 4, 3, 32, 32)),
    "bottlenecks": (contained_bottlenecks, (2, 4, 3, 32, 32)),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_nets_equal_the_plain_modules_and_autograd(name):
    build, shape = LARGE[name]
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    plain = [seeded(build, seed) for seed in range(len(images))]
    require_equal_to_plain(plain, images, training=True)
    require_equal_to_autograd(plain, images, training=True, ghost=None)


def test_plain_names_and_shapes_are_those_of_the_module(plain):
    tensors = stack(plain).plain()
    for index, module in enumerate(plain):
        state = {n: t for n, t in module.state_dict().items() if not n.endswith("num_batches_tracked")}
        assert state.keys() == tensors.keys()
        for name, tensor in state.items():
            torch.testing.assert_close(tensors[name][index], tensor)


def test_keep_seeds_keeps_exactly_those(plain, images):
    together = stack(plain).eval()
    before = together(images)
    keep_seeds(together, torch.tensor([2, 0]))
    torch.testing.assert_close(together(images[[2, 0]]), before[[2, 0]])


@pytest.mark.parametrize("name", [*MODULES, *STACKED])
@pytest.mark.filterwarnings("ignore:.*(weight_norm|spectral_norm).*is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")
def test_a_net_is_stacked_where_each_layer_has_a_twin_that_does_the_same(name, monkeypatch):
    monkeypatch.setitem(models.MODELS, "mlp", lambda *_: (MODULES | STACKED)[name]())
    plain = [models.build(seed, "mlp", (1, 4, 4), 3) for seed in range(2)]
    assert (obstacle(plain) is None) == (name in STACKED)
    assert isinstance(stack(plain), OneByOne) == (name in MODULES)


@pytest.mark.parametrize("name", ["mlp", "f1", "cnn", "residual", "grouped", "c1", "resnet", "smooth"])
def test_shipped_nets_are_stacked(name):
    assert obstacle([seeded(NETS[name], seed) for seed in range(SEEDS)]) is None


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda net: net[3].weight.requires_grad_(False), "3: weight is frozen"),
        (lambda net: net[1].register_forward_hook(lambda *_: None), "1: hooks"),
        (lambda net: net[2].eval(), "2: its mode"),
        (lambda net: net.append(nn.PReLU()), "4: PReLU has no stacked twin"),
        (lambda net: net.register_buffer("mask", torch.ones(2)), "the net: further weights or buffers"),
        (lambda net: net[1].add_module("within", nn.ReLU()), "1: modules within it"),
        (lambda net: setattr(net[2], "forward", torch.sin), "2: a method of its own"),
        (lambda net: net.__setitem__(3, net[1]), "a weight is used twice"),
    ],
)
def test_one_odd_seed_keeps_all_from_being_stacked_and_the_reason_is_told(spoil, reason):
    def net():
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))

    plain = [seeded(net, seed) for seed in range(2)]
    assert obstacle(plain) is None
    spoil(plain[0])
    assert reason in obstacle([plain[0], plain[0]])
    assert obstacle([seeded(net, 1), plain[0]]) is not None


def test_seeds_with_other_options_are_not_stacked():
    plain = [nn.Sequential(nn.Linear(4, 3), nn.Dropout(share)) for share in (0.1, 0.2)]
    assert obstacle(plain) == "seeds differ in their layers"


def test_a_module_without_weights_may_stand_in_two_places(images):
    def net():
        relu = nn.ReLU()
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 5), relu, nn.Linear(5, 4), relu, nn.Linear(4, 3))

    plain = [seeded(net, seed) for seed in range(SEEDS)]
    expected = torch.stack([module(x) for module, x in zip(plain, images, strict=True)])
    torch.testing.assert_close(stack(plain)(images), expected)
    with torch.no_grad():
        torch.testing.assert_close(stack(plain).push(images), expected.detach())


def test_population_statistics_of_one_batch_make_evaluation_equal_training(plain, images):
    together = stack(plain).train()
    for layer in together.modules():
        if isinstance(layer, StackedBatchNorm):
            layer.ghost = 4  # population statistics are of whole batches
    estimate_population_statistics(together, iter([images]))
    assert not any(module.training for module in together.modules())
    expected = stack(plain).train()(images)
    torch.testing.assert_close(together(images), expected)


def test_population_statistics_are_pooled_over_batches(images):
    """Of two short batches and one long: those of all images at once, with nothing dropped."""

    def net():
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 5), nn.BatchNorm1d(5))

    together = stack([seeded(net, seed) for seed in range(SEEDS)]).train()
    estimate_population_statistics(together, images.split([2, 7, 1], dim=1))
    before = torch.stack(
        [seeded(net, seed).eval()[:3](x) for seed, x in zip(range(SEEDS), images, strict=True)]
    )
    torch.testing.assert_close(together.get_submodule("3").running_mean, before.mean(1))
    torch.testing.assert_close(together.get_submodule("3").running_var, before.var(1, correction=0))


def test_a_model_without_batch_norm_asks_for_no_batches():
    def batches():
        raise AssertionError("asked")
        yield

    together = stack([seeded(NETS["mlp"], 0)]).train()
    estimate_population_statistics(together, batches())
    assert not together.training
