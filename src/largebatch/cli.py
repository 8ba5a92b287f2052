"""The command line that rules call and that a person can call to debug one: read, call one function, write.

Rooms are imported by the command that needs them: a word about figures must not wait for torch.
"""

import argparse
import json
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from largebatch import forkserver as warm


def data(a: argparse.Namespace) -> None:
    from largebatch.config.images import Folder
    from largebatch.data.datasets import prepare

    folder = None if a.folder == "null" else Folder.model_validate_json(a.folder)
    prepare(a.name, a.sources, a.out, folder)


def train(a: argparse.Namespace) -> None:
    from largebatch import progress
    from largebatch.config.spec import Arm
    from largebatch.data import splits
    from largebatch.files import (
        recorded_checksum,
        write_arrays,
        write_json,
        write_observations,
        write_snapshots,
    )
    from largebatch.provenance import provenance
    from largebatch.training import device, train

    start = time.monotonic()
    arm, seeds = Arm.model_validate_json(a.settings), list(range(a.seeds))
    dataset = dataset_for(arm, a.data, a.threads, tf32=arm.precision == "tf32")
    absent = splits.absent(dataset, seeds, arm.data.train, arm.data.validation, arm.data.test)
    if absent:
        progress.say(f"{a.out.name}: {splits.absent_in_words(absent, seeds)}")
    trained = train.train(
        arm,
        seeds,
        dataset,
        a.out / "checkpoint.pt",
        progress.EpochLines(a.out.name),
    )
    seconds = time.monotonic() - start
    write_json(
        a.out / "spec.json", {"arm": arm.model_dump(mode="json"), "chosen": arm.chosen(), "seeds": seeds}
    )
    write_arrays(a.out / "weights.safetensors", trained.weights)
    write_snapshots(a.out / "snapshots.safetensors", trained.snapshots)
    write_observations(a.out / "history.parquet", trained.history)
    inputs = {a.data.name: recorded_checksum(a.data)}
    write_json(
        a.out / "provenance.json",
        provenance(
            "train",
            arm.chosen(),
            inputs,
            device=device.current(),
            seconds=seconds,
            peak_memory_mib=peak_mib(),
            absent_labels=absent,
        ),
    )
    progress.say(progress.arm_line(a.out, seconds))


def measure(a: argparse.Namespace) -> None:
    from largebatch.files import read_arrays, read_snapshots
    from largebatch.measures.measure import measure, measure_by_epoch

    start = time.monotonic()
    arm, seeds = trained_in(a.run)
    dataset, options = dataset_for(arm, a.data, a.threads), json.loads(a.options)
    base = a.measure.removesuffix("_by_epoch")
    if base != a.measure:
        snapshots = read_snapshots(a.run / "snapshots.safetensors")
        rows = measure_by_epoch(base, options, arm, snapshots, dataset)
    else:
        weights = read_arrays(a.run / "weights.safetensors")
        rows = measure(a.measure, options, arm, seeds, weights, dataset)
    write_measured(a, rows, {"measure": a.measure, **options}, start)


def path(a: argparse.Namespace) -> None:
    from largebatch.files import read_arrays, read_snapshots
    from largebatch.measures.measure import measure_path

    start, options = time.monotonic(), json.loads(a.options)
    (arm, seeds), (other, others) = ends = [trained_in(run) for run in (a.start, a.end)]
    if seeds != others:
        raise ValueError(f"path: wanted both runs with the same seeds; got {seeds} and {others}")
    weights = tuple(read_arrays(run / "weights.safetensors") for run in (a.start, a.end))
    snapshots = tuple(read_snapshots(run / "snapshots.safetensors") for run in (a.start, a.end))
    dataset = dataset_for(arm, a.data, a.threads)
    rows = measure_path((arm, other), seeds, weights, dataset, snapshots, **options)
    write_measured(a, rows, {"path": [end.id for end, _ in ends], **options}, start)


