"""Paths against their ends, points put together by hand, and profiles of known steepness."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from largebatch.measures.landscape import Landscape
from largebatch.measures.paths import arc, distance, evaluate_path, line, rises
from largebatch.measures.sharpness import of_seed
from largebatch.nets import models
from largebatch.nets.stack import estimate_population_statistics, stack
from tests.shared.nets import left_as_found, on_forty_images


def of_three(tensor):
    return tensor.expand(3, *tensor.shape)


@pytest.fixture(scope="module")
def held_out(dataset):
    return of_three(dataset.images[40:]), of_three(dataset.labels[40:])


@pytest.fixture(scope="module")
def batches(dataset):
    return of_three(dataset.images[:40]).split(25, dim=1)


@pytest.fixture(scope="module")
def ends(dataset, batches):
    """Two landscapes of three nets with BatchNorm each, their statistics in order."""
    landscapes = []
    for first in (0, 3):
        seeds = range(first, first + 3)
        plain = [models.build(s, "mlp", (1, 4, 4), 3, hidden=[6, 5], batch_norm=True) for s in seeds]
        model = stack(plain).double()
        estimate_population_statistics(model, batches)
        landscapes.append(Landscape(model, of_three(dataset.images[:40]), of_three(dataset.labels[:40])))
    return landscapes


def test_paths_go_from_start_to_end():
    a, b = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[0.0, 2.0]]).double()
    for path in (line, arc):
        torch.testing.assert_close(path(a, b, 0.0), a)
        torch.testing.assert_close(path(a, b, 1.0), b)
    torch.testing.assert_close(line(a, b, 1.5), torch.tensor([[-0.5, 3.0]]).double())
    torch.testing.assert_close(arc(a, b, 0.5), torch.tensor([[1.0, 2.0]]).double() / 2**0.5)
    torch.testing.assert_close(arc(a, b, -1.0), -b)


@pytest.mark.parametrize("kind", ["line", "arc"])
@pytest.mark.parametrize("renormalise", [True, False])
def test_at_its_ends_a_path_is_the_nets(ends, held_out, batches, kind, renormalise):
    found = evaluate_path(*ends, kind, [0.0, 0.5, 1.0], held_out, batches if renormalise else None)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        ("loss_nats", "accuracy_percent", "test_loss_nats", "test_accuracy_percent"), (3, 3)
    )
    for row, end in ((0, ends[0]), (2, ends[1])):
        loss, accuracy = end.evaluate(end.weights)
        torch.testing.assert_close(found["loss_nats"][row], loss, rtol=1e-10, atol=0)
        assert torch.equal(found["accuracy_percent"][row], accuracy)
        test_loss, test_accuracy = Landscape(end.model, *held_out).evaluate(end.weights)
        torch.testing.assert_close(found["test_loss_nats"][row], test_loss, rtol=1e-10, atol=0)
        assert torch.equal(found["test_accuracy_percent"][row], test_accuracy)


@pytest.mark.parametrize(("kind", "weights"), [("line", (0.75, 0.25)), ("arc", (0.9238795, 0.3826834))])
def test_between_its_ends_statistics_are_anew_or_mixed(ends, held_out, batches, kind, weights):
    by_hand = deepcopy(ends[0].model)
    for mine, a, b in zip(by_hand.parameters(), *(end.model.parameters() for end in ends), strict=True):
        mine.data.copy_(weights[0] * a + weights[1] * b)
    mixed = deepcopy(by_hand)
    for mine, a, b in zip(mixed.buffers(), *(end.model.buffers() for end in ends), strict=True):
        mine.copy_(0.75 * a + 0.25 * b)
    estimate_population_statistics(by_hand, batches)
    losses = []
    for model, given in ((by_hand, batches), (mixed, None)):
        expected = Landscape(model, ends[0].images, ends[0].labels)
        losses.append(evaluate_path(*ends, kind, [0.25], held_out, given)["loss_nats"][0])
        torch.testing.assert_close(losses[-1], expected.loss(expected.weights), rtol=1e-6, atol=0)
    assert not torch.allclose(*losses, rtol=1e-4)


def test_far_beyond_the_ends_everything_is_finite(ends, held_out, batches):
    for given in (batches, None):
        found = evaluate_path(*ends, "line", [-8.0, 9.0], held_out, given)
        assert all(values.isfinite().all() for values in found.values())


def test_twice_is_equal_and_nothing_given_is_changed(ends, held_out, batches):
    given = ("arc", np.linspace(-1, 2, 4), held_out, batches)
    with left_as_found(*ends):
        first, second = (evaluate_path(*ends, *given) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_company_changes_nothing(ends, held_out, batches):
    together = evaluate_path(*ends, "line", [0.3], held_out, batches)
    own = [tuple(tensor[1:2] for tensor in given) for given in (held_out, batches)]
    alone = evaluate_path(*(of_seed(end, 1) for end in ends), "line", [0.3], *own)
    for name, values in together.items():
        torch.testing.assert_close(values[:, 1:2], alone[name], rtol=1e-10, atol=0)


def test_distance():
    a, b = torch.zeros(2, 3), torch.tensor([[2.0, 3.0, 6.0], [0.0, 0.0, 0.0]])
    assert distance(a, b).tolist() == [7.0, 0.0]


@pytest.mark.parametrize("points", [25, 31])
def test_rises_of_parabolas(points):
    """Behind the end 6 (alpha - 1)², before the start 2 alpha²: three times as steep, whatever the base."""
    alphas = np.linspace(-1, 2, points)
    at = torch.from_numpy(alphas)[:, None]
    losses = torch.where(
        at > 1, 0.4 + 6 * (at - 1) ** 2, torch.where(at < 0, 0.1 + 2 * at**2, 0.1 + 0.3 * at)
    )
    flat = torch.where(at < 0, 0.1 * at, losses)  # falls before the start
    before, behind = rises(torch.cat([losses, flat], 1), alphas)
    assert (behind / before)[0].item() == pytest.approx(3, rel=1e-9)
    steps = alphas[(alphas > 1 + 1e-9) & (alphas < 1.25 + 1e-9)]
    assert behind[1].item() == pytest.approx(np.mean(6 * (steps - 1) ** 2), rel=1e-9)
    assert before[1].item() < 0


def test_bad_arguments_are_refused(ends, held_out, dataset):
    with pytest.raises(ValueError, match=r"kind one of \['arc', 'line'\]; got 'loop'"):
        evaluate_path(*ends, "loop", [0.0], held_out)
    other = on_forty_images([models.build(0, "mlp", (1, 4, 4), 3, hidden=[4])] * 3, dataset)
    with pytest.raises(ValueError, match="two nets of the same shapes"):
        evaluate_path(ends[0], other, "line", [0.0], held_out)
    with pytest.raises(ValueError, match=r"wanted alpha = 1 once and some within 0\.25 beyond"):
        rises(torch.ones(3, 2), [-0.25, 0.0, 1.0])
    with pytest.raises(ValueError, match="wanted alpha = 0 once"):
        rises(torch.ones(3, 2), [-0.5, 1.0, 1.5])
