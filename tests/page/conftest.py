"""The primer's page, written and open in a browser."""

import pytest

from tests.shared.paged import written


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"))[0]


@pytest.fixture
def shown(open_browser, file):
    """The page, newly loaded in a wide window; it must log no error."""
    open_browser.prefer(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    open_browser.resize(1280)
    open_browser.complaints.clear()
    open_browser.requests.clear()
    open_browser.visit(file)
    yield open_browser
    assert open_browser.complaints == []
