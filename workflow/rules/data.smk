# One checksummed tensor file a data set.


rule data:
    output:
        f"{RESULTS}/data/{{name}}.safetensors",
    log:
        f"{LOGS}/data/{{name}}.log",
    params:
        sources=STUDY.sources,
        code=code_digest("data"),
    shell:
        "largebatch data --name {wildcards.name} --sources {params.sources:q} --out {output} 2> {log}"
