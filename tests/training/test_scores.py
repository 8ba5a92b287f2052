"""Scores of outputs in blocks against scikit-learn's of all at once."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from largebatch.training.scores import OfClasses, OfNumbers

STREAM = torch.Generator().manual_seed(0)
S, N, K = 2, 30, 3


def drawn(*shape):
    return torch.randn(*shape, generator=STREAM, dtype=torch.float64)


def scored(scores, outputs, targets):
    """In blocks of 7 examples, as an evaluation adds them up."""
    sums = {}
    for block in zip(outputs.split(7, 1), targets.split(7, 1), strict=True):
        for name, values in scores.each(*block).items():
            sums[name] = sums.get(name, 0.0) + values.sum(1, dtype=torch.float64)
    return scores.of(sums, outputs.shape[1])


@pytest.mark.parametrize("k", [1, K])
def test_numbers_are_scored_as_scikit_learn_does_in_their_own_units(k):
    """Outputs and targets are standardised; the mean of several targets' scores counts."""
    targets, spread = drawn(S, N, k), drawn(S, k).abs() + 0.5
    outputs = targets + 0.4 * drawn(S, N, k)
    found = scored(OfNumbers(targets, spread), outputs, targets)
    for s in range(S):
        true, guessed = ((each[s] * spread[s] + 5).numpy() for each in (targets, outputs))
        assert found["r_squared"][s].item() == pytest.approx(metrics.r2_score(true, guessed))
        assert found["rmse"][s].item() == pytest.approx(metrics.root_mean_squared_error(true, guessed))
        assert found["mae"][s].item() == pytest.approx(metrics.mean_absolute_error(true, guessed))


@pytest.mark.parametrize("off", [0.0, 0.1])
def test_a_target_that_does_not_vary_is_scored_as_scikit_learn_does(off):
    targets = torch.cat([torch.full((1, N, 1), 1 / 3, dtype=torch.float64), drawn(1, N, 1)], 2)
    outputs = targets + off
    found = scored(OfNumbers(targets, torch.ones(1, 2)), outputs, targets)["r_squared"].item()
    assert found == pytest.approx(metrics.r2_score(targets[0].numpy(), outputs[0].numpy()))


@pytest.mark.parametrize("one_output", [False, True], ids=["logits", "one logit"])
def test_classes_are_scored_as_scikit_learn_does(one_output):
    labels = torch.randint(2 if one_output else K, (S, N), generator=STREAM)
    outputs = drawn(S, N, 1 if one_output else K)
    found = scored(OfClasses(), outputs, labels)
    for s in range(S):
        logits = torch.cat([torch.zeros(N, 1), outputs[s]], 1) if one_output else outputs[s]
        shares, true = logits.softmax(1).numpy(), labels[s].numpy()
        error = 100 * (1 - metrics.accuracy_score(true, np.argmax(shares, 1)))
        assert found["error_percent"][s].item() == pytest.approx(error)
        assert found["accuracy_percent"][s].item() == pytest.approx(100 - error)
        assert found["loss_nats"][s].item() == pytest.approx(metrics.log_loss(true, shares))
