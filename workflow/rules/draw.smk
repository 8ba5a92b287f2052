# Figures and tables, one job each.


rule draw:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        multiext(f"{RESULTS}/figures/{{experiment}}_{{figure}}", *[f".{kind}" for kind in FIGURE_KINDS]),
    log:
        f"{LOGS}/draw/{{experiment}}_{{figure}}.log",
    benchmark:
        f"{LOGS}/benchmarks/draw/{{experiment}}_{{figure}}.tsv"
    priority: STUDY_FIRST
    params:
        ask=lambda wildcards: json.dumps(STUDY.to_draw(wildcards.experiment, wildcards.figure)),
        stem=f"{RESULTS}/figures/{{experiment}}_{{figure}}",
        code=code_digest("draw"),
    shell:
        "largebatch draw --ask {params.ask:q} --observations {input} --stem {params.stem} 2> {log}"


rule tabulate:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        multiext(f"{RESULTS}/tables/{{experiment}}_{{table}}", *[f".{kind}" for kind in TABLE_KINDS]),
    log:
        f"{LOGS}/tabulate/{{experiment}}_{{table}}.log",
    benchmark:
        f"{LOGS}/benchmarks/tabulate/{{experiment}}_{{table}}.tsv"
    priority: STUDY_FIRST
    params:
        ask=lambda wildcards: json.dumps(STUDY.experiment(wildcards.experiment).to_tabulate(wildcards.table)),
        stem=f"{RESULTS}/tables/{{experiment}}_{{table}}",
        code=code_digest("tabulate"),
    shell:
        "largebatch tabulate --ask {params.ask:q} --observations {input} --stem {params.stem} 2> {log}"
