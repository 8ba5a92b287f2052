"""What keeps a net of the user's from being trained is said in one line, before anything is."""

import numpy as np
import pytest
import torch

from largebatch.config.images import Images
from largebatch.data.shapes import Known
from largebatch.training import trial as trial_module
from largebatch.training.trial import mistakes
from tests.conftest import small_arm
from tests.shared.own import FUNCTIONAL, MODULES, SEQUENTIAL, imported, own_arm, write

LINEAR = """
import torch
from torch import nn


class MyNet(nn.Module):
    def __init__(self, units=10):
        super().__init__()
        self.layer = nn.Linear(64, units)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""


def trial(folder, what="my_net.py:MyNet", examples=4, options=None, **settings):
    arm = own_arm(folder, what, options, **settings)
    return {
        "where": "study.yaml: mine, arm a",
        "settings": arm.chosen() | {"workers": arm.workers},
        "examples": examples,
        "sources": str(folder),
        "own": None,
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
        (", units)\n", ", units).requires_grad_(False)\n"),
        {},
        PLACE + "model imported: wanted weights to train; got none, or all frozen",
    ),
    "BatchNorm on one example": (
        ("nn.Linear(64, units)", "nn.Sequential(nn.Linear(64, units), nn.BatchNorm1d(units))"),
        {"examples": 1, "batch_size": 1},
        WANTED + "ValueError: Expected more than 1 value per channel when training",
    ),
    "ghost batches": (
        ("", ""),
        {"ghost_batch_size": 2},
        PLACE + "ghost_batch_size: wanted a net of layers that are stacked; got model imported (",
    ),
    "several workers": (
        ("", ""),
        {"workers": 2},
        PLACE + "workers: wanted a net of layers that are stacked; got model imported (",
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


def test_many_classes_are_tried_with_few_examples():
    """1,000 classes of 3 x 224 x 224 would take gigabytes."""
    sample = trial_module.sample(small_arm(), Known((1, 2, 2), 1000, Images(5000)), True)
    assert len(sample.images) == 16 and sample.outputs == 1000
    trial_module.run_one_batch(small_arm(), 4, sample)


def test_all_nets_are_tried(tmp_path):
    write(tmp_path, LINEAR)
    bad, good = trial(tmp_path, options={"units": 2}), trial(tmp_path)
    assert len(mistakes([bad, good, bad])) == 2


def test_stacked_nets_take_ghost_batches(tmp_path):
    write(tmp_path, SEQUENTIAL)
    assert mistakes([trial(tmp_path, "my_net.py:net", ghost_batch_size=2)]) == []


def test_a_data_set_that_is_not_there_is_said(tmp_path):
    write(tmp_path, LINEAR)
    (tmp_path / "pictures").mkdir()
    asked = trial(tmp_path) | {"own": {"path": "pictures", "size": None, "resize": None}}
    (line,) = mistakes([asked])
    assert line.startswith("study.yaml: mine, arm a: data digits: ")
    assert "pictures: wanted a folder for each of two classes or more; got nothing in it" in line
    # of an archive nothing is known before it is unpacked
    (tmp_path / "pictures.zip").touch()
    assert mistakes([asked | {"own": {"path": "pictures.zip"}}]) == []


def arrays(folder, **settings):
    """A trial of a net on vectors of four numbers."""
    np.savez(folder / "a.npz", x=np.random.default_rng(0).normal(size=(40, 4)), y=np.arange(40) % 2)
    data = {"name": "mine", "train": 24, "test": 16}
    arm = small_arm(**{"data": data} | settings)
    own = {"name": "file", "path": "a.npz"}
    return {
        "where": "s.yaml: e, arm a",
        "settings": arm.chosen(),
        "examples": 4,
        "sources": str(folder),
        "own": own,
    }


def test_arrays_are_put_through_the_models_there_are(tmp_path):
    assert mistakes([arrays(tmp_path), arrays(tmp_path, model={"name": "resmlp", "width": 4})]) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"model": {"name": "cnn", "channels": [2]}},
            "s.yaml: e, arm a: model: model cnn: wanted images (c, h, w); got examples (4,)",
        ),
        (
            {"augment": {"name": "shifts", "pixels": 1}},
            "s.yaml: e, arm a: model: augment: wanted images (c, h, w); got examples (4,)",
        ),
        (
            {"data": {"name": "mine", "train": 30, "test": 16}},
            "s.yaml: e, arm a: data mine: train + validation + test of at most the 40 images of mine; got 46",
        ),
    ],
)
def test_settings_that_do_not_fit_arrays_are_said(settings, said, tmp_path):
    assert mistakes([arrays(tmp_path, **settings)]) == [said]


def test_an_error_in_a_function_of_data_says_its_line(tmp_path):
    write(tmp_path, "def load():\n    return 1 / 0\n", "my_data.py")
    asked = arrays(tmp_path) | {"own": imported(tmp_path, "my_data.py:load") | {"name": "imported"}}
    said = "s.yaml: e, arm a: data mine: wanted arrays (x, y); got ZeroDivisionError: division by zero"
    assert mistakes([asked]) == [f"{said} (my_data.py, line 2)"]


def learning(folder, loss):
    """A trial of a loss on two targets that are numbers above 0."""
    x = np.random.default_rng(0).normal(size=(40, 4))
    np.savez(folder / "b.npz", x=x, y=np.exp(x[:, :2]))
    data = {"name": "mine", "train": 24, "test": 16, "targets": "numbers"}
    own = {"name": "file", "path": "b.npz", "targets": "numbers", "standardise": False}
    return arrays(folder, data=data, loss=loss) | {"own": own}


GOOD = """
import torch


