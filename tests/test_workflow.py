"""The graph, on the smoke scale: a whole run without network, and what a change makes run again.

One copy of the repository is run once; the tests then edit it and ask Snakemake what it would do.
"""

import csv
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from largebatch.config.study import load_study
from tests.conftest import REPOSITORY
from tests.shared.workspace import POOREST, Workspace, with_tiny

SCALES = sorted(path.stem for path in (REPOSITORY / "config").glob("*.yaml"))


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_has_a_whole_graph(scale, tmp_path):
    """No file is missing on the way from data to report, whatever nets and experiments are called."""
    configfile = f"config/{scale}.yaml"
    code, output = Workspace(tmp_path).snakemake("-n", "--quiet=host", configfile=configfile)
    assert code == 0, output
    stats = output[output.index("Job stats:") :]
    assert re.search(r"^report +1$", stats, re.MULTILINE) and re.search(r"^train +\d+$", stats, re.MULTILINE)


def test_jobs_that_may_run_at_a_time_share_the_memory(tmp_path):
    workspace = Workspace(tmp_path)
    for words, jobs in (["--cores=4"], 4), (["--cores=4", "--resources", "gpu=1"], 1):
        code, output = workspace.snakemake("-n", "-p", "--quiet=host", "convex", *words)
        called = re.findall(r"largebatch (?:train|measure|path) .*", output)
        assert code == 0 and called and all(f" --jobs {jobs} " in call for call in called), output


def test_published_observations_that_are_not_there_are_named(tmp_path):
    workspace = Workspace(tmp_path)
    code, output = workspace.snakemake("-n", "--config", "observations=published", "experiments=goyal")
    assert code != 0 and "results/published/smoke/goyal/observations.parquet: wanted" in output


def test_a_kind_of_device_that_costs_nothing_known_is_named(tmp_path):
    code, output = Workspace(tmp_path).snakemake("-n", LARGEBATCH_KIND="abacus")
    assert code != 0 and "LARGEBATCH_KIND: wanted one of ['cpu', 'h100', 'h200']; got 'abacus'" in output


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("w"))  # short: a socket's path is in it
    code, output = workspace.snakemake()
    assert code == 0, output
    workspace.output = output
    yield workspace
    workspace.end()


@pytest.fixture(scope="module")
def tiny(workspace):
    """Two of its experiments once more, in the poorest locale, where all text must be as in the first run."""
    return with_tiny(workspace, **POOREST)


def test_everything_promised_is_there(workspace):
    results = workspace.root / "results/smoke"
    for path in (REPOSITORY / "config/experiments").glob("*.yaml"):
        experiment, question = path.stem, yaml.safe_load(path.read_text(encoding="utf-8"))
        for figure in question["figures"]:
            for kind in ("pdf", "png", "svg", "csv", "txt", "json"):
                assert (results / f"figures/{experiment}_{figure['name']}.{kind}").stat().st_size > 0
        for table in question["tables"]:
            for kind in ("csv", "md", "tex", "json"):
                assert (results / f"tables/{experiment}_{table['name']}.{kind}").stat().st_size > 0
        assert (results / experiment / "observations.parquet").exists()
        assert (results / experiment / "summary.csv").exists()
    primer = (results / "primer.html").read_text(encoding="utf-8")
    assert 'id="shift"' in primer and 'id="plane"' in primer  # with the losses around minima
    assert len(primer) > 10_000
    assert "\\lb@set{K1}{estimate}" in (results / "numbers.tex").read_text(encoding="utf-8")
    assert json.loads((results / "claims.json").read_text(encoding="utf-8"))["stage"] == "ledger"
    assert (results / "report.html").stat().st_size > 100_000
    for kind in ("pdf", "png", "svg", "csv", "txt", "json"):
        assert (results / f"figures/robustness.{kind}").stat().st_size > 0
    run = results / "runs" / workspace.one_arm()
    assert {"spec.json", "weights.safetensors", "history.parquet", "provenance.json"} <= {
        p.name for p in run.iterdir()
    }


def test_every_claim_has_a_verdict(workspace):
    with (workspace.root / "results/smoke/claims.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = {
        claim["id"]
        for path in (REPOSITORY / "config/experiments").glob("*.yaml")
        for claim in yaml.safe_load(path.read_text(encoding="utf-8"))["claims"]
    }
    assert {row["id"] for row in rows} == wanted
    judged = {"supported", "contradicted", "inconclusive", "uninformative", "confounded", "holds"}
    # Such nets reach neither the 5 % validation error of S4 nor the training losses of K3, K6, K11, J and M;
    # one batch from 256 on has no slope.
    unreached = {
        "S4",
        "K3.at_loss",
        "K6.at_loss",
        "K6.scaled_at_loss",
        "K11",
        "K11.small",
        "K11.start",
    }
    unreached |= {"J.equal", "J.falls", "J.falls_32", "J.error", "M", "D.flat", "P3.online"}
    unreached |= {"J.along", "J.across", "J.along_error", "J.across_error"}
    # A test over arms wants more of them than two.
    unreached |= {"K9", "K9.threshold", "K9.sharpness", "K9.sgd", "K9.sgd_sharpness", "K9.metric", "K10"}
    unreached |= {"K10.accuracy", "G14", "W.data", "W.width"}
    times = {"P11.step", "P11.u_shape"}  # which a busy machine keeps from being judged
    assert {row["id"] for row in rows if row["verdict"] not in judged} - times == unreached


