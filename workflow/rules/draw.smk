# Figures and tables, one job each.
FIGURE_KINDS = ("pdf", "png", "svg", "csv", "txt", "json")
TABLE_KINDS = ("csv", "md", "tex")


def figure_files(experiment):
    stems = [f"{RESULTS}/figures/{experiment.name}_{figure.name}" for figure in experiment.question.figures]
    return [f"{stem}.{kind}" for stem in stems for kind in FIGURE_KINDS]


def table_files(experiment):
    stems = [f"{RESULTS}/tables/{experiment.name}_{table.name}" for table in experiment.question.tables]
    return [f"{stem}.{kind}" for stem in stems for kind in TABLE_KINDS]


rule draw:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        multiext(f"{RESULTS}/figures/{{experiment}}_{{figure}}", *[f".{kind}" for kind in FIGURE_KINDS]),
    params:
        ask=lambda wildcards: json.dumps(STUDY.experiment(wildcards.experiment).to_draw(wildcards.figure)),
        stem=f"{RESULTS}/figures/{{experiment}}_{{figure}}",
        code=code_digest("draw"),
    log:
        f"{LOGS}/draw/{{experiment}}_{{figure}}.log",
    shell:
        "largebatch draw --ask {params.ask:q} --observations {input} --stem {params.stem} 2> {log}"


rule tabulate:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        multiext(f"{RESULTS}/tables/{{experiment}}_{{table}}", *[f".{kind}" for kind in TABLE_KINDS]),
    params:
        ask=lambda wildcards: json.dumps(STUDY.experiment(wildcards.experiment).to_tabulate(wildcards.table)),
        stem=f"{RESULTS}/tables/{{experiment}}_{{table}}",
        code=code_digest("tabulate"),
    log:
        f"{LOGS}/tabulate/{{experiment}}_{{table}}.log",
    shell:
        "largebatch tabulate --ask {params.ask:q} --observations {input} --stem {params.stem} 2> {log}"
