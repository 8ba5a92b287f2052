# Entry: reads the configuration, includes the stages, lists the targets.
import json
import sys
from pathlib import Path

from largebatch import progress
from largebatch.files import write_text
from largebatch.config.study import ConfigError, called_study
from largebatch.provenance import code_digest
from largebatch.config.question import MEASURES
from largebatch.forkserver import speak_utf_8

# Snakemake prints names of files, which a terminal may lack letters for.
speak_utf_8()

try:
    STUDY = called_study(workflow.config_settings.configfiles, workflow.config_settings.config)
except ConfigError as error:
    sys.exit(f"{error}")

RESULTS = f"results/{STUDY.scale}"
# What jobs are asked, written when a run starts: a rule that runs Python would start Snakemake once more.
ASKS = f"{RESULTS}/asks"
LOGS = f"logs/{STUDY.scale}"
ARMS = STUDY.arms


wildcard_constraints:
    # the longest name first: one may begin like another
    experiment="|".join(sorted((e.name for e in STUDY.experiments), key=len, reverse=True)),
    arm="[^/]+",
    start="[^/_]+",
    end="[^/_]+",
    measure="|".join(MEASURES),
    exhibit="[^/]+",


# `snakemake --report report.zip`: Snakemake's own, beside the page that readers get.
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


onstart:
    # Because of a limit on jobs started a second, each step of the scheduler asks for another a second later, and each of
    # those for another: after some hundred jobs that takes a fifth of a core.
    workflow.scheduler.job_rate_limiter = None
    progress.hush_scheduler()
    for name, asked in (commands.asks(STUDY) | {"report": to_report(STUDY)}).items():
        write_text(Path(f"{ASKS}/{name}.json"), json.dumps(asked))
    progress.begin(
        Path(RESULTS),
        {
            job.wildcards.arm: ARMS[job.wildcards.arm]
            for job in workflow.dag.needrun_jobs()
            if job.rule.name == "train"
        },
    )


onerror:
    print(f"A job failed. Logs of jobs: {LOGS}/<stage>/; Snakemake's own: {log}")


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/numbers.tex",
        page_files(),
        # Snakemake makes no deleted file again that only stands between others, so all that people read is named.
        [file for experiment in STUDY.experiments for file in files_to_read(experiment)],


# `snakemake --cores all keskar` makes one experiment.
for experiment in STUDY.experiments:

    rule:
        name:
            experiment.name
        input:
            f"{RESULTS}/{experiment.name}/claims.csv",
            files_to_read(experiment),
