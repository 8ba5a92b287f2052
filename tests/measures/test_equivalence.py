"""Two ways to the same update: by hand, to rounding with real processes, and where they part."""

import multiprocessing
import os

import pytest
import torch
import torch.distributed as dist
from torch import nn

from largebatch.config.measures import Equivalence
from largebatch.measures import equivalence as module
from largebatch.measures.equivalence import (
    Problem,
    Shuffles,
    differences,
    flat,
    relative_difference,
    seen_percent,
    weights_after,
    weights_by_workers,
)
from largebatch.nets import models

SGD = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
PLAIN = {"lr": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
EXACT = 1e-12


def problem(dataset, seed=0, loss="cross_entropy", sgd=SGD, **options):
    net = models.build(seed, "mlp", (1, 4, 4), 3, **{"hidden": [6]} | options).double()
    return Problem(net, dataset.images[:48], dataset.labels[:48], loss, sgd)


def compared(problems, batch_size=8, workers=2, updates=7):
    """All differences; metric -> one value a seed."""
    streams = [torch.Generator().manual_seed(seed) for seed in range(len(problems))]
    settings = Equivalence(workers=workers, updates=updates, loss_factor=3.0, weight_decay=0.01)
    return dict(differences(problems, streams, batch_size, settings))


@pytest.fixture(scope="module")
def plain(dataset):
    return compared([problem(dataset, seed) for seed in (0, 1)])


@pytest.fixture(scope="module")
def normalised(dataset):
    return compared([problem(dataset, seed, batch_norm=True) for seed in (0, 1)])


def test_two_workers_step_along_the_mean_of_their_gradients():
    """Squared error of y = w x, at w = 2 and images 1, 2 | 3, 4, label 0 of one class: y should be 1.

    Gradients (w x - 1) x are 1, 6 | 15, 28, their means 3.5 | 21.5, and the mean of these 12.5.
    """
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 1, bias=False)).double()
    nn.init.constant_(net[1].weight, 2.0)
    images = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).reshape(4, 1, 1, 1)
    by_hand = Problem(net, images, torch.zeros(4, dtype=torch.int64), "squared_error", PLAIN)
    rows = torch.arange(4)[None]
    expected = torch.tensor([2.0 - 0.1 * 12.5], dtype=torch.float64)
    for found in (weights_by_workers([(by_hand, rows)], 2)[0], weights_after(by_hand, rows, parts=2)):
        torch.testing.assert_close(found, expected, rtol=EXACT, atol=0.0)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("sgd", [PLAIN, SGD], ids=["plain", "nesterov"])
