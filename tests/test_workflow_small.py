"""A study of two experiments that is run, stopped, damaged and edited: cheap to run again."""

import csv
import os
import signal

import pytest

from tests.shared.processes import ending
from tests.shared.workspace import TINY, Workspace, with_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("w"))  # short: a socket's path is in it
    yield with_tiny(workspace)
    workspace.end()


def test_more_seeds_of_one_experiment_train_its_arms_only(tiny):
    text = (tiny.root / TINY).read_text(encoding="utf-8")
    with tiny.edited(TINY, text, f"{text}numbers: {{edge: {{seeds: 4, arms: {{slow: {{seeds: 3}}}}}}}}\n"):
        jobs = tiny.would_run(configfile=TINY)
        assert (jobs["train"], jobs["aggregate"], jobs["judge"]) == (2, 1, 1)  # of three arms
        assert tiny.would_run("convex", configfile=TINY).keys() <= {"ledger_of_one", "convex"}


def test_one_figure_and_one_experiment_can_be_asked_for(tiny):
    """And what was deleted is made again, though the report that holds it is there."""
    results = tiny.root / "results/tiny"
    before = {path for path in results.rglob("*") if path.is_file()}
    # Its registration stays: without it, claims would count as registered after their runs.
    made = [file for file in results.glob("edge/*.*") if file.is_file()]
    made = [file for file in made if file.name not in ("registered.json", "amended.json")]
    for file in [*made, *results.glob("figures/edge_*"), *results.glob("tables/edge_*")]:
        file.unlink()
    code, output = tiny.snakemake("results/tiny/figures/edge_trace.pdf", configfile=TINY)
    assert code == 0, output
    drawn = {path.stem for path in results.glob("figures/edge_*")}
    assert drawn == {"edge_trace"}
    edge = tiny.would_run("edge", configfile=TINY)
    assert edge.keys() == {"judge", "ledger_of_one", "draw", "tabulate", "edge"}
    assert tiny.would_run("convex", configfile=TINY) == {"ledger_of_one": 1, "convex": 1}
    assert tiny.snakemake(configfile=TINY)[0] == 0
    assert {path for path in results.rglob("*") if path.is_file()} == before
    assert tiny.would_run(configfile=TINY) == {}


def test_claims_are_corrected_over_what_was_asked_for(tiny):
    assert tiny.snakemake("edge", configfile=TINY)[0] == 0
    with (tiny.root / "results/tiny/edge/claims.csv").open(encoding="utf-8") as file:
        assert {row["experiment"] for row in csv.DictReader(file) if row["p_adjusted"]} == {"edge"}


def test_a_claim_that_changes_later_is_exploratory_and_nothing_trains_again(tiny):
    registered = tiny.root / "results/tiny/edge/registered.json"
    before = registered.read_bytes()
    with tiny.edited("config/experiments/edge.yaml", "expect: {above: 1.2}", "expect: {above: 1.3}"):
        code, output = tiny.snakemake("edge", configfile=TINY)
        assert code == 0 and "edge: exploratory" in output and "[1/" not in output, output
        with (tiny.root / "results/tiny/edge/claims.csv").open(encoding="utf-8") as file:
            changed = {
                r["id"]: r["registered"] for r in csv.DictReader(file) if r["registered"] != "as registered"
            }
        (text,) = changed.values()
        assert text.startswith("exploratory: expectation above 1.2 -> above 1.3 (since 2")
        assert tiny.would_run("edge", configfile=TINY) == {}
    assert registered.read_bytes() == before
    assert tiny.snakemake(configfile=TINY)[0] == 0  # as it was


def test_a_registration_that_was_edited_stops_the_run(tiny):
    with tiny.edited("results/tiny/edge/registered.json", '"seeds": 3', '"seeds": 4'):
        code, output = tiny.snakemake("edge", "--forceall", configfile=TINY)
    said = [line for line in output.splitlines() if "profile" not in line]
    assert (
        code == 1 and len(said) == 1 and "edge/registered.json: wanted the registration as it was" in said[0]
    )


def test_a_failing_job_is_told_in_words(tiny):
    arm = next(p.name for p in (tiny.root / "results/tiny/runs").iterdir() if "inverse-sqrt" in p.name)
    with tiny.edited(
        "src/largebatch/training/schedules.py",
        "return 1 / math.sqrt(",
        'raise ValueError("schedule: out of ink")\n    (',
    ):
        code, output = tiny.snakemake(f"results/tiny/runs/{arm}/history.parquet", configfile=TINY)
    assert code == 1
    assert "largebatch train: schedule: out of ink" in output
    assert "logs/tiny/<stage>/" in output
    assert tiny.snakemake(configfile=TINY)[0] == 0


def test_a_killed_run_is_taken_up_again(tiny):
    """kill -9 while arms are trained: then --unlock, and the rest is done."""
    with ending(tiny.start("--forceall", configfile=TINY)) as process:
        for line in process.stdout:
            if line.startswith("[") and "arms" in line:
                break
        os.killpg(process.pid, signal.SIGKILL)
    tiny.end()
    code, output = tiny.snakemake("--unlock", configfile=TINY)
    assert code == 0, output
    code, output = tiny.snakemake(configfile=TINY)
    assert code == 0, output
    assert tiny.would_run(configfile=TINY) == {}
    assert not [*(tiny.root / "results").rglob(".partial-*")]


def test_a_damaged_file_is_named_and_the_command_that_is_told_mends_it(tiny):
    text = "extends: smoke\nscale: damaged\nexperiments: [convex]\n"
    (tiny.root / "config/damaged.yaml").write_text(text, encoding="utf-8")
    assert tiny.snakemake(configfile="config/damaged.yaml")[0] == 0
    path = tiny.root / "results/damaged/convex/observations.parquet"
    whole, times = path.read_bytes(), path.stat()
    path.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    judged = "results/damaged/convex/judged.csv"
    code, output = tiny.snakemake("--force", judged, configfile="config/damaged.yaml")
    name = path.relative_to(tiny.root)
    (line,) = [line for line in output.splitlines() if line.startswith("largebatch judge: ")]
    assert code == 1 and line.startswith(f"largebatch judge: {name}: wanted the file as it was written")
    words = "snakemake --cores all --configfile config/damaged.yaml --force"
    assert line.endswith(f". Make it anew: {words} {name}")
    assert "Traceback" not in (tiny.root / "logs/damaged/judge/convex.log").read_text(encoding="utf-8")
    assert tiny.snakemake("--force", str(name), configfile="config/damaged.yaml")[0] == 0
    assert path.read_bytes() == whole
    assert tiny.snakemake(configfile="config/damaged.yaml")[0] == 0
