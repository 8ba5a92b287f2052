"""Jobs of the workflow behind measuring, which need pandas: each calls one function and hands over paths.

What a job is asked is a file: claims and arms of an experiment are too many for a command line.
"""

from pathlib import Path

import click

from largebatch.cli.parsing import GIVEN, MADE, needed, out
from largebatch.files import read_json

ask = needed("--ask", type=GIVEN, help="The file that says what is asked, which a run of Snakemake writes.")
observations = needed("--observations", type=GIVEN, help="The observations of the experiment.")
made = needed("--observations", type=MADE, help="The observations that it writes.")
summary = needed("--summary", type=MADE, help="Their summary over seeds that it writes.")
claims = needed("--claims", type=GIVEN, help="The file of all claims.")
stem = needed("--stem", type=MADE, help="Its files' path without their ending.")


@click.command()
@ask
@needed("--runs", type=MADE, help="The folder of the runs' folders.")
@made
@summary
def aggregate(ask: Path, runs: Path, observations: Path, summary: Path) -> None:
    """Gather the observations of one experiment."""
    from largebatch.observations.aggregate import aggregate

    aggregate(read_json(ask), runs, observations, summary)


@click.command()
@needed("--published", type=GIVEN, help="The published observations.")
@made
@summary
def take(published: Path, observations: Path, summary: Path) -> None:
    """Take an experiment's published observations for its own."""
    from largebatch.observations.aggregate import take

    take(published, observations, summary)


@click.command()
@ask
@observations
@needed("--judged", type=MADE, help="The verdicts that it writes.")
def judge(ask: Path, observations: Path, judged: Path) -> None:
    """Judge one experiment's claims, each alone; beside the verdicts, p-values by other choices."""
    from largebatch import progress
    from largebatch.config.cards import Paper
    from largebatch.judging.claims import read_claims
    from largebatch.judging.judge import judge
    from largebatch.report.answers import lines

    asked = read_json(ask)
    judge(asked, observations, judged)
    papers = [Paper.model_validate(paper) for paper in asked.get("papers", [])]
    claims = read_claims(judged).assign(statement_robust="")  # which takes the whole ledger
    said = lines(papers, claims, asked["experiment"])
    if said:
        progress.say("\n".join(["", f"{asked['experiment']}, before the correction for many claims:", *said]))


@click.command()
@click.argument("judged", type=GIVEN, nargs=-1)
@out
def ledger(judged: tuple[Path, ...], out: Path) -> None:
    """Correct the verdicts in JUDGED over all claims, into one file."""
    from largebatch.judging.ledger import ledger

    ledger(judged, out)


@click.command()
@ask
@observations
@stem
def draw(ask: Path, observations: Path, stem: Path) -> None:
    """Draw one figure."""
    from largebatch.figures.draw import draw

    draw(read_json(ask), observations, stem)


@click.command()
@ask
@observations
@out
def animate(ask: Path, observations: Path, out: Path) -> None:
    """Draw one figure as a GIF."""
    from largebatch.figures.animate import animate

    animate(read_json(ask), observations, out)


@click.command()
@ask
@observations
@stem
def tabulate(ask: Path, observations: Path, stem: Path) -> None:
    """Write one table."""
    from largebatch.figures.tabulate import tabulate

    tabulate(read_json(ask), observations, stem)


@click.command()
@needed("--robustness", "found", type=GIVEN, help="The file of robustness beside the claims.")
@needed("--scale", help="The name of the scale.")
@stem
def robustness(found: Path, scale: str, stem: Path) -> None:
    """Draw how verdicts depend on choices."""
    from largebatch.figures.robustness import draw_robustness

    draw_robustness(found, stem, scale)


@click.command()
@claims
@needed("--scale", help="The name of the scale.")
@out
def numbers(claims: Path, scale: str, out: Path) -> None:
    """Write every claim's numbers as LaTeX macros."""
    from largebatch.report.numbers import numbers

    numbers(claims, scale, out)


@click.command()
@ask
@needed("--results", type=GIVEN, help="The results folder.")
@out
@click.argument("beside", type=GIVEN, nargs=-1)
def report(ask: Path, results: Path, out: Path, beside: tuple[Path, ...]) -> None:
    """Write the one-page report; BESIDE are the files of claims of other scales."""
    from largebatch.report.report import report

    report(read_json(ask), results, beside, out)


@click.command()
@ask
@click.option("--observations", type=GIVEN, help="Of the experiment with the line between minima.")
@out
def page(ask: Path, observations: Path | None, out: Path) -> None:
    """Write the primer's interactive page."""
    from largebatch.page.page import page

    page(read_json(ask), observations, out)
