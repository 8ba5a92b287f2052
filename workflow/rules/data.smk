# One checksummed tensor file a data set.


rule data:
    output:
        f"{RESULTS}/data/{{name}}.safetensors",
    log:
        f"{LOGS}/data/{{name}}.log",
    params:
        code=code_digest("data"),
    shell:
        "largebatch data --name {wildcards.name} --out {output} 2> {log}"
