"""The report in a real browser, made from published observations."""

import base64
import re
import time

import pytest

from largebatch.config.cards import PAPERS, read_papers
from largebatch.config.study import load_study
from largebatch.figures.draw import draw
from largebatch.figures.robustness import draw_robustness
from largebatch.figures.tabulate import tabulate
from largebatch.judging.claims import STATEMENTS, read_claims
from largebatch.judging.judge import judge
from largebatch.judging.ledger import ledger
from largebatch.judging.robustness import ROBUSTNESS
from largebatch.report.evidence import to_report
from largebatch.report.publish import index
from largebatch.report.report import report
from tests.conftest import REPOSITORY
from tests.shared.browser import with_a_browser

pytestmark = with_a_browser
PUBLISHED = REPOSITORY / "results/published"
MOST_BYTES, MOST_SHEETS = 3_000_000, 20


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Goyal's experiment on MNIST, judged, drawn and reported from its published observations."""
    scale, name = "mnist-5k", "goyal"
    study = load_study(REPOSITORY / f"config/{scale}.yaml", {"experiments": [name]})
    experiment, observations = study.experiment(name), PUBLISHED / scale / name / "observations.parquet"
    folder = tmp_path_factory.mktemp("published") / scale
    judge(experiment.to_judge(), observations, folder / "judged.csv")
    ledger([folder / "judged.csv"], folder / "claims.csv")
    for figure in experiment.question.figures:
        draw(experiment.to_draw(figure.name), observations, folder / f"figures/{name}_{figure.name}")
    for table in experiment.question.tables:
        tabulate(experiment.to_tabulate(table.name), observations, folder / f"tables/{name}_{table.name}")
    draw_robustness(folder / ROBUSTNESS, folder / "figures/robustness", scale)
    beside = folder.parent / "other" / "claims.csv"
    beside.parent.mkdir()
    for written in ("claims.csv", STATEMENTS):
        beside.with_name(written).write_bytes((folder / written).read_bytes())
    report(to_report(study), folder, [beside], folder / "report.html")
    (beside.parent / "report.html").write_text("", encoding="utf-8")
    index(folder.parent, read_papers(REPOSITORY / "config" / PAPERS))
    return folder / "report.html"


@pytest.fixture
def shown(open_browser, file):
    """The page, newly loaded in a wide window; it must log no error and request nothing."""
    open_browser.prefer(prefers_color_scheme="light")
    open_browser.resize(1440, 900)
    open_browser.complaints.clear()
    open_browser.requests.clear()
    open_browser.visit(file)
    open_browser.run("history.replaceState(null, '', location.pathname)")
    yield open_browser
    assert open_browser.complaints == []
    asked = [url for url in open_browser.requests if not url.startswith("data:")]
    assert {url.partition("#")[0] for url in asked} == {file.as_uri()}


def choose(shown, name, value):
    shown.run(
        f"filter.elements[{name!r}].value = {value!r};"
        "filter.dispatchEvent(new Event('input', { bubbles: true }))"
    )


def seen(shown):
    """Ids of the claims that are shown, from top to bottom."""
    return shown.run(
        "[...document.querySelectorAll('.claim')].filter((c) => c.checkVisibility()).map((c) => c.id)"
    )


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_first_answer_is_above_the_fold(shown, width, height):
    shown.resize(width, height)
    below = shown.run("document.querySelector('.answer').getBoundingClientRect().bottom")
    assert 0 < below < height


