"""What keeps a net of the user's from being trained is said in one line, before anything is."""

import pytest
import torch

from largebatch.training.trial import mistakes
from tests.shared.own import FUNCTIONAL, MODULES, SEQUENTIAL, own_arm, write

LINEAR = """
import torch
from torch import nn


class MyNet(nn.Module):
    def __init__(self, outputs=10):
        super().__init__()
        self.layer = nn.Linear(64, outputs)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""


def trial(folder, what="my_net.py:MyNet", examples=4, options=None, **settings):
    arm = own_arm(folder, what, options, **settings)
    return {
        "where": "study.yaml: mine, arm a: model.import",
        "settings": arm.chosen(),
        "examples": examples,
        "sources": str(folder),
        "folder": None,
    }


@pytest.mark.parametrize("text", [LINEAR, MODULES.replace("16", "64"), FUNCTIONAL.replace("16", "64")])
def test_a_good_net_passes_and_nothing_is_left_changed(text, tmp_path):
    write(tmp_path, text)
    random, threads = torch.random.get_rng_state(), torch.get_num_threads()
    assert mistakes([trial(tmp_path)]) == []
    assert torch.equal(torch.random.get_rng_state(), random) and torch.get_num_threads() == threads


PLACE = r"study.yaml: mine, arm a: model.import my_net.py:MyNet: "
WANTED = PLACE + "wanted a net from examples (b, 1, 8, 8) to outputs (b, 10); got "
# an edit of LINEAR, settings of the trial, what is said
MISTAKES = {
    "shape of a weight": (
        ("64", "65"),
        {},
        WANTED + "RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    "outputs": (
        ("=10", "=7"),
        {},
        PLACE + "model imported: wanted outputs (b, 10), one per class; got ('b', 7)",
    ),
    "two outputs": (
        ("x.flatten(1))", "x.flatten(1)), 0"),
        {},
        PLACE + "MyNet: wanted outputs as one tensor (b, classes); got tuple",
    ),
    "an error in forward": (
        ("return self.layer", "return self.layr"),
        {},
        WANTED + "AttributeError: 'MyNet' object has no attribute 'layr' (my_net.py, line 12)",
    ),
    "an error when built": (
        ("super()", "1 / 0\n        super()"),
        {},
        WANTED + "ZeroDivisionError: division by zero (my_net.py, line 8)",
    ),
    "an error when imported": (
        ("import torch\n", "import torch\nimport nothing_of_that_name\n"),
        {},
        WANTED + "ModuleNotFoundError: No module named 'nothing_of_that_name' (my_net.py, line 3)",
    ),
    "an option it lacks": (
        ("", ""),
        {"options": {"hidden": 3}},
        WANTED + "TypeError: MyNet.__init__() got an unexpected keyword argument 'hidden'",
    ),
    "all frozen": (
        (", outputs)\n", ", outputs).requires_grad_(False)\n"),
        {},
        PLACE + "model imported: wanted weights to train; got none, or all frozen",
    ),
    "BatchNorm on one example": (
        ("nn.Linear(64, outputs)", "nn.Sequential(nn.Linear(64, outputs), nn.BatchNorm1d(outputs))"),
        {"examples": 1, "batch_size": 1},
        WANTED + "ValueError: Expected more than 1 value per channel when training",
    ),
    "ghost batches": (
        ("", ""),
        {"ghost_batch_size": 2},
        PLACE + "ghost_batch_size: wanted a net of layers that are stacked; got model imported (",
    ),
    "a random gradient where two are compared": (
        ("x.flatten(1)", "nn.functional.dropout(x.flatten(1), 0.5, self.training)"),
        {"gradient_penalty": {"strength": 0.1}},
        PLACE + "gradient_penalty: wanted a net whose gradient of a batch is the same twice; got another",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said_in_one_line(name, tmp_path):
    (old, new), settings, said = MISTAKES[name]
    assert old in LINEAR
    write(tmp_path, LINEAR.replace(old, new) if old else LINEAR)
    (line,) = mistakes([trial(tmp_path, **settings)])
    assert line.startswith(said) and "\n" not in line and len(line) < 400


def test_all_nets_are_tried(tmp_path):
    write(tmp_path, LINEAR)
    bad, good = trial(tmp_path, options={"outputs": 2}), trial(tmp_path)
    assert len(mistakes([bad, good, bad])) == 2


def test_stacked_nets_take_ghost_batches(tmp_path):
    write(tmp_path, SEQUENTIAL)
    assert mistakes([trial(tmp_path, "my_net.py:net", ghost_batch_size=2)]) == []


def test_a_data_set_that_is_not_there_is_said(tmp_path):
    write(tmp_path, LINEAR)
    (tmp_path / "pictures").mkdir()
    asked = trial(tmp_path) | {"folder": {"path": "pictures", "size": None, "resize": None}}
    (line,) = mistakes([asked])
    assert "wanted its data set digits; got:" in line and "wanted a folder for each of two classes" in line
    # of an archive nothing is known before it is unpacked
    (tmp_path / "pictures.zip").touch()
    assert mistakes([asked | {"folder": {"path": "pictures.zip"}}]) == []