def test_claims_are_registered_before_anything_trains(workspace):
    results = workspace.root / "results/smoke"
    begun = min(path.stat().st_mtime for path in results.glob("runs/*/spec.json"))
    registered = sorted(results.glob("*/registered.json"))
    assert {path.parent.name for path in registered} == {
        path.stem for path in (REPOSITORY / "config/experiments").glob("*.yaml")
    }
    assert all(path.stat().st_mtime <= begun for path in registered)
    records = [json.loads(path.read_text(encoding="utf-8")) for path in registered]
    assert not any(record["observed"] for record in records)  # also of arms that experiments share
    with (results / "claims.csv").open(encoding="utf-8") as file:
        assert {row["registered"] for row in csv.DictReader(file)} == {"as registered"}


def test_progress_is_told_and_the_rest_is_in_logs(workspace):
    lines = workspace.output.splitlines()
    arms = len(list((workspace.root / "results/smoke/runs").iterdir()))
    assert sum(line.startswith("[") and f"/{arms} arms" in line for line in lines) == arms
    assert any("left]" in line for line in lines)
    answers = [line for line in lines if not line.strip() or line.startswith("  ") or line[0] in "✓✗◐?=≠–"]
    experiments = [line.split(",")[0] for line in lines if line.endswith("correction for many claims:")]
    # The first one: but here each takes a moment, and the next may overtake it while it is judged.
    assert "keskar" in experiments[:3] and len(experiments) == len(set(experiments)) > 10
    trained = [found[1] for line in lines if (found := re.match(r"\[.*\] trained (\S+) in ", line))]
    first = {arm.id for arm in load_study(REPOSITORY / "config/smoke.yaml").experiment("keskar").arms}
    assert {*trained[: len(first) - 1]} < first  # the two cores may change the order of two arms
    assert len(lines) < arms + len(answers) + len(experiments) + 20
    assert list((workspace.root / "logs/smoke/train").glob("*.log"))
    assert list((workspace.root / "logs/smoke/benchmarks/train").glob("*.tsv"))


def test_after_a_finished_run_there_is_nothing_to_do(workspace):
    assert workspace.would_run() == {}


def test_a_changed_comment_or_docstring_reruns_nothing(workspace):
    with (
        workspace.edited("src/largebatch/training/schedules.py", "import math", "# a comment\nimport math"),
        workspace.edited(
            "src/largebatch/training/engine.py",
            '"""One arm\'s updates',
            '"""Another word. One arm\'s updates',
        ),
        workspace.edited("src/largebatch/figures/draw.py", '"""Draws', '# a comment\n"""It draws'),
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


def test_a_changed_schedule_retrains_the_arms_that_have_it(workspace):
    arms = len(list((workspace.root / "results/smoke/runs").glob("*-exponential-*")))
    with workspace.edited(
        "src/largebatch/training/schedules.py", "return final**t", "return final ** (2 * t)"
    ):
        jobs = workspace.would_run()
    assert jobs["train"] == arms > 0
    assert "data" not in jobs


def test_a_new_schedule_makes_nothing_anew(workspace):
    schedules, place = "src/largebatch/training/schedules.py", "SCHEDULES: dict["
    with (
        workspace.edited(schedules, place, f"def root(t):\n    return 1 - t**0.5\n\n\n{place}"),
        workspace.edited(schedules, '"cosine": cosine,', '"cosine": cosine,\n    "root": root,'),
    ):
        assert workspace.would_run() == {}


def test_a_changed_line_of_the_engine_retrains(workspace):
    arms = len(list((workspace.root / "results/smoke/runs").iterdir()))
    engine, size = "src/largebatch/training/engine.py", "CACHE_BYTES = 1 << 20"
    with workspace.edited(engine, size, "CACHE_BYTES = 2 << 20"):
        jobs = workspace.would_run()
    assert jobs["train"] == arms
    assert "data" not in jobs


def test_changed_drawing_code_only_draws(workspace):
    for kind, animated in {"rates": set(), "descent": {"animate"}}.items():
        with workspace.edited(f"src/largebatch/figures/draw_{kind}.py", "def ", "UNUSED = 1\n\n\ndef "):
            jobs = workspace.would_run()
        assert jobs.keys() == {"draw", *animated, "report", "all"}


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("primer/worked.py", "RATE = 0.1", "RATE = 0.2"),
        ("primer/descent.py", "momentum * velocity +", "momentum * velocity + 0 *"),
    ],
)
def test_changed_code_of_exhibits_trains_nothing(workspace, module, old, new):
    with workspace.edited(f"src/largebatch/{module}", old, new):
        jobs = workspace.would_run()
    assert jobs["exhibit"] > 0 and jobs["aggregate"] == jobs["judge"] == 1
    assert not jobs.keys() & {"data", "train", "measure", "path"}


