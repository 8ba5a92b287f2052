"""The primer's page in a real browser."""

import json

import pytest

from largebatch.config.surfaces import EXAMPLES, SURFACES
from largebatch.page.page import RUNS, SLIDERS, TRIES, defaults
from tests.shared.browser import with_a_browser
from tests.shared.page_controls import ask, box, choose, press, state
from tests.shared.paged import weights_by_update

pytestmark = with_a_browser
DRAWINGS = {f"drawing-{name}" for name in RUNS}
CONTROLS = {"surface", "play", "step", "reset", *DRAWINGS, *SLIDERS, "x", "y", "seed", "another"} | {
    *("shift", "path", "whose", "shift-x", "shift-y", "plane-loss"),
}
PLAY_IS = "document.getElementById('play').textContent === "


def test_it_loads_without_a_complaint_and_asks_for_nothing_else(shown, file):
    assert shown.requests == [file.as_uri()]
    assert state(shown)["update"] == state(shown, "against")["update"] == 0
    assert shown.run(PLAY_IS + "'Play'")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844), (360, 740)])
def test_play_and_both_drawings_are_seen_at_first(shown, width, height):
    shown.resize(width, height)
    shown.wait_for("document.getElementById('drawing-batch').clientHeight < innerWidth / 2")  # drawn anew
    for name in ("play", *sorted(DRAWINGS)):
        left, top, right, bottom = box(shown, name)
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert box(shown, "drawing-batch")[2] <= box(shown, "drawing-against")[0]


@pytest.mark.parametrize("surface", SURFACES)
def test_numbers_at_an_update_are_those_of_python(shown, surface):
    """Batches of 3 and 24 leave a short one at each epoch's end."""
    cases = [(1, 3, 0.5, 1), (4, 24, 0.9, 2**32 - 1), (EXAMPLES, 1, 0.9, 7), (6, 6, 0.0, 0)]
    for batch, against, momentum, seed in cases:
        settings = {"surface": surface, "momentum": momentum, "seed": seed, "rate": 0.05}
        wanted = {
            name: weights_by_update(100, batch=size, **settings)
            for name, size in {"batch": batch, "against": against}.items()
        }
        for updates in (1, 2, 100):
            ask(shown, batch=batch, against=against, **settings, updates=updates)
            for name, expected in wanted.items():
                got = state(shown, name)
                assert got["update"] == updates
                assert (got["x"], got["y"]) == pytest.approx(tuple(expected[updates - 1]), abs=1e-6)
                assert got["loss"] == pytest.approx(SURFACES[surface].value(expected[updates - 1]), abs=1e-6)


def test_both_runs_step_play_pause_and_reset_together(shown):
    def updates():
        return [state(shown, name)["update"] for name in RUNS]

    press(shown, "step")
    press(shown, "step")
    assert updates() == [2, 2]
    for name in RUNS:
        wanted = weights_by_update(2, batch=defaults()[name])[-1]
        assert (state(shown, name)["x"], state(shown, name)["y"]) == pytest.approx(tuple(wanted), abs=1e-6)
    press(shown, "play")
    assert shown.run(PLAY_IS + "'Pause'")
    shown.wait_for("document.getElementById('state-against').dataset.update > 4")
    press(shown, "play")
    left, right = updates()
    assert left == right > 4
    assert shown.run(PLAY_IS + "'Play'")
    press(shown, "reset")
    assert updates() == [0, 0]
    for name in RUNS:
        assert (state(shown, name)["x"], state(shown, name)["y"]) == SURFACES["bowl"].start


def test_what_is_to_be_tried_plays_each_time_it_is_clicked(shown):
    links = "document.getElementById('tries').querySelectorAll('a')"
    for k, settings in enumerate(TRIES.values()):
        for _ in range(2):
            # both in one script, so that no frame is between them
            begins = f"({links}[{k}].click(), document.getElementById('state-batch').dataset.update)"
            assert shown.run(begins) == "0"
            assert shown.run(PLAY_IS + "'Pause'")
            assert shown.run("document.getElementById('surface').value") == settings["surface"]
            shown.wait_for("document.getElementById('state-batch').dataset.update > 1")


def test_an_address_to_try_plays_when_it_is_opened(shown):
    ask(shown, **TRIES["A batch of one leaves the saddle, the full batch stops on it."], play=1)
    assert shown.run(PLAY_IS + "'Pause'")
    shown.wait_for("document.getElementById('state-batch').dataset.update > 1")


