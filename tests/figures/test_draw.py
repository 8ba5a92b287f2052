import json
import re

import matplotlib as mpl
import pytest
import yaml
from pydantic import TypeAdapter

from largebatch.config.question import Figure
from largebatch.figures.draw import draw, module_of
from tests.conftest import REPOSITORY
from tests.shared.figures import ERROR, KINDS, LOSS, asked

ENDINGS = ("csv", "json", "pdf", "png", "svg", "txt")


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_bytes_and_borrowed_settings(rows, write_table, tmp_path, kind):
    table = write_table(rows)
    contents = []
    with mpl.rc_context({"font.size": 31, "axes.grid": False}):
        for folder in ("one", "two"):
            before = dict(mpl.rcParams)
            draw(asked(kind), table, tmp_path / folder / "e_f")
            assert dict(mpl.rcParams) == before
            contents.append({path.name: path.read_bytes() for path in (tmp_path / folder).glob("e_f.*")})
    assert sorted(contents[0]) == [f"e_f.{ending}" for ending in ENDINGS]
    assert contents[0] == contents[1]
    caption = contents[0]["e_f.txt"].decode()
    assert caption.startswith("What is drawn. ") and " over 3 seeds." in caption
    assert caption.count(". ") == 1 and caption.count("\n") == 1, "two sentences"
    figure = TypeAdapter(Figure).validate_python(asked(kind)["figure"])
    assert module_of(kind).marks(figure) in caption
    on_logarithms = b",log" in contents[0]["e_f.csv"]
    assert (", of the logarithm on logarithmic axes" in caption) == on_logarithms
    record = json.loads(contents[0]["e_f.json"])
    assert record["stage"] == "draw" and list(record["inputs"]) == ["observations.parquet"]


def test_the_data_have_seven_digits_and_whole_numbers_all_of_theirs(helpers, write_table, tmp_path):
    along = {0.0: [1 / 3, 1 / 3], 1.0: [2e-9 / 3, 2e-9 / 3]}
    rows = helpers.arm("a", {LOSS: along, ERROR: along, "updates": {0.0: [0, 0], 1.0: [1234567, 1234567]}})
    ask = asked("curves", x="update", y=[LOSS], log_y=False, lines={"one": "a"})
    draw(ask, write_table(rows), tmp_path / "f")
    data = [line.split(",") for line in (tmp_path / "f.csv").read_text(encoding="utf-8").splitlines()]
    header, *lines = (line[3:6] for line in data)
    assert header == ["update", "n", "mean"]
    assert lines == [["0", "2", "0.3333333"], ["1234567", "2", "6.666667e-10"]]


def test_bad_inputs(rows, csv_of, tmp_path):
    with pytest.raises(ValueError, match="figure f: wanted arm absent; got none"):
        csv_of("rates", rows, lines={"x": "absent"})
    with pytest.raises(ValueError, match="one arm for each lr of sweep"):
        csv_of("against_setting", rows, x="lr")
    assert not list(tmp_path.glob("f.*"))


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "config/experiments").glob("*.yaml")), ids=lambda p: p.stem
)
def test_a_caption_is_one_sentence_to_which_the_marks_add_a_second(path):
    for figure in yaml.safe_load(path.read_text(encoding="utf-8"))["figures"]:
        text = figure["caption"].strip()
        assert not text.startswith("The same"), f"{figure['name']}: a caption stands alone"
        assert text.endswith(".") and not re.search(r"[.!?]\s+[A-Z]", text), figure["name"]