def loss(outputs, targets):
    assert (targets > 0).all()
    return (outputs.exp() - targets * outputs).sum(1)
"""


def test_a_loss_is_tried_on_targets_that_are_there(tmp_path):
    """As they are where they are not standardised; a loss may want them above 0."""
    write(tmp_path, GOOD, "my_loss.py")
    assert mistakes([learning(tmp_path, imported(tmp_path, "my_loss.py:loss"))]) == []


OWN_LOSS = "s.yaml: e, arm a: loss.import my_loss.py:loss: "
FUNCTION = "wanted a function of outputs (b, 2) and targets (b, 2), that gives the loss of each, (b,); got "


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("torch\n", "torch\nimport no_such_thing\n", FUNCTION + "ModuleNotFoundError: No module named"),
        ("sum(1)", "sumo(1)", FUNCTION + "AttributeError: 'Tensor' object has no attribute 'sumo' (my_loss"),
        ("targets):", "targets, more):", FUNCTION + "TypeError: loss() missing 1 required positional"),
        (".sum(1)", ".sum(1).detach()", FUNCTION + "RuntimeError: element 0 of tensors does not require"),
        ("sum(1)", "mean()", "wanted the loss of each example, (16,); got ()"),
        (
            ".sum(1)",
            ".sum(1) - outputs.mean()",
            "wanted the loss of each example by itself; got one that depends on the others of its batch",
        ),
    ],
    ids=["import", "attribute", "arguments", "detached", "mean", "of a batch"],
)
def test_what_is_wrong_with_a_loss_is_said_in_one_line(old, new, said, tmp_path):
    write(tmp_path, GOOD.replace(old, new), "my_loss.py")
    (line,) = mistakes([learning(tmp_path, imported(tmp_path, "my_loss.py:loss"))])
    assert line.startswith(OWN_LOSS + said) and "\n" not in line


def test_one_logit_of_three_classes_is_refused(tmp_path):
    asked = arrays(tmp_path, loss="binary_cross_entropy")
    assert mistakes([asked]) == []
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=(40, 4)), y=np.arange(40) % 3)
    said = "s.yaml: e, arm a: loss binary_cross_entropy: wanted data of two classes; got 3"
    assert mistakes([asked]) == [said]