def test_a_phone_is_taken_to_the_drawings_by_what_is_to_be_tried(shown):
    shown.resize(390, 844)
    link = "document.getElementById('tries').querySelector('li:last-child a')"
    shown.run(f"{link}.scrollIntoView()")
    shown.run(f"{link}.click()")
    assert box(shown, "drawing-batch")[1] >= 0 and box(shown, "play")[1] >= 0
    assert box(shown, "drawing-batch")[3] <= 844


@pytest.mark.parametrize("surface", SURFACES)
def test_a_click_chooses_where_both_runs_start(shown, surface):
    choose(shown, "surface", surface)
    left, right, low, high = SURFACES[surface].bounds
    for name in RUNS:
        near, top, far, bottom = box(shown, f"drawing-{name}")
        shown.click(near + 0.4 * (far - near), top + 0.3 * (bottom - top))
        start = tuple(shown.run(f"Number(document.getElementById('{axis}').value)") for axis in "xy")
        # the drawing's margins are a tenth of it or less
        assert start == pytest.approx(
            (left + 0.4 * (right - left), high - 0.3 * (high - low)), abs=0.08 * (right - left)
        )
        assert {(state(shown, run)["x"], state(shown, run)["y"]) for run in RUNS} == {start}
        for _ in range(3):
            press(shown, "step")
        wanted = weights_by_update(3, start, surface=surface)[-1]
        assert (state(shown)["x"], state(shown)["y"]) == pytest.approx(tuple(wanted), abs=1e-6)
        address = shown.run("location.hash")
        assert f"x={start[0]:g}&y={start[1]:g}" in address
        press(shown, "reset")
        shown.click(near + 0.6 * (far - near), top + 0.6 * (bottom - top))
        assert (state(shown)["x"], state(shown)["y"]) != start
        ask(shown, x=start[0], y=start[1], surface=surface)
        assert (state(shown, "against")["x"], state(shown, "against")["y"]) == start


def test_keys_and_fields_choose_the_start_and_it_stays_on_the_drawing(shown):
    x, y = SURFACES["bowl"].start
    shown.run("document.getElementById('drawing-against').focus()")
    shown.press("ArrowRight", "ArrowRight", shift=True)
    shown.press("ArrowUp", "ArrowUp", shift=True)
    shown.press("ArrowUp", "ArrowUp", shift=True)
    assert (state(shown)["x"], state(shown)["y"]) == (x + 0.15, y + 0.3)
    for _ in range(40):
        shown.press("ArrowLeft", "ArrowLeft", shift=True)
    assert state(shown)["x"] == -3 and state(shown)["update"] == 0
    choose(shown, "x", "1.25")
    choose(shown, "y", "99")
    assert [(state(shown, name)["x"], state(shown, name)["y"]) for name in RUNS] == [(1.25, 3)] * 2
    assert shown.run("document.getElementById('y').value") == "3"
    choose(shown, "x", "")
    assert state(shown)["x"] == x
    choose(shown, "surface", "ravine")
    assert (state(shown)["x"], state(shown)["y"]) == SURFACES["ravine"].start
    for nonsense in ("NaN", "one", "1e999", "-1e999"):
        ask(shown, surface="ravine", x=nonsense, y=1)
        assert -6 <= state(shown)["x"] <= 6


def test_play_goes_on_from_a_new_start(shown):
    press(shown, "play")
    shown.wait_for("document.getElementById('state-batch').dataset.update > 3")
    near, top, far, bottom = box(shown, "drawing-batch")
    shown.click((near + far) / 2, top + 0.9 * (bottom - top))
    shown.wait_for("document.getElementById('state-batch').dataset.update > 3")
    press(shown, "play")
    start = tuple(shown.run(f"Number(document.getElementById('{axis}').value)") for axis in "xy")
    assert start != SURFACES["bowl"].start
    for name in RUNS:
        now = state(shown, name)
        wanted = weights_by_update(int(now["update"]), start, batch=defaults()[name])[-1]
        assert (now["x"], now["y"]) == pytest.approx(tuple(wanted), abs=1e-6)


def test_a_link_to_a_place_on_the_page_leaves_the_runs_alone(shown):
    press(shown, "step")
    for link in ("#words", "#minima"):
        shown.run(f"document.querySelector('a[href=\"{link}\"]').click()")
        shown.wait_for("scrollY > 0")
        assert state(shown)["update"] == 1