def exhibit(a: argparse.Namespace) -> None:
    from threadpoolctl import threadpool_limits

    from largebatch.config.exhibits import options_of
    from largebatch.files import write_exhibit
    from largebatch.primer.exhibits import rows_of
    from largebatch.provenance import provenance
    from largebatch.training import device

    start, options = time.monotonic(), options_of(a.name, a.options).model_dump()
    device.prepare(a.threads)
    with threadpool_limits(a.threads):  # NumPy's own
        rows = rows_of(a.name, list(range(a.seeds)), options)
    found = provenance(
        "exhibit",
        {"exhibit": a.name, **options},
        {},
        device=device.current(),
        seconds=time.monotonic() - start,
        peak_memory_mib=peak_mib(),
    )
    write_exhibit(a.out, rows, found)


def trained_in(run: Path):
    """The arm and the seeds of a finished run."""
    from largebatch.config.spec import Arm
    from largebatch.files import read_json

    spec = read_json(run / "spec.json")
    return Arm.model_validate(spec["arm"]), spec["seeds"]


def write_measured(a: argparse.Namespace, rows: list, settings: dict, start: float) -> None:
    """Write what a measure gave, with where it comes from."""
    from largebatch.files import recorded_checksum, write_observations
    from largebatch.provenance import provenance
    from largebatch.training import device

    inputs, seconds = {a.data.name: recorded_checksum(a.data)}, time.monotonic() - start
    found = provenance(
        "measure",
        settings,
        inputs,
        device=device.current(),
        seconds=seconds,
        peak_memory_mib=peak_mib(),
    )
    write_observations(a.out, rows, found)


def dataset_for(arm, path: Path, threads: int, tf32: bool = False):
    """The data set in the precision of the arm's weights on this job's device."""
    import torch

    from largebatch.data import splits
    from largebatch.training import device

    return splits.load(path, getattr(torch, arm.dtype), device.prepare(threads, tf32))


def peak_mib() -> float:
    """Largest resident memory of this process so far; the system counts in bytes on macOS, else in KiB."""
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20)


def aggregate(a: argparse.Namespace) -> None:
    from largebatch.observations.aggregate import aggregate

    aggregate(json.loads(a.ask), a.runs, a.observations, a.summary)


def take(a: argparse.Namespace) -> None:
    from largebatch.observations.aggregate import take

    take(a.published, a.observations, a.summary)


def judge(a: argparse.Namespace) -> None:
    from largebatch.judging.judge import judge

    judge(json.loads(a.ask), a.observations, a.judged)


def ledger(a: argparse.Namespace) -> None:
    from largebatch.judging.ledger import ledger

    ledger(a.judged, a.out)


def draw(a: argparse.Namespace) -> None:
    from largebatch.figures.draw import draw

    draw(json.loads(a.ask), a.observations, a.stem)


def animate(a: argparse.Namespace) -> None:
    from largebatch.figures.animate import animate

    animate(json.loads(a.ask), a.observations, a.out)


def tabulate(a: argparse.Namespace) -> None:
    from largebatch.figures.tabulate import tabulate

    tabulate(json.loads(a.ask), a.observations, a.stem)


def numbers(a: argparse.Namespace) -> None:
    from largebatch.report.numbers import numbers

    numbers(a.claims, a.scale, a.out)


def report(a: argparse.Namespace) -> None:
    from largebatch.report.report import report

    report(a.ask, a.claims, a.figures, a.tables, a.beside, a.out)


def page(a: argparse.Namespace) -> None:
    from largebatch.page.page import page

    page(json.loads(a.ask), a.observations, a.out)


def verdicts(a: argparse.Namespace) -> None:
    from largebatch.report.compare import verdicts

    print(verdicts(a.claims))


def answers(a: argparse.Namespace) -> None:
    from largebatch.report.answers import say

    print(say(a.results, a.papers))


