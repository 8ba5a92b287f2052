"""Mistakes in what is asked of `largebatch advise`: one line each, before anything is written."""

import numpy as np
import pytest

from largebatch.cli import main
from largebatch.cli.advising import moved, source_of
from tests.shared.own import write

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.head = nn.Linear(shape[0], classes)

    def forward(self, x):
        return self.head(x)


class Wrong(Net):
    def forward(self, x):
        return self.head(x[:, :2])
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, NET)
    draw = np.random.default_rng(0)
    np.savez("good.npz", x=draw.normal(size=(100, 3)), y=draw.integers(2, size=100))
    np.savez("few.npz", x=draw.normal(size=(20, 3)), y=draw.integers(2, size=20))
    np.savez("named.npz", x=draw.normal(size=(100, 3)), label=draw.integers(2, size=100))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["my_net.py", "--data", "good.npz"], "NET: wanted a Python file and a name in it"),
        (["none.py:Net", "--data", "good.npz"], "none.py:Net: wanted a readable Python file; got none.py"),
        (["my_net.py:Nets", "--data", "good.npz"], "wanted a name that my_net.py defines, such as ['Net'"),
        (
            ["my_net.py:Wrong", "--data", "good.npz"],
            "my_net.py:Wrong: model.import my_net.py:Wrong: wanted a net",
        ),
        (["my_net.py:Net", "--data", "none"], "--data: wanted a folder of pictures, an .npz"),
        (["my_net.py:Net", "--data", "none.npz"], "--data none.npz: none.npz: wanted"),
        (
            ["my_net.py:Net", "--data", "few.npz"],
            "--data few.npz: wanted at least 64 examples to train on; got 20",
        ),
        (["my_net.py:Net", "--data", "named.npz"], "wanted arrays ['x', 'y']; got ['label', 'x'], no ['y']"),
        (["my_net.py:Net", "--data", "good.npz", "--size", "8"], "--size: wanted with a folder of pictures"),
        (
            ["my_net.py:Net", "--data", "my_data.py:load"],
            "--data my_data.py:load: wanted a readable Python file",
        ),
        (["my_net.py:Net", "--data", "x.npy"], "--data x.npy: wanted y, the .npy file of its labels"),
        (["my_net.py:Net", "--data", "."], "--data .: .: wanted a folder for each of two classes or more"),
        (["my_net.py:Net", "--data", ".", "--y", "label"], "--y: wanted with an array file only"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(here, capsys, words, line):
    before = {*here.iterdir()}
    assert main(["advise", *words]) == 1
    out, said = capsys.readouterr()
    assert out == "" and said.count("\n") == 1
    assert said.startswith("largebatch advise: ") and line in said
    assert {path for path in here.iterdir() if path.name != "__pycache__"} <= before


def test_paths_are_those_from_the_study(here):
    study = here / "my_net-advice"
    assert moved("my_net.py:Net", study) == "../my_net.py:Net"
    assert source_of("good.npz", "label", None, study) == {"arrays": {"path": "../good.npz", "y": "label"}}
    assert source_of("my_data.py:load", None, None, study) == {"arrays": {"import": "../my_data.py:load"}}
    assert source_of(".", None, 32, study) == {"folders": {"path": "..", "size": 32}}
    assert source_of("x.npy", "y.npy", None, study) == {"arrays": {"path": "../x.npy", "y": "../y.npy"}}
