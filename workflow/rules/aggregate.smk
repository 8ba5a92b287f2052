# Observations of one experiment in one tidy table, and their summary.


def runs_of(wildcards):
    experiment = STUDY.experiment(wildcards.experiment)
    histories = [f"{RESULTS}/runs/{arm.id}/history.parquet" for arm in experiment.arms]
    measured = [f"{RESULTS}/runs/{arm.id}/{measure}.parquet" for measure, arm in experiment.measured()]
    return histories + measured


rule aggregate:
    input:
        runs_of,
    output:
        observations=f"{RESULTS}/{{experiment}}/observations.parquet",
        summary=f"{RESULTS}/{{experiment}}/summary.csv",
    params:
        ask=lambda wildcards: json.dumps(STUDY.experiment(wildcards.experiment).to_aggregate()),
        runs=f"{RESULTS}/runs",
        code=code_digest("aggregate"),
    log:
        f"{LOGS}/aggregate/{{experiment}}.log",
    shell:
        "largebatch aggregate --ask {params.ask:q} --runs {params.runs}"
        " --observations {output.observations} --summary {output.summary} 2> {log}"
