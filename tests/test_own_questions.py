"""The examples of docs/own.md, as they are written there: one's own claims, figures, arms and experiments."""

import re
import shutil
import subprocess

import pandas as pd
import pytest

from tests.conftest import REPOSITORY
from tests.shared.workspace import Workspace

PAGE = (REPOSITORY / "docs" / "own.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    line.split()
    for block in re.findall(r"```\n((?:largebatch|snakemake).*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("own"))
    published = workspace.root / "results/published/digits/keskar"
    shutil.copytree(REPOSITORY / "results/published/digits/keskar", published)
    for name, text in FILES.items():
        path = workspace.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    yield workspace
    workspace.end()


def run(workspace, name):
    """Run the page's commands on one of its files; what they print."""
    said = []
    for words in (words for words in COMMANDS if f"mine/{name}.yaml" in words):
        done = subprocess.run(
            words, cwd=workspace.root, env=workspace.environment, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done.stdout)
    assert said
    return said


def test_every_file_of_the_page_is_run():
    assert len(FILES) == 4 and all(any(name in words for words in COMMANDS) for name in FILES)


def test_a_first_claim_on_what_is_published(workspace):
    *_, shown = run(workspace, "claim")
    assert "✓ supported" in shown and "mine/claim.yaml:" in shown and "exploratory: added" in shown
    claims = pd.read_csv(workspace.root / "results/claim/claims.csv").set_index("id")
    assert claims.loc["M1", "n"] == 14
    # the experiment's own claims stay as they were registered
    assert (claims["registered"].drop("M1") == "as registered").all()
    rows = pd.read_parquet(REPOSITORY / "results/published/digits/keskar/observations.parquet")
    rows = (
        rows[rows["metric"] == "test_error_percent"]
        .sort_values("at")
        .groupby(["arm", "seed"])["value"]
        .last()
    )
    difference = rows["sweep_sgd[batch_size=1024]"] - rows["sweep_sgd[batch_size=4]"]
    assert claims.loc["M1", "estimate"] == pytest.approx(difference.mean(), rel=1e-6)


def test_a_first_figure(workspace):
    run(workspace, "figure")
    drawn = pd.read_csv(workspace.root / "results/figure/figures/keskar_my_batches.csv")
    assert {"batch 4", "batch 64", "batch 1,024"} <= set(drawn.astype(str).to_numpy().ravel())


def test_one_more_arm(workspace):
    run(workspace, "arm")
    claims = pd.read_csv(workspace.root / "results/arm/keskar/judged.csv").set_index("id")
    assert claims.loc["M2", "n"] == 3


def test_a_first_experiment(workspace):
    run(workspace, "experiment")
    results = workspace.root / "results/experiment"
    assert list(pd.read_csv(results / "claims.csv")["id"]) == ["M3"]
    assert (results / "report.html").is_file() and (results / "figures/momentum_sweep.pdf").is_file()
    assert len(pd.read_csv(results / "tables/momentum_ends.csv")) == 4


def test_its_runs_grow_by_seeds_on_another_machine_too(workspace):
    """What Snakemake knows of files stays behind when results are copied."""
    (workspace.root / ".snakemake").rename(workspace.root / "left behind")
    words = ["results/experiment/momentum/judged.csv", "--config", "seeds=4"]
    code, output = workspace.snakemake(*words, configfile="mine/experiment.yaml")
    assert code == 0, output
    runs = sorted((workspace.root / "results/experiment/runs").iterdir())
    assert (
        output.count("wanted seeds 0-3; got 0-2") == output.count("3 seeds kept, 1 trained") == len(runs) == 4
    )
    judged = pd.read_csv(workspace.root / words[0])
    assert (judged["n"] == 4).all()
    assert workspace.would_run(*words, configfile="mine/experiment.yaml") == {}
    (runs[0] / "provenance.json").unlink()
    code, output = workspace.snakemake(*words, configfile="mine/experiment.yaml")
    assert code == 1 and f"{runs[0].relative_to(workspace.root)}: wanted provenance.json" in output
