"""Code of the user's as it is loaded."""

import sys

import pytest

from largebatch.config.imports import Imported
from largebatch.data.code import call, line_of, load
from tests.shared.own import imported, write


@pytest.fixture(autouse=True)
def as_found():
    """The search path and the modules of this process, afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def given(folder, what, **options):
    return Imported.model_validate(imported(folder, what, **options))


def test_what_is_offered_is_taken_by_name_unless_an_option_says_it(tmp_path):
    text = "def f(shape, other=1):\n    return shape, other\n\n\ndef g(**all):\n    return all\n"
    write(tmp_path, text, "a.py")
    assert call(given(tmp_path, "a.py:f"), shape=(1, 2), classes=3) == ((1, 2), 1)
    assert call(given(tmp_path, "a.py:f", shape=5, other=2), shape=(1, 2), classes=3) == (5, 2)
    assert call(given(tmp_path, "a.py:g", x=1), shape=(1, 2)) == {"x": 1}


def test_an_edit_after_planning_is_refused_and_one_before_is_seen(tmp_path):
    write(tmp_path, "def f():\n    return 1\n", "a.py")
    planned = given(tmp_path, "a.py:f")
    assert call(planned) == 1
    write(tmp_path, "def f():\n    return 2\n", "a.py")  # of the same length, maybe in the same second
    with pytest.raises(
        ValueError, match=r"a\.py:f: wanted the source that it had .*; got another .*: start again"
    ):
        load(planned)
    assert call(given(tmp_path, "a.py:f")) == 2
    assert not (tmp_path / "__pycache__").exists()


def test_files_beside_are_those_of_the_own_folder(tmp_path):
    """Two folders with files of the same names, and edits of a file beside."""
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        write(tmp_path / str(number), "from helper import x\n\n\ndef f():\n    return x\n", "a.py")
        write(tmp_path / str(number), f"x = {number}\n", "helper.py")
    found = [call(given(tmp_path / folder, "a.py:f")) for folder in ("1", "2", "1")]
    assert found == [1, 2, 1]
    write(tmp_path / "1", "x = 7\n", "helper.py")
    assert call(given(tmp_path / "1", "a.py:f")) == 7


def test_a_file_in_a_package_may_import_relatively(tmp_path):
    (tmp_path / "pack").mkdir()
    for name, text in (
        ("__init__", ""),
        ("near", "x = 3\n"),
        ("a", "from .near import x\n\n\ndef f():\n    return x\n"),
    ):
        write(tmp_path / "pack", text, f"{name}.py")
    assert call(given(tmp_path, "pack/a.py:f")) == 3


def test_the_name_of_an_installed_module_is_free_for_the_user(tmp_path):
    write(tmp_path, "import json as installed\n\n\ndef f():\n    return installed.dumps(1)\n", "numpy.py")
    assert call(given(tmp_path, "numpy.py:f")) == "1"
    import numpy

    assert numpy.pi > 3


def test_classes_are_the_same_for_all_calls(tmp_path):
    write(tmp_path, "class A:\n    pass\n", "a.py")
    first, second = (call(given(tmp_path, "a.py:A")) for _ in range(2))
    assert type(first) is type(second)


def test_an_error_says_the_line_of_the_users_file(tmp_path):
    write(tmp_path, "from helper import g\n\n\ndef f():\n    return g()\n", "a.py")
    write(tmp_path, "def g():\n    return 1 / 0\n", "helper.py")
    with pytest.raises(ZeroDivisionError) as caught:
        call(given(tmp_path, "a.py:f"))
    assert line_of(caught.value) == "helper.py, line 2"
    assert line_of(ValueError("nobody's")) == ""
