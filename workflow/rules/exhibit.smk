# One job per exhibit, with all its arms and seeds. An exhibit is a small study that trains no arm.


rule exhibit:
    output:
        f"{RESULTS}/exhibits/{{exhibit}}.parquet",
    log:
        f"{LOGS}/exhibit/{{exhibit}}.log",
    benchmark:
        f"{LOGS}/benchmarks/exhibit/{{exhibit}}.tsv"
    priority: lambda wildcards: PRIORITIES[wildcards.exhibit]
    group:
        group("exhibits")
    threads: STUDY.threads
    resources:
        runtime=planning.EXHIBIT_MINUTES,
        mem_mb=planning.LEAST_MEGABYTES,
    params:
        command=lambda wildcards: commands.exhibit(STUDY, wildcards.exhibit),
        code=code_digest("exhibit", ENGINE_PARTS),
    shell:
        "{params.command} --threads {threads} 2> {log}"
