"""Damaged files at every stage: a flipped bit or a cut end changes no number in silence.

A small study is made once; then one file after another is damaged, and the jobs that read it are run.
`make faults` tries more places of each file, see shared/faults.py.
"""

import contextlib
import os
import random
import shutil
from pathlib import Path

import pytest

from largebatch.config import commands
from largebatch.config.registration import register, standings_of
from largebatch.config.study import load_study
from largebatch.files import write_json
from largebatch.report.evidence import to_report
from largebatch.seals import CALLED
from tests.conftest import REPOSITORY
from tests.shared.faults import TOLD, seeds
from tests.shared.jobs import called

SEEDS = seeds(quick=2, full=10)  # as many places of each file, beside two cuts
SCALE = """extends: smoke
scale: small
experiments: [keskar]
seeds: 2
"""
RESULTS = Path("results/small")


def jobs(study) -> dict[str, str]:
    """A job of each stage behind those that train -> its words."""
    asks, e = RESULTS / "asks", study.experiments[0]
    observations = f"--observations {RESULTS}/{e.name}/observations.parquet"
    (figure, *_), (table, *_) = e.question.figures, e.question.tables
    return {
        "aggregate": f"--ask {asks}/aggregate/{e.name}.json --runs {RESULTS}/runs --summary {RESULTS}/s.csv "
        f"{observations}",
        "judge": f"--ask {asks}/judge/{e.name}.json {observations} --judged {RESULTS}/{e.name}/judged.csv",
        "ledger": f"--out {RESULTS}/claims.csv {RESULTS}/{e.name}/judged.csv",
        "robustness": f"--robustness {RESULTS}/robustness.csv --scale small "
        f"--stem {RESULTS}/figures/robustness",
        "draw": f"--ask {asks}/draw/{e.name}_{figure.name}.json {observations} "
        f"--stem {RESULTS}/figures/{e.name}_{figure.name}",
        "tabulate": f"--ask {asks}/tabulate/{e.name}_{table.name}.json {observations} "
        f"--stem {RESULTS}/tables/{e.name}_{table.name}",
        "numbers": f"--claims {RESULTS}/claims.csv --scale small --out {RESULTS}/numbers.tex",
        "report": f"--ask {asks}/report.json --results {RESULTS} --out {RESULTS}/report.html",
        "page": f"--ask {asks}/page.json --out {RESULTS}/primer.html {observations}",
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with one experiment, in the current folder: its jobs by what they read."""
    folder, before = tmp_path_factory.mktemp("damage"), Path.cwd()
    shutil.copytree(REPOSITORY / "config", folder / "config")
    (folder / "config/small.yaml").write_text(SCALE, encoding="utf-8")
    os.chdir(folder)
    try:
        made = load_study(Path("config/small.yaml"))
        standings = standings_of(made)
        register(standings)
        asked = commands.asks(made, standings) | {"report": to_report(made)}
        asked["report"] |= {
            "experiments": [
                e | {"figures": e["figures"][:1], "tables": e["tables"][:1]}
                for e in asked["report"]["experiments"]
            ]
        }
        for name, content in asked.items():
            write_json(RESULTS / f"asks/{name}.json", content)
        write_json(RESULTS / CALLED, ["--configfile", "config/small.yaml"])
        for words in commands.planned(made):
            code, log = called(words.removeprefix("largebatch "))
            assert code == 0, log
        for name, words in jobs(made).items():
            code, log = called(f"{name} {words}")
            assert code == 0, log
        yield made
    finally:
        os.chdir(before)


# What is read, by the job that reads it: a pattern of files below the results.
READS = {
    "train": ("data/*.safetensors", "data/*.json"),
    "measure": (
        *("data/*.safetensors", "runs/*/spec.json", "runs/*/weights.safetensors"),
        "runs/*/provenance.json",
    ),
    "measure by epoch": ("runs/*/snapshots.safetensors",),
    "path": ("runs/*/weights.safetensors", "runs/*/snapshots.safetensors", "data/*.safetensors"),
    "aggregate": (
        *("asks/aggregate/*.json", "runs/*/history.parquet", "runs/*/spec.json", "runs/*/provenance.json"),
        *("runs/*/[!h]*.parquet", "paths/*.parquet"),
    ),
    "judge": ("asks/judge/*.json", "keskar/observations.parquet", "keskar/observations.json"),
    "ledger": ("keskar/judged.csv", "keskar/judged.json", "keskar/variants.parquet"),
    "robustness": ("robustness.csv", "single_changes.csv"),
    "draw": ("asks/draw/*.json", "keskar/observations.parquet", "keskar/observations.json"),
    "tabulate": ("asks/tabulate/*.json", "keskar/observations.parquet"),
    "numbers": ("claims.csv", "statements.csv"),
    "report": (
        *("asks/report.json", "claims.csv", "claims.json", "statements.csv", "robustness.csv"),
        *(f"figures/keskar_*.{kind}" for kind in ("csv", "txt", "svg", "json")),
        *("tables/*.csv", "tables/*.md", "tables/*.json"),
    ),
    "page": ("asks/page.json", "keskar/observations.parquet"),
}
PAIRS = [(job, pattern) for job, patterns in READS.items() for pattern in patterns]


def job_that_reads(study, job: str, path: Path) -> str:
    """The words of a job of that kind which reads this file."""
    if job not in ("train", "measure", "measure by epoch", "path"):
        return f"{job} {jobs(study)[job]}"
    kind, by_epoch = job.split()[0], "by epoch" in job
    run = path.parent.name if path.parent.parent.name == "runs" else ""
    for words in commands.planned(study):
        name, *rest = words.removeprefix("largebatch ").split(maxsplit=1)
        if name == kind and run in words and (name != "measure" or ("_by_epoch " in words) == by_epoch):
            return f"{name} {rest[0]}"
    raise LookupError(f"a job {job} that reads {path}")


def flip(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def readers(study, job, pattern):
    """(file, words) of files of this kind with a job of that kind that reads it."""
    for path in sorted(RESULTS.glob(pattern)):
        if job == "aggregate" or path.parts[2] != "asks":
            with contextlib.suppress(LookupError):
                yield path, job_that_reads(study, job, path)
        elif str(path) in jobs(study)[job]:
            yield path, job_that_reads(study, job, path)


@pytest.mark.parametrize(("job", "pattern"), PAIRS, ids=lambda text: text.replace(" ", "-"))
def test_no_damage_changes_a_number_in_silence(study, job, pattern):
    chosen = random.Random(f"{SEEDS[0]} {job} {pattern}")
    path, words = chosen.choice(list(readers(study, job, pattern)))
    whole = path.read_bytes()
    flips = [flip(whole, chosen.randrange(8 * len(whole))) for _ in SEEDS]
    before = {p: p.stat().st_mtime_ns for p in RESULTS.rglob("*") if p.is_file() and p != path}
    damages = (*flips, whole[:-20], b"")
    for damaged in damages:
        path.write_bytes(damaged)
        try:
            code, log = called(words)
        finally:
            path.write_bytes(whole)
        assert code == 1, f"{path} was taken"
        line, *more = log.splitlines()
        assert not more, log
        assert line.startswith(f"largebatch {words.split()[0]}: {path}: wanted "), line
        assert "Make it anew: snakemake --cores all --configfile config/small.yaml" in line
    assert before == {p: p.stat().st_mtime_ns for p in before}, "a job that failed has written"
    TOLD.append(f"seed {SEEDS[0]}: {len(damages)} damages of {path} named by {job}")


def test_a_run_of_other_code_is_named_and_can_be_taken_as_it_is(study, monkeypatch):
    from largebatch.files import read_json

    record = sorted(RESULTS.glob("runs/*/provenance.json"))[0]
    whole = read_json(record)
    write_json(record, whole | {"code": "0123456789ab"})
    try:
        for job in ("aggregate", "measure"):
            words = job_that_reads(study, job, record)
            code, log = called(words)
            assert code == 1 and log.count("\n") == 1
            assert "wanted a file made by this code, train " in log and "got one made by 0123456789ab" in log
        monkeypatch.setenv("LARGEBATCH_OTHER_CODE", "1")
        assert called(f"aggregate {jobs(study)['aggregate']}")[0] == 0
    finally:
        write_json(record, whole)
        monkeypatch.undo()
        assert called(f"aggregate {jobs(study)['aggregate']}")[0] == 0
