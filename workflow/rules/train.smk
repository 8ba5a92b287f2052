# One job per arm: all its seeds together.


rule train:
    input:
        data_file,
    output:
        # left there when the job starts: it keeps the seeds that it can
        spec=update(f"{RESULTS}/runs/{{arm}}/spec.json"),
        weights=update(f"{RESULTS}/runs/{{arm}}/weights.safetensors"),
        snapshots=update(f"{RESULTS}/runs/{{arm}}/snapshots.safetensors"),
        history=update(f"{RESULTS}/runs/{{arm}}/history.parquet"),
        provenance=update(f"{RESULTS}/runs/{{arm}}/provenance.json"),
    log:
        f"{LOGS}/train/{{arm}}.log",
    benchmark:
        f"{LOGS}/benchmarks/train/{{arm}}.tsv"
    priority: lambda wildcards: PRIORITIES[wildcards.arm]
    group:
        group("arms")
    threads: lambda wildcards: STUDY.threads * ARMS[wildcards.arm].workers
    resources:
        gpu=lambda wildcards: ARMS[wildcards.arm].workers,  # of those that the profile counts
        runtime=minutes("runs/{arm}/provenance.json"),
        mem_mb=megabytes,
        # Neither is a limit, nor a param, whose change would make all jobs run again.
        jobs=JOBS,  # among which the memory is shared
        workers=lambda wildcards: ARMS[wildcards.arm].workers,
    params:
        command=lambda wildcards: commands.train(STUDY, ARMS[wildcards.arm]),
        code=lambda wildcards: code_digest("train", ARMS[wildcards.arm].parts),
    shell:
        "{params.command} --threads {threads} --jobs {resources.jobs} --workers {resources.workers} 2> {log}"
