"""Arrays in a scale file."""

import shlex

import pytest

from largebatch.config import commands
from largebatch.config.arrays import SOURCE
from largebatch.config.images import Folder
from largebatch.config.study import load_study
from tests.shared.config_files import complaint, spoil
from tests.shared.own import write


def with_arrays(folder, **arrays):
    edits = {
        "arrays": {"mine": arrays},
        "base/data/name": "mine",
        "experiments": ["convex"],
        "sources": str(folder),
    }
    spoil(folder / "smoke.yaml", edits)
    return load_study(folder / "smoke.yaml")


def asked_of_the_job(study):
    words = shlex.split(commands.data(study, "mine"))
    return SOURCE.validate_json(words[words.index("--folder") + 1])


def test_a_file_reaches_its_job_and_is_its_input(folder):
    for name in ("x.npy", "y.npy"):
        (folder / name).touch()
    study = with_arrays(folder, path="x.npy", y="y.npy")
    assert asked_of_the_job(study) == study.own_data["mine"]
    assert commands.data_inputs(study, "mine") == [f"{folder}/x.npy", f"{folder}/y.npy"]
    assert commands.data_inputs(with_arrays(folder, path="none.npz"), "mine") == []
    (folder / "saved").mkdir()
    for name in ("saved/state.json", "saved/data-0.arrow"):
        (folder / name).touch()
    inputs = [f"{folder}/saved/data-0.arrow", f"{folder}/saved/state.json"]
    assert commands.data_inputs(with_arrays(folder, path="saved"), "mine") == inputs
    assert commands.data_inputs(study, "digits") == []


def test_an_edited_function_makes_another_job(folder):
    write(folder, "def load():\n    return 1\n", "my_data.py")
    before = commands.data(study := with_arrays(folder, **{"import": "my_data.py:load"}), "mine")
    assert asked_of_the_job(study).digest
    write(folder, "def load():\n    return 2\n", "my_data.py")
    assert commands.data(load_study(folder / "smoke.yaml"), "mine") != before


def test_commands_of_folders_stay_as_they_were():
    """A command that changes makes its job run again."""
    folder = Folder(path="a", size=3)
    assert SOURCE.dump_json(folder).decode() == folder.model_dump_json()
    assert SOURCE.dump_json(None) == b"null"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"path": "x.npy"},
            "arrays.mine: wanted y, the .npy file of its labels, beside an .npy file; got None",
        ),
        (
            {"path": "x.npy", "y": "y.npy", "test": "z.npy"},
            "arrays.mine: wanted test with an .npz or .parquet file",
        ),
        (
            {"path": "x.npy", "y": "y.npy", "x": "pixels"},
            "arrays.mine: wanted no x beside an .npy file, which has one array; got 'pixels'",
        ),
        *(
            (
                {"path": path, "x": ["a", "b"]},
                f"arrays.mine: wanted a list of columns as x with a .parquet file only; got path: {path}",
            )
            for path in ("x.npz", "saved")
        ),
        *(
            (
                {"path": path, "y": ["a", "b"]} | more,
                "arrays.mine: wanted a list of columns as y with targets: numbers and a .parquet file only; ",
            )
            for path, more in (("x.parquet", {}), ("x.npz", {"targets": "numbers"}))
        ),
        (
            {"path": "saved", "targets": "numbers"},
            "arrays.mine: wanted targets: numbers with .npz, .npy, .parquet files only; got path: saved",
        ),
        ({"path": "x.npz", "targets": "float"}, "arrays.mine.targets: wanted one of 'classes' or 'numbers'"),
        ({"path": "x.npz", "label": "y"}, "arrays.mine.label: wanted a key among ["),
        ({"x": "pixels"}, "arrays.mine.path: wanted a value; got none"),
        ("x.npz", "arrays.mine: wanted keys and values; got 'x.npz'"),
        ({"import": "none.py:load"}, "arrays.mine.import: wanted a readable Python file; got"),
    ],
    ids=str,
)
def test_mistakes_are_said_in_one_line(folder, given, said):
    spoil(folder / "smoke.yaml", {"arrays": {"mine": given}})
    assert complaint(folder).startswith(f"smoke.yaml: {said}")


@pytest.mark.parametrize("name", ["mnist", "pictures"])
def test_a_name_is_given_once(folder, name):
    spoil(
        folder / "smoke.yaml", {"arrays": {name: {"path": "x.npz"}}, "folders": {"pictures": {"path": "p"}}}
    )
    assert complaint(folder).endswith(f"got ['{name}']")
