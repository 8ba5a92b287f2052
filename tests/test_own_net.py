"""A net of the user's in the whole graph: tried before any job, trained, trained again after an edit."""

import pytest

from tests.shared.own import MODULES, write
from tests.shared.workspace import Workspace

STUDY = """
extends: smoke
scale: own
experiments: [convex]
numbers: {convex: {base: {model: {import: my_net.py:MyNet, options: {width: 5}}}}}
"""
FILE = "mine/study.yaml"


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path)
    mine = workspace.root / "mine"
    mine.mkdir()
    write(mine, STUDY, "study.yaml")
    write(
        mine,
        MODULES.replace("nn.Linear(16", "first_layer(64").replace(
            "\n\n\nclass", "\nfrom parts import first_layer\n\n\nclass"
        ),
    )
    write(
        mine, "from torch import nn\n\n\ndef first_layer(*sizes):\n    return nn.Linear(*sizes)\n", "parts.py"
    )
    yield workspace
    workspace.end()


def test_a_net_is_tried_before_any_job_and_trained_again_after_an_edit(workspace):
    results = workspace.root / "results"
    with workspace.edited("mine/my_net.py", "first_layer(64", "first_layer(63"):
        code, output = workspace.snakemake("--until", "train", configfile=FILE)
    assert code == 1
    assert (
        "mine/study.yaml: convex, arm full: model.import my_net.py:MyNet: wanted a net from examples"
        in output
    )
    assert "(b, 10); got RuntimeError: mat1 and mat2 shapes cannot be multiplied" in output
    assert "Traceback" not in output
    found = {path.name for path in results.rglob("*") if path.is_file()}
    assert found == {"trial.json", "trial.json.sha256"}

    code, output = workspace.snakemake("--until", "train", configfile=FILE)
    assert code == 0, output
    assert len(list(results.glob("own/runs/MyNet-digits-b4-*/weights.safetensors"))) == 4
    assert workspace.would_run("--until", "train", configfile=FILE) == {}
    with workspace.edited("mine/parts.py", "def first", "# A comment.\ndef first"):
        assert workspace.would_run("--until", "train", configfile=FILE) == {}
    with workspace.edited("mine/parts.py", "*sizes)\n", "*sizes, bias=False)\n"):
        assert workspace.would_run("--until", "train", configfile=FILE) == {"train": 4}
    # Only what trains in a run is tried.
    with workspace.edited("mine/study.yaml", "width: 5", "width: 6, depth: 3"):
        code, output = workspace.snakemake("results/own/data/digits.json", configfile=FILE)
        assert code == 0, output
