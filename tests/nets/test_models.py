import copy
import itertools
import math
import typing

import pytest
import torch
from torch import nn

from largebatch.config import images, parts
from largebatch.config.schedules import Schedule
from largebatch.data import datasets
from largebatch.nets import models
from largebatch.nets.stack import Residual, Subsample
from largebatch.training import augment, optimise, schedules
from tests.conftest import small_arm


def choices(union):
    """The names a discriminated union of settings allows."""
    classes = typing.get_args(typing.get_args(union)[0]) or (union,)
    return {typing.get_args(c.model_fields["name"].annotation)[0]: c for c in classes}


def test_settings_and_registries_name_the_same():
    assert choices(parts.Model).keys() == models.MODELS.keys() == {*KINDS, "imported"}
    assert choices(parts.Optimiser).keys() == optimise.OPTIMISERS.keys()
    assert choices(Schedule).keys() == schedules.SCHEDULES.keys()
    assert choices(parts.Augment).keys() == augment.AUGMENTATIONS.keys()
    assert images.IMAGES.keys() == datasets.DATA.keys()


def test_f1_is_keskars():
    """784-512x5-10 with BatchNorm: weights and biases, and two numbers a normalised unit."""
    f1 = models.build(0, "mlp", (1, 28, 28), 10, hidden=[512] * 5, batch_norm=True)
    expected = 784 * 512 + 4 * 512 * 512 + 512 * 10 + 5 * 512 + 10 + 2 * 5 * 512
    assert sum(p.numel() for p in f1.parameters()) == expected


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_keskars_c1_is_as_large_as_its_layers():
    """Weights, and three numbers a unit with BatchNorm; the dense layers see 8 x 8 of 32 x 32 pixels."""
    weights = 3 * 64 * 25 + 64 * 64 * 25 + 64 * 8 * 8 * 384 + 384 * 192 + 192 * 10
    assert parameters(models.keskar_cnn((3, 32, 32), 10)) == weights + 3 * (64 + 64 + 384 + 192) + 10


def test_vgg_is_as_large_as_its_layers():
    widths = [3, 64, 64, 128, 128, *[256] * 3, *[512] * 6]
    weights = sum(9 * a * b for a, b in itertools.pairwise(widths)) + 512 * 512 + 512 * 10
    assert parameters(models.vgg((3, 32, 32), 10)) == weights + 3 * (sum(widths[1:]) + 512) + 10 == 14_991_946


@pytest.mark.parametrize(("depth", "known"), [(20, 269_722), (56, 853_018), (110, 1_727_962)])
def test_resnets_for_cifar_are_as_large_as_the_papers(depth, known):
    """He et al. 2016, table 6: 0.27, 0.85 and 1.7 million; option A has no weights in its shortcuts."""
    n = (depth - 2) // 6
    widths = [3, 16, *[16] * 2 * n, *[32] * 2 * n, *[64] * 2 * n]
    weights = sum(9 * a * b for a, b in itertools.pairwise(widths)) + 64 * 10
    net = models.resnet((3, 32, 32), 10, depth=depth)
    assert parameters(net) == weights + 2 * sum(widths[1:]) + 10 == known
    assert len([m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]) == depth


def test_a_subsampled_image_is_every_second_pixel_and_zeros():
    images = torch.rand(2, 3, 5, 4)
    halved = Subsample(5)(images)
    assert halved.shape == (2, 5, 3, 2)
    for row, column in itertools.product(range(3), range(2)):
        assert torch.equal(halved[:, :3, row, column], images[:, :, 2 * row, 2 * column])
    assert not halved[:, 3:].any()


def test_convolutions_of_a_resnet_start_after_he():
    """Deviation sqrt(2 / (9 channels)), by the weights out of a unit (He et al. 2015, eq. 14)."""
    net = models.build(0, "resnet", (3, 32, 32), 10)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 2000:
            deviation = (2 / (9 * layer.out_channels)) ** 0.5
            assert layer.weight.std().item() == pytest.approx(deviation, rel=0.1)