def compare(a: argparse.Namespace) -> int:
    from largebatch.report.compare import compare

    text, same = compare(a.ours, a.theirs)
    print(text)
    return 0 if same else 2


def publish(a: argparse.Namespace) -> None:
    from largebatch.report.publish import publish

    publish(a.results, a.published, a.papers)


def cite(a: argparse.Namespace) -> None:
    from largebatch.report.cite import cite

    print(cite(a.name, a.results))


def show(a: argparse.Namespace) -> None:
    from largebatch.report.show import show

    print(show(a.name, scale_of(a), a.results))


def diff(a: argparse.Namespace) -> None:
    from largebatch.report.show import diff

    print(diff(a.a, a.b, scale_of(a), a.results))


def scale_of(a: argparse.Namespace) -> Path:
    """The scale file that was named, or the one that is called as the results folder is."""
    return a.scale or Path("config") / f"{a.results.resolve().name}.yaml"


def check(a: argparse.Namespace) -> None:
    from largebatch.config.study import load_study

    study = load_study(a.scale)
    print(
        f"{a.scale}: {len(study.experiments)} experiments, {len(study.arms)} arms, {study.seeds} seeds each"
    )


def plan(a: argparse.Namespace) -> None:
    from largebatch.config.commands import commands
    from largebatch.config.study import load_study

    print("\n".join(commands(load_study(a.scale, {"experiments": a.experiments} if a.experiments else None))))


