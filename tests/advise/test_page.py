"""The page of docs/advise.md's example: one file, its numbers those of the results."""

import re

import pytest

from largebatch.judging.claims import estimate, read_claims


@pytest.fixture(scope="module")
def page(advised):
    return (advised.study / "advice.html").read_text(encoding="utf-8")


def test_it_needs_no_network_and_no_script(page):
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org\S+", "", page)
    assert "<script" not in page and page.count("<svg") > 5


def test_its_links_lead_to_files(page, advised):
    links = re.findall(r'<a href="([^"#]+)"', page)
    assert len(links) > 10
    assert not [link for link in links if not (advised.study / link).exists()]


def test_its_numbers_are_those_of_the_claims(page, advised):
    claims = read_claims(advised.study / "results/final/claims.csv").set_index("id")
    assert estimate(claims.loc["A.default"]) in page
    assert page.count("<h2>") >= 6 and "my_net.py:MyNet" in page


def test_it_repeats_the_plan(page):
    shares = [int(share) for share in re.findall(r"<td>(\d+) %</td>", page)]
    assert len(shares) == 7 and sum(shares) == 100
    assert "0.5 minutes were asked for" in page
