# One job per arm and measure, and one per path between two arms.


rule measure:
    input:
        spec=f"{RESULTS}/runs/{{arm}}/spec.json",
        weights=f"{RESULTS}/runs/{{arm}}/weights.safetensors",
        snapshots=f"{RESULTS}/runs/{{arm}}/snapshots.safetensors",
        data=data_file,
    output:
        update(f"{RESULTS}/runs/{{arm}}/{{measure}}.parquet"),
    log:
        f"{LOGS}/measure/{{arm}}-{{measure}}.log",
    benchmark:
        f"{LOGS}/benchmarks/measure/{{arm}}-{{measure}}.tsv"
    priority: lambda wildcards: PRIORITIES[wildcards.measure, wildcards.arm]
    group:
        group("arms")
    threads: STUDY.threads
    resources:
        gpu=1,  # of those that the profile counts
        runtime=minutes("runs/{arm}/{measure}.parquet"),
        mem_mb=megabytes,
        jobs=JOBS,  # no limit: among which the memory is shared. A param would make all of them run again
    params:
        command=lambda wildcards: commands.measure(STUDY, wildcards.measure, ARMS[wildcards.arm]),
        code=lambda wildcards: code_digest(
            "measure", ARMS[wildcards.arm].parts | {class_of(wildcards.measure).module}
        ),
    shell:
        "{params.command} --threads {threads} --jobs {resources.jobs} 2> {log}"


rule path:
    input:
        start=f"{RESULTS}/runs/{{start}}/weights.safetensors",
        end=f"{RESULTS}/runs/{{end}}/weights.safetensors",
        snapshots=[f"{RESULTS}/runs/{{{end}}}/snapshots.safetensors" for end in ("start", "end")],
        data=lambda wildcards: commands.data_file(STUDY, ARMS[wildcards.start].data.name),
    output:
        update(f"{RESULTS}/paths/{{start}}_to_{{end}}.parquet"),
    log:
        f"{LOGS}/path/{{start}}_to_{{end}}.log",
    benchmark:
        f"{LOGS}/benchmarks/path/{{start}}_to_{{end}}.tsv"
    priority: lambda wildcards: PRIORITIES[f"{wildcards.start}_to_{wildcards.end}"]
    group:
        group("paths")
    threads: STUDY.threads
    resources:
        gpu=1,  # of those that the profile counts
        runtime=minutes("paths/{start}_to_{end}.parquet"),
        mem_mb=megabytes,
        jobs=JOBS,  # no limit: among which the memory is shared. A param would make all of them run again
    params:
        command=lambda wildcards: commands.path(STUDY, ARMS[wildcards.start], ARMS[wildcards.end]),
        code=lambda wildcards: code_digest("measure", ARMS[wildcards.start].parts | ARMS[wildcards.end].parts),
    shell:
        "{params.command} --threads {threads} --jobs {resources.jobs} 2> {log}"
