# File names for the rules. What else a rule needs to know, the study says.
import re
from hashlib import sha256

from largebatch.cli import leases
from largebatch.config import commands
from largebatch.config.experiment import path_stem
from largebatch.config.study import shown

# Jobs that are ready run before anything else of their experiment is trained. So results come early, and few jobs are
# ready at a time; the scheduler looks at every input of every ready job at each step.
PRIORITIES = costs.priorities(STUDY)
STUDY_FIRST = max(PRIORITIES.values(), default=0) + 1

# What jobs cost on the kind of device that LARGEBATCH_KIND names, by the file that each ends with.
KIND = os.environ.get("LARGEBATCH_KIND", "cpu")
if KIND not in costs.SPEEDS:
    sys.exit(f"LARGEBATCH_KIND: wanted one of {sorted(costs.SPEEDS)}; got {KIND!r}")
COSTS = costs.costs(STUDY, ARMS, KIND)
SHORT = planning.short(STUDY, COSTS)

FIGURE_KINDS = ("pdf", "png", "svg", "csv", "txt", "json")
TABLE_KINDS = ("csv", "md", "tex", "json")


def jobs_at_a_time():
    """How many jobs that train or measure share the memory of a GPU, or of the machine if it has none."""
    if leases.devices():
        return leases.jobs_per_gpu()
    limits = [(workflow.resource_settings.cores or 1) // STUDY.threads]
    gpus = workflow.global_resources.get("gpu")
    if gpus and gpus.value:  # a total of 0 limits nothing
        limits.append(gpus.value)
    return max(1, min(limits))


JOBS = jobs_at_a_time()


def called_as(settings):
    """The words on Snakemake's command line that this study is called by."""
    words = [word for path in settings.configfiles for word in ("--configfile", str(shown(path)))]
    given = [f"{key}={value}" for key, value in settings.config.items()]
    return [*words, *(["--config", *given] if given else [])]


def anew(asked):
    """Whether training or measuring is forced: then jobs, which see it in their environment, keep nothing."""
    named = {*asked.forcerun, *(asked.targets if asked.forcetargets else ())}
    made = any(name in ("train", "measure", "path") or re.search(r"/(runs|paths)/", name) for name in named)
    return asked.forceall or made


def data_file(wildcards):
    """The tensor file that an arm is trained on."""
    return commands.data_file(STUDY, ARMS[wildcards.arm].data.name)


def minutes(file):
    """The time that a cluster gives a job which ends with this file; more at each attempt."""
    return lambda wildcards, attempt: attempt * planning.minutes(COSTS[file.format(**wildcards)])


def megabytes(wildcards, attempt):
    """The memory that a cluster gives a job of an arm, or of a path to one; more at each attempt."""
    arm = wildcards.get("arm") or wildcards.end
    return attempt * planning.megabytes(ARMS[arm], STUDY, KIND)


def group(name):
    """The group of a job, where the profile says how many go together; a long arm and its measures have none."""

    def of(wildcards):
        is_long = hasattr(wildcards, "arm") and wildcards.arm not in SHORT
        return name if workflow.group_settings.group_components and not is_long else None

    return of


def digest(asked):
    """Of what a job is asked, which is too long for a command line: the job reads it from a file below asks/."""
    return sha256(json.dumps(asked).encode()).hexdigest()


def runs_of(wildcards):
    """The files that one experiment's observations are gathered from.

    Settings, histories and measures of its arms, paths between them, exhibits, and training times if something uses them.
    """
    experiment = STUDY.experiment(wildcards.experiment)
    runs = [
        f"{RESULTS}/runs/{arm.id}/{name}"
        for arm in experiment.arms
        for name in ("spec.json", "history.parquet")
    ]
    measured = [f"{RESULTS}/runs/{arm.id}/{measure}.parquet" for measure, arm in experiment.measured()]
    paths = [f"{RESULTS}/paths/{path_stem(*ends)}.parquet" for ends in experiment.paths()]
    exhibits = [f"{RESULTS}/exhibits/{stem}.parquet" for stem in experiment.exhibit_stems().values()]
    timed = experiment.arms if experiment.timed else []
    times = [f"{RESULTS}/runs/{arm.id}/provenance.json" for arm in timed]
    return runs + measured + paths + exhibits + times


def published_observations(wildcards):
    """The published observations of an experiment."""
    path = STUDY.experiment(wildcards.experiment).published
    if not path.is_file():
        sys.exit(
            f"{path}: wanted the published observations of {wildcards.experiment}; got none. Choose others with"
            " --config observations=published experiments=<names>, or leave observations=published out."
        )
    return path


def published_beside():
    """The published claims of other scales, which the page shows beside ours."""
    found = sorted(Path("results/published").glob("*/claims.csv"))
    return [path for path in found if path.parent.name != STUDY.scale]


def caption_of(shown):
    """The caption of a figure or table for Snakemake's own report, where some characters are markup."""
    return re.sub(r"([\\*`_|])", r"\\\1", " ".join(shown["caption"].split()))


def figure_files(experiment):
    stems = [f"{RESULTS}/figures/{experiment.name}_{figure.name}" for figure in experiment.question.figures]
    return [f"{stem}.{kind}" for stem in stems for kind in FIGURE_KINDS]


def animation_files(experiment):
    """The animations of figures that have one."""
    animated = [figure.name for figure in experiment.question.figures if getattr(figure, "animated", False)]
    return [f"{RESULTS}/figures/{experiment.name}_{name}.gif" for name in animated]


def table_files(experiment):
    stems = [f"{RESULTS}/tables/{experiment.name}_{table.name}" for table in experiment.question.tables]
    return [f"{stem}.{kind}" for stem in stems for kind in TABLE_KINDS]


def robustness_files():
    """The figure of how verdicts depend on choices."""
    return [f"{RESULTS}/figures/robustness.{kind}" for kind in FIGURE_KINDS]


def files_to_read(experiment):
    """All files of one experiment that people read."""
    return [
        f"{RESULTS}/{experiment.name}/judged.csv",
        *figure_files(experiment),
        *animation_files(experiment),
        *table_files(experiment),
    ]


def page_files():
    """The interactive page, if the study has the primer or a line between minima. It may show both, so `all` makes it."""
    shown = STUDY.line or any(e.name == "primer" for e in STUDY.experiments)
    return [f"{RESULTS}/primer.html"] if shown else []


def line_observations():
    """The observations from which the page draws the loss around two minima, if the study has them."""
    return [f"{RESULTS}/{STUDY.line[0]}/observations.parquet"] if STUDY.line else []
