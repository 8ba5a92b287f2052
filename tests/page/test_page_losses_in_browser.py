"""The line and the plane of losses on the primer's page, in a real browser."""

import numpy as np
import pytest

from largebatch.page.page import TRIES, page
from tests.shared.browser import with_a_browser
from tests.shared.page_controls import box, choose, press, state
from tests.shared.paged import ASK, AT, LOSSES, NOTHING, PLANE_LOSSES, TEST_LOSS

pytestmark = with_a_browser


def losses_said(shown, table="line-losses"):
    """Row and column of the table -> nats."""
    cells = f"[...document.querySelectorAll('#{table} td')]"
    assert shown.run(f"{cells}.every((it) => it.textContent)")
    return shown.run(f"Object.fromEntries({cells}.map((it) => [it.id, Number(it.dataset.nats)]))")


def test_the_shifted_loss_at_both_minima_is_the_measured_one(shown):
    of_whom = {"the mean of 2 seeds": np.mean, "seed 0": lambda both: both[0], "seed 1": lambda both: both[1]}
    for k, train in enumerate(LOSSES.values()):
        choose(shown, "path", str(k))
        for who, (whose, taken) in enumerate(of_whom.items()):
            choose(shown, "whose", str(who))
            assert shown.run("document.getElementById('whose').selectedOptions[0].text") == whose
            for stop, shift in enumerate(AT[:5]):
                choose(shown, "shift", str(stop))
                said = losses_said(shown)
                for alpha, column in ((0, "small"), (1, "large")):
                    near = [taken(train[at]) for at in AT if abs(at - alpha) <= abs(shift)]
                    wanted = {
                        "here": taken(train[alpha]),
                        "shifted": taken(train[alpha - shift]),
                        "worst": max(near),
                        "test": taken(TEST_LOSS[alpha]),
                    }
                    assert {row: said[f"{row}-{column}"] for row in wanted} == pytest.approx(wanted)


