# One job per arm: all its seeds together.


rule train:
    input:
        data_file,
    output:
        spec=f"{RESULTS}/runs/{{arm}}/spec.json",
        weights=f"{RESULTS}/runs/{{arm}}/weights.safetensors",
        snapshots=f"{RESULTS}/runs/{{arm}}/snapshots.safetensors",
        history=f"{RESULTS}/runs/{{arm}}/history.parquet",
        provenance=f"{RESULTS}/runs/{{arm}}/provenance.json",
    log:
        f"{LOGS}/train/{{arm}}.log",
    benchmark:
        f"{LOGS}/benchmarks/train/{{arm}}.tsv"
    priority: lambda wildcards: PRIORITIES[wildcards.arm]
    group:
        group("arms")
    threads: STUDY.threads
    resources:
        gpu=1,  # of those that the profile counts
        runtime=minutes("runs/{arm}/provenance.json"),
        mem_mb=megabytes,
        jobs=JOBS,  # no limit: among which the memory is shared. A param would make all of them run again
    params:
        command=lambda wildcards: commands.train(STUDY, ARMS[wildcards.arm]),
        code=code_digest("train"),
    shell:
        "{params.command} --threads {threads} --jobs {resources.jobs} 2> {log}"
