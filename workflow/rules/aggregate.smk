# The observations of one experiment in one tidy table, and their summary.
if STUDY.observations == "published":

    localrules:
        take_published,

    # `--config observations=published`: judge and draw what was measured elsewhere.
    rule take_published:
        input:
            published_observations,
        output:
            observations=f"{RESULTS}/{{experiment}}/observations.parquet",
            summary=f"{RESULTS}/{{experiment}}/summary.csv",
            provenance=f"{RESULTS}/{{experiment}}/observations.json",
        log:
            f"{LOGS}/aggregate/{{experiment}}.log",
        priority: STUDY_FIRST
        params:
            code=code_digest("aggregate"),
        shell:
            "largebatch take --published {input}"
            " --observations {output.observations} --summary {output.summary} 2> {log}"

else:

    localrules:
        aggregate,

    rule aggregate:
        input:
            runs_of,
        output:
            observations=f"{RESULTS}/{{experiment}}/observations.parquet",
            summary=f"{RESULTS}/{{experiment}}/summary.csv",
            provenance=f"{RESULTS}/{{experiment}}/observations.json",
        log:
            f"{LOGS}/aggregate/{{experiment}}.log",
        benchmark:
            f"{LOGS}/benchmarks/aggregate/{{experiment}}.tsv"
        priority: STUDY_FIRST
        params:
            ask=f"{ASKS}/aggregate/{{experiment}}.json",
            asked=lambda wildcards: digest(commands.to_aggregate(STUDY, wildcards.experiment)),
            runs=f"{RESULTS}/runs",
            code=code_digest("aggregate"),
        shell:
            "largebatch aggregate --ask {params.ask} --runs {params.runs}"
            " --observations {output.observations} --summary {output.summary} 2> {log}"
