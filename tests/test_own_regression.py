"""The complete example of docs/data.md, as it is written there: own numbers to learn, and an own net."""

import json
import re
import subprocess

import pandas as pd
import pytest

from tests.conftest import REPOSITORY
from tests.shared.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path)
    yield workspace
    workspace.end()


def written_files():
    """File -> its text, from the page; and the commands below them."""
    page = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8")
    section = page[page.index("## Numbers to learn") : page.index("## What is checked")]
    files = dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", section, re.DOTALL))
    (commands,) = re.findall(r"```\n(python .*?)```", section, re.DOTALL)
    return files, commands.splitlines()


def test_the_example_of_the_page_runs_as_it_is_written(workspace):
    files, commands = written_files()
    for name, text in files.items():
        path = workspace.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    first, check, run = (command.split() for command in commands)
    for words in (first, check):
        subprocess.run(words, cwd=workspace.root, env=workspace.environment, check=True)
    assert run == ["snakemake", "--cores", "all", "--configfile", "mine/study.yaml"]
    code, output = workspace.snakemake(configfile="mine/study.yaml")
    assert code == 0, output
    results = workspace.root / "results" / "houses"
    table = pd.read_csv(results / "tables" / "houses_ends.csv").set_index(["row", "metric"])
    assert (table["n"].drop(("batch 200", "hessian_top_eigenvalue")) == 3).all() and len(table) == 10
    claims = pd.read_csv(results / "claims.csv")
    assert claims["verdict"].isin(["supported", "contradicted", "inconclusive"]).all()
    rows = pd.read_parquet(results / "houses" / "observations.parquet")
    ends = rows[(rows["metric"] == "test_r_squared") & (rows["at"] == 20)].groupby("arm")["value"].mean()
    assert 0.2 < ends["small"] < 1.0
    assert not rows["metric"].str.contains("accuracy|error_percent|loss_nats").any()
    record = json.loads((results / "data" / "houses.json").read_text(encoding="utf-8"))
    assert record["targets"] == 1 and record["classes"] == []
