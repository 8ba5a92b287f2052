"""The primer's page: what is in the file, and what a real browser makes of it."""

import json
import re
import sys
from itertools import chain, islice, repeat

import numpy as np
import pytest

from largebatch.cli import main
from largebatch.descent import batches, descend
from largebatch.page_random import PageRandom
from largebatch.study.page import SLIDERS, TRIES, defaults, page
from largebatch.surfaces import EXAMPLES, SURFACES, Surface, batch_gradient, examples
from tests.study.browser import browser, chromium

in_a_browser = pytest.mark.skipif(
    chromium() is None,
    reason="no chromium, chromium-browser or google-chrome here: the page is not tried out",
)
CONTROLS = {"surface", "drawing", "play", "step", "reset", *SLIDERS, "seed", "another"}


def endless(size, stream):
    """Epoch after epoch."""
    return chain.from_iterable(batches(EXAMPLES, size, stream) for _ in repeat(None))


def weights_by_update(updates, **settings):
    """The weights of Python's run: (updates, 2)."""
    chosen = defaults() | settings
    surface, stream = SURFACES[chosen["surface"]], PageRandom(chosen["seed"])
    pull = batch_gradient(surface, examples(stream), chosen["noise"])
    rows, start = endless(chosen["batch"], stream), np.array(surface.start)
    run = descend(pull, start, rows, lambda _: chosen["rate"], chosen["momentum"])
    return np.array(list(islice(run, updates)))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "primer.html"
    page(path)
    return path


