"""The graph, on the smoke scale: a whole run without network, and what a change makes run again.

One copy of the repository is run once; the tests then edit it and ask Snakemake what it would do.
"""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from largebatch.config import load_study
from largebatch.plan import commands
from tests.conftest import REPOSITORY

# Any attempt to reach a network fails, in every Python process of the workflow.
NO_NETWORK = """
import socket
_connect = socket.socket.connect
def connect(self, address):
    if self.family != socket.AF_UNIX:
        raise OSError(f"the tests allow no network; wanted {address}")
    return _connect(self, address)
socket.socket.connect = connect
"""


class Workspace:
    """A copy of the repository in which Snakemake runs on config/smoke.yaml."""

    def __init__(self, root: Path, temporary: Path):
        self.root = root
        for name in ("Snakefile", "CITATION.cff", "workflow", "profiles", "config", "src"):
            source = REPOSITORY / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(
                source,
                root / name,
                **{"ignore": shutil.ignore_patterns("__pycache__")} if source.is_dir() else {},
            )
        guard = root / "no_network"
        guard.mkdir()
        (guard / "sitecustomize.py").write_text(NO_NETWORK)
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{guard}{os.pathsep}{root / 'src'}",
            "TMPDIR": str(temporary),  # a warm server of our own
        }

    def start(self, *words: str, configfile: str = "config/smoke.yaml") -> subprocess.Popen:
        return subprocess.Popen(
            ["snakemake", "--cores", "2", *words, "--configfile", configfile],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def snakemake(self, *words: str, configfile: str = "config/smoke.yaml") -> tuple[int, str]:
        """(exit code, all output)."""
        process = self.start(*words, configfile=configfile)
        output, _ = process.communicate(timeout=280)
        return process.returncode, output

    def would_run(self, *words: str) -> dict[str, int]:
        """Rule -> number of jobs of a dry run."""
        code, output = self.snakemake("-n", "--quiet=host", *words)
        assert code == 0, output
        if "Nothing to be done" in output:
            return {}
        stats = output[output.index("Job stats:") :]
        return {
            rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE) if rule != "total"
        }

    @contextmanager
    def edited(self, name: str, old: str, new: str):
        """A file with one text replaced, and put back with its time of change."""
        path = self.root / name
        text, times = path.read_text(), path.stat()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1))
        try:
            yield
        finally:
            path.write_text(text)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def one_arm(self) -> str:
        return sorted(p.name for p in (self.root / "results/smoke/runs").iterdir())[0]


SCALES = sorted(path.stem for path in (REPOSITORY / "config").glob("*.yaml"))


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_has_a_whole_graph(scale, tmp_path):
    """No file is missing on the way from data to report, whatever nets and experiments are called."""
    configfile = f"config/{scale}.yaml"
    code, output = Workspace(tmp_path, tmp_path).snakemake("-n", "--quiet=host", configfile=configfile)
    assert code == 0, output
    stats = output[output.index("Job stats:") :]
    assert re.search(r"^report +1$", stats, re.MULTILINE) and re.search(r"^train +\d+$", stats, re.MULTILINE)


def test_the_planned_commands_are_those_of_the_rules(tmp_path):
    """What `largebatch plan` prints is what Snakemake would call, but for the logs."""
    code, output = Workspace(tmp_path, tmp_path).snakemake("-n", "-p", "--forceall", "--quiet=host")
    assert code == 0, output
    lines = re.findall(
        r"^Shell command: (largebatch (?:data|train|measure|path|exhibit) .*) 2> \S+$", output, re.MULTILINE
    )
    called = {tuple(shlex.split(re.sub(r"\$\(dirname (\S+)/\S+\)", r"\1", line))) for line in lines}
    planned = {tuple(shlex.split(line)) for line in commands(load_study(REPOSITORY / "config/smoke.yaml"))}
    assert called == planned


def test_published_observations_that_are_not_there_are_named(tmp_path):
    workspace = Workspace(tmp_path, tmp_path)
    code, output = workspace.snakemake("-n", "--config", "observations=published", "experiments=goyal")
    assert code != 0 and "results/published/smoke/goyal/observations.parquet: wanted" in output


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    temporary = tmp_path_factory.mktemp("t")  # short: it holds a socket
    workspace = Workspace(tmp_path_factory.mktemp("workspace"), temporary)
    code, output = workspace.snakemake()
    assert code == 0, output
    workspace.output = output
    yield workspace
    subprocess.run(["pkill", "-f", f"largebatch.warm {temporary}"], check=False)


