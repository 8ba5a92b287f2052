# One tensor file per data set, and a record of what it holds: checksum, classes, source.


rule data:
    input:
        lambda wildcards: commands.data_inputs(STUDY, wildcards.name),
    output:
        tensors=f"{RESULTS}/data/{{name}}.safetensors",
        record=f"{RESULTS}/data/{{name}}.json",
    log:
        f"{LOGS}/data/{{name}}.log",
    priority: lambda wildcards: PRIORITIES["data", wildcards.name]
    params:
        command=lambda wildcards: commands.data(STUDY, wildcards.name),
        code=lambda wildcards: code_digest("data", [wildcards.name]),
    shell:
        "{params.command} 2> {log}"
