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
    threads: STUDY.threads
    resources:
        gpu=1,  # no limit, unless a total is given: --resources gpu=1
    params:
        command=lambda wildcards: commands.train(STUDY, ARMS[wildcards.arm]),
        code=code_digest("train"),
    shell:
        "{params.command} --threads {threads} 2> {log}"
