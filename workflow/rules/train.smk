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
    threads: lambda wildcards: STUDY.threads * ARMS[wildcards.arm].workers
    resources:
        gpu=lambda wildcards: ARMS[wildcards.arm].workers,  # no limit, unless a total is given: --resources gpu=1
        # Not among the params: another number retrains nothing.
        workers=lambda wildcards: ARMS[wildcards.arm].workers,
    params:
        command=lambda wildcards: commands.train(STUDY, ARMS[wildcards.arm]),
        code=code_digest("train"),
    shell:
        "{params.command} --threads {threads} --workers {resources.workers} 2> {log}"
