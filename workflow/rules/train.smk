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
    threads: STUDY.threads
    resources:
        gpu=1,  # no limit, unless a total is given: --resources gpu=1
    params:
        # Chosen settings only: a new setting with a default retrains nothing.
        settings=lambda wildcards: json.dumps(ARMS[wildcards.arm].chosen()),
        seeds=STUDY.seeds,
        code=code_digest("train"),
    shell:
        "largebatch train --settings {params.settings:q} --seeds {params.seeds} --data {input}"
        " --out $(dirname {output.spec}) --threads {threads} 2> {log}"