def test_divergence_is_said_and_ends_the_run(shown):
    ask(shown, surface="bowl", batch=64, against=64, rate=2.2, updates=1000)
    assert state(shown)["update"] < 20
    for name in ("state-batch", "state-against", "said"):
        assert "diverged" in shown.run(f"document.getElementById('{name}').textContent")
    assert shown.run("document.getElementById('play').getAttribute('aria-disabled')") == "true"


def test_a_run_that_diverges_does_not_stop_the_other(shown):
    ask(shown, surface="trap", batch=1, against=64, rate=0.71, noise=4, updates=1000)
    assert state(shown)["update"] < state(shown, "against")["update"] == 1000
    assert shown.run("document.getElementById('play').getAttribute('aria-disabled')") == "false"


def test_space_plays_and_pauses_and_arrows_step_and_slide(shown):
    shown.run("document.getElementById('drawing-batch').focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert state(shown)["update"] == 1
    shown.press(" ", "Space", " ")
    assert shown.run(PLAY_IS + "'Pause'")
    shown.wait_for("document.getElementById('state-batch').dataset.update > 2")
    shown.press(" ", "Space", " ")
    assert not shown.run(PLAY_IS + "'Pause'")
    assert shown.run("scrollY") == 0
    shown.run("document.getElementById('batch').focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert state(shown)["update"] == 0
    assert shown.run("document.getElementById('batch').getAttribute('aria-valuetext')") == "2"
    assert "batch=2" in shown.run("location.hash")


def test_tab_reaches_every_control_and_each_has_a_name_and_a_visible_focus(shown):
    found = []
    for _ in range(len(CONTROLS) + shown.run("document.links.length")):
        shown.press("Tab", "Tab")
        found.append(
            shown.run("""(() => {
                const it = document.activeElement;
                const name = it.labels?.[0]?.textContent || it.ariaLabel || it.textContent;
                return [it.id || it.tagName, name.trim(), getComputedStyle(it).outlineStyle];
            })()""")
        )
    assert {name for name, _, _ in found} - {"BODY"} == CONTROLS | {"A"}
    assert all(label and outline == "solid" for name, label, outline in found if name != "BODY")


def test_without_motion_play_takes_updates_at_once(shown):
    shown.prefer(prefers_reduced_motion="reduce")
    shown.wait_for(PLAY_IS + "'Play 50 updates'")
    press(shown, "play")
    assert state(shown)["update"] == state(shown, "against")["update"] == 50
    assert "Update 50 " in shown.run("document.getElementById('said').textContent")
    shown.run("document.getElementById('tries').querySelector('a').click()")
    assert state(shown)["update"] == 50


@pytest.mark.parametrize("surface", SURFACES)
def test_a_phone_need_not_scroll_sideways_and_a_wide_window_has_two_columns(shown, surface):
    ask(shown, surface=surface)
    assert box(shown, "rate")[0] > box(shown, "drawing-against")[2]
    assert box(shown, "rate")[1] < box(shown, "drawing-against")[3]
    shown.resize(360)
    shown.wait_for("document.getElementById('stage').getBoundingClientRect().width <= 360")
    assert shown.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    inside = "[...document.querySelectorAll('main *')].filter((it) => it.getBoundingClientRect().right > 360)"
    assert shown.run(f"{inside}.map((it) => it.outerHTML.slice(0, 80))") == []
    assert box(shown, "rate")[1] > box(shown, "drawing-against")[3]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_axe_finds_nothing(shown, scheme, width):
    shown.prefer(prefers_color_scheme=scheme)
    shown.resize(width)
    assert shown.violations() == []


def test_the_words_are_those_of_the_surface_that_is_shown(shown):
    for surface in SURFACES:
        choose(shown, "surface", surface)
        seen = "[...document.querySelectorAll('[id^=about-]')].filter((it) => it.offsetHeight)"
        assert shown.run(f"{seen}.map((it) => it.id)") == [f"about-{surface}"]
        formula = f"document.querySelector('#about-{surface} math')"
        assert shown.run(f"{formula}.getBoundingClientRect().height > 10")


def test_dark_mode_draws_anew(shown):
    pictures = "[...document.querySelectorAll('canvas')].map((it) => it.toDataURL())"
    light = shown.run(pictures)
    shown.prefer(prefers_color_scheme="dark")
    shown.wait_for(f"{pictures}.every((picture, k) => picture !== {json.dumps(light)}[k])")
