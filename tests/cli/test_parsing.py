"""What was typed: commands, their help, paths, completion and mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from largebatch import cli
from largebatch.cli import main, people, torch_jobs
from largebatch.cli.names import KINDS, MODULES
from largebatch.cli.parsing import GIVEN, MADE, Seeds, largebatch
from largebatch.forkserver import LIBRARIES
from tests.conftest import REPOSITORY

COMMAND = Path(sys.executable).with_name("largebatch")
SCALE = REPOSITORY / "config" / "smoke.yaml"


def typed(**environment):
    """What the real command says in such an environment."""
    found = subprocess.run([COMMAND], env=os.environ | environment, capture_output=True, check=True)
    return found.stdout.decode()


def test_the_client_of_the_fork_server_imports_no_library():
    """It starts once per job; click alone takes longer than the rest of it."""
    script = "import sys, largebatch.cli; print(*{name.split('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert not {"click", "numpy", "pydantic", "torch", "yaml"} & set(found.stdout.split())


def test_jobs_go_to_the_server_of_their_libraries_and_questions_to_none(monkeypatch):
    asked = []
    monkeypatch.setattr(cli.forkserver, "run", lambda kind, words, run: asked.append((kind, words)) or 7)
    monkeypatch.setattr(cli, "main", lambda arguments: 5)
    for words, code in ((["train", "--x"], 7), (["draw"], 7), (["check", "x"], 5), (["nope"], 5), ([], 5)):
        monkeypatch.setattr(sys, "argv", ["largebatch", *words])
        assert cli.entry() == code
    assert asked == [("torch", ["train", "--x"]), ("pandas", ["draw"])]
    assert set(KINDS.values()) == LIBRARIES.keys()


@pytest.mark.parametrize(
    "words", [["nope"], [], ["train"], ["check", str(SCALE), "b"], ["check", "--nope", "a"]], ids=" ".join
)
def test_a_command_that_there_is_not(words, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("Usage: largebatch")


@pytest.mark.parametrize("name", MODULES)
def test_every_command_and_option_has_help(name, capsys):
    assert main(["--help"]) == main([name, "--help"]) == 0
    said, command = " ".join(capsys.readouterr().out.split()), largebatch.get_command(None, name)
    assert f" {name} {command.help}" in said
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.opts[0] in said and option.help in said for option in options)


def test_commands_and_options_are_completed():
    def completed(words):
        position = str(len(words.split()) - 1)
        found = typed(_LARGEBATCH_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=position)
        return {line.partition(",")[2] for line in found.splitlines()}

    assert "largebatch" in typed(_LARGEBATCH_COMPLETE="bash_source")
    assert completed("largebatch c") == {"check", "cite", "compare"}
    assert completed("largebatch show K1 --s") == {"--scale"}


def test_a_path_that_has_to_be_there_is_named(tmp_path, capsys):
    for words in (["check", "nowhere.yaml"], ["compare", "nowhere", str(tmp_path)]):
        assert main(words) == 1
        line = f"largebatch {words[0]}: {words[1]}: wanted a file or folder that is there; got none\n"
        assert capsys.readouterr() == ("", line)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch, capsys):
    """A rule quotes its words, so that no shell replaces it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert MADE.convert("~/a", None, None) == tmp_path / "a" and MADE.convert("./~", None, None) == Path("~")
    (tmp_path / "b").touch()
    assert GIVEN.convert("~/b", None, None) == tmp_path / "b"
    assert main(["check", "~nobody-of-that-name/smoke.yaml"]) == 1
    assert "wanted ~ with a home folder that is known here" in capsys.readouterr().err


def test_an_error_of_ours_keeps_its_traceback(monkeypatch, capsys):
    """A mistake in the code is not to be mended from its last line."""

    def broken(scale):
        raise KeyError("seed")

    monkeypatch.setattr(people.check, "callback", broken)
    assert main(["check", str(SCALE)]) == 1
    line, *rest = capsys.readouterr().err.splitlines()
    assert line == "largebatch check: KeyError: 'seed'" and "Traceback" in rest[0]


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (EOFError, 1)])
def test_an_interrupt_is_told_from_a_mistake(monkeypatch, error, code):
    def interrupted(scale):
        raise error

    monkeypatch.setattr(people.check, "callback", interrupted)
    assert main(["check", str(SCALE)]) == code


def test_a_job_that_is_stopped_says_how_to_go_on_without_a_traceback(monkeypatch, capsys, tmp_path):
    def interrupted(**words):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch_jobs.data, "callback", interrupted)
    assert main(["data", "--name", "x", "--sources", "x", "--out", str(tmp_path / "x")]) == 130
    out, err = capsys.readouterr()
    kept = "Finished files and checkpoints are kept; the same command goes on from there"
    assert (out, err.strip()) == ("", f"largebatch data: stopped. {kept}")


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", [0, 1, 2]), ("20-22", [20, 21, 22]), ("0-1", [0, 1]), ("5-5", [5])]
)
def test_seeds_are_counted_from_0_or_from_the_first_one(text, seeds):
    assert Seeds().convert(text, None, None) == seeds


@pytest.mark.parametrize("text", ["0", "3-2", "-3", "1-", "1.5", "", "two"])
def test_seeds_that_are_none(text):
    with pytest.raises(click.BadParameter, match="wanted a number of seeds or <first>-<last>; got "):
        Seeds().convert(text, None, None)
