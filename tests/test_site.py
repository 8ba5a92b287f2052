"""The pages that the documentation site has of each experiment, and how the software is cited."""

import importlib.util
import json
import re

import pytest
import yaml

from tests.conftest import REPOSITORY

QUESTIONS = sorted((REPOSITORY / "config" / "experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def site():
    found = importlib.util.spec_from_file_location("site_hooks", REPOSITORY / "tools" / "site.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda path: path.stem)
def test_an_experiments_page_holds_its_claims_and_links_to_what_exists(site, path):
    text, question = site.page(path), yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = re.findall(r"^\| (\S+) \|.*\|$", text, re.M)
    assert [row.replace("\\", "") for row in rows[2:]] == [claim["id"] for claim in question["claims"]]
    assert text.startswith("# ") and text.count("\n## ") >= 1
    for target in re.findall(r"\]\(\.\./([^)]+)\)", text):
        assert (REPOSITORY / target).is_file(), target


def test_the_citation_file_is_valid():
    """By the schema of the Citation File Format 1.2.0 (Druskat et al. 2021)."""
    import jsonschema  # late, so that GPU tests are collected where it is not installed

    schema = json.loads(
        (REPOSITORY / "tests" / "vendor" / "cff-1.2.0.schema.json").read_text(encoding="utf-8")
    )
    # as JSON has no dates
    cff = yaml.load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"), yaml.BaseLoader)
    jsonschema.validate(cff, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cff | {"license": "no licence of SPDX"}, schema)
