# One tensor file per data set, and a record of what it holds: checksum, classes, source.


rule data:
    output:
        tensors=f"{RESULTS}/data/{{name}}.safetensors",
        record=f"{RESULTS}/data/{{name}}.json",
    log:
        f"{LOGS}/data/{{name}}.log",
    params:
        sources=STUDY.sources,
        folder=folder_of,
        code=code_digest("data"),
    shell:
        "largebatch data --name {wildcards.name} --sources {params.sources:q} --folder {params.folder:q} --out {output.tensors} 2> {log}"