def test_everything_promised_is_there(workspace):
    results = workspace.root / "results/smoke"
    for path in (REPOSITORY / "config/experiments").glob("*.yaml"):
        experiment, question = path.stem, yaml.safe_load(path.read_text())
        for figure in question["figures"]:
            for kind in ("pdf", "png", "svg", "csv", "txt", "json"):
                assert (results / f"figures/{experiment}_{figure['name']}.{kind}").stat().st_size > 0
        for table in question["tables"]:
            for kind in ("csv", "md", "tex", "json"):
                assert (results / f"tables/{experiment}_{table['name']}.{kind}").stat().st_size > 0
        assert (results / experiment / "observations.parquet").exists()
        assert (results / experiment / "summary.csv").exists()
    assert (results / "primer.html").stat().st_size > 10_000
    assert "\\lb@set{K1}{estimate}" in (results / "numbers.tex").read_text()
    assert json.loads((results / "claims.json").read_text())["stage"] == "ledger"
    assert (results / "report.html").stat().st_size > 100_000
    run = results / "runs" / workspace.one_arm()
    assert {"spec.json", "weights.safetensors", "history.parquet", "provenance.json"} <= {
        p.name for p in run.iterdir()
    }


def test_every_claim_has_a_verdict(workspace):
    with (workspace.root / "results/smoke/claims.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = {
        claim["id"]
        for path in (REPOSITORY / "config/experiments").glob("*.yaml")
        for claim in yaml.safe_load(path.read_text())["claims"]
    }
    assert {row["id"] for row in rows} == wanted
    judged = {"supported", "contradicted", "inconclusive"}
    # Such nets reach neither the 5 % validation error of S4 nor the training losses of K3, K6, K11, J and M;
    # a two-batch estimate from a handful of draws may be negative; one batch from 256 on has no slope.
    unreached = {"S4", "K3.at_loss", "K6.at_loss", "K11", "K11.small", "K11.start", "M.two_batch"}
    unreached |= {"J.equal", "J.falls", "J.falls_32", "J.error", "M", "D.flat", "P3.online"}
    unreached |= {"J.along", "J.across", "J.along_error", "J.across_error"}
    assert {row["id"] for row in rows if row["verdict"] not in judged} <= unreached


def test_progress_is_told_and_the_rest_is_in_logs(workspace):
    lines = workspace.output.splitlines()
    arms = len(list((workspace.root / "results/smoke/runs").iterdir()))
    assert sum(line.startswith("[") and f"/{arms} arms" in line for line in lines) == arms
    assert any("left]" in line for line in lines)
    assert len(lines) < arms + 20
    assert list((workspace.root / "logs/smoke/train").glob("*.log"))
    assert list((workspace.root / "logs/smoke/benchmarks/train").glob("*.tsv"))


def test_after_a_finished_run_there_is_nothing_to_do(workspace):
    assert workspace.would_run() == {}


def test_a_changed_comment_or_docstring_reruns_nothing(workspace):
    with (
        workspace.edited("src/largebatch/lab/schedules.py", "import math", "# a comment\nimport math"),
        workspace.edited(
            "src/largebatch/lab/engine.py", '"""One arm\'s updates', '"""Another word. One arm\'s updates'
        ),
        workspace.edited("src/largebatch/study/draw.py", '"""Draws', '# a comment\n"""It draws'),
    ):
        assert workspace.would_run() == {}


def test_snakemakes_own_report_holds_every_figure_and_table(workspace):
    """Made without a network: the workspace has none."""
    code, output = workspace.snakemake("--report", "report.zip")
    assert code == 0, output
    with zipfile.ZipFile(workspace.root / "report.zip") as report:
        held = {Path(name).name for name in report.namelist()}
        page = report.read("report/report.html").decode()
    results = workspace.root / "results/smoke"
    wanted = [path.name for pattern in ("figures/*.png", "tables/*.csv") for path in results.glob(pattern)]
    assert len(wanted) > 50 and {"claims.csv", *wanted} <= held
    assert "largebatch cite keskar_batch_sweep" in page and not re.search(r'(src|href)="https?:', page)


def test_a_changed_line_of_the_schedules_retrains(workspace):
    arms = len(list((workspace.root / "results/smoke/runs").iterdir()))
    with workspace.edited("src/largebatch/lab/schedules.py", "return final**t", "return final ** (2 * t)"):
        jobs = workspace.would_run()
    assert jobs["train"] == arms
    assert "data" not in jobs


def test_changed_drawing_code_only_draws(workspace):
    with workspace.edited("src/largebatch/study/draw_rates.py", "def ", "UNUSED = 1\n\n\ndef "):
        jobs = workspace.would_run()
    assert jobs.keys() == {"draw", "report", "all"}


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("lab/primer/worked.py", "RATE = 0.1", "RATE = 0.2"),
        ("descent.py", "momentum * velocity +", "momentum * velocity + 0 *"),
    ],
)
def test_changed_code_of_exhibits_trains_nothing(workspace, module, old, new):
    """The update rule lies in the hallway, and belongs to them all the same."""
    with workspace.edited(f"src/largebatch/{module}", old, new):
        jobs = workspace.would_run()
    assert jobs["exhibit"] > 0 and jobs["aggregate"] == jobs["judge"] == 1
    assert not jobs.keys() & {"data", "train", "measure", "path"}


def test_a_changed_claim_reruns_judging_and_what_shows_it_only(workspace):
    with workspace.edited("config/experiments/goyal.yaml", "expect: {below: 0.3}", "expect: {below: 0.4}"):
        jobs = workspace.would_run()
    assert jobs == {"judge": 1, "ledger": 1, "numbers": 1, "ask": 1, "report": 1, "all": 1}


