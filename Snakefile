# Entry: reads the configuration, includes the stages, lists the targets.
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from largebatch import interrupts

# Until there are jobs to interrupt, nothing needs to be said.
interrupts.once(SystemExit, interrupts.CODE)

from largebatch import progress
from largebatch.files import write_text
from largebatch.config import copied, costs, planning, registration, trials
from largebatch.config.exhibits import ENGINE_PARTS
from largebatch.config.measures import class_of
from largebatch.config.stages import code_digest
from largebatch.config.study import ConfigError, called_study
from largebatch.seals import CALLED
from largebatch.metrics import METRICS_OF
from largebatch.forkserver import speak_utf_8

if not os.access(".", os.W_OK):
    wanted = "wanted a folder that can be written to; got one that cannot. Choose another one"
    sys.exit(f"{Path.cwd()}: {wanted}: snakemake --directory <folder> ...")

# Snakemake prints file names, and a terminal may lack some of their letters.
speak_utf_8()

try:
    STUDY = called_study(workflow.config_settings.configfiles, workflow.config_settings.config)
    # How claims stand to what was registered before anything was observed.
    STANDINGS = registration.standings_of(STUDY)
    if workflow.is_main_process:
        for said in copied.prepare(STUDY, unfinished=any(Path(".snakemake/incomplete").glob("*"))):
            print(said, file=sys.stderr)
except ConfigError as error:
    sys.exit(f"{error}")

RESULTS = f"results/{STUDY.scale}"
# What jobs are asked, written when a run starts: a rule that runs Python would start Snakemake once more.
ASKS = f"{RESULTS}/asks"
LOGS = f"logs/{STUDY.scale}"
ARMS = STUDY.arms


wildcard_constraints:
    # the longest name first: a name may begin with another
    experiment="|".join(sorted((e.name for e in STUDY.experiments), key=len, reverse=True)),
    arm="[^/]+",
    start="[^/_]+",
    end="[^/_]+",
    measure="|".join(METRICS_OF),
    exhibit="[^/]+",


# `snakemake --report report.zip`: Snakemake's own report, beside the page for readers.
report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/exhibit.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/draw.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/page.smk"


STOPS = interrupts.Workflow(Path(RESULTS), ARMS, shlex.join(called_as(workflow.config_settings)))


# What a cluster is not asked for: downloads, and what takes seconds.
localrules:
    data,
    judge,
    ledger,
    ledger_of_one,
    draw,
    animate,
    tabulate,
    robustness,
    page,
    report,
    numbers,


onstart:
    # Snakemake limits how many jobs start per second. With that limit each step of the scheduler causes another one a
    # second later; after some hundred jobs they take a fifth of a core.
    workflow.scheduler.job_rate_limiter = None
    STOPS.listen()
    interrupts.clear_partial(Path(RESULTS))
    os.environ.update(LARGEBATCH_ANEW="1" if anew(workflow.dag_settings) else "")
    to_train = {job.wildcards.arm for job in workflow.dag.needrun_jobs() if job.rule.name == "train"}
    # First of all, before any job: nets of the user's are tried, then claims are registered, see registration.py.
    if tries := trials.trials(STUDY, to_train):
        write_text(Path(f"{ASKS}/trial.json"), json.dumps(tries))
        if subprocess.run(["largebatch", "trial", f"{ASKS}/trial.json"]).returncode:
            sys.exit(1)
    for said in registration.register(STANDINGS):
        print(said)
    for name, asked in (commands.asks(STUDY, STANDINGS) | {"report": TO_REPORT}).items():
        write_text(Path(f"{ASKS}/{name}.json"), json.dumps(asked))
    write_text(Path(RESULTS, CALLED), json.dumps(called_as(workflow.config_settings)))
    progress.begin(Path(RESULTS), costs.costs(STUDY, to_train, KIND))


onerror:
    if STOPS.stopped:
        interrupts.wait_for_jobs()
        sys.exit(interrupts.CODE)
    print(f"A job failed. Logs of jobs: {LOGS}/<stage>/; Snakemake's own: {log}")


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/numbers.tex",
        page_files(),
        robustness_files(),
        # Snakemake does not remake a deleted intermediate file, so all files that people read are targets.
        [file for experiment in STUDY.experiments for file in files_to_read(experiment)],


# `snakemake --cores all keskar` makes one experiment.
for experiment in STUDY.experiments:

    rule:
        name:
            experiment.name
        input:
            f"{RESULTS}/{experiment.name}/claims.csv",
            files_to_read(experiment),
