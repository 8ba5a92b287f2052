# One job per exhibit, with all its arms and seeds. An exhibit is a small study that trains no arm.


rule exhibit:
    output:
        f"{RESULTS}/exhibits/{{exhibit}}.parquet",
    log:
        f"{LOGS}/exhibit/{{exhibit}}.log",
    benchmark:
        f"{LOGS}/benchmarks/exhibit/{{exhibit}}.tsv"
    priority: MEASURE_FIRST
    threads: STUDY.threads
    params:
        name=lambda wildcards: STUDY.exhibits[wildcards.exhibit][0],
        # Chosen options only: a new option with a default reruns nothing.
        options=lambda wildcards: json.dumps(STUDY.exhibits[wildcards.exhibit][1].chosen()),
        seeds=STUDY.seeds,
        code=code_digest("exhibit"),
    shell:
        "largebatch exhibit --name {params.name} --options {params.options:q} --seeds {params.seeds}"
        " --out {output} --threads {threads} 2> {log}"
