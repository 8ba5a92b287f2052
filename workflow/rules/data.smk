# One checksummed tensor file a data set.


rule data:
    output:
        f"{RESULTS}/data/{{name}}.safetensors",
    params:
        code=code_digest("data"),
    log:
        f"{LOGS}/data/{{name}}.log",
    shell:
        "largebatch data --name {wildcards.name} --out {output} 2> {log}"


def data_file(arm):
    return f"{RESULTS}/data/{arm.data.name}.safetensors"
