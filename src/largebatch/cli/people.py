"""Commands for people: what a study is, what it found, and where a number comes from."""

from pathlib import Path

import click

from largebatch.cli.parsing import GIVEN, MADE

results = click.option(
    "--results", type=GIVEN, default="results/published/digits", help="The results folder."
)
scale_of_results = click.option(
    "--scale", type=GIVEN, help="Their scale file.", show_default="config/<name of the folder>.yaml"
)
experiments = click.option(
    "--experiments", help="Names with commas between.", show_default="all of the scale file"
)
papers = click.option(
    "--papers", type=GIVEN, default="config/report/papers.yaml", help="The questions of the papers."
)


@click.command()
@click.argument("scale", type=GIVEN)
def check(scale: Path) -> None:
    """Check the scale file SCALE, its experiments and the nets it imports; say what is left out there."""
    from largebatch.config.checking import ConfigError
    from largebatch.config.study import load_study
    from largebatch.config.trials import trials

    study = load_study(scale)
    if tries := trials(study):
        from largebatch.training.trial import mistakes  # imports torch: seconds

        if found := mistakes(tries):
            raise ConfigError("\n".join(found))
    seeds = f"{study.numbers_of_seeds} seeds each"
    print(f"{scale}: {len(study.experiments)} experiments, {len(study.arms)} arms, {seeds}")
    for e in study.experiments:
        for why in dict.fromkeys(e.absent.values()):
            names = ", ".join(arm for arm, reason in e.absent.items() if reason == why)
            print(f"{e.name} without {names}: {why}")


@click.command()
@click.argument("scale", type=GIVEN)
@experiments
@click.option("--gpus", type=click.IntRange(1), help="Say instead what it takes on so many.")
@click.option(
    "--kind", type=click.Choice(["cpu", "h100", "h200"]), default="h100", help="Of what; cpu: cores."
)
def plan(scale: Path, experiments: str | None, gpus: int | None, kind: str) -> None:
    """Print the commands that train and measure, without Snakemake; or what they take."""
    from largebatch.config import planning
    from largebatch.config.commands import planned, register
    from largebatch.config.study import load_study

    study = load_study(scale, {"experiments": experiments} if experiments else None)
    if gpus:
        print(planning.plan(study, gpus, kind))
        return
    print("\n".join([register(study), *planned(study)]))


@click.command()
@click.argument("scale", type=GIVEN)
@experiments
def register(scale: Path, experiments: str | None) -> None:
    """Write down what will be claimed of the experiments of the scale file SCALE, before they train."""
    from largebatch.config.registration import register, standings_of
    from largebatch.config.study import load_study

    study = load_study(scale, {"experiments": experiments} if experiments else None)
    for said in register(standings_of(study)):
        print(said)


@click.command()
@click.argument("results", type=GIVEN)
@papers
def answers(results: Path, papers: Path) -> None:
    """Say what the run in RESULTS answers, paper by paper."""
    from largebatch.report.answers import say

    print(say(results, papers))


@click.command()
@click.argument("claims", type=GIVEN)
def verdicts(claims: Path) -> None:
    """Print a table of the verdicts in the file CLAIMS."""
    from largebatch.report.compare import verdicts

    print(verdicts(claims))


@click.command()
@click.argument("published", type=GIVEN, default="results/published")
def tally(published: Path) -> None:
    """Print the README's table: how the statements came out at every scale in PUBLISHED."""
    from largebatch.report.tally import tally

    print(tally(published))


@click.command()
@click.argument("name")
@results
@scale_of_results
def show(name: str, results: Path, scale: Path | None) -> None:
    """Show what stands behind a claim or an arm, such as K1, adam.small or a run's id."""
    from largebatch.report.show import show

    print(show(name, scale or scale_of(results), results))


@click.command()
@click.argument("a")
@click.argument("b")
@results
@scale_of_results
def diff(a: str, b: str, results: Path, scale: Path | None) -> None:
    """Show what sets two runs apart: settings, and final numbers paired by seed."""
    from largebatch.report.show import diff

    print(diff(a, b, scale or scale_of(results), results))


@click.command()
@click.argument("name")
@results
def cite(name: str, results: Path) -> None:
    """Print how to cite a figure, a table or a claim, such as keskar_batch_sweep or K1, and its origin."""
    from largebatch.report.cite import cite

    print(cite(name, results))


@click.command()
@click.argument("ours", type=GIVEN)
@click.argument("theirs", type=GIVEN)
def compare(ours: Path, theirs: Path) -> int:
    """Compare two results folders; exit code 2 if they differ."""
    from largebatch.report.compare import compare

    text, same = compare(ours, theirs)
    print(text)
    return 0 if same else 2


@click.command()
@click.argument("results", type=GIVEN)
@click.argument("published", type=MADE)
@papers
@scale_of_results
def publish(results: Path, published: Path, papers: Path, scale: Path | None) -> None:
    """Make the committed snapshot PUBLISHED of the run in RESULTS."""
    from largebatch.report.publish import publish

    publish(results, published, papers, scale or scale_of(results))


def scale_of(results: Path) -> Path:
    """The scale file that is called as the results folder is."""
    return Path("config") / f"{results.resolve().name}.yaml"