def test_the_line_is_shifted_by_keys_said_and_drawn_anew(shown):
    picture = "document.getElementById('line').toDataURL()"
    before = shown.run(picture)
    assert shown.run("document.getElementById('shift-value').textContent") == "−0.5"
    assert losses_said(shown)["shifted-large"] == 3
    shown.run("document.getElementById('shift').focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert shown.run("document.getElementById('shift').getAttribute('aria-valuetext')").startswith("0 ")
    assert losses_said(shown)["shifted-large"] == losses_said(shown)["here-large"] == 0.002
    assert "instead of 0.002" in shown.run("document.getElementById('shifted').textContent")
    assert shown.run(picture) != before


def test_a_study_without_the_line_says_so_and_shows_the_rest(shown, tmp_path):
    page(NOTHING, None, tmp_path / "primer.html")
    shown.visit(tmp_path / "primer.html")
    assert "no loss measured" in shown.run("document.getElementById('minima').textContent")
    absent = ["line", "shift", "path", "whose", "plane", "shift-x", "plane-loss"]
    assert shown.run(f"{absent}.every((id) => !document.getElementById(id))")
    assert shown.run("document.links.length") == 2 + len(TRIES)
    press(shown, "step")
    assert state(shown)["update"] == 1


def test_a_study_without_the_plane_shows_the_line_alone(shown, file, tmp_path):
    page(ASK | {"plane": None}, file.parent / "observations.parquet", tmp_path / "primer.html")
    shown.visit(tmp_path / "primer.html")
    assert shown.run("['plane', 'plane-title', 'shift-x'].every((id) => !document.getElementById(id))")
    assert losses_said(shown)["shifted-large"] == 3


def shift_of_plane(shown):
    """s and t, as the sliders are read out."""
    value = "document.getElementById('shift-{}-value').textContent.replace('−', '-')"
    return tuple(float(shown.run(value.format(axis))) for axis in "xy")


def test_what_both_minima_pay_on_the_plane_is_what_was_measured(shown):
    train, test = PLANE_LOSSES.values()
    stops = [-0.5, 0.0, 0.5]
    for i, s in enumerate(stops):
        for j, t in enumerate(stops):
            choose(shown, "shift-x", str(i))
            choose(shown, "shift-y", str(j))
            said = losses_said(shown, "plane-losses")
            paid = {}
            for (x, y), column in (((1, 0), "small"), ((0, 1), "large")):
                here, shifted, tested = train[x, y], train[x - s, y - t], test[x, y]
                paid[column] = np.subtract(shifted, here)
                rows = {"here": here, "shifted": shifted, "paid": paid[column], "test": tested}
                wanted = {row: np.mean(nats) for row, nats in rows.items()}
                wanted["gap"] = wanted["test"] - wanted["here"]
                got = {row: said[f"plane-{row}-{column}"] for row in wanted}
                assert got == pytest.approx(wanted, abs=1e-3)  # 4 digits of each loss
            more = (paid["large"] > paid["small"]).sum()
            text = shown.run("document.getElementById('plane-said').textContent")
            assert shift_of_plane(shown) == (s, t) and f"pays more in {more} of 2 seeds" in text


def test_the_plane_is_shifted_by_keys_and_the_picture_is_drawn_anew(shown):
    picture = "document.getElementById('plane').toDataURL()"
    before = shown.run(picture)
    assert shift_of_plane(shown) == (0, 0)  # no stop lies at 0.25, and this is the first of the two closest
    shown.run("document.getElementById('shift-y').focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert shift_of_plane(shown) == (0, 0.5)
    assert shown.run("document.getElementById('shift-y').getAttribute('aria-valuetext')") == (
        "0.5 of the way to the large-batch minimum"
    )
    assert shown.run(picture) != before


def test_dragging_the_plane_takes_it_along_to_the_closest_measured_shift(shown):
    shown.run("document.getElementById('plane').scrollIntoView({ block: 'center' })")
    left, top, right, bottom = box(shown, "plane")
    x, y = (left + right) / 2, (top + bottom) / 2
    quarter = (right - left - 44) / 4  # the margins take 44 pixels, and the plane is 2 wide
    mouse = {"button": "left", "buttons": 1, "clickCount": 1}
    for kind, across, down in [("Pressed", 0, 0), ("Moved", 0.9 * quarter, -0.4 * quarter)]:
        shown.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x + across, y=y + down, **mouse)
    assert shift_of_plane(shown) == (0.5, 0)
    shown.call("Input.dispatchMouseEvent", type="mouseMoved", x=x - 9 * quarter, y=y - 0.8 * quarter, **mouse)
    assert shift_of_plane(shown) == (-0.5, 0.5)
    shown.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)
    shown.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert shift_of_plane(shown) == (-0.5, 0.5)


def test_the_plane_shows_the_measured_test_loss_until_it_is_shifted(shown):
    picture = "document.getElementById('plane').toDataURL()"
    end = "document.getElementById('plane-{}').textContent"
    said = "document.getElementById('plane-said').textContent"
    before = shown.run(picture)
    for part in ("test", "train"):
        choose(shown, "plane-loss", part)
        means = [np.mean(nats) for nats in PLANE_LOSSES[part].values()]
        ends = [float(shown.run(end.format(which))) for which in ("low", "high")]
        assert ends == pytest.approx([min(means), max(means)], rel=5e-3)
        assert (shown.run(picture) == before) == (part == "train")
    choose(shown, "plane-loss", "test")
    # of the two seeds: 1.24 and 0.73 at the small-batch minimum, -1.76 and 1.73 at the large-batch one
    assert shown.run(said) == (
        "As measured, the test loss differs from the training loss by +0.985 nats at the small-batch minimum"
        " and by −0.015 nats at the large-batch minimum, which pays more in 1 of 2 seeds."
    )
    choose(shown, "shift-x", "2")
    assert shown.run("document.getElementById('plane-loss').value") == "train"
    assert "Shifted by (0.5, 0)" in shown.run(said)
