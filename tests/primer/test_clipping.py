"""Clipping against torch's, and a spike that one of two runs survives."""

import numpy as np
import pytest
import torch

from largebatch.primer.clipping import clipped, cosine, spiked, two_classes
from tests.shared.exhibits import exhibit


@pytest.mark.parametrize("length", [0.0, 0.5, 30.0])
def test_clipping_is_torchs(length):
    gradient = np.random.default_rng(0).standard_normal((4, 3))
    gradient *= length / np.linalg.norm(gradient)
    weight = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    weight.grad = torch.from_numpy(gradient.copy())
    torch.nn.utils.clip_grad_norm_([weight], 1.0)
    # PyTorch divides by the norm + 1e-6.
    np.testing.assert_allclose(clipped(gradient, 1.0), weight.grad.numpy(), rtol=3e-6)
    assert np.linalg.norm(clipped(gradient, 1.0)) == pytest.approx(min(length, 1.0), rel=1e-12)


def test_cosine_by_hand():
    assert cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))


def test_spiked_records_are_copies_in_wrong_units_and_classes():
    clean = two_classes(np.random.default_rng(0), 20)
    found = spiked(clean, 4, 100.0)
    assert (found.inputs[:20] == clean.inputs).all() and (found.inputs[20:] == 100 * clean.inputs[:4]).all()
    assert (found.targets[20:] + clean.targets[:4] == 1).all()


def test_runs_agree_up_to_the_spike_where_only_it_is_clipped():
    found = list(exhibit("clipping", [0, 1], spike_at=30, epochs=5, norm=10.0))
    of = {(a, o.metric, o.at): o.value for a, o in found if o.seed == 1}
    for update in range(30):
        assert of["clipped", "clipping_loss", update] == of["unclipped", "clipping_loss", update]
    for arm in ("clipped", "unclipped"):
        assert of[arm, "loss_after_spike", None] == of[arm, "clipping_loss", 30]
        assert of[arm, "clipping_final_loss", None] == of[arm, "clipping_loss", 50]
    assert of["clipped", "loss_after_spike", None] < of["unclipped", "loss_after_spike", None]
    assert of["clipped", "clipped_cosine", None] == pytest.approx(1, abs=1e-12)


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match=r"within the run, a norm above 0; got 201, 1.0"):
        next(exhibit("clipping", [0], spike_at=201))
    with pytest.raises(ValueError, match="got 100, 0"):
        next(exhibit("clipping", [0], norm=0))