def test_a_changed_caption_redraws_one_figure(workspace):
    with workspace.edited(
        "config/experiments/keskar.yaml", "Test error and top Hessian", "Error and top Hessian"
    ):
        assert workspace.would_run() == {"draw": 1, "report": 1, "all": 1}


def test_a_new_arm_trains_that_arm_only(workspace):
    with workspace.edited(
        "config/smoke.yaml",
        "sweep_sgd: {grid: {batch_size: [4, 26]}}",
        "sweep_sgd: {grid: {batch_size: [4, 26, 128]}}",
    ):
        jobs = workspace.would_run()
    assert (jobs["train"], jobs["measure"], jobs["aggregate"]) == (1, 1, 1)


def test_one_arm_is_retrained_by_its_path(workspace):
    jobs = workspace.would_run("-f", f"results/smoke/runs/{workspace.one_arm()}/history.parquet")
    assert jobs == {"train": 1}


def test_one_figure_and_one_experiment_can_be_asked_for(workspace):
    results = workspace.root / "results/smoke"
    shutil.rmtree(results / "goyal")
    for file in [*results.glob("figures/goyal_*"), *results.glob("tables/goyal_*")]:
        file.unlink()
    code, output = workspace.snakemake("results/smoke/figures/goyal_rates.pdf")
    assert code == 0, output
    drawn = {path.stem for path in results.glob("figures/goyal_*")}
    assert drawn == {"goyal_rates"}
    assert workspace.would_run("goyal").keys() == {"judge", "ledger_of_one", "draw", "tabulate", "goyal"}
    assert workspace.would_run("keskar") == {"ledger_of_one": 1, "keskar": 1}
    assert workspace.snakemake()[0] == 0
    assert workspace.would_run() == {}


def test_a_subset_of_experiments_is_a_smaller_graph(workspace):
    jobs = workspace.would_run("--config", "experiments=keskar", "--forceall")
    assert jobs["judge"] == 1
    assert jobs["train"] < len(list((workspace.root / "results/smoke/runs").iterdir()))


def test_the_same_run_twice_is_the_same_to_the_byte(workspace):
    """Weights, history, verdicts and figures."""
    results = workspace.root / "results/smoke"
    arm = results / "runs" / workspace.one_arm()
    files = [
        arm / "history.parquet",
        arm / "weights.safetensors",
        *(results / "figures").glob("keskar*.*[fvg]"),
    ]
    files += [results / "keskar/judged.csv", *(results / "tables").glob("keskar*")]
    before = {path: path.read_bytes() for path in files}
    code, output = workspace.snakemake("keskar", "--forcerun", "train")
    assert code == 0, output
    assert len(files) > 10
    for path, content in before.items():
        assert path.read_bytes() == content, path
    with (results / "keskar/claims.csv").open() as file:  # corrected over what was asked for
        assert {row["experiment"] for row in csv.DictReader(file) if row["p_adjusted"]} == {"keskar"}
    assert workspace.snakemake()[0] == 0


def test_a_wrong_configuration_is_one_line_and_nothing_is_written(workspace):
    broken = workspace.root / "config/broken.yaml"
    text = (workspace.root / "config/smoke.yaml").read_text()
    broken.write_text(text.replace("scale: smoke", "scale: broken").replace("lr: 1.0e-3,", "lr: 1e-3,", 1))
    before = {p for p in workspace.root.rglob("*") if ".snakemake" not in p.parts}
    code, output = workspace.snakemake(configfile="config/broken.yaml")
    broken.unlink()
    said = [line for line in output.splitlines() if "profile" not in line]
    assert code == 1
    assert len(said) == 1, output
    for part in ("config/broken.yaml", "lr", "wanted", "got '1e-3'", "1.0e-03"):
        assert part in said[0]
    assert {p for p in workspace.root.rglob("*") if ".snakemake" not in p.parts} == before - {broken}


def test_a_failing_job_is_told_in_words(workspace):
    with workspace.edited(
        "src/largebatch/lab/schedules.py", "return final**t", 'raise ValueError("schedule: out of ink")'
    ):
        code, output = workspace.snakemake(
            "results/smoke/runs/" + arm_with(workspace, "exponential") + "/history.parquet"
        )
    assert code == 1
    assert "largebatch train: schedule: out of ink" in output
    assert "logs/smoke/<stage>/" in output
    assert workspace.snakemake()[0] == 0


def arm_with(workspace, word):
    return next(p.name for p in (workspace.root / "results/smoke/runs").iterdir() if word in p.name)


def test_a_killed_run_is_taken_up_again(workspace):
    """kill -9 while arms are trained: then --unlock, and the rest is done."""
    process = workspace.start("--forceall", "goyal")
    for line in process.stdout:
        if line.startswith("[") and "arms" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    code, output = workspace.snakemake("--unlock")
    assert code == 0, output
    code, output = workspace.snakemake()
    assert code == 0, output
    assert time.monotonic() < deadline + 120
    assert workspace.would_run() == {}
    leftovers = [p for p in (workspace.root / "results").rglob(".partial-*")]
    assert not leftovers
