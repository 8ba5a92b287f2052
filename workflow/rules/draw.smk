# Figures, animations and tables, one job each.


rule draw:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        # Snakemake's own report shows only the png
        report(
            f"{RESULTS}/figures/{{experiment}}_{{figure}}.png",
            caption="../report/shown.rst",
            category="{experiment}",
            subcategory="Figures",
            labels={"figure": "{figure}"},
        ),
        multiext(
            f"{RESULTS}/figures/{{experiment}}_{{figure}}",
            *[f".{kind}" for kind in FIGURE_KINDS if kind != "png"],
        ),
    log:
        f"{LOGS}/draw/{{experiment}}_{{figure}}.log",
    benchmark:
        f"{LOGS}/benchmarks/draw/{{experiment}}_{{figure}}.tsv"
    priority: STUDY_FIRST
    params:
        ask=f"{ASKS}/draw/{{experiment}}_{{figure}}.json",
        asked=lambda wildcards: digest(STUDY.to_draw(wildcards.experiment, wildcards.figure)),
        caption=lambda wildcards: caption_of(STUDY.to_draw(wildcards.experiment, wildcards.figure)["figure"]),
        stem=f"{RESULTS}/figures/{{experiment}}_{{figure}}",
        code=code_digest("draw"),
    shell:
        "largebatch draw --ask {params.ask} --observations {input} --stem {params.stem} 2> {log}"


rule animate:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        f"{RESULTS}/figures/{{experiment}}_{{figure}}.gif",
    log:
        f"{LOGS}/animate/{{experiment}}_{{figure}}.log",
    benchmark:
        f"{LOGS}/benchmarks/animate/{{experiment}}_{{figure}}.tsv"
    priority: STUDY_FIRST
    params:
        ask=f"{ASKS}/draw/{{experiment}}_{{figure}}.json",
        asked=lambda wildcards: digest(STUDY.to_draw(wildcards.experiment, wildcards.figure)),
        code=code_digest("animate"),
    shell:
        "largebatch animate --ask {params.ask} --observations {input} --out {output} 2> {log}"


rule tabulate:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        report(
            f"{RESULTS}/tables/{{experiment}}_{{table}}.csv",
            caption="../report/shown.rst",
            category="{experiment}",
            subcategory="Tables",
            labels={"table": "{table}"},
        ),
        multiext(
            f"{RESULTS}/tables/{{experiment}}_{{table}}",
            *[f".{kind}" for kind in TABLE_KINDS if kind != "csv"],
        ),
    log:
        f"{LOGS}/tabulate/{{experiment}}_{{table}}.log",
    benchmark:
        f"{LOGS}/benchmarks/tabulate/{{experiment}}_{{table}}.tsv"
    priority: STUDY_FIRST
    params:
        ask=f"{ASKS}/tabulate/{{experiment}}_{{table}}.json",
        asked=lambda wildcards: digest(STUDY.experiment(wildcards.experiment).to_tabulate(wildcards.table)),
        caption=lambda wildcards: caption_of(
            STUDY.experiment(wildcards.experiment).to_tabulate(wildcards.table)["table"]
        ),
        stem=f"{RESULTS}/tables/{{experiment}}_{{table}}",
        code=code_digest("tabulate"),
    shell:
        "largebatch tabulate --ask {params.ask} --observations {input} --stem {params.stem} 2> {log}"


# Of all experiments together, from the ledger.
rule robustness:
    input:
        robustness=f"{RESULTS}/robustness.csv",
        changes=f"{RESULTS}/single_changes.csv",
    output:
        report(
            f"{RESULTS}/figures/robustness.png",
            caption="../report/robustness.rst",
            category="Verdicts",
            labels={"claims": "robustness"},
        ),
        [file for file in robustness_files() if not file.endswith(".png")],
    log:
        f"{LOGS}/draw/robustness.log",
    params:
        scale=STUDY.scale,
        stem=lambda wildcards, output: output[0].removesuffix(".png"),
        code=code_digest("robustness"),
    shell:
        "largebatch robustness --robustness {input.robustness} --scale {params.scale} --stem {params.stem} 2> {log}"