def test_a_changed_claim_reruns_judging_and_what_shows_it_only(workspace):
    with workspace.edited("config/experiments/goyal.yaml", "expect: {below: 0.3}", "expect: {below: 0.4}"):
        jobs = workspace.would_run()
    assert jobs == {"judge": 1, "ledger": 1, "robustness": 1, "numbers": 1, "report": 1, "all": 1}


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


def test_a_subset_of_experiments_is_a_smaller_graph(workspace):
    jobs = workspace.would_run("--config", "experiments=keskar", "--forceall")
    assert jobs["judge"] == 1
    assert jobs["train"] < len(list((workspace.root / "results/smoke/runs").iterdir()))


def test_the_same_run_twice_is_the_same_to_the_byte(tiny):
    """Weights, histories, verdicts, figures and tables."""
    once, twice = tiny.root / "results/smoke", tiny.root / "results/tiny"
    patterns = ("runs/*/history.parquet", "runs/*/weights.safetensors", "*/judged.csv", "*/summary.csv")
    patterns += ("figures/*_*.csv", "figures/*_*.txt", "tables/*.csv", "tables/*.md", "tables/*.tex")
    files = [path.relative_to(twice) for pattern in patterns for path in twice.glob(pattern)]
    assert len(files) > 20
    for path in files:
        assert (once / path).read_bytes() == (twice / path).read_bytes(), path
    drawings = [path.relative_to(twice) for path in twice.glob("figures/*_*.png")]
    assert len(drawings) >= 3
    for path in drawings:  # pixels: the files themselves name their scale
        pixels = [np.asarray(Image.open(root / path)) for root in (once, twice)]
        assert np.array_equal(*pixels), path
        drawn = [(root / path).with_suffix(".svg").read_bytes() for root in (once, twice)]
        assert drawn[0] == drawn[1].replace(b"tiny", b"smoke"), path


def test_a_wrong_configuration_is_one_line_and_nothing_is_written(workspace):
    broken = workspace.root / "config/broken.yaml"
    text = (workspace.root / "config/smoke.yaml").read_text(encoding="utf-8")
    broken.write_text(
        text.replace("scale: smoke", "scale: broken").replace("lr: 1.0e-3,", "lr: 1_0,", 1), encoding="utf-8"
    )
    before = {p for p in workspace.root.rglob("*") if ".snakemake" not in p.parts}
    code, output = workspace.snakemake(configfile="config/broken.yaml")
    broken.unlink()
    said = [line for line in output.splitlines() if "profile" not in line]
    assert code == 1
    assert len(said) == 1, output
    for part in ("config/broken.yaml", "lr", "wanted", "got '1_0'", "1e-3"):
        assert part in said[0]
    assert {p for p in workspace.root.rglob("*") if ".snakemake" not in p.parts} == before - {broken}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--config scale=smok", r"--config: scale: wanted one of \[.*'smoke'.*\], or .*; got 'smok'"),
        (
            "--configfile config/smoke.yaml config/digits.yaml",
            "--configfile: wanted one file, .*; got config/smoke.yaml config/digits.yaml",
        ),
    ],
    ids=["scale", "two files"],
)
def test_a_call_that_cannot_be_meant_is_one_line(workspace, words, said):
    code, output = workspace.snakemake("-n", *words.split(), configfile=None)
    assert code == 1
    (line,) = [line for line in output.splitlines() if "profile" not in line]
    assert re.fullmatch(said, line)


def test_braces_in_texts_and_paths_are_only_braces(workspace):
    """Neither Snakemake's wildcards nor format strings."""
    text = 'extends: smoke\nscale: braces\nexperiments: [convex]\nsources: "da{ta}"\n'
    (workspace.root / "config/braces.yaml").write_text(text, encoding="utf-8")
    told = "{experiment} {} {0!r} $E_{x}$"
    experiment = "config/experiments/convex.yaml"
    with (
        workspace.edited(experiment, "Excess of the", f"Excess {told} of the"),
        workspace.edited(experiment, "Excess over", f"Excess {told} over"),
        workspace.edited(experiment, "question: On a", f"question: In {told} on a"),
        workspace.edited(experiment, "says: A rate", f"says: A {told} rate"),
        workspace.edited(experiment, "{constant: full", '{"{c}": full'),
    ):
        code, output = workspace.snakemake(configfile="config/braces.yaml")
    assert code == 0, output
    results = workspace.root / "results/braces"
    assert told in (results / "figures/convex_excess.txt").read_text(encoding="utf-8")
    assert told in (results / "claims.csv").read_text(encoding="utf-8")
    assert told in (results / "report.html").read_text(encoding="utf-8")


def test_a_scale_can_be_named_and_a_file_lie_anywhere(workspace):
    elsewhere = workspace.root.parent / "mine.yaml"
    elsewhere.write_text("extends: smoke\nseeds: 010\n", encoding="utf-8")
    assert workspace.would_run("--config", "scale=smoke", configfile=None) == {}
    jobs = workspace.would_run("--config", "experiments=convex", configfile=str(elsewhere))
    assert jobs["train"] == 4