def test_a_descent_is_that_of_a_plain_loop(sgd, loss, dataset):
    """The arithmetic of SGD by hand: decay into the gradient, momentum, the rate outside of it."""
    given = problem(dataset, loss=loss, sgd=sgd)
    rows = torch.randint(48, (5, 8), generator=torch.Generator().manual_seed(0))
    w, velocity = given.start, torch.zeros_like(given.start)
    shapes = {name: p.shape for name, p in given.net.named_parameters()}
    for batch in rows:
        w.requires_grad_()
        parts = w.split([shape.numel() for shape in shapes.values()])
        weights = {n: part.reshape(shapes[n]) for n, part in zip(shapes, parts, strict=True)}
        logits = torch.func.functional_call(given.net, weights, (given.images[batch],))
        targets = given.labels[batch]
        if loss == "cross_entropy":
            value = nn.functional.cross_entropy(logits, targets)
        else:
            value = (logits - nn.functional.one_hot(targets, 3)).square().sum() / 2 / len(batch)
        g = torch.autograd.grad(value, w)[0] + sgd["weight_decay"] * w.detach()
        velocity = sgd["momentum"] * velocity + g
        step = g + sgd["momentum"] * velocity if sgd["nesterov"] else velocity
        w = w.detach() - sgd["lr"] * step
    torch.testing.assert_close(weights_after(given, rows), w, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("ways", ["workers", "accumulation", "scaled_loss"])
def test_what_is_the_same_update_is_so_to_rounding(ways, plain):
    assert all(0 <= value < EXACT for value in plain[f"{ways}_difference"])


def test_a_scaled_loss_is_no_scaled_rate_under_weight_decay(dataset, plain):
    """After one plain update with decay λ they differ by (c - 1) η λ w, by hand."""
    assert all(value > 1e-3 for value in plain["scaled_loss_decay_difference"])
    given, rows = problem(dataset, sgd=PLAIN), torch.arange(8)[None]
    for decay in (0.0, 0.01):
        loss = weights_after(given, rows, factor=3.0, weight_decay=decay)
        rate = weights_after(given, rows, lr=3.0 * 0.1, weight_decay=decay)
        torch.testing.assert_close(loss - rate, 2.0 * 0.1 * decay * given.start, rtol=1e-10, atol=1e-15)


def test_batch_norm_of_workers_is_that_of_ghost_batches(normalised, plain):
    assert normalised.keys().isdisjoint(plain)
    assert all(0 <= value < EXACT for value in normalised["worker_statistics_difference"])
    assert all(value > 1e-3 for value in normalised["whole_statistics_difference"])


def test_differences_are_the_same_each_time(dataset, plain):
    assert compared([problem(dataset, seed) for seed in (0, 1)]) == plain


@pytest.mark.parametrize("examples", [48, 50])
def test_one_shuffle_shows_each_image_once_and_own_shuffles_do_not(examples):
    found = Shuffles.draw(examples, 8, 4, 3, torch.Generator().manual_seed(0))
    assert found.shared.shape == found.own.shape == (3, 6, 8)
    for epoch in range(3):
        assert len(found.shared[epoch].unique()) == 48
        for share in found.own[epoch].chunk(4, 1):  # each worker's own images are distinct
            assert len(share.unique()) == 12
    assert not torch.equal(found.shared[0], found.shared[1])
    assert seen_percent(found.shared, examples) == pytest.approx(100 * 48 / examples)
    assert seen_percent(found.own, examples) < 90


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_images_that_own_shuffles_show(workers):
    """1 - (1 - 1/k)^k of them: an image is missed by k independent draws of a k-th."""
    own = Shuffles.draw(4096, 64, workers, 20, torch.Generator().manual_seed(0)).own
    expected = 100 * (1 - (1 - 1 / workers) ** workers)
    assert seen_percent(own, 4096) == pytest.approx(expected, abs=0.5)


def test_own_shuffles_end_elsewhere(plain):
    assert all(value > 1e-3 for value in plain["own_shuffles_difference"])
    assert plain["shuffled_images_percent"] == [100.0, 100.0]
    assert all(value < 100 for value in plain["own_shuffles_images_percent"])


def test_relative_difference():
    a, b, start = (torch.tensor(values) for values in ([1.0, 2.0], [1.0, 2.5], [0.0, 0.5]))
    assert relative_difference(a, b, start) == 0.25


def test_everything_is_left_as_found(dataset):
    given = problem(dataset, batch_norm=True)
    given.net.eval()
    before, environment = flat(given.net), dict(os.environ)
    state, threads, dtype = torch.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype()
    compared([given])
    assert torch.equal(torch.get_rng_state(), state) and dict(os.environ) == environment
    assert torch.get_num_threads() == threads and torch.get_default_dtype() == dtype
    assert torch.equal(flat(given.net), before) and not given.net.training
    assert all(p.grad is None for p in given.net.parameters())
    assert not dist.is_initialized() and not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("options", "batch_size", "wanted"),
    [({}, 9, "wanted a batch_size that 2 workers divide; got 9"), ({"dropout": 0.5}, 8, "without dropout")],
)
def test_what_cannot_be_compared(options, batch_size, wanted, dataset):
    with pytest.raises(ValueError, match=wanted):
        compared([problem(dataset, **options)], batch_size)


def test_a_worker_that_fails_is_an_error_that_says_why(dataset):
    rows = torch.tensor([[0, 1, 2, 48]])  # the second worker's last image does not exist
    with pytest.raises(ChildProcessError, match=r"wanted 2 workers; got IndexError of worker 1: .* 48 "):
        weights_by_workers([(problem(dataset), rows)], 2)
    assert not multiprocessing.active_children()


def test_workers_that_take_too_long_are_stopped(dataset, monkeypatch):
    monkeypatch.setattr(module, "ALL_SECONDS", 0.0)
    rows = torch.zeros(1_000_000, 4, dtype=torch.int64)
    with pytest.raises(TimeoutError, match="wanted workers done in 0 s; got none so far"):
        weights_by_workers([(problem(dataset), rows)], 2)
    assert not multiprocessing.active_children()