def place(text: str) -> Path:
    """A path among the arguments; a rule quotes it, so that no shell replaces its ~."""
    from largebatch.config.settings import located

    try:
        return located(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


PATH, PATHS = {"type": place, "required": True}, {"type": place, "required": True, "nargs": "*"}
TEXT, COUNT = {"required": True}, {"type": int, "required": True}
HERE: dict = {"type": place}
RESULTS = {"type": place, "default": Path("results/published/digits"), "help": "the results folder"}
SCALE = {"type": place, "help": "the scale file of the results; by default config/<their folder's name>.yaml"}
PAPERS = {"type": place, "default": Path("config/report/papers.yaml")}

# command -> (function, what it does, room to be warm in or None, arguments)
COMMANDS: dict[str, tuple[Callable, str, str | None, dict[str, dict]]] = {
    "data": (
        data,
        "prepare a data set as one tensor file",
        "lab",
        {"--name": TEXT, "--sources": PATH, "--folder": {"default": "null"}, "--out": PATH},
    ),
    "train": (
        train,
        "train all seeds of one arm",
        "lab",
        {"--settings": TEXT, "--seeds": COUNT, "--data": PATH, "--out": PATH, "--threads": COUNT},
    ),
    "measure": (
        measure,
        "measure the weights of one run",
        "lab",
        {
            "--measure": TEXT,
            "--options": TEXT,
            "--run": PATH,
            "--data": PATH,
            "--out": PATH,
            "--threads": COUNT,
        },
    ),
    "path": (
        path,
        "measure between the minima of two runs",
        "lab",
        {
            "--options": TEXT,
            "--start": PATH,
            "--end": PATH,
            "--data": PATH,
            "--out": PATH,
            "--threads": COUNT,
        },
    ),
    "exhibit": (
        exhibit,
        "make one exhibit, which trains no arm",
        "lab",
        {
            "--name": TEXT,
            "--options": TEXT,
            "--seeds": COUNT,
            "--out": PATH,
            "--threads": {"type": int, "default": 1},
        },
    ),
    "aggregate": (
        aggregate,
        "gather the observations of one experiment",
        "study",
        {"--ask": TEXT, "--runs": PATH, "--observations": PATH, "--summary": PATH},
    ),
    "take": (
        take,
        "take an experiment's published observations for its own",
        "study",
        {"--published": PATH, "--observations": PATH, "--summary": PATH},
    ),
    "judge": (
        judge,
        "judge one experiment's claims, each alone",
        "study",
        {"--ask": TEXT, "--observations": PATH, "--judged": PATH},
    ),
    "ledger": (
        ledger,
        "correct the verdicts over all claims, into one file",
        "study",
        {"--judged": PATHS, "--out": PATH},
    ),
    "draw": (draw, "draw one figure", "study", {"--ask": TEXT, "--observations": PATH, "--stem": PATH}),
    "animate": (
        animate,
        "draw one figure as a GIF",
        "study",
        {"--ask": TEXT, "--observations": PATH, "--out": PATH},
    ),
    "tabulate": (
        tabulate,
        "write one table",
        "study",
        {"--ask": TEXT, "--observations": PATH, "--stem": PATH},
    ),
    "numbers": (
        numbers,
        "write every claim's numbers as LaTeX macros",
        "study",
        {"--claims": PATH, "--scale": TEXT, "--out": PATH},
    ),
    "report": (
        report,
        "write the one-page report",
        "study",
        {
            "--ask": PATH,
            "--claims": PATH,
            "--figures": PATHS,
            "--tables": PATHS,
            "--beside": PATHS,
            "--out": PATH,
        },
    ),
    "page": (
        page,
        "write the primer's interactive page",
        "study",
        {"--ask": TEXT, "--observations": HERE, "--out": PATH},
    ),
    "verdicts": (verdicts, "print a table of verdicts", None, {"claims": HERE}),
    "compare": (compare, "compare two results folders", None, {"ours": HERE, "theirs": HERE}),
    "show": (
        show,
        "show what stands behind a claim or an arm",
        None,
        {"name": {"help": "such as K1, adam.small or a run's id"}, "--results": RESULTS, "--scale": SCALE},
    ),
    "diff": (
        diff,
        "show what sets two runs apart: settings, and final numbers paired by seed",
        None,
        {"a": {}, "b": {}, "--results": RESULTS, "--scale": SCALE},
    ),
    "cite": (
        cite,
        "print how to cite a figure, a table or a claim, and where it is from",
        None,
        {"name": {"help": "such as keskar_batch_sweep or K1"}, "--results": RESULTS},
    ),
    "answers": (
        answers,
        "say what a run answers, paper by paper",
        None,
        {"results": HERE, "--papers": PAPERS},
    ),
    "publish": (
        publish,
        "make the committed snapshot of a run",
        None,
        {"results": HERE, "published": HERE, "--papers": PAPERS},
    ),
    "plan": (
        plan,
        "print the commands that train and measure, for a machine without Snakemake",
        None,
        {"scale": HERE, "--experiments": {"help": "names with commas between; all by default"}},
    ),
    "check": (check, "check a scale file and its experiments", None, {"scale": HERE}),
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="largebatch", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for name, (_, what, _, arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        for argument, options in arguments.items():
            command.add_argument(argument, **options)
    return top


def main(arguments: list[str]) -> int:
    """Run one command here; its exit code. What a person can mend is said in one line."""
    from largebatch.config.checking import ConfigError

    a = parser().parse_args(arguments)
    is_job = COMMANDS[a.command][2] is not None
    try:
        return COMMANDS[a.command][0](a) or 0
    except Exception as error:
        can_be_mended = isinstance(error, ConfigError | ValueError | OSError)
        line = f"largebatch {a.command}: {'' if can_be_mended else type(error).__name__ + ': '}{error}"
        print(line, file=sys.stderr)
        if is_job:
            # Standard error is the job's log; the person looks at the terminal.
            print(line, flush=True)
        if is_job or not can_be_mended:
            traceback.print_exc()
        return 1


def entry() -> int:
    """The console command: heavy work in a warm process where there is one."""
    warm.speak_utf_8()
    arguments = sys.argv[1:]
    room = COMMANDS[arguments[0]][2] if arguments and arguments[0] in COMMANDS else None
    return warm.run(room, arguments, main) if room else main(arguments)