@pytest.mark.parametrize("width", [360, 390, 768, 1440])
def test_nothing_scrolls_sideways_even_if_all_is_unfolded(shown, width):
    shown.resize(width, 740)
    shown.run("for (const fold of document.querySelectorAll('main details')) fold.open = true")
    sizes = shown.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes[0] <= sizes[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(shown, scheme):
    shown.prefer(prefers_color_scheme=scheme)
    assert shown.violations() == []


def test_axe_finds_nothing_where_all_is_unfolded(shown):
    shown.run("for (const fold of document.querySelectorAll('main details')) fold.open = true")
    shown.run("for (const button of document.querySelectorAll('[data-plot]')) button.click()")
    assert shown.violations() == []


def test_the_claims_are_filtered_and_counted(shown, file):
    claims = read_claims(file.with_name("claims.csv"))
    assert set(seen(shown)) == set(claims["id"])
    for verdict in claims["verdict"].unique():
        choose(shown, "verdict", verdict)
        assert set(seen(shown)) == set(claims.loc[claims["verdict"] == verdict, "id"])
    choose(shown, "verdict", "")
    choose(shown, "unit", "doublings")
    assert seen(shown) == ["G6"]
    assert shown.run("filter.querySelector('output').textContent") == f"1 of {len(claims)} claims"
    choose(shown, "text", "no such words")
    assert seen(shown) == [] and not shown.run("document.querySelector('section').checkVisibility()")
    shown.run("filter.querySelector('[type=reset]').click()")
    shown.wait_for("document.querySelectorAll('.claim:not([hidden])').length > 1")
    choose(shown, "text", "SQUARE-ROOT")
    assert set(seen(shown)) == {"G3", "G3.fixed"}


def test_the_claims_are_sorted_within_their_unit(shown):
    written = seen(shown)
    choose(shown, "sort", "verdict")
    first = "[...document.querySelectorAll('.unit:first-of-type .claim')]"
    order = shown.run(f"{first}.map((c) => VERDICTS.indexOf(c.dataset.verdict))")
    assert order == sorted(order)
    choose(shown, "sort", "p")
    order = shown.run(f"{first}.map((c) => Number(c.dataset.p))")
    assert len(order) > 1 and order == sorted(order)
    choose(shown, "sort", "")
    assert seen(shown) == written


def test_a_link_opens_what_it_leads_to(shown):
    shown.run("location.hash = 'G3'")
    shown.wait_for("document.getElementById('G3').open")
    shown.run("document.querySelector('#G3 a[href^=\"#arm\"]').click()")
    shown.wait_for(
        "[...document.querySelectorAll('[id^=arm]')].some((arm) => arm.open && arm.checkVisibility())"
    )
    shown.run("document.querySelector('#G3 a[href^=\"#figure\"]').click()")
    shown.wait_for("document.querySelector('.fold[open] .figure')?.checkVisibility()")
    assert shown.run("document.querySelector('.fold[open] .figure use').getBBox().width") > 100


def test_files_beside_the_page_that_it_leads_to_are_there(shown, file):
    links = shown.run("[...document.querySelectorAll('a')].map((a) => a.getAttribute('href'))")
    beside = {link for link in links if not link.startswith("#")}
    assert beside and all((file.parent / link).is_file() for link in beside)


def test_the_contents_stay_in_sight(shown):
    shown.run("document.getElementById('G3').scrollIntoView()")
    shown.wait_for("scrollY > 0")
    assert abs(shown.run("document.querySelector('.contents').getBoundingClientRect().top")) < 1


def test_the_command_is_copied_or_selected(shown):
    shown.run("document.getElementById('G3').open = true; document.querySelector('#G3 [data-copy]').click()")
    shown.wait_for("/Copied|Selected/.test(document.querySelector('#G3 [data-copy]').textContent)")


def test_dark_or_light_by_choice_and_by_the_system(shown):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = shown.run(ground)
    shown.run("document.getElementById('theme').click()")
    dark = shown.run(ground)
    assert dark != light
    shown.prefer(prefers_color_scheme="dark")
    shown.run("delete document.documentElement.dataset.theme")
    assert shown.run(ground) == dark
    assert shown.run("getComputedStyle(document.querySelector('.figure')).filter") != "none"


def looked_into(shown, name):
    shown.run(f"location.hash = 'figure-{name}'")
    shown.wait_for(f"document.getElementById('figure-{name}').open")
    shown.run(f"document.querySelector('#figure-{name} [data-plot]').click()")
    shown.wait_for(f"document.querySelector('#figure-{name} .u-over')")


def test_curves_tell_value_and_interval_and_change_their_axis(shown, file):
    looked_into(shown, "goyal_curves_within")
    place = "document.querySelector('#figure-goyal_curves_within .plot')"
    assert not shown.run("document.querySelector('#figure-goyal_curves_within .scroll').checkVisibility()")
    shown.run(f"{place}.querySelector('.u-over').focus()")
    shown.press("ArrowRight", "ArrowRight")
    said = f"{place}.querySelector('[role=status]').textContent"
    shown.wait_for(f"{said} !== ''")
    assert re.match(r"epoch \d.*: .+ [\d.e+-]+ \[[\d.e+-]+, [\d.e+-]+\]", shown.run(said))
    first = shown.run(said)
    shown.press("ArrowRight", "ArrowRight")
    assert shown.run(said) != first
    assert shown.run(f"[...{place}.querySelector('select').options].map((o) => o.value)")[:2] == [
        "epoch",
        "update",
    ]
    shown.run(f"{place}.querySelector('select').value = 'update'")
    shown.run(f"{place}.querySelector('select').dispatchEvent(new Event('change'))")
    shown.run(f"{place}.querySelector('.u-over').focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert shown.run(said).startswith("update ")


def test_a_line_is_switched_off(shown):
    looked_into(shown, "goyal_curves_within")
    place = "document.querySelector('#figure-goyal_curves_within .plot')"
    first = shown.run(f"{place}.querySelector('.legend label').textContent.trim()")
    over = f"{place}.querySelector('.u-over')"
    shown.run(f"{over}.focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert first in shown.run(f"{place}.querySelector('[role=status]').textContent")
    shown.run(f"{place}.querySelector('.legend input').click(); {over}.focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert f"{first} " not in shown.run(f"{place}.querySelector('[role=status]').textContent")


def test_a_logarithmic_axis_ends_somewhere(shown):
    """Densities fall to 1e-34, and losses to zero."""
    assert shown.run("lowest([1e-34, 0, 40])") == pytest.approx(40e-12)
    assert shown.run("lowest([0.5, 0, 40])") == pytest.approx(0.25)


def test_without_script_nothing_is_lost(shown, file):
    shown.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        shown.call("Page.navigate", url=file.as_uri())
        while shown.run("document.readyState") != "complete":
            time.sleep(0.05)  # timers of the page do not run
        controls = "[...document.querySelectorAll('.needs-script')].map((c) => c.checkVisibility())"
        assert set(shown.run(controls)) == {False}
        assert shown.run("document.querySelector('.card .figure').checkVisibility()")
    finally:
        shown.call("Emulation.setScriptExecutionDisabled", value=False)


def sheets(shown):
    """The number of printed pages."""
    paper = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
    pdf = base64.b64decode(shown.call("Page.printToPDF", **paper)["data"])
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def test_it_prints_on_a_few_sheets(shown):
    assert sheets(shown) <= 3


def test_the_index_joins_the_scales_without_a_complaint(shown, file):
    path = file.parents[1] / "index.html"
    shown.visit(path)
    assert shown.violations() == []
    links = shown.run("[...document.querySelectorAll('a')].map((a) => a.getAttribute('href').split('#')[0])")
    assert all((path.parent / link).is_file() for link in links)
    shown.resize(360, 740)
    assert shown.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    shown.requests.clear()
    shown.visit(file)


def pages():
    return sorted(PUBLISHED.glob("*/report.html"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.parent.name)
def test_published_pages_are_small_and_print_on_few_sheets(open_browser, page):
    if 'id="answers"' not in page.read_text(encoding="utf-8"):
        pytest.skip("published before the page had answers: publish it anew")
    assert page.stat().st_size <= MOST_BYTES
    open_browser.visit(page)
    open_browser.complaints.clear()
    open_browser.run("for (const button of document.querySelectorAll('[data-plot]')) button.click()")
    assert open_browser.complaints == []
    open_browser.visit(page)
    assert sheets(open_browser) < MOST_SHEETS
