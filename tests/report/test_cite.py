"""Citing from a results folder, the published one included."""

import re

import pytest

from largebatch.cli import main
from largebatch.files import write_json
from largebatch.report.cite import cite
from tests.conftest import REPOSITORY

PUBLISHED = REPOSITORY / "results" / "published" / "digits"


@pytest.fixture
def results(tmp_path):
    """A results folder with a figure and a table of one name."""
    folder = tmp_path / "mine"
    for kind in ("figures", "tables"):
        (folder / kind).mkdir(parents=True)
    (folder / "figures" / "e_x.txt").write_text("A figure. Mail me@home.\n", encoding="utf-8")
    (folder / "tables" / "e_x.md").write_text(
        "A table of 5 \\< 6.\n\n|  | a |\n|---|---:|\n", encoding="utf-8"
    )
    figure = {"name": "x", "kind": "curves", "caption": "A figure."}
    write_json(folder / "figures" / "e_x.json", {"commit": "f" * 40, "settings": {"figure": figure}})
    write_json(folder / "tables" / "e_x.json", {"commit": "a" * 40, "settings": {"table": {"name": "x"}}})
    return folder


def test_all_that_share_a_name_are_cited(results):
    text = cite("e_x", results)
    assert re.findall(r"^@misc\{(.*),$", text, re.M) == [
        "largebatch-mine-figure-e_x",
        "largebatch-mine-table-e_x",
    ]
    assert f"commit: {'f' * 40}" in text and f"commit: {'a' * 40}" in text
    assert "caption: A table of 5 < 6." in text and "%   kind: curves" in text and "licence: MIT" in text


def test_the_text_as_a_whole_is_bibtex(results):
    lines = [line for line in cite("e_x", results).splitlines() if line.startswith("%")]
    assert lines and not any("@" in line for line in lines)


def test_what_has_no_record_of_its_own_has_that_of_the_snapshot(results):
    (results / "figures" / "e_x.json").unlink()
    write_json(results / "provenance.json", {"commit": "b" * 40, "settings": {}})
    assert f"commit: {'b' * 40}" in cite("e_x", results)


@pytest.mark.parametrize("name", ["K1", "K1.sgd", "keskar_batch_sweep", "keskar_sharpness"])
def test_what_is_published_can_be_cited(name, capsys):
    assert main(["cite", name, "--results", str(PUBLISHED)]) == 0
    text = capsys.readouterr().out
    assert re.search(rf"^@misc\{{largebatch-digits-\w+-{name},$", text, re.M)
    assert re.search(r"commit: [0-9a-f]{40}", text) and "caption: " in text


@pytest.mark.parametrize("name", ["nope", "../figures/e_x", "", "*"])
def test_an_unknown_name_says_what_there_is(results, name, capsys):
    assert main(["cite", name, "--results", str(results)]) == 1
    assert "such as e_x; got " in capsys.readouterr().err


def test_a_folder_without_results_is_named(tmp_path, capsys):
    assert main(["cite", "K1", "--results", str(tmp_path / "none")]) == 1
    assert f"{tmp_path}/none: wanted a file or folder that is there" in capsys.readouterr().err
