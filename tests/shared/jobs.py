"""Jobs of the workflow, run in this process by their words."""

import contextlib
import io
import shlex
from pathlib import Path

from largebatch.cli import main
from largebatch.config import commands
from largebatch.config.registration import register, standings_of
from largebatch.files import write_json
from largebatch.report.evidence import to_report
from largebatch.seals import CALLED


def called(words: str) -> tuple[int, str]:
    """Exit code and log of a job."""
    log = io.StringIO()
    with contextlib.redirect_stderr(log), contextlib.redirect_stdout(io.StringIO()):
        code = main(shlex.split(words))
    return code, log.getvalue()


def ask(study, results: Path) -> None:
    """Register the claims and write what jobs are asked, as a run of Snakemake does when it starts."""
    standings = standings_of(study)
    register(standings)
    for name, content in (commands.asks(study, standings) | {"report": to_report(study)}).items():
        write_json(results / f"asks/{name}.json", content)
    write_json(results / CALLED, ["--configfile", study.path.as_posix()])


def shown(study, experiment, results: Path) -> list[str]:
    """The words of the jobs of an experiment behind measuring, in their order."""
    asks, name = results / "asks", experiment.name
    observations = f"--observations {results}/{name}/observations.parquet"
    figures = [f"{name}_{figure.name}" for figure in experiment.question.figures]
    tables = [f"{name}_{table.name}" for table in experiment.question.tables]
    return [
        f"aggregate --ask {asks}/aggregate/{name}.json --runs {results}/runs {observations} "
        f"--summary {results}/{name}/summary.csv",
        f"judge --ask {asks}/judge/{name}.json {observations} --judged {results}/{name}/judged.csv",
        f"ledger --out {results}/claims.csv {results}/{name}/judged.csv",
        *(f"draw --ask {asks}/draw/{f}.json {observations} --stem {results}/figures/{f}" for f in figures),
        *(
            f"tabulate --ask {asks}/tabulate/{t}.json {observations} --stem {results}/tables/{t}"
            for t in tables
        ),
        f"robustness --robustness {results}/robustness.csv --scale {study.scale} "
        f"--stem {results}/figures/robustness",
        f"numbers --claims {results}/claims.csv --scale {study.scale} --out {results}/numbers.tex",
        f"report --ask {asks}/report.json --results {results} --out {results}/report.html",
    ]
