"""The files of a study: readable, kept as they are, of one net and one data set."""

import pytest
import yaml

from largebatch.advise import search
from largebatch.advise.files_of_study import dumped, require_same, write
from largebatch.config.study import load_study
from tests.shared.advised import BUDGET, asked_in


def test_a_file_says_why_and_what(tmp_path):
    asked = asked_in(tmp_path)
    write(asked, "range", search.range_(asked, BUDGET))
    text = asked.file("range").read_text(encoding="utf-8")
    assert text.startswith("# Which rates train") and "model: {import: '../my_net.py:net'}" in text
    assert "&" not in text and "*" not in text
    assert load_study(asked.file("range")).seeds == 3


def test_a_file_can_be_edited(tmp_path):
    asked = asked_in(tmp_path)
    write(asked, "range", search.range_(asked, BUDGET))
    assert not list(asked.folder.rglob(".seals"))
    path = asked.file("range")
    path.write_text(path.read_text(encoding="utf-8").replace("epochs: 6", "epochs: 7"), encoding="utf-8")
    assert {arm.epochs for arm in load_study(path).arms.values()} == {7}


def test_an_edited_question_stays(tmp_path):
    asked = asked_in(tmp_path)
    own = asked.folder / "experiments" / "range.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# mine", encoding="utf-8")
    write(asked, "range", search.range_(asked, BUDGET))
    assert own.read_text(encoding="utf-8") == "# mine"


@pytest.mark.parametrize(
    "more",
    [
        {"model": {"import": "../other.py:net"}},
        {"data": {"arrays": {"path": "../other.npz"}}},
        {"data": {"folders": {"path": "../pictures"}}},
    ],
)
def test_a_folder_is_of_one_net_and_one_data_set(tmp_path, more):
    asked = asked_in(tmp_path)
    require_same(asked)
    write(asked, "speed", search.speed(asked, BUDGET))
    require_same(asked)
    with pytest.raises(ValueError, match=r"advice: wanted a study of .*, or --out with another folder; got"):
        require_same(asked_in(tmp_path, **more))


def test_what_stands_in_two_places_is_written_twice():
    shared = {"name": "sgd"}
    text = dumped({"a": {"x": shared}, "b": {"x": shared}})
    assert "&" not in text and yaml.safe_load(text) == {"a": {"x": shared}, "b": {"x": shared}}
