"""The primer's page: the contents of the file. test_page_in_browser.py tests it in a browser."""

import json
import re
import sys

import numpy as np
import pytest

from largebatch.cli import main
from largebatch.config.study import load_study
from largebatch.config.surfaces import EXAMPLES, SURFACES, Surface
from largebatch.page.page import CLAIMS, SLIDERS, TRIES, defaults, page
from tests.conftest import REPOSITORY
from tests.shared.paged import ASK, weights_by_update, written


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page and the observations."""
    return written(tmp_path_factory.mktemp("page"))


@pytest.fixture
def file(made):
    return made[0]


def test_the_file_needs_no_network(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|\ssrc=", text)
    assert all(re.match(r"#|report\.html#", link) for link in re.findall(r'href="([^"]*)"', text))
    assert "default-src 'none'" in text
    assert len(text) < 100_000


def test_the_page_is_told_the_surfaces_of_python(file):
    told = re.search(r'id="definitions">(.*?)</script>', file.read_text(encoding="utf-8"), re.DOTALL)[1]
    definitions = json.loads(told)
    exported = {
        name: Surface(
            powers=tuple(map(tuple, surface["powers"])),
            bumps=tuple(map(tuple, surface["bumps"])),
            bounds=tuple(surface["bounds"]),
            start=tuple(surface["start"]),
            tells=surface["tells"],
        )
        for name, surface in definitions["surfaces"].items()
    }
    assert exported == SURFACES
    assert definitions["examples"] == EXAMPLES


def test_the_command_writes_the_same_bytes_without_the_slow_libraries(made, tmp_path):
    file, observations = made
    (tmp_path / "ask.json").write_text(json.dumps(ASK), encoding="utf-8")
    words = ["--ask", str(tmp_path / "ask.json"), "--observations", str(observations)]
    assert main(["page", *words, "--out", str(tmp_path / "primer.html")]) == 0
    assert (tmp_path / "primer.html").read_bytes() == file.read_bytes()
    assert not {"torch", "pandas"} & set(vars(sys.modules["largebatch.page.page"]))


def test_every_claim_that_is_linked_is_asked_and_stands_in_the_report():
    digits = load_study(REPOSITORY / "config/digits.yaml")
    assert {i for ids in CLAIMS.values() for i in ids} <= digits.to_page()["claims"].keys()
    report = "".join(
        path.read_text(encoding="utf-8")
        for path in sorted((REPOSITORY / "src/largebatch/report").glob("report*.jinja"))
    )
    assert 'id="{{ claim.id }}"' in report


def test_claims_are_linked_where_the_study_judges_them(file, tmp_path):
    for i in {i for ids in CLAIMS.values() for i in ids}:
        assert f'<a href="report.html#{i}"><b>{i}</b> What {i} &lt;says&gt;.</a>' in file.read_text(
            encoding="utf-8"
        )
    page({"claims": {"P8": "It stays."}, "line": None, "plane": None}, None, tmp_path / "primer.html")
    assert set(
        re.findall(r"report\.html#([^\"]+)", (tmp_path / "primer.html").read_text(encoding="utf-8"))
    ) == {"P8"}


def test_settings_to_begin_with_and_to_try_are_stops():
    for settings in [defaults(), *TRIES.values()]:
        chosen = defaults() | settings
        assert chosen.keys() == defaults().keys()
        assert all(chosen[name] in slider.stops for name, slider in SLIDERS.items() if name in chosen)
        assert chosen["surface"] in SURFACES


def tried(settings):
    """Each seed's (left, right) weights with the settings of one thing to try: (300, 2)."""
    chosen = defaults() | settings
    sides = [chosen["batch"], chosen["against"]]
    return [
        [weights_by_update(300, **chosen | {"batch": batch, "seed": seed}) for batch in sides]
        for seed in range(1, 6)
    ]


def test_what_is_to_be_tried_happens():
    saddle, trap, ravine, hurried, bowl, closer = map(tried, TRIES.values())
    for small, full in saddle:
        assert np.abs(small[:, 0]).max() > 0.8
        assert (full[:, 0] == 0).all() and np.abs(full[-1]).max() < 1e-9
    for small, full in trap:
        assert small[:, 0].max() > 1 and full[:, 0].max() < -1
    for small, full in ravine:
        assert abs(full[9, 1]) < 0.01 and full[9, 0] < -4 and full[49, 0] < -1
        assert small[50:, 1].std() > 0.3
    for (small, full), (slower, _) in zip(hurried, ravine, strict=True):
        assert np.abs(full[49]).max() < 0.05
        assert small[50:, 1].std() > slower[50:, 1].std()
    assert all(np.abs(path[20]).max() > 30 for both in bowl for path in both)
    for one, sixteen in closer:
        assert np.linalg.norm(sixteen[100:], axis=1).mean() < np.linalg.norm(one[100:], axis=1).mean() / 3
