"""The commands that make a study's numbers: rules run them, `largebatch plan` prints them.

Each is a call of the command line, quoted for a shell. Files lie where Snakemake looks for them. A rule has
its command among its params: a command that changes makes its job run again. The numbers of threads
and workers, which depend on the machine, go behind it.
"""

import json
import shlex
from collections.abc import Iterator

from largebatch.config.arrays import SOURCE, ArrayFile
from largebatch.config.experiment import Made, path_stem
from largebatch.config.overlap import overlaps
from largebatch.config.registration import Standing
from largebatch.config.settings import located
from largebatch.config.spec import Arm
from largebatch.config.study import Study


def data_file(study: Study, name: str) -> str:
    """The tensor file of a data set."""
    return f"results/{study.scale}/data/{name}.safetensors"


def run_folder(study: Study, arm: Arm) -> str:
    """The folder of a run."""
    return f"results/{study.scale}/runs/{arm.id}"


def beside(study: Study, place: str) -> list[str]:
    """Where the scale that a study extends has the same, to be kept from there."""
    if study.extends in (None, study.scale):
        return []
    return ["--beside", f"results/{study.extends}/{place}"]


def data(study: Study, name: str) -> str:
    """Prepare a data set."""
    folder = SOURCE.dump_json(study.own_data.get(name)).decode()
    out = data_file(study, name)
    return line("data", "--name", name, "--sources", study.sources, "--folder", folder, "--out", out)


def data_inputs(study: Study, name: str) -> list[str]:
    """The files of arrays behind a data set; those that are not there are missed when it is tried."""
    own = study.own_data.get(name)
    files = own.files(located(study.sources)) if isinstance(own, ArrayFile) else []
    return [str(file) for file in files]


def train(study: Study, arm: Arm) -> str:
    """Train an arm, given by its chosen settings: a new setting with a default retrains nothing."""
    settings = ("--settings", json.dumps(arm.chosen()), "--seeds", seeds_of(study, arm.id))
    where = ("--data", data_file(study, arm.data.name), "--out", run_folder(study, arm))
    follow = (f"--follow={part}" for part in study.followed[arm.id])
    return line("train", *settings, *where, *follow, *beside(study, f"runs/{arm.id}"))


def measure(study: Study, measure: str, arm: Arm) -> str:
    """Measure the weights of a run."""
    options, run = study.measures[measure, arm.id].model_dump_json(), run_folder(study, arm)
    where = ("--run", run, "--data", data_file(study, arm.data.name), "--out", f"{run}/{measure}.parquet")
    others = beside(study, f"runs/{arm.id}/{measure}.parquet")
    some = some_seeds(study, (measure, arm.id), arm)
    return line("measure", "--measure", measure, "--options", options, *where, *some, *others)


def path(study: Study, start: Arm, end: Arm) -> str:
    """Measure between the minima of two runs."""
    ends = ("--start", run_folder(study, start), "--end", run_folder(study, end))
    out = f"results/{study.scale}/paths/{path_stem(start, end)}.parquet"
    where = ("--data", data_file(study, start.data.name), "--out", out)
    options = study.measures["path", path_stem(start, end)].model_dump_json()
    others = beside(study, f"paths/{path_stem(start, end)}.parquet")
    some = some_seeds(study, path_stem(start, end), start, end)
    return line("path", "--options", options, *ends, *where, *some, *others)


def seeds_of(study: Study, made: Made) -> str:
    """The seeds of what is made, as a job is told."""
    return study.in_words(study.seeds_of_files[made])


def some_seeds(study: Study, made: Made, *runs: Arm) -> list[str]:
    """The seeds of what is measured of runs, if one of these has more."""
    seeds = seeds_of(study, made)
    return [] if {seeds_of(study, run.id) for run in runs} == {seeds} else ["--seeds", seeds]


def exhibit(study: Study, stem: str) -> str:
    """Make an exhibit, given by its chosen options, whose file is called `stem`."""
    name, options = study.exhibits[stem]
    settings = ("--options", json.dumps(options.chosen()), "--seeds", seeds_of(study, stem))
    out = f"results/{study.scale}/exhibits/{stem}.parquet"
    return line("exhibit", "--name", name, *settings, "--out", out)


def line(*words: str) -> str:
    """One call of the command line, quoted for a shell."""
    return shlex.join(["largebatch", *words])


def planned(study: Study) -> Iterator[str]:
    """Every data set, arm, measure, path and exhibit, each once, in an order that works."""
    arms = study.arms.values()
    yield from (data(study, name) for name in dict.fromkeys(arm.data.name for arm in arms))
    measured = {(name, arm.id): arm for e in study.experiments for name, arm in e.measured()}
    for arm in arms:
        several = f" --workers {arm.workers}" if arm.workers > 1 else ""
        yield f"{train(study, arm)} --threads {study.threads * arm.workers}{several}"
    for command in (
        *(measure(study, name, arm) for (name, _), arm in measured.items()),
        *(path(study, *ends) for ends in study.paths()),
        *(exhibit(study, stem) for stem in study.exhibits),
    ):
        yield f"{command} --threads {study.threads}"


def register(study: Study) -> str:
    """Write down what will be claimed; before everything else."""
    names = ",".join(e.name for e in study.experiments)
    return line("register", study.path.as_posix(), "--experiments", names)


def to_aggregate(study: Study, name: str) -> dict:
    """What the aggregate stage is asked of an experiment, with its last seed of files that have more."""
    e = study.experiment(name)
    asked = e.to_aggregate()
    files = {group: [member["run"] for member in of["members"]] for group, of in asked["groups"].items()}
    files |= {name: [stem] for kind in ("paths", "exhibits") for name, stem in asked[kind].items()}
    last = {
        name: study.last_seed(e.seeds_of(name))
        for name, made in files.items()
        if any(study.seeds_of_files[each] > e.seeds_of(name) for each in made)
    }
    return asked | ({"last_seeds": last} if last else {})


def to_judge(study: Study, name: str, standings: dict[str, Standing]) -> dict:
    """What the judge stage is asked of an experiment.

    With how its claims stand to what was registered, where their seeds share images, the papers whose
    questions it answers, and the last seeds of what claims read if they differ.
    """
    asked = study.experiment(name)
    papers = [paper.model_dump() for paper in study.papers if name.startswith(paper.experiment)]
    beside = {"registered": standings[name].texts, "overlap": overlaps(asked), "papers": papers}
    reads = {use.arm for claim in asked.question.claims for use in claim.all_uses()}
    last = {arm: study.last_seed(asked.seeds_of(arm)) for arm in sorted(reads)}
    return asked.to_judge() | beside | ({"last_seeds": last} if len({*last.values()}) > 1 else {})


def asks(study: Study, standings: dict[str, Standing]) -> dict[str, dict]:
    """What the jobs behind measuring are asked: name of its file below asks/, less its ending -> content."""
    asked = {"page": study.to_page()}
    for e in study.experiments:
        asked |= {f"aggregate/{e.name}": to_aggregate(study, e.name)}
        asked |= {f"judge/{e.name}": to_judge(study, e.name, standings)}
        asked |= {f"draw/{e.name}_{f.name}": study.to_draw(e.name, f.name) for f in e.question.figures}
        asked |= {f"tabulate/{e.name}_{t.name}": e.to_tabulate(t.name) for t in e.question.tables}
    return asked
