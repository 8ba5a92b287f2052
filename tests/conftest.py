"""What tests share: a small data set, and arms made of few words."""

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from largebatch.config.spec import Arm
from largebatch.data.splits import Dataset
from tests.shared import faults
from tests.shared.processes import watched

pytest_plugins = ["tests.shared.browser", "tests.shared.figures", "tests.shared.tables"]

REPOSITORY = Path(__file__).parents[1]

torch.set_num_threads(1)  # the nets are small, and the tests of the workflow run beside these
# No test depends on how fast the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SMALL = {
    "data": {"name": "digits", "train": 48, "validation": 16, "test": 16},
    "model": {"name": "mlp", "hidden": [12, 8]},
    "optimiser": {"name": "sgd"},
    "batch_size": 8,
    "lr": 0.1,
    "epochs": 2,
    "precision": "float64",
}


def small_arm(**settings) -> Arm:
    """The arm of SMALL with these settings in place."""
    return Arm.model_validate(SMALL | settings)


@pytest.fixture(autouse=True)
def processor():
    """Gives back what training.device sets for its process: a job that a test runs in this one does so."""
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def nothing_outlives_the_tests():
    with watched():
        yield


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """80 images of 1 x 4 x 4 pixels in double precision, three classes that a net can learn."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (80,), generator=stream)
    images = torch.rand(80, 1, 4, 4, generator=stream, dtype=torch.float64)
    images[torch.arange(80), 0, labels] += 1.0
    return Dataset(images, labels, images.dtype)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of config/ to spoil."""
    return shutil.copytree(REPOSITORY / "config", tmp_path / "config")


def pytest_terminal_summary(terminalreporter):
    if faults.FIRST is not None:
        for line in faults.TOLD:
            terminalreporter.write_line(line)
