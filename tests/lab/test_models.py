import typing

import pytest
import torch
from torch import nn

from largebatch import spec
from largebatch.lab import datasets, models, optimise, schedules


def choices(union):
    """The names a discriminated union of settings allows."""
    classes = typing.get_args(typing.get_args(union)[0]) or (union,)
    return {typing.get_args(c.model_fields["name"].annotation)[0]: c for c in classes}


def test_settings_and_registries_name_the_same():
    assert choices(spec.Model).keys() == models.MODELS.keys()
    assert choices(spec.Optimiser).keys() == optimise.OPTIMISERS.keys()
    assert choices(spec.Schedule).keys() == schedules.SCHEDULES.keys()
    assert spec.IMAGES.keys() == datasets.DATA.keys()


def test_f1_is_keskars():
    """784-512x5-10 with BatchNorm: weights and biases, and two numbers a normalised unit."""
    f1 = models.build(0, "mlp", (1, 28, 28), 10, hidden=[512] * 5, batch_norm=True)
    expected = 784 * 512 + 4 * 512 * 512 + 512 * 10 + 5 * 512 + 10 + 2 * 5 * 512
    assert sum(p.numel() for p in f1.parameters()) == expected


def test_weights_depend_on_the_seed_alone_and_the_global_generator_is_given_back():
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first = models.build(3, "mlp", (1, 4, 4), 3, hidden=[5])
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(5)
    again, other = (models.build(s, "mlp", (1, 4, 4), 3, hidden=[5]) for s in (3, 4))
    assert torch.equal(first[1].weight, again[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight)


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
