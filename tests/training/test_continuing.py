"""A killed run goes on as if it had never been stopped; a bad checkpoint is named and not used."""

import io
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from largebatch.training import engine
from largebatch.training import train as train_module
from largebatch.training.checkpoints import before, encoded
from tests.conftest import SMALL, small_arm
from tests.shared.settings import ADAM, CROPS, EVERYTHING, LARS, SGD
from tests.shared.trained import assert_same_snapshots, train


class Killed(Exception):
    pass


def killed_after_a_checkpoint(arm, seeds, dataset, checkpoint):
    def kill(_):
        if checkpoint.exists():
            raise Killed

    with pytest.raises(Killed):
        train(arm, seeds, dataset, checkpoint, kill)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimiser": ADAM},
        {"optimiser": SGD, "model": SMALL["model"] | {"dropout": 0.3, "batch_norm": True}},
        {"stop": {"patience_epochs": 6, "floor_nats": 0.1}, "lr": 0.3, "epochs": 12},
        {
            **{"stop": {"patience_epochs": 6, "floor_nats": 0.1}, "lr": 0.3, "epochs": 12},
            **{"augment": CROPS, "snapshots_at_epochs": [0, 1, 3, 12], "snapshots_at_loss": 0.5},
        },
        EVERYTHING | {"model": SMALL["model"] | {"dropout": 0.3}, "snapshots_at_epochs": [1, 2, 8]},
        {"optimiser": LARS, "goal": {"error_percent": 5.0}, "lr": 0.3},
    ],
    ids=str,
)
@pytest.mark.parametrize("groups", [1, 3])
def test_continuing_equals_never_having_stopped(settings, groups, dataset, tmp_path, monkeypatch):
    arm, seeds = small_arm(**{"epochs": 8} | settings), [0, 1, 2]
    if groups == 3:
        monkeypatch.setattr(engine, "CACHE_BYTES", 1)
    expected = train(arm, seeds, dataset)
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "checkpoint.pt"

    def killer(after):
        calls = iter(range(after))

        def report(_):
            if next(calls, None) is None:
                raise Killed

        return report

    for after in (2, 2):  # killed twice on the way
        with pytest.raises(Killed):
            train(arm, seeds, dataset, checkpoint, killer(after))
    trained = train(arm, seeds, dataset, checkpoint)
    assert trained.history == expected.history
    assert all(np.array_equal(trained.weights[n], expected.weights[n]) for n in expected.weights)
    assert_same_snapshots(trained.snapshots, expected.snapshots)
    assert not checkpoint.exists()


@pytest.mark.parametrize(("other", "seeds"), [({"lr": 0.05}, [0, 1]), ({}, [0, 1, 2, 3]), ({}, [0])], ids=str)
def test_a_checkpoint_of_another_run_is_not_used(other, seeds, dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "checkpoint.pt"
    killed_after_a_checkpoint(small_arm(epochs=4, **other), seeds, dataset, checkpoint)
    continued = train(small_arm(epochs=4), [0, 1], dataset, checkpoint)
    assert continued.history == train(small_arm(epochs=4), [0, 1], dataset).history
    (said,) = capfd.readouterr().out.splitlines()
    assert said.startswith(f"{checkpoint}: ") and ("settings" if other else "seeds") in said


class Planted:
    """What makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def flipped(content):
    """With one bit changed, in the middle of the numbers."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def pickled(thing):
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content, trap: b"",
        lambda content, trap: content[:1000],
        lambda content, trap: content[:-1],
        lambda content, trap: flipped(content),
        lambda content, trap: content[32:],  # as it was written before there was a digest
        lambda content, trap: pickled({"identity": {}, "records": {0: train_module.Record()}}),
        lambda content, trap: sealed(pickled({"identity": Planted(trap)})),
        lambda content, trap: sealed(pickled([1.0])),
        lambda content, trap: sealed(pickled({"epoch": 3})),
        lambda content, trap: sealed(encoded({"epoch": 3})),
    ],
    ids=[
        *("empty", "cut", "a byte short", "a bit flipped", "no digest", "older", "planted", "a list"),
        *("a pickle", "less"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_not_used(spoil, dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    arm, checkpoint, trap = small_arm(epochs=4), tmp_path / "checkpoint.pt", tmp_path / "trap"
    killed_after_a_checkpoint(arm, [0, 1], dataset, checkpoint)
    before(checkpoint).unlink(missing_ok=True)
    checkpoint.write_bytes(spoil(checkpoint.read_bytes(), trap))
    again = train(arm, [0, 1], dataset, checkpoint)
    assert again.history == train(arm, [0, 1], dataset).history
    (said,) = capfd.readouterr().out.splitlines()
    assert said.startswith(f"{checkpoint}: ") and "anew" in said
    assert not trap.exists() and not checkpoint.exists()
    assert [path.name for path in tmp_path.glob("checkpoint*")] == ["checkpoint.pt.damaged"]


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    arm, checkpoint, said = small_arm(epochs=6, snapshots_at_epochs=[1, 5]), tmp_path / "c", []

    def kill(text):
        if before(checkpoint).exists():
            raise Killed

    with pytest.raises(Killed):
        train(arm, [0, 1], dataset, checkpoint, kill)
    checkpoint.write_bytes(flipped(checkpoint.read_bytes()))
    again, expected = train(arm, [0, 1], dataset, checkpoint, said.append), train(arm, [0, 1], dataset)
    assert "continues at epoch 1" in said
    assert again.history == expected.history
    assert all(np.array_equal(again.weights[n], expected.weights[n]) for n in expected.weights)
    assert_same_snapshots(again.snapshots, expected.snapshots)


def sealed(content):
    return sha256(content).digest() + content
