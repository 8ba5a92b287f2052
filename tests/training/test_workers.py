"""Several workers train what one process trains; one that fails ends the job."""

import math
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from largebatch.config.spec import Arm
from largebatch.training import workers as module
from largebatch.training.workers import loopback, possible, start
from tests.conftest import SMALL, small_arm
from tests.shared.settings import ADAM, CROPS, LARS, SGD
from tests.shared.team import trained_by
from tests.shared.trained import train

EXACT = 1e-12
NORMALISED = {"model": SMALL["model"] | {"batch_norm": True}}
CNN = {"model": {"name": "cnn", "channels": [4], "batch_norm": True}}
# 48 images to train on, 3 batches of 16 per epoch, of which each of 4 workers has 4.
ARMS = {
    "plain": {},
    "momentum": {"optimiser": SGD, "weight_decay": 0.01},
    "adam": {"optimiser": ADAM},
    "lars": {"optimiser": LARS, "weight_decay": 0.01},
    "clipped": {"clip_norm": 0.01},
    "sharpness aware": {"sharpness_aware": {"rho": 0.2}},
    "penalty": {"gradient_penalty": {"strength": 0.5}, "last_batch": "weigh", "batch_size": 20},
    "proximal": {"proximal": {"strength": 0.3}},
    "adversarial": {"adversarial": {"size": 0.1, "share": 0.4}},
    "dropout": {"model": SMALL["model"] | {"dropout": 0.3}, "last_batch": "weigh", "batch_size": 20},
    "augmented": {"augment": CROPS},
    "by blocks": {"shuffle": {"block_images": 6, "blocks": 3}},
    "ghosts": NORMALISED | {"ghost_batch_size": 4},
    "ghosts, not divided evenly": NORMALISED | {"ghost_batch_size": 4, "batch_size": 24},
    "ghosts in micro-batches": NORMALISED | {"ghost_batch_size": 4, "micro_batch_size": 8},
    "micro-batches": NORMALISED | {"micro_batch_size": 4},
    "one batch norm": NORMALISED,
    "one batch norm, not divided evenly": NORMALISED | {"batch_size": 10, "last_batch": "weigh"},
    "one batch norm, adversarial": NORMALISED | {"adversarial": {"size": 0.1, "share": 0.4}},
    "images": CNN,
    "images, ghosts": CNN | {"ghost_batch_size": 4},
    "growing": {"schedule": {"name": "batch_growth", "at": [0.5], "factor": 2.0}},
    "squared error": {"loss": "squared_error"},
    "stopped": {"stop": {"patience_epochs": 2, "tolerance": 0.2}, "epochs": 8, "evaluate_every_epochs": 2},
}


def arm_of(**settings):
    return small_arm(**{"batch_size": 16, "lr": 0.05} | settings)


def assert_near(trained, expected):
    assert trained.weights.keys() == expected.weights.keys()
    for name, weights in expected.weights.items():
        np.testing.assert_allclose(trained.weights[name], weights, rtol=EXACT, atol=EXACT, err_msg=name)
    assert [row[:3] for row in trained.history] == [row[:3] for row in expected.history]
    for row, wanted in zip(trained.history, expected.history, strict=True):
        assert math.isclose(row.value, wanted.value, rel_tol=1e-10, abs_tol=EXACT), (row, wanted)


@pytest.fixture(scope="module")
def by_four(dataset, tmp_path_factory):
    """Name -> what four workers have trained."""
    jobs = [(arm_of(workers=4, **settings), [0, 1], dataset, None) for settings in ARMS.values()]
    return dict(zip(ARMS, trained_by(4, jobs, tmp_path_factory.mktemp("team")), strict=True))


@pytest.mark.parametrize("name", ARMS)
def test_four_workers_end_with_the_weights_of_one_process(name, by_four, dataset):
    assert_near(by_four[name], train(arm_of(**ARMS[name]), [0, 1], dataset))


def test_a_run_goes_on_with_another_number_of_workers(dataset, tmp_path):
    """Stopped by Killed, which report() raises, at its third report, and at its sixth."""
    settings = {"epochs": 12, "optimiser": ADAM, "model": SMALL["model"] | {"dropout": 0.3}}
    settings |= {"snapshots_at_epochs": [2, 7, 12]}
    expected, checkpoint = train(arm_of(**settings), [0, 1], dataset), tmp_path / "checkpoint.bin"
    for workers, after in ((4, 3), (2, 6)):
        with pytest.raises(ChildProcessError, match=f"wanted {workers} workers; got Killed of worker 0"):
            trained_by(
                workers, [(arm_of(workers=workers, **settings), [0, 1], dataset, checkpoint)], tmp_path, after
            )
    said = []
    trained = train(arm_of(**settings), [0, 1], dataset, checkpoint, said.append)
    assert said[0] == "continues at epoch 6"
    assert_near(trained, expected)
    assert not checkpoint.exists()


def fails(team, how):
    """The last worker fails in this way while the others wait for it."""
    if team.rank == team.size - 1:
        how(os.getpid())
    team.gathered(team.rank)


def raises(_):
    raise ValueError("no such thing")


def killed(pid):
    os.kill(pid, signal.SIGKILL)


def stopped(pid):
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("how", "got"),
    [
        (raises, "ValueError of worker 2: no such thing"),
        (killed, "worker 2 ended by SIGKILL"),
        (stopped, r"\w+ of worker \d: .*[Tt]imed? ?out"),
    ],
)
def test_a_worker_that_fails_ends_the_job(how, got):
    began = time.monotonic()
    with pytest.raises(ChildProcessError, match=f"wanted 3 workers; got {got}"):
        start(3, fails, (how,), on_gpu=False, wait_seconds=3.0)
    assert not multiprocessing.active_children()
    assert time.monotonic() - began < 60


def test_workers_talk_over_the_loopback():
    assert loopback().startswith("lo")


@pytest.mark.parametrize(("devices", "expected"), [(0, 4), (2, 2), (8, 4)])
def test_workers_are_no_more_than_gpus(devices, expected, monkeypatch, capfd):
    monkeypatch.setattr(module.torch.cuda, "device_count", lambda: devices)
    assert possible(4) == expected
    assert ("goes on with 2 workers" in capfd.readouterr().out) == (devices == 2)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"workers": 17}, "workers of at most 16, for 16 examples; got 17"),
        (
            {"workers": 5, "ghost_batch_size": 4},
            "workers of at most 4, for 16 examples in pieces of 4; got 5",
        ),
        (
            {"workers": 3, "batch_size": 23, "last_batch": "weigh"},
            "workers of at most 2, for 2 examples; got 3",
        ),
        (
            {"workers": 2, "micro_batch_size": 8, "model": SMALL["model"] | {"dropout": 0.3}},
            "workers of 1 with micro_batch_size and model.dropout",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_shared(settings, wanted):
    with pytest.raises(ValueError, match=wanted):
        arm_of(**settings)


def test_workers_are_no_part_of_what_is_chosen():
    """A matter of the machine: a run has the same name, and a checkpoint goes on with another number."""
    one, four = arm_of(), arm_of(workers=4)
    assert one.id == four.id and one.chosen() == four.chosen()
    assert Arm.model_validate(four.chosen()).workers == 1
