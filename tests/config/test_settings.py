from pathlib import Path

import pytest

from largebatch.config.settings import located, without_variables


def test_a_tilde_at_the_start_is_a_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert located("~/data") == tmp_path / "data" and located("~") == located("~/") == tmp_path
    assert located("~root/x") == Path("~root/x").expanduser() != Path("~root/x")


@pytest.mark.parametrize("path", ["data", "./~", "./~/data", "data/~", "a~b", "/data/$HOME", "sp ace/ünï"])
def test_every_other_path_is_as_it_is_written(path, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert located(path) == Path(path)


def test_a_home_folder_that_is_unknown_is_named():
    with pytest.raises(
        ValueError, match=r"^~nobody-of-that-name/x: wanted ~ with a home folder .*; got none"
    ):
        located("~nobody-of-that-name/x")


@pytest.mark.parametrize("path", ["~/data", "data", "cost$5", "a$", "5$ 6$"])
def test_paths_that_mean_the_same_on_every_machine(path):
    assert without_variables(path) == path


@pytest.mark.parametrize("path", ["$HOME/data", "${HOME}/data", "/scratch/$USER", "$_x", "", "  "])
def test_variables_of_the_environment_are_no_paths(path):
    with pytest.raises(ValueError, match="a path without variables of the environment"):
        without_variables(path)
