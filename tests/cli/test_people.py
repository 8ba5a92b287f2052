"""Commands for people that have no test beside what they call."""

import re
import shlex
from pathlib import Path

import pytest

from largebatch.cli import main
from tests.conftest import REPOSITORY

GOOD = REPOSITORY / "config" / "smoke.yaml"


@pytest.fixture
def bad(tmp_path) -> Path:
    """A scale file with one seed."""
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.read_text(encoding="utf-8").replace("seeds: 3", "seeds: 1"), encoding="utf-8")
    return path


def test_check_says_how_much_there_is_to_do(capsys):
    assert main(["check", str(GOOD)]) == 0
    found = re.fullmatch(r"(.*): (\d+) experiments, (\d+) arms, 3 seeds each\n", capsys.readouterr().out)
    assert found and found[1] == str(GOOD) and 10 < int(found[2]) < int(found[3])


def test_check_says_what_a_scale_leaves_out_and_why(capsys):
    assert main(["check", str(REPOSITORY / "config" / "mnist-5k.yaml")]) == 0
    _, said = capsys.readouterr().out.splitlines()
    assert said.startswith("goyal without base_lr_small, ") and said.endswith(" within an hour.")


def test_check_says_in_one_line_what_is_wrong(bad, capsys):
    assert main(["check", str(bad)]) == 1
    line = f"largebatch check: {bad}: seeds: wanted greater than or equal to 2; got 1\n"
    assert capsys.readouterr() == ("", line)


def test_plan_prints_the_commands_of_the_experiments_asked_for(capsys):
    assert main(["plan", str(GOOD), "--experiments", "convex"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("largebatch ") for line in lines)
    assert shlex.split(lines[0]) == ["largebatch", "register", str(GOOD), "--experiments", "convex"]
    assert sum(line.startswith("largebatch train ") for line in lines) == 4


def test_plan_says_what_a_study_takes_on_so_many_gpus(capsys):
    assert main(["plan", str(GOOD), "--gpus", "2", "--kind", "h200"]) == 0
    assert re.search(r"^h200-hours: ", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("words", [["--gpus", "0"], ["--gpus", "2", "--kind", "tpu"]])
def test_plan_refuses_what_it_knows_nothing_of(words, capsys):
    assert main(["plan", str(GOOD), *words]) == 2 and words[-1] in capsys.readouterr().err


def test_register_writes_once_and_reads_what_it_wrote(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = ["register", str(GOOD), "--experiments", "convex"]
    assert main(call) == 0 and capsys.readouterr().out == ""
    registered = tmp_path / "results/smoke/convex/registered.json"
    assert registered.is_file()
    registered.write_text("{}", encoding="utf-8")
    assert main(call) == 1 and "registered.json: wanted a registration; got" in capsys.readouterr().err


@pytest.mark.parametrize("same", [True, False])
def test_compare_says_by_its_exit_code_whether_verdicts_differ(results, tmp_path, capsys, same):
    rows = results.rows if same else results.rows | {"T1": ("contradicted", 1.0, 0.5, 1.5)}
    ours, theirs = results(tmp_path / "a"), results(tmp_path / "b", rows)
    assert main(["compare", str(ours), str(theirs)]) == (0 if same else 2)
    assert f"{3 if same else 2} of 3 common claims have the same verdict" in capsys.readouterr().out