@pytest.fixture(scope="module")
def open_browser(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def shown(open_browser, file):
    """The page, newly loaded in a wide window; afterwards it must not have complained."""
    open_browser.prefer(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    open_browser.resize(1280)
    open_browser.complaints.clear()
    open_browser.requests.clear()
    open_browser.open(file, encoding="utf-8")
    yield open_browser
    assert open_browser.complaints == []


def ask(shown, **settings):
    """Choose settings, and take updates, as a link does."""
    words = "&".join(f"{name}={value}" for name, value in settings.items())
    shown.run(
        "new Promise((go) => { addEventListener('hashchange', go, { once: true });"
        f" location.hash = {json.dumps(words)}; }}).then(() => 0)"
    )


def state(shown):
    """update, x, y, loss of the page."""
    found = shown.run("({ ...document.getElementById('state').dataset })")
    return {name: float(value) for name, value in found.items()}


def test_the_file_needs_no_network(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|\ssrc=", text)
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', text))
    assert "default-src 'none'" in text


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


def test_the_command_writes_the_same_bytes_without_the_slow_libraries(file, tmp_path):
    assert main(["page", "--out", str(tmp_path / "primer.html")]) == 0
    assert (tmp_path / "primer.html").read_bytes() == file.read_bytes()
    assert not {"torch", "pandas"} & set(vars(sys.modules["largebatch.study.page"]))


def test_settings_to_begin_with_and_to_try_are_stops():
    for settings in [defaults(), *TRIES.values()]:
        assert all(settings[name] in slider.stops for name, slider in SLIDERS.items() if name in settings)
        assert settings["surface"] in SURFACES


def test_what_is_to_be_tried_happens():
    bowl, plain, hurried, stopped, left, stayed, escaped = (
        [weights_by_update(300, **settings | {"seed": seed}) for seed in range(1, 6)]
        for settings in TRIES.values()
    )
    assert all(np.abs(path[20]).max() > 30 for path in bowl)
    assert all(abs(path[9, 1]) < 0.01 and path[9, 0] < -4 for path in plain)
    assert all(np.abs(path[49]).max() < 0.05 for path in hurried) and plain[0][49, 0] < -1
    assert all((path[:, 0] == 0).all() and np.abs(path[-1]).max() < 1e-9 for path in stopped)
    assert all(np.abs(path[:, 0]).max() > 0.8 for path in left)
    assert all(path[:, 0].max() < -1 for path in stayed)
    assert all(path[:, 0].max() > 1 for path in escaped)


@in_a_browser
def test_it_loads_without_a_complaint_and_asks_for_nothing_else(shown, file):
    assert shown.requests == [file.as_uri()]
    assert state(shown)["update"] == 0
    assert shown.run("document.getElementById('play').textContent") == "Play"


@in_a_browser
@pytest.mark.parametrize("surface", SURFACES)
def test_numbers_at_an_update_are_those_of_python(shown, surface):
    """Batches of 3 and 24 leave a short one at each epoch's end."""
    cases = [(1, 0.0, 0), (3, 0.5, 1), (4, 0.9, 2), (24, 0.9, 2**32 - 1), (EXAMPLES, 0.9, 7)]
    for batch, momentum, seed in cases:
        settings = {"surface": surface, "batch": batch, "momentum": momentum, "seed": seed, "rate": 0.05}
        expected = weights_by_update(100, **settings)
        for updates in (1, 2, 100):
            ask(shown, **settings, updates=updates)
            got, wanted = state(shown), expected[updates - 1]
            assert got["update"] == updates
            assert (got["x"], got["y"]) == pytest.approx(tuple(wanted), abs=1e-6)
            assert got["loss"] == pytest.approx(SURFACES[surface].value(wanted), abs=1e-6)


@in_a_browser
def test_buttons(shown):
    def press(name):
        shown.run(f"document.getElementById('{name}').click()")

    press("step")
    press("step")
    assert state(shown)["update"] == 2
    assert (state(shown)["x"], state(shown)["y"]) == pytest.approx(tuple(weights_by_update(2)[-1]), abs=1e-6)
    press("play")
    shown.wait_for("document.getElementById('state').dataset.update > 4")
    assert state(shown)["x"] != SURFACES["bowl"].start[0]
    press("reset")
    assert state(shown)["update"] == 0
    assert (state(shown)["x"], state(shown)["y"]) == SURFACES["bowl"].start


@in_a_browser
def test_divergence_is_said_and_ends_the_run(shown):
    ask(shown, surface="bowl", batch=64, rate=2.2, updates=1000)
    assert state(shown)["update"] < 20
    for name in ("state", "said"):
        assert "diverged" in shown.run(f"document.getElementById('{name}').textContent")
    assert shown.run("document.getElementById('play').getAttribute('aria-disabled')") == "true"


@in_a_browser
def test_space_plays_and_pauses_and_arrows_step_and_slide(shown):
    playing = "document.getElementById('play').textContent === 'Pause'"
    shown.run("document.getElementById('drawing').focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert state(shown)["update"] == 1
    shown.press(" ", "Space", " ")
    assert shown.run(playing)
    shown.wait_for("document.getElementById('state').dataset.update > 2")
    shown.press(" ", "Space", " ")
    assert not shown.run(playing)
    assert shown.run("scrollY") == 0
    shown.run("document.getElementById('batch').focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert state(shown)["update"] == 0
    assert shown.run("document.getElementById('batch').getAttribute('aria-valuetext')") == "6 of 64 examples"
    assert "batch=6" in shown.run("location.hash")


@in_a_browser
def test_tab_reaches_every_control_and_each_has_a_name_and_a_visible_focus(shown):
    found = []
    for _ in range(len(CONTROLS) + len(TRIES)):
        shown.press("Tab", "Tab")
        found.append(
            shown.run("""(() => {
                const it = document.activeElement;
                const name = it.labels?.[0]?.textContent || it.ariaLabel || it.textContent;
                return [it.id || it.tagName, name.trim(), getComputedStyle(it).outlineStyle];
            })()""")
        )
    assert {name for name, _, _ in found} == CONTROLS | {"A"}
    assert all(label and outline == "solid" for _, label, outline in found)


@in_a_browser
def test_without_motion_play_takes_updates_at_once(shown):
    shown.prefer(prefers_reduced_motion="reduce")
    shown.wait_for("document.getElementById('play').textContent === 'Play 50 updates'")
    shown.run("document.getElementById('play').click()")
    assert state(shown)["update"] == 50
    assert "Update 50 " in shown.run("document.getElementById('said').textContent")


@in_a_browser
@pytest.mark.parametrize("surface", SURFACES)
def test_a_phone_need_not_scroll_sideways_and_a_wide_window_has_two_columns(shown, surface):
    ask(shown, surface=surface)
    drawing, settings = (
        f"document.getElementById('{name}').getBoundingClientRect()" for name in ("drawing", "batch")
    )
    assert shown.run(f"{settings}.left > {drawing}.right && {settings}.top < {drawing}.bottom")
    shown.resize(360)
    shown.wait_for(f"{drawing}.width <= 360")
    assert shown.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert shown.run(f"{settings}.top > {drawing}.bottom")


@in_a_browser
def test_dark_mode_draws_anew(shown):
    picture = "document.getElementById('drawing').toDataURL()"
    light = shown.run(picture)
    shown.prefer(prefers_color_scheme="dark")
    shown.wait_for(f"{picture} !== {json.dumps(light)}")
