# One job an arm and measure.


rule measure:
    input:
        spec=f"{RESULTS}/runs/{{arm}}/spec.json",
        weights=f"{RESULTS}/runs/{{arm}}/weights.safetensors",
        data=data_file,
    output:
        f"{RESULTS}/runs/{{arm}}/{{measure}}.parquet",
    log:
        f"{LOGS}/measure/{{arm}}-{{measure}}.log",
    benchmark:
        f"{LOGS}/benchmarks/measure/{{arm}}-{{measure}}.tsv"
    threads: STUDY.threads
    params:
        options=lambda wildcards: getattr(STUDY.measures, wildcards.measure).model_dump_json(),
        code=code_digest("measure"),
    shell:
        "largebatch measure --measure {wildcards.measure} --options {params.options:q}"
        " --run $(dirname {input.spec}) --data {input.data} --out {output} --threads {threads} 2> {log}"