@pytest.mark.parametrize("training", [True, False])
def test_resnet50_is_torchvisions(training):
    """The same function, and the same running statistics afterwards."""
    import torchvision  # late, for it takes seconds

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = torchvision.models.resnet50(weights=None, num_classes=10).double().train(training)
    assert parameters(theirs) == 25_557_032 - 990 * 2049
    ours = models.contained(copy.deepcopy(theirs)).train(training)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))
    assert parameters(ours) == parameters(theirs)
    for one, other in zip(ours.buffers(), in_order(theirs), strict=True):
        torch.testing.assert_close(one, other)


def in_order(theirs):
    """Buffers of torchvision's net, a block's shortcut last as it is in a Residual."""
    yield from theirs.bn1.buffers()
    for block in itertools.chain(theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
        yield from block.buffers()


# Of each kind: the images it takes, and its options.
KINDS = {
    "mlp": ((1, 4, 4), {"hidden": [5]}),
    "cnn": ((1, 4, 4), {"channels": [3]}),
    "resmlp": ((1, 4, 4), {}),
    "keskar_cnn": ((1, 4, 4), {}),
    "vgg": ((1, 32, 32), {}),
    "resnet": ((1, 4, 4), {"depth": 8}),
    "resnet50": ((3, 4, 4), {}),
}


@pytest.mark.parametrize("name", KINDS)
def test_weights_depend_on_the_seed_alone_and_the_global_generator_is_given_back(name):
    shape, options = KINDS[name]
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first = models.build(3, name, shape, 3, **options).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(5)
    again, other = (models.build(s, name, shape, 3, **options).state_dict() for s in (3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", KINDS)
def test_width_is_that_of_the_widest_dense_layer_but_the_last(name):
    shape, options = KINDS[name]
    layers = [m for m in models.build(0, name, shape, 3, **options).modules() if isinstance(m, nn.Linear)]
    width = max([layer.out_features for layer in layers[:-1]], default=math.nan)
    assert small_arm(model={"name": name, **options}).width == pytest.approx(width, nan_ok=True)


def test_images_that_a_net_cannot_take_are_told():
    with pytest.raises(ValueError, match="model vgg: images of at least 32 x 32 pixels; got 28 x 28"):
        models.vgg((1, 28, 28), 10)
    with pytest.raises(ValueError, match="model resnet50: images of 3 channels; got 1"):
        models.resnet50((1, 28, 28), 10)


def test_widest_activation():
    assert models.widest_activation(models.mlp((1, 4, 4), 3, [7, 50, 9]), (1, 4, 4)) == 50
    net = models.cnn((1, 8, 8), 3, [4]).train()
    assert models.widest_activation(net, (1, 8, 8)) == 4 * 8 * 8
    assert net.training
    assert all(not m._forward_hooks for m in net.modules())


def test_a_cnn_too_deep_for_its_images_is_refused():
    assert isinstance(models.cnn((1, 8, 8), 3, [4, 4, 4]), nn.Sequential)
    with pytest.raises(ValueError, match="at most 3 channels"):
        models.cnn((1, 8, 8), 3, [4, 4, 4, 4])


def test_a_residual_net_of_zero_gammas_starts_as_its_first_and_last_layer():
    net = models.build(0, "resmlp", (1, 4, 4), 3, width=8, blocks=3, zero_gamma=True).eval()
    images = torch.rand(5, 1, 4, 4)
    short = nn.Sequential(*net[:4], net[-1])
    torch.testing.assert_close(net(images), short(images))
    plain = models.build(0, "resmlp", (1, 4, 4), 3, width=8, blocks=3).eval()
    assert not torch.allclose(plain(images), net(images))


@pytest.mark.parametrize(("name", "shape"), [("resnet", (1, 8, 8)), ("resnet50", (3, 32, 32))])
def test_blocks_of_zero_gammas_start_as_their_shortcuts(name, shape):
    net = models.build(0, name, shape, 3, zero_gamma=True).eval()
    blocks = [block for block in net.modules() if isinstance(block, Residual)]
    assert len(blocks) == {"resnet": 9, "resnet50": 16}[name]
    images = torch.rand(2, *shape)
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, Residual):
                assert torch.equal(layer(images), layer.shortcut(images))
            images = layer(images)
    plain = models.build(0, name, shape, 3)
    assert all((block.body[-1].weight == 1).all() for block in plain if isinstance(block, Residual))
