# One job an exhibit, which trains no arm: a small study of its own, all its arms and seeds together.


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
        command=lambda wildcards: commands.exhibit(STUDY, wildcards.exhibit),
        code=code_digest("exhibit"),
    shell:
        "{params.command} --threads {threads} 2> {log}"
